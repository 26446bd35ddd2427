"""Repeat brain-tuning with several seeds, and show how far its result depends on them.

    python recipes/tune_seeds.py --seeds 0 1 2 3 4

Takes all arguments of `recipes/tune.py`. A seed that is finished with the same settings is not run
again.
"""

import copy
import json
from dataclasses import dataclass, field
from pathlib import Path

from evaluate_metrics.reports.seeds import scores_by_seed
from modeling_braintune import BrainTuningArguments
from recipes.arguments import parse_arguments
from recipes.process import one_line_errors, prepare_process
from recipes.tune import (
    DEFAULT_CONFIG,
    RESULTS,
    SETTINGS,
    TuneArguments,
    run_settings,
    tune,
)


@dataclass
class SeedsArguments:
    """Which runs are repeated."""

    seeds: list[int] = field(
        default_factory=lambda: [0, 1, 2, 3, 4], metadata={"help": "A run for each."}
    )


def tune_seeds(seeds, arguments, training):
    """Run `recipes.tune.tune` for every seed, in folders of the output folder.

    Parameters
    ----------
    seeds : list of int
    arguments : TuneArguments
    training : BrainTuningArguments

    Returns
    -------
    dict of {seed: results}
    """
    results = {}
    for seed in seeds:
        this = copy.copy(training)
        this.seed, this.output_dir = seed, str(Path(training.output_dir) / f"seed-{seed}")
        results[seed] = finished(arguments, this) or tune(arguments, this)
    return results


def finished(arguments, training):
    """Results of a finished run of `recipes.tune.tune` with these arguments.

    Parameters
    ----------
    arguments : TuneArguments
    training : BrainTuningArguments

    Returns
    -------
    dict or None
        None if there is none in the output folder, or one with other settings.
    """
    folder = Path(training.output_dir)
    if not (folder / RESULTS).exists():
        return None
    if json.loads((folder / SETTINGS).read_text()) != run_settings(arguments, training):
        return None
    return json.loads((folder / RESULTS).read_text())


def main():
    with one_line_errors():
        seeds, arguments, training = parse_arguments(
            (SeedsArguments, TuneArguments, BrainTuningArguments),
            DEFAULT_CONFIG,
            renamed={"participant": "participants"},
        )
        prepare_process(training.device, training.world_size)
        results = tune_seeds(seeds.seeds, arguments, training)
    if training.process_index == 0:
        print(scores_by_seed(results))


if __name__ == "__main__":
    main()
