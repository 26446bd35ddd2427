"""Names that people give, checked against those that there are."""

from collections.abc import Iterable
from difflib import get_close_matches


def check_name(kind: str, name: str, known: Iterable[str]) -> None:
    """Refuse a name that is not known, suggesting the nearest one.

    Parameters
    ----------
    kind : str
        What the name stands for, as the message calls it ("metric").
    name : str
    known : iterable of str

    Raises
    ------
    ValueError
        If `name` is not in `known`; the message lists those that are.
    """
    known = sorted(known)
    if name not in known:
        near = get_close_matches(str(name), known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        there = ", ".join(known) or "none"
        raise ValueError(f"unknown {kind}: got {name!r}.{hint} Available: {there}")
