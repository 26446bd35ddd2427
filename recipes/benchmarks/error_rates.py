"""Error rates of the tests and intervals that compare two models, in simulated stories.

python recipes/benchmarks/error_rates.py
python recipes/benchmarks/error_rates.py --replicates 20 --autocorrelations 0 0.9

Responses, and what models make of them, are autoregressive in time, and voxels are correlated.
Of two models that predict equally well, the block-exchange test must call no more than 5 % of
replicates different; of two that do not, 95 % of intervals must hold the true gain.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.signal import lfilter
from transformers import HfArgumentParser

from evaluate_metrics import Scores
from evaluate_metrics.reports import text_table

N_SHARED = 5  # time courses that voxels share
CEILING = 0.7


@dataclass
class Arguments:
    replicates: int = field(default=400, metadata={"help": "Number of stories of each kind."})
    n_trs: int = field(default=291, metadata={"help": "Number of TRs of a story."})
    n_voxels: int = field(default=20, metadata={"help": "Number of voxels of the region."})
    autocorrelations: list[float] = field(
        default_factory=lambda: [0.0, 0.3, 0.6, 0.9],
        metadata={"help": "Correlations of neighbouring TRs."},
    )
    seed: int = field(default=0, metadata={"help": "Seed of the first replicate."})


def drawn(rng, autocorrelation, n_trs, n_voxels, shared):
    """Unit variance in every voxel, of which time courses that voxels share make a part."""
    innovations = rng.standard_normal((n_trs + 100, N_SHARED + n_voxels))
    innovations *= np.sqrt(1 - autocorrelation**2)
    courses = lfilter([1], [1, -autocorrelation], innovations, axis=0)[100:]
    weights = np.random.default_rng(0).standard_normal((N_SHARED, n_voxels))
    weights /= np.linalg.norm(weights, axis=0)
    own = courses[:, N_SHARED:]
    return np.sqrt(shared) * courses[:, :N_SHARED] @ weights + np.sqrt(1 - shared) * own


def story(rng, arguments, autocorrelation, errors):
    """Scores of a story, and predictions of models with errors of these sizes."""

    def part(shared):
        return drawn(rng, autocorrelation, arguments.n_trs, arguments.n_voxels, shared)

    signal = part(0.8)
    scored = Scores(
        references=signal + part(0.5),
        ceiling=np.full(arguments.n_voxels, CEILING),
        regions={"all": np.ones(arguments.n_voxels, dtype=bool)},
    )
    return scored, [scored.score({1: signal + error * part(0.5)}) for error in errors]


def error_rates(arguments: Arguments, autocorrelation: float) -> tuple[float, float, float]:
    """False positives at 5 %, coverage of 95 % intervals of a gain, and the gain itself."""
    positives, gains = [], []
    for replicate in range(arguments.replicates):
        rng = np.random.default_rng([arguments.seed + replicate, round(100 * autocorrelation)])
        scored, models = story(rng, arguments, autocorrelation, (1.0, 1.0))
        positives.append(scored.tests(*models)["all"]["p"] <= 0.05)
        scored, models = story(rng, arguments, autocorrelation, (0.7, 1.2))
        gains.append(scored.gain(*models)["all"])
    true = np.mean([gain["mean"] for gain in gains])
    held = [gain["interval"][0] <= true <= gain["interval"][1] for gain in gains]
    return float(np.mean(positives)), float(np.mean(held)), float(true)


def main() -> None:
    (arguments,) = HfArgumentParser(Arguments).parse_args_into_dataclasses()
    lines = []
    for autocorrelation in arguments.autocorrelations:
        positives, held, gain = error_rates(arguments, autocorrelation)
        numbers = f"{100 * positives:.1f} %", f"{100 * held:.1f} %", f"{gain:+.3f}"
        lines.append([f"{autocorrelation:g}", *numbers])
    error = 100 * np.sqrt(0.05 * 0.95 / arguments.replicates)
    print(
        f"{arguments.replicates} stories of {arguments.n_trs} TRs each; standard error of a rate "
        f"of 5 %: {error:.1f} points"
    )
    header = ["autocorrelation", "false positives at 5 %", "95 % intervals that hold the gain"]
    print(text_table([*header, "gain"], lines))


if __name__ == "__main__":
    main()
