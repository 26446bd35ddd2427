"""The tidy table: a row for each value that was measured, whatever it is of and wherever it was."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from .files import write_csv
from .map_rows import map_rows
from .merging import WAYS, joined, read_rows
from .tables import CONTROLS

TEXT = (
    *("family", "model", "control", "participant", "region", "task", "layer", "feature", "metric"),
    *("unit", "normalisation", "settings_hash", "code_version"),
)
WHOLE = ("n_layers", "seed", "n_parameters", "n")
VERTICES = "vertices"  # column of maps, which have a value for each vertex
COLUMNS = (
    *("family", "model", "control", "participant", "region", "task", "layer", "n_layers"),
    *("feature", "metric", "seed", "fraction", "n_parameters", "value", "unit"),
    *("interval_low", "interval_high", "n", "p", "p_holm", "majority"),
    *("stride", "chunk", "normalisation", "settings_hash", "code_version", VERTICES),
)
KEY = (
    *("family", "model", "participant", "region", "task", "layer", "feature", "metric"),
    *("seed", "fraction"),
)
NAMES = ("results.parquet", "results.csv")
ALIGNMENT = "alignment.json"  # has maps beside it
OF_ITS_MAPS = ("participant", "pretrained", "seed", *WAYS)  # holds what its rows say of these


class Source(NamedTuple):
    """A file of results, and what holds for all of it.

    Parameters
    ----------
    path : Path
        As `result_files` finds it.
    facts : dict of {column: value}
        Columns of the tidy table that the file does not tell; what it tells goes before them. A
        participant counts where the file names none at all. Without "family" it is the name of the
        model that was started from.
    """

    path: Path
    facts: dict[str, Any] = {}


def tidy(sources: Iterable[Source]) -> list[dict[str, Any]]:
    """One table of all results, a row for a value, and for a map beside `alignment.json`.

    Parameters
    ----------
    sources : iterable of Source

    Returns
    -------
    list of dict
        Rows with the columns of `COLUMNS`, sorted by `KEY`; a layer is text: a number, "mean",
        "last" or "all". A "control" is a model that is one of `CONTROLS`.

    Raises
    ------
    ValueError
        As `read_rows` and `joined`, or facts have a name that is no column.
    """
    found = ((source.path, _rows(source)) for source in sources)
    return _sorted(joined(found, KEY, _of_no_participant))


def _of_no_participant(row):
    """Whether a row is of a model that several participants' jobs, or laboratories, measure."""
    return row["participant"] is None


def _rows(source):
    unknown = source.facts.keys() - set(COLUMNS)
    if unknown:
        raise ValueError(
            f"{source.path}: facts must be columns of the tidy table, got {', '.join(unknown)}; "
            f"there are {', '.join(COLUMNS)}"
        )
    found, facts = read_rows(Path(source.path)), dict(source.facts)
    if any(row["participant"] is not None for row in found):
        facts.pop("participant", None)  # a row without one is of a model that has none
    if found and Path(source.path).name == ALIGNMENT:  # of one participant, in one way
        ours = {name: found[0][name] for name in OF_ITS_MAPS}
        found += [
            dict.fromkeys(found[0]) | row | ours for row in map_rows(Path(source.path).parent)
        ]
    rows = []
    for row in found:
        told = {"metric": row["measure"]} | row | {"family": None}
        if row["model"] in CONTROLS:
            told["control"] = row["model"]
        told |= {name: value for name, value in facts.items() if told.get(name) is None}
        told["family"] = told["family"] or row["pretrained"]
        rows.append({name: _typed(name, told.get(name)) for name in COLUMNS})
    return rows


def _typed(name, value):
    if value is None or name == VERTICES:
        return value
    return str(value) if name in TEXT else int(value) if name in WHOLE else float(value)


def _sorted(rows):
    return sorted(rows, key=lambda row: [_place(row[name]) for name in KEY])


def _place(value):
    """Where a value of a column comes: none first, numbers in their order, layers too."""
    text = "" if value is None else str(value)
    number = float(text) if text.replace(".", "", 1).isdecimal() else float("inf")
    return (value is not None, number, text)


def write_tidy(rows: Iterable[dict[str, Any]], folder: str | Path) -> list[Path]:
    """Write a tidy table as Parquet and as CSV; rows in any order give the same bytes.

    What maps have at each vertex is in the Parquet file alone: a spreadsheet has no such cells.

    Parameters
    ----------
    rows : iterable of dict
        With the columns of `COLUMNS`.
    folder : path-like
        Is made if need be.

    Returns
    -------
    list of Path
        `results.parquet` and `results.csv`.
    """
    from pyarrow import Table, parquet

    folder, rows = Path(folder), _sorted(rows)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in NAMES]
    partial = [path.with_name(f".{path.name}.partial") for path in paths]
    parquet.write_table(Table.from_pylist(rows, _schema()), partial[0])
    columns = [name for name in COLUMNS if name != VERTICES]
    write_csv(partial[1], columns, ({name: row[name] for name in columns} for row in rows))
    for made, path in zip(partial, paths, strict=True):
        made.replace(path)
    return paths


def read_tidy(paths: Iterable[str | Path]) -> list[dict[str, Any]]:
    """Concatenate tidy tables, of one laboratory or several.

    Parameters
    ----------
    paths : iterable of path-like
        Parquet or CSV files of `write_tidy`; of a CSV file "vertices" are None.

    Returns
    -------
    list of dict
        Rows with the columns of `COLUMNS`, sorted by `KEY`.

    Raises
    ------
    ValueError
        A file lacks columns, or two hold different values of the same thing, as where participants
        of two laboratories have one name.
    """
    found = ((Path(path), _table(Path(path))) for path in paths)
    return _sorted(joined(found, KEY, _of_no_participant))


def _table(path):
    from pyarrow import csv, nulls, parquet

    schema = _schema()
    if path.suffix == ".csv":
        options = csv.ConvertOptions(
            column_types=dict(zip(schema.names, schema.types, strict=True)),
            null_values=[""],
            strings_can_be_null=True,
        )
        text = csv.ParseOptions(newlines_in_values=True)
        table = csv.read_csv(path, parse_options=text, convert_options=options)
        table = table.append_column(VERTICES, nulls(len(table), schema.field(VERTICES).type))
    else:
        table = parquet.read_table(path)
    lacking = [name for name in COLUMNS if name not in table.column_names]
    if lacking:
        raise ValueError(f"{path} is no tidy table: it lacks the columns {', '.join(lacking)}")
    return table.select(COLUMNS).to_pylist()


def _schema():
    """The types of the columns, with what tells `datasets.load_dataset` of them."""
    from datasets import Features, List, Value

    kinds = dict.fromkeys(TEXT, "string") | dict.fromkeys(WHOLE, "int64")
    of_values = {name: Value(kinds.get(name, "float64")) for name in COLUMNS}
    return Features(of_values | {VERTICES: List(Value("float32"))}).arrow_schema
