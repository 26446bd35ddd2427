"""Repeat brain-tuning with several seeds, and show how far its result depends on them.

    python recipes/tune_seeds.py --seeds 0 1 2 3 4

Takes all options of `recipes/tune.py`. A seed that is finished with the same settings is not run
again.
"""

import copy
from pathlib import Path
from typing import Any

from recipes.command.process import one_line_errors, prepare_process

from evaluate_metrics.reports import scores_by_seed
from recipes.command.arguments import parse_arguments
from recipes.command.output_folder import finished_results, run_settings
from recipes.command.sole_run import sole_run
from recipes.command.vocabulary import Seeds
from recipes.stages.tuning_options import TrainerOptions, TuningOptions
from recipes.tune import DEFAULT_CONFIG, tune


def tune_seeds(
    seeds: list[int], arguments: TuningOptions, training: TrainerOptions
) -> dict[int, dict[str, Any]]:
    """Run `recipes.tune.tune` for every seed, in folders of the output folder.

    Parameters
    ----------
    seeds : list of int
    arguments : TuningOptions
    training : TrainerOptions

    Returns
    -------
    dict of {seed: results}
    """
    results = {}
    for seed in seeds:
        this = copy.copy(training)
        this.seed, this.output_dir = seed, str(Path(training.output_dir) / f"seed-{seed}")
        results[seed] = finished_results(this.output_dir, run_settings(arguments, this)) or tune(
            arguments, this
        )
    return results


def main() -> None:
    with one_line_errors():
        repeated, arguments, training = parse_arguments(
            (Seeds, TuningOptions, TrainerOptions), DEFAULT_CONFIG
        )
        if not repeated.seeds:
            raise ValueError("seeds must name one or more: give --seeds, such as --seeds 0 1 2")
        prepare_process(training.device, training.world_size)
        with sole_run(training.output_dir, training.process_index == 0):
            results = tune_seeds(repeated.seeds, arguments, training)
    if training.process_index == 0:
        print(scores_by_seed(results))


if __name__ == "__main__":
    main()
