"""What a reader must know before believing a figure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..summary_lines import FEWEST


def cautions(
    rows: Iterable[Mapping[str, Any]],
    circular: Sequence[str] = (),
    missing: Mapping[str, Sequence[str]] | None = None,
) -> list[str]:
    """Warn of few participants, circular noise ceilings and missing collections.

    Parameters
    ----------
    rows : iterable of dict
        The tidy table.
    circular : list of str
        Participants whose voxels were selected by noise ceilings of the very repeats that are
        scored.
    missing : dict of {collection: list of str}
        Collections of clips that were not given, with the numbers of figures that need them.

    Returns
    -------
    list of str
        Sentences.

    Examples
    --------
    >>> cautions([], missing={"timit": ["4", "9"]})
    ['Collection timit is missing: figures 4 and 9 lack what is measured on it.']
    """
    heard: dict[str, set] = {}
    for row in rows:
        if row["region"] is not None and row["participant"] is not None:
            heard.setdefault(row["family"], set()).add(row["participant"])
    said = []
    if few := {family: len(who) for family, who in heard.items() if len(who) < FEWEST}:
        counts = _listed([f"{n} of {family}" for family, n in few.items()])
        said.append(
            f"Few participants: {counts}. A Wilcoxon test over participants cannot give p < .05 "
            f"with fewer than {FEWEST}, and intervals over participants are wide."
        )
    if circular:
        said.append(
            f"Circular noise ceilings: the voxels of {_listed(circular)} were selected by the "
            "repeats that are scored, which raises alignment of all models alike."
        )
    for collection, figures in (missing or {}).items():
        which = f"figure{'s' * (len(figures) > 1)} {_listed(figures)}"
        lack = "lacks" if len(figures) == 1 else "lack"
        said.append(f"Collection {collection} is missing: {which} {lack} what is measured on it.")
    return said


def _listed(names):
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
