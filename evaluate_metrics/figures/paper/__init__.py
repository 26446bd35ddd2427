"""The figures of Moussa et al. 2025 by their numbers, and of the layer-stage paper ("stages").

Each is drawn from the tidy table and nothing else; maps from voxel arrays that `align.py` left.
"""

from functools import partial

from .drawn import Drawn, Missing, PaperFigure
from .layers import larger, preference, stages
from .maps import average_map, participants_maps
from .measured import MAIN
from .regions import ALIGNMENT, IMPACT, region_bars
from .scaling import scaling
from .tasks import task_layers, task_means

_BOTH = "of a pretrained and a brain-tuned model of one family"
_CONTROLS = f"{_BOTH} and of controls"
_VOXELS = f"voxels and their places on fsaverage5, as align.py leaves them, {_BOTH}"
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
        number="2c",
        title="Change of brain alignment on the cortex",
        needs=(_VOXELS,),
        panels=partial(average_map, quantity="alignment-change"),
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
        number="3c",
        title="Change of low-level impact on the cortex",
        needs=(_VOXELS,),
        panels=partial(average_map, quantity="impact-change"),
    ),
    PaperFigure(
        number="4",
        title="Downstream tasks",
        needs=(f"scores in tasks {_BOTH}",),
        panels=partial(task_means, models=MAIN),
    ),
    PaperFigure(
        number="5",
        title="A tuned model against a larger one",
        needs=(f"alignment and low-level impact by layer {_BOTH} and of a larger model",),
        panels=larger,
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
    PaperFigure(
        number="8",
        title="Semantic against phonetic preference",
        needs=(f"the preference d by layer {_BOTH}",),
        panels=preference,
    ),
    PaperFigure(
        number="9",
        title="MFCC and FBANK in representations",
        needs=(f"scores of MFCC and FBANK {_BOTH}",),
        panels=partial(task_means, models=MAIN, sound=True),
    ),
    PaperFigure(
        number="10",
        title="Downstream tasks beside all controls",
        needs=(f"scores in tasks {_CONTROLS}",),
        panels=task_means,
    ),
    PaperFigure(
        number="11",
        title="Downstream tasks, layer by layer",
        needs=(f"scores in tasks by layer {_BOTH}",),
        panels=task_layers,
    ),
    PaperFigure(
        number="12",
        title="Gain in tasks by share of the data and size of the model",
        needs=("scores in tasks of models tuned on shares of the stories",),
        panels=scaling,
    ),
    PaperFigure(
        number="13",
        title="Noise ceilings of each participant",
        needs=(_VOXELS,),
        panels=partial(participants_maps, quantity="noise-ceiling"),
    ),
    PaperFigure(
        number="14",
        title="Change of brain alignment in each participant",
        needs=(_VOXELS,),
        panels=partial(participants_maps, quantity="alignment-change"),
    ),
    PaperFigure(
        number="15",
        title="Change of low-level impact in each participant",
        needs=(_VOXELS,),
        panels=partial(participants_maps, quantity="impact-change"),
    ),
    PaperFigure(
        number="stages",
        title="From sound to meaning, layer by layer",
        needs=(f"alignment and scores in tasks by layer {_BOTH}",),
        panels=stages,
    ),
)
FIGURES = {figure.number: figure for figure in _ALL}

__all__ = ["FIGURES", "Drawn", "Missing", "PaperFigure"]
