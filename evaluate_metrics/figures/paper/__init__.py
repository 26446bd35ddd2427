"""The figures of Moussa et al. 2025 by their numbers, and of the layer-stage paper ("stages").

Each is drawn from the tidy table and nothing else.
"""

from functools import partial

from .drawn import Drawn, Missing, PaperFigure
from .layers import larger, preference, stages
from .maps import average_map, participants_maps
from .measured import MAIN
from .regions import ALIGNMENT, IMPACT, region_bars
from .scaling import scaling
from .tasks import task_layers, task_means

_ALL = (
    PaperFigure(
        number="2a",
        title="Brain alignment in language regions",
        panels=partial(region_bars, metric=ALIGNMENT, within="language", models=MAIN),
    ),
    PaperFigure(
        number="2b",
        title="Brain alignment in auditory regions",
        panels=partial(region_bars, metric=ALIGNMENT, within="auditory", models=MAIN),
    ),
    PaperFigure(
        number="2c",
        title="Change of brain alignment on the cortex",
        panels=partial(average_map, quantity="alignment-change"),
    ),
    PaperFigure(
        number="3a",
        title="Low-level impact in language regions",
        panels=partial(region_bars, metric=IMPACT, within="language", models=MAIN),
    ),
    PaperFigure(
        number="3b",
        title="Low-level impact in auditory regions",
        panels=partial(region_bars, metric=IMPACT, within="auditory", models=MAIN),
    ),
    PaperFigure(
        number="3c",
        title="Change of low-level impact on the cortex",
        panels=partial(average_map, quantity="impact-change"),
    ),
    PaperFigure(
        number="4",
        title="Downstream tasks",
        panels=partial(task_means, models=MAIN),
    ),
    PaperFigure(
        number="5",
        title="A tuned model against a larger one",
        panels=larger,
    ),
    PaperFigure(
        number="6",
        title="Brain alignment beside all controls",
        panels=partial(region_bars, metric=ALIGNMENT),
    ),
    PaperFigure(
        number="7",
        title="Low-level impact beside all controls",
        panels=partial(region_bars, metric=IMPACT),
    ),
    PaperFigure(
        number="8",
        title="Semantic against phonetic preference",
        panels=preference,
    ),
    PaperFigure(
        number="9",
        title="MFCC and FBANK in representations",
        panels=partial(task_means, models=MAIN, sound=True),
    ),
    PaperFigure(
        number="10",
        title="Downstream tasks beside all controls",
        panels=task_means,
    ),
    PaperFigure(
        number="11",
        title="Downstream tasks, layer by layer",
        panels=task_layers,
    ),
    PaperFigure(
        number="12",
        title="Gain in tasks by share of the data and size of the model",
        panels=scaling,
    ),
    PaperFigure(
        number="13",
        title="Noise ceilings of each participant",
        panels=partial(participants_maps, quantity="noise-ceiling"),
    ),
    PaperFigure(
        number="14",
        title="Change of brain alignment in each participant",
        panels=partial(participants_maps, quantity="alignment-change"),
    ),
    PaperFigure(
        number="15",
        title="Change of low-level impact in each participant",
        panels=partial(participants_maps, quantity="impact-change"),
    ),
    PaperFigure(
        number="stages",
        title="From sound to meaning, layer by layer",
        panels=stages,
    ),
)
FIGURES = {figure.number: figure for figure in _ALL}

__all__ = ["FIGURES", "Drawn", "Missing", "PaperFigure"]
