"""The figures of Moussa et al. 2025 by their numbers, and of the layer-stage paper ("stages").

Each is drawn from the tidy table and nothing else; maps from voxel arrays that `align.py` left.
"""

from functools import partial

from .drawn import Drawn, Missing, PaperFigure
from .measured import MAIN
from .regions import ALIGNMENT, IMPACT, region_bars

_BOTH = "of a pretrained and a brain-tuned model of one family"
_CONTROLS = f"{_BOTH} and of controls"
_LANGUAGE, _AUDITORY = "language regions", "auditory regions"

_ALL = (
    PaperFigure(
        number="2a",
        title="Brain alignment in language regions",
        needs=(f"alignment in {_LANGUAGE} {_BOTH}",),
        panels=partial(region_bars, metric=ALIGNMENT, within="language", models=MAIN),
    ),
    PaperFigure(
        number="2b",
        title="Brain alignment in auditory regions",
        needs=(f"alignment in {_AUDITORY} {_BOTH}",),
        panels=partial(region_bars, metric=ALIGNMENT, within="auditory", models=MAIN),
    ),
    PaperFigure(
        number="3a",
        title="Low-level impact in language regions",
        needs=(f"low-level impact in {_LANGUAGE} {_BOTH}",),
        panels=partial(region_bars, metric=IMPACT, within="language", models=MAIN),
    ),
    PaperFigure(
        number="3b",
        title="Low-level impact in auditory regions",
        needs=(f"low-level impact in {_AUDITORY} {_BOTH}",),
        panels=partial(region_bars, metric=IMPACT, within="auditory", models=MAIN),
    ),
    PaperFigure(
        number="6",
        title="Brain alignment beside all controls",
        needs=(f"alignment {_CONTROLS}",),
        panels=partial(region_bars, metric=ALIGNMENT),
    ),
    PaperFigure(
        number="7",
        title="Low-level impact beside all controls",
        needs=(f"low-level impact {_CONTROLS}",),
        panels=partial(region_bars, metric=IMPACT),
    ),
)
FIGURES = {figure.number: figure for figure in _ALL}

__all__ = ["FIGURES", "Drawn", "Missing", "PaperFigure"]
