"""From arrays to scores and pictures: encoding model, brain alignment, statistics, figures."""

from .encoding_model import EncodingModel, delay
from .figures import tuning_figure
from .statistics import alignment_interval, bootstrap_interval

__all__ = [
    "EncodingModel",
    "alignment_interval",
    "bootstrap_interval",
    "delay",
    "tuning_figure",
]
