"""How densely representations were taken, without which a value of alignment says nothing."""

USUAL = 0.1  # seconds


def every(stride: float, chunk: float = 0.0) -> str:
    """What tables and captions say of the evaluation stride and chunk, in seconds.

    Examples
    --------
    >>> every(0.1)
    'representations every 0.1 s'
    >>> every(0.1, 1.0)
    'representations every 0.1 s in chunks of 1 s'
    """
    return f"representations every {stride:g} s" + f" in chunks of {chunk:g} s" * (chunk > stride)


def stride_note(stride: float, chunk: float = 0.0) -> list[str]:
    """Warnings of a stride above the usual one, and of chunks; none otherwise."""
    said = []
    if stride > USUAL:
        said.append(
            f"Warning: {every(stride)}, not {USUAL:g} s, make alignment come out lower, by a lot: "
            "compare it only with what was measured at the same --evaluation_stride."
        )
    if chunk > stride:
        said.append(
            f"Warning: {every(stride, chunk)} hear up to {chunk - stride:.2g} s of what comes "
            "after them, which a tuned model can use: compare alignment only with what was "
            "measured at the same --evaluation_chunk."
        )
    return said
