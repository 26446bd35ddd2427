"""The same run with several seeds, and what all of them together say."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datasets_scripts import written_whole
from evaluate_metrics.reports import over_seeds

SEEDS = "seeds.md"


def with_seeds(
    seeds: list[int], training: Any, run: Callable[[Any], dict[str, dict] | None]
) -> None:
    """Run with each seed, in a folder of the output folder, and write and print a table of all.

    Parameters
    ----------
    seeds : list of int
    training : TrainerOptions
    run : callable
        Given a seed's TrainerOptions, gives {participant: results of a measurement}, or None on all
        processes but the first.

    Raises
    ------
    ValueError
        A seed is named twice, or one place is named for the many models to be pushed to.
    """
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds: name each once, got {' '.join(map(str, seeds))}")
    if training.push_to_hub:
        raise ValueError("push_to_hub: many models are tuned here; publish one with publish.py")
    output, results = Path(training.output_dir), {}
    for seed in seeds:
        this = copy.copy(training)
        this.seed, this.output_dir = seed, str(output / f"seed-{seed}")
        results[seed] = run(this)
    if training.process_index == 0:
        said = over_seeds(results)
        with written_whole(output / SEEDS) as partial:
            partial.write_text(said + "\n", encoding="utf-8")
        print(f"{said}\n\n{SEEDS} is in {output}/")
