"""One self-contained HTML page of a study: figures, tables, and what agrees with expectations."""

from .agreement import Claim, Published, agreement, claim, claims, claims_by_figure
from .cautions import cautions
from .document import PageFigure, Study, page
from .planted import PLANTED
from .published import PUBLISHED

__all__ = [
    "PLANTED",
    "PUBLISHED",
    "Claim",
    "PageFigure",
    "Published",
    "Study",
    "agreement",
    "cautions",
    "claim",
    "claims",
    "claims_by_figure",
    "page",
]
