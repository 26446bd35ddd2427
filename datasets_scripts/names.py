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


def checked_stories(whose, stories, available):
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
    stories = sorted(available) if stories is None else list(stories)
    for story in stories:
        if "/" in story or "\\" in story or ".." in story:
            raise ValueError(f"a story name holds no path separators and no '..', got {story!r}")
        check_name(f"story of {whose}", story, available)
    if len(set(stories)) < len(stories):
        raise ValueError(f"each story can be read once, got {stories}")
    return stories
