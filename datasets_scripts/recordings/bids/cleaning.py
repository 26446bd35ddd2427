"""Confounds and slow drifts that are taken out of responses."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...names import check_name
from ..annex import check_plain
from .entities import entities, fitting
from .scans import Scan

VOXELS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Cleaning:
    """What is taken out of a whole scan, in one regression, before its TRs are cut.

    Confounds and the cosines of drifts below `high_pass` are regressed out together
    (`nilearn.signal.clean` with filter "cosine"). Columns of confounds that begin without a value,
    as derivatives do, take the second row's in the first, as nilearn does it.

    Parameters
    ----------
    confounds : tuple of str
        Columns of the run's `*_desc-confounds_timeseries.tsv` or, from older fMRIPrep,
        `*_desc-confounds_regressors.tsv`.
    high_pass : float, optional
        In Hz.

    Raises
    ------
    ValueError
        A frequency that is not positive.
    """

    confounds: tuple[str, ...] = ()
    high_pass: float | None = None

    def __post_init__(self) -> None:
        if self.high_pass is not None and not 0 < self.high_pass < math.inf:
            raise ValueError(f"high_pass must be a positive frequency in Hz, got {self.high_pass}")

    def __bool__(self) -> bool:
        return bool(self.confounds) or self.high_pass is not None

    def file(self, scan: Scan) -> Path | None:
        """The table of a scan's confounds; None where none are wanted.

        Raises
        ------
        FileNotFoundError
            There is none.
        """
        if not self.confounds:
            return None
        run = scan.path.with_name(f"{scan.path.name.split('.')[0]}_desc-confounds.tsv")
        tables = [
            path
            for ending in ("timeseries", "regressors")
            for path in fitting(run, scan.path.parent.glob(f"*_desc-confounds_{ending}.tsv"))
            if entities(path).get("desc") == "confounds"
        ]
        if not tables:
            raise FileNotFoundError(
                f"{scan.path}: no *_desc-confounds_timeseries.tsv for this run beside it"
            )
        return tables[0]

    def columns(self, scan: Scan) -> np.ndarray | None:
        """A scan's confounds, (n_trs, n_confounds); None where none are wanted.

        Raises
        ------
        FileNotFoundError
            There is no table.
        ValueError
            A column that it does not have, a value that is none, other rows than TRs.
        """
        path = self.file(scan)
        if path is None:
            return None
        check_plain(path)
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        table = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        for name in self.confounds:
            check_name(f"confound in {path}", name, table.fieldnames or ())
        rows = list(table)
        if len(rows) != scan.n_trs:
            raise ValueError(f"{path}: {len(rows)} rows, but {scan.path} has {scan.n_trs} TRs")
        values = np.array([[_number(row[name]) for name in self.confounds] for row in rows])
        values[0] = np.where(np.isnan(values[0]), values[1], values[0])
        for row, column in np.argwhere(~np.isfinite(values)):
            name = self.confounds[column]
            raise ValueError(
                f"{path}: {name} must be a number in every row but the first, got "
                f"{rows[row][name]!r} in row {row + 1}"
            )
        return values

    def clean(self, responses: np.ndarray, scan: Scan, tr: float) -> np.ndarray:
        """Responses without confounds and drifts.

        Parameters
        ----------
        responses : float32 array of shape (n_trs, n_voxels)
            Of a whole scan.
        scan : Scan
        tr : float
            Seconds.

        Returns
        -------
        float32 array of shape (n_trs, n_voxels)
            NaN in voxels that are not finite somewhere in the scan, and in those of which no more
            is left than the rounding of their values.

        Raises
        ------
        ValueError
            As `columns`; so much is taken out that nothing can be left.
        """
        from nilearn.signal import clean  # takes seconds, and only this needs it

        columns = self.columns(scan)
        n_columns = 0 if columns is None else columns.shape[1]
        n_cosines = math.floor(2 * len(responses) * tr * (self.high_pass or 0))
        if n_columns + n_cosines + 1 >= len(responses):
            raise ValueError(
                f"{scan.path}: {n_columns} confounds and {n_cosines} cosines below high_pass leave "
                f"nothing of {len(responses)} TRs"
            )
        cleaned = np.full(responses.shape, np.nan, dtype=np.float32)
        for start in range(0, responses.shape[1], VOXELS_AT_ONCE):
            voxels = slice(start, start + VOXELS_AT_ONCE)
            values = responses[:, voxels]
            finite = np.isfinite(values).all(axis=0)
            values = values[:, finite]
            rounding = np.spacing(np.abs(values).max(axis=0))
            values = values.astype(np.float64)
            values -= values.mean(axis=0)
            left = clean(
                values,
                detrend=False,
                standardize=None,
                confounds=columns,
                filter="cosine" if self.high_pass else False,
                high_pass=self.high_pass,
                t_r=tr,
            )
            left[:, left.std(axis=0) <= rounding] = np.nan
            cleaned[:, voxels][:, finite] = left
        return cleaned


def _number(text):
    try:
        return float(text)
    except (TypeError, ValueError):  # "n/a", or a row cut short
        return math.nan
