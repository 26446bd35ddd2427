"""From arrays to scores and pictures: encoding model, alignment, statistics, figures."""

from .encoding_model import EncodingModel, delay
from .error_rate import count_errors, error_rate
from .figures import (
    Cortex,
    anatomy_figure,
    change_figure,
    fsaverage5,
    layer_figure,
    loss_figure,
    report_figure,
    surface_animation,
    surface_figure,
    tuning_figure,
    volume_map,
)
from .probes import ClassProbe, LabelProbe, RidgeProbe
from .residualizer import Residualizer
from .scores import LAGS, MEAN_IMPACT, ScoredLayers, Scores
from .spaces import space_files
from .statistics import (
    alignment_interval,
    block_exchange_test,
    block_permutation_p,
    bootstrap_interval,
    bootstrap_p,
    fdr,
    holm,
    impact_resamples,
    paired_test,
    percentile_interval,
    repeat_permutation_p,
    true_discoveries,
)

__all__ = [
    "LAGS",
    "MEAN_IMPACT",
    "ClassProbe",
    "Cortex",
    "EncodingModel",
    "LabelProbe",
    "Residualizer",
    "RidgeProbe",
    "ScoredLayers",
    "Scores",
    "alignment_interval",
    "anatomy_figure",
    "block_exchange_test",
    "block_permutation_p",
    "bootstrap_interval",
    "bootstrap_p",
    "change_figure",
    "count_errors",
    "delay",
    "error_rate",
    "fdr",
    "fsaverage5",
    "holm",
    "impact_resamples",
    "layer_figure",
    "paired_test",
    "percentile_interval",
    "repeat_permutation_p",
    "report_figure",
    "space_files",
    "surface_animation",
    "surface_figure",
    "true_discoveries",
    "loss_figure",
    "tuning_figure",
    "volume_map",
]
