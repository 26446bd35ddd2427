"""How densely representations were taken, without which a value of alignment says nothing."""

USUAL = 0.1  # seconds


def every(stride: float) -> str:
    """What tables and captions say of the evaluation stride, in seconds.

    Examples
    --------
    >>> every(0.1)
    'representations every 0.1 s'
    """
    return f"representations every {stride:g} s"


def stride_note(stride: float) -> list[str]:
    """A warning of a stride above the usual one; none otherwise."""
    if stride <= USUAL:
        return []
    return [
        f"Warning: {every(stride)}, not {USUAL:g} s, make alignment come out lower, by a lot: "
        "compare it only with what was measured at the same --evaluation_stride."
    ]
