"""Pictures of results: one module for each kind, over slides, colours and bars that they share."""

from .change import change_figure
from .cortex import Cortex, fsaverage5
from .layers import layer_figure
from .panels import bar_figure, line_figure
from .report import report_figure
from .slices import volume_map
from .surface_animation import surface_animation
from .surface_maps import anatomy_figure, surface_figure
from .tuning import loss_figure, tuning_figure

__all__ = [
    "Cortex",
    "anatomy_figure",
    "bar_figure",
    "change_figure",
    "fsaverage5",
    "layer_figure",
    "line_figure",
    "loss_figure",
    "report_figure",
    "surface_animation",
    "surface_figure",
    "tuning_figure",
    "volume_map",
]
