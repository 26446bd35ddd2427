"""How far scores can be trusted: intervals, tests between models, corrections for many tests."""

from .block_exchange import block_exchange_test
from .block_permutation import block_permutation_p
from .bootstrap import bootstrap_interval, bootstrap_p, percentile_interval, student_interval
from .multiple_comparisons import fdr, holm, true_discoveries
from .over_runs import difference_over_runs
from .paired import paired_test
from .repeat_permutation import repeat_permutation_p
from .resampled_alignment import alignment_interval, alignment_resamples, impact_resamples

__all__ = [
    "alignment_interval",
    "alignment_resamples",
    "block_exchange_test",
    "block_permutation_p",
    "bootstrap_interval",
    "bootstrap_p",
    "difference_over_runs",
    "fdr",
    "holm",
    "impact_resamples",
    "paired_test",
    "percentile_interval",
    "repeat_permutation_p",
    "student_interval",
    "true_discoveries",
]
