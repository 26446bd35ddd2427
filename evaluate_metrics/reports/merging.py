"""Files of results, of whatever was measured, brought into one table."""

import json
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from .alignment import rows

SWEEP = "sweep.json"
FILES = (
    *("alignment.json", "results.json", "compare.json"),
    *("probes.json", "asr.json", "preference.json", SWEEP),
)
SETTINGS = "settings.json"  # of a run, beside its results
# What a value is of: a row has a region or a task; "pretrained" is the model that was started from,
# and rows of a sweep have the share of the stories that were tuned on.
WHAT = ("model", "region", "task", "layer", "feature", "measure", "pretrained", "fraction")
NEEDED = (
    *("model", "participant", "layer", "feature", "measure", "value"),
    *("n", "unit", "interval_low", "interval_high"),
)
COLUMNS = (
    *(*NEEDED, "region", "task", "p", "p_holm", "stride", "normalisation", "majority"),
    *("pretrained", "fraction", "n_trs", "n_parameters", "chunk", "seed"),
)

# How alignment was measured: rows that differ here are not compared.
WAYS = {
    "stride": ("of representations", "every {:g} s", "--evaluation_stride"),
    "chunk": ("of representations", "in chunks of {:g} s", "--evaluation_chunk"),
    "normalisation": ("that is", "{}", "kind of --ceiling"),
}


def result_files(places: list[str]) -> list[Path]:
    """Files of results, those of folders being searched for.

    Parameters
    ----------
    places : list of str
        Files, and folders to search. In these, what the runs of a sweep left is passed over, being
        in its own file, and so are `results.json` of checkpoints, which tell how they were trained.

    Returns
    -------
    list of Path

    Raises
    ------
    FileNotFoundError
        There is no such file or folder, or none of `FILES` in a folder.
    """
    paths = []
    for place in map(Path, places):
        found = [place] if place.is_file() else _searched(place)
        if not found:
            wanted = f"none of {', '.join(FILES)} in it" if place.is_dir() else "no such file"
            raise FileNotFoundError(f"--results {place}: {wanted}")
        paths += found
    return list(dict.fromkeys(paths))


def _searched(folder):
    found = sorted(path for name in FILES for path in folder.rglob(name))
    swept = {path.parent for path in found if path.name == SWEEP}
    return [
        path
        for path in found
        if not swept & set(path.parent.parents)
        and not (path.name == "results.json" and path.with_name("config.json").exists())
    ]


def merged(paths: list[Path]) -> list[dict]:
    """One table of all results.

    Which model was started from and with which seed follows from the settings, in the file or in
    `settings.json` beside it.

    Parameters
    ----------
    paths : list of Path

    Returns
    -------
    list of dict
        Rows with all `COLUMNS`, None where a row has no such thing.

    Raises
    ------
    ValueError
        A file holds no results, two hold different values of the same thing, or alignment at
        different strides or normalised differently.
    """
    return joined(((path, read_rows(path)) for path in paths), ("participant", "seed", *WHAT))


def joined(
    found: Iterable[tuple[Path, list[dict]]],
    key: Sequence[str],
    again: Callable[[dict], bool] = lambda row: False,
) -> list[dict]:
    """Rows of several files, of which those of one key stand once.

    Parameters
    ----------
    found : iterable of (Path, list of dict)
        The rows of each file.
    key : sequence of str
        Columns that say what a value is of.
    again : callable
        Whether what a row is of may be measured more than once, with what chance does to it: then
        the value of the first file by name counts, and a warning tells both.

    Returns
    -------
    list of dict
        The same ones in whatever order the files come.

    Raises
    ------
    ValueError
        Two files hold different values of the same thing, or alignment at different strides or
        normalised differently.
    """
    table, origins = {}, {}
    ways: dict[str, dict] = {column: {} for column in WAYS}
    for path, rows_of_file in sorted(found, key=lambda one: str(one[0])):
        for row in rows_of_file:
            if row["region"] is not None:
                _check_ways(row, path, ways)
            what = tuple(row[name] for name in key)
            known, origin = table.setdefault(what, row), origins.setdefault(what, path)
            if not _same(known["value"], row["value"]):
                named = ", ".join(str(part) for part in what if part is not None)
                both = (
                    f"{origin} and {path} hold different values of {named}: {known['value']} and "
                    f"{row['value']}"
                )
                if not again(row):
                    raise ValueError(f"{both}; leave out one of the files")
                warnings.warn(f"{both}; the first is taken", stacklevel=2)
            elif known != row:  # by rounding, or in what does not say what the value is of
                table[what] = min(known, row, key=_fullest)
    return list(table.values())


