"""Names that people type (participants, stories, regions), checked against those that exist."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like the one that was typed.

    Parameters
    ----------
    name : str
    known : iterable of str

    Returns
    -------
    str, or None where none is like it

    Examples
    --------
    >>> nearest("langauge", ["auditory", "language"])
    'language'
    """
    return next(iter(get_close_matches(str(name), list(known), n=1)), None)


def check_name(kind: str, name: str, known: Iterable[str]) -> None:
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
        near = nearest(name, known)
        suggestion = f" Did you mean {near!r}?" if near else ""
        available = ", ".join(known) or "none"
        raise ValueError(f"unknown {kind}: got {name!r}.{suggestion} Available: {available}")


def checked_stories(
    whose: str, stories: Iterable[str] | None, available: Iterable[str]
) -> list[str]:
    """The stories that are asked for, each of which must be there.

    Parameters
    ----------
    whose : str
        Whose stories they are, as the message says it ("UTS03 in data/ds003020").
    stories : list of str or None
        Names in the order wanted; None for all, sorted.
    available : iterable of str

    Returns
    -------
    list of str

    Raises
    ------
    TypeError
        `stories` is one name, not a list.
    ValueError
        A name with path separators, an unknown story, or one named twice.
    """
    if isinstance(stories, str):
        raise TypeError(f"stories must be a list of names, got {stories!r}; use [{stories!r}]")
    names = sorted(available) if stories is None else list(stories)
    for name in names:
        if "/" in name or "\\" in name or ".." in name:
            raise ValueError(f"a story name holds no path separators and no '..', got {name!r}")
        check_name(f"story of {whose}", name, available)
    if len(set(names)) < len(names):
        raise ValueError(f"each story can be read once, got {names}")
    return names
