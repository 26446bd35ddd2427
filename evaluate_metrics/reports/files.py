"""Files of reports: numbers as JSON and as CSV."""

import csv
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def file_name(name: str) -> str:
    """A name as part of the name of a file: letters, digits and . _ - only, and no dot first.

    Parameters
    ----------
    name : str
        Of a participant or model, which others may have chosen.

    Examples
    --------
    >>> file_name("sub-01"), file_name("../../etc/passwd")
    ('sub-01', '_.._etc_passwd')
    """
    return re.sub(r"[^\w.-]+", "_", name).lstrip(".") or "_"


def write_json(path: Path, content: Any) -> None:
    """Write results as JSON, arrays as lists.

    Parameters
    ----------
    path : Path
    content : dict or list
        Of what JSON holds, and of arrays.
    """
    text = json.dumps(content, indent=1, default=np.ndarray.tolist)
    path.write_text(text, encoding="utf-8")


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as CSV below the names of their columns.

    Parameters
    ----------
    path : Path
    columns : iterable of str
    rows : iterable of dict {column: value}
        None is left blank, and so is a column that a row lacks.

    Raises
    ------
    ValueError
        If a row has a column of another name.
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows(rows)
