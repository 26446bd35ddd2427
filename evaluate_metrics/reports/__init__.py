"""Reports: from arrays and dicts of results to text, rows and files."""

from .tables import cell, markdown_table, star, text_table

__all__ = ["cell", "markdown_table", "star", "text_table"]
