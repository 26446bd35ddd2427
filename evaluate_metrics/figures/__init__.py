"""Pictures of results: one module for each kind, over slides, colours and bars that they share."""

from .brain_maps import surface_map, volume_map
from .change import change_figure
from .layers import layer_figure
from .panels import bar_figure, line_figure
from .report import report_figure
from .tuning import tuning_figure

__all__ = [
    "bar_figure",
    "change_figure",
    "layer_figure",
    "line_figure",
    "report_figure",
    "surface_map",
    "tuning_figure",
    "volume_map",
]
