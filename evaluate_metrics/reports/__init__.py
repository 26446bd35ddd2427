"""Reports: from arrays and dicts of results to text, rows and files."""

from .alignment import comparison_report, notes, report, rows, table
from .maps import average_maps
from .merging import merged, result_files
from .over_participants import layer_means, over_participants
from .seeds import gains_by_seed, scores_by_seed
from .summary import markdown, summary_of, summary_report
from .tables import BASELINE, cell, markdown_table, star, text_table

__all__ = [
    "BASELINE",
    "average_maps",
    "cell",
    "comparison_report",
    "gains_by_seed",
    "layer_means",
    "markdown",
    "markdown_table",
    "merged",
    "notes",
    "over_participants",
    "report",
    "result_files",
    "rows",
    "scores_by_seed",
    "star",
    "summary_of",
    "summary_report",
    "table",
    "text_table",
]
