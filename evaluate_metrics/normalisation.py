"""What brain alignment was divided by, without which a value of it says nothing."""

NORMALISED = "normalised"
ACROSS_LISTENERS = "normalised across listeners"
NOT_NORMALISED = "not normalised"

DIVISION = {  # of a voxel's score
    NORMALISED: "correlation / noise ceiling",
    ACROSS_LISTENERS: "correlation / correlation with the other listeners",
    NOT_NORMALISED: "correlation",
}


def alignment_name(normalisation: str = NORMALISED) -> str:
    """What tables and captions call alignment.

    Parameters
    ----------
    normalisation : str
        NORMALISED, by noise ceilings; ACROSS_LISTENERS or NOT_NORMALISED.

    Examples
    --------
    >>> alignment_name(), alignment_name("not normalised")
    ('normalised brain alignment', 'brain alignment, not normalised')
    """
    if normalisation == NORMALISED:
        return f"{normalisation} brain alignment"
    return f"brain alignment, {normalisation}"


def alignment_label(normalisation: str = NORMALISED) -> str:
    """What an axis of alignment is called, with the arithmetic on a second line."""
    return f"{alignment_name(normalisation)}\n({DIVISION[normalisation]})"