def _fullest(row):
    """Sorts rows of one thing: first the one that says most, of equal ones always the same."""
    return sum(value is None for value in row.values()), repr(sorted(row.items()))


def _check_ways(row, path, ways):
    """Refuse alignment that is measured otherwise than that of an earlier file."""
    for column, (said, value, option) in WAYS.items():
        paths_by_value = ways[column]
        paths_by_value.setdefault(row[column], path)
        if len(paths_by_value) > 1:
            (one, its), (another, other) = paths_by_value.items()
            raise ValueError(
                f"{its} and {other} hold alignment {said} {value.format(one)} and "
                f"{value.format(another)}, which cannot be compared: measure with one {option}"
            )


def _same(a, b):
    """Whether values are equal but for rounding."""
    return a == b or (None not in (a, b) and math.isclose(a, b, rel_tol=1e-6))


def read_rows(path: Path) -> list[dict]:
    """Rows of a file of results, in one schema.

    Parameters
    ----------
    path : Path
        As `result_files` finds it.

    Returns
    -------
    list of dict
        With all `COLUMNS`, None where a row has no such thing.

    Raises
    ------
    ValueError
        It is no file of results, or lacks what these have.
    """

    def refused(constant):
        raise ValueError(f"a value is {constant}")

    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=refused)
    except ValueError as error:
        raise ValueError(f"{path} is no JSON of results: {error}") from error
    held = content if isinstance(content, dict) else {}
    if "rows" in held:
        found = held["rows"]
    elif "participants" in held or "alignment" in held:
        found = []
        for scores in held.get("participants", {"": held}).values():
            try:
                found += rows(scores)
            except KeyError as error:
                raise ValueError(f"{path} lacks {error}: measure again") from error
    else:
        raise ValueError(
            f"{path} holds no results: expected rows, participants or alignment, got "
            f"{', '.join(held) or type(content).__name__}"
        )
    for row in found:
        lacking = [name for name in NEEDED if name not in row]
        in_brain = row.get("region") is not None and row.get("task") is None
        lacking += [name for name in WAYS if in_brain and row.get(name) is None]
        if lacking or (row.get("region") is None) is (row.get("task") is None):
            wrong = f"lacks {', '.join(lacking)}" if lacking else "needs a region or else a task"
            raise ValueError(f"{path}: a row {wrong}: {row}")
    own = dict.fromkeys(COLUMNS) | _started(path, held)
    found = [own | row for row in found]
    for row in found:
        if row["pretrained"] is not None:  # wherever it lies, in a folder or on the Hub
            row["pretrained"] = Path(row["pretrained"]).name
    return found


def _started(path, held):
    """The model that a run started from, or compared with, and its seed, as far as is known."""
    settings = held.get("settings")
    if settings is None and (beside := path.with_name(SETTINGS)).is_file():
        settings = json.loads(beside.read_text(encoding="utf-8"))
    settings = settings if isinstance(settings, dict) else {}
    model = settings.get("pretrained") or settings.get("baseline")
    return {
        "pretrained": model if isinstance(model, str) else None,  # a sweep has several
        "seed": settings.get("seed"),
    }
