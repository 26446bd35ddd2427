"""Names that people type (participants, stories, regions), checked against those that exist."""

from difflib import get_close_matches


def check_name(kind, name, known):
    """Refuse a name that is not known, suggesting the nearest one.

    Parameters
    ----------
    kind : str
        What the name stands for, as the message calls it ("region").
    name : str
    known : iterable of str

    Raises
    ------
    ValueError
        `name` is not in `known`; the message lists those that are.
    """
    known = sorted(known)
    if name not in known:
        nearest = get_close_matches(str(name), known, n=1)
        suggestion = f" Did you mean {nearest[0]!r}?" if nearest else ""
        available = ", ".join(known) or "none"
        raise ValueError(f"unknown {kind}: got {name!r}.{suggestion} Available: {available}")
