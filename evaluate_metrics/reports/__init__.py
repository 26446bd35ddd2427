"""Reports: from arrays and dicts of results to text, rows and files."""

from ..normalisation import ACROSS_LISTENERS, NORMALISED, NOT_NORMALISED
from .alignment import comparison_report, means_table, notes, report, rows, table, title_of
from .files import file_name
from .losses import still_falling
from .maps import average_maps, write_places
from .merging import merged, result_files
from .over_participants import layer_means, over_participants
from .seeds import over_seeds
from .summary import markdown, summary_of, summary_report
from .tables import BASELINE, cell, markdown_table, star, text_table
from .tidy import Source, read_tidy, tidy, write_tidy

__all__ = [
    "ACROSS_LISTENERS",
    "BASELINE",
    "NORMALISED",
    "NOT_NORMALISED",
    "Source",
    "average_maps",
    "cell",
    "comparison_report",
    "file_name",
    "layer_means",
    "markdown",
    "markdown_table",
    "means_table",
    "merged",
    "notes",
    "over_participants",
    "read_tidy",
    "report",
    "result_files",
    "rows",
    "over_seeds",
    "star",
    "still_falling",
    "summary_of",
    "summary_report",
    "table",
    "text_table",
    "tidy",
    "title_of",
    "write_places",
    "write_tidy",
]
