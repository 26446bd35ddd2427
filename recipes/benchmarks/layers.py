"""A tuning step of some layers, the frozen ones' output kept, against a step of all layers.

    python recipes/benchmarks/layers.py
    python recipes/benchmarks/layers.py --first 7 --batch_size 4 --turns 5

Both are ours, as in `tuning.py`, in one process and in turns; the fastest turn of each counts. The
model has the true size and random weights.
"""

import os
import tempfile
from dataclasses import dataclass, field

from recipes.command.process import prepare_process

import torch
from transformers import HfArgumentParser, Wav2Vec2Config

from recipes.benchmarks.tuning import SIZES, Arguments, make_pairs, ours, turn

ALL = "all layers"


@dataclass
class LayersArguments(Arguments):
    dtypes: list[str] = field(
        default_factory=lambda: ["float32"], metadata={"help": "Types that steps are timed in."}
    )
    first: int = field(default=9, metadata={"help": "First layer that is tuned."})
    last: int = field(default=12, metadata={"help": "Last layer that is tuned."})


def compare(arguments):
    """Seconds of a step by type, {dtype: {what is tuned: seconds}}."""
    device = torch.device(arguments.device)
    prepare_process(device, 1)
    torch.manual_seed(0)
    config = Wav2Vec2Config(**SIZES[arguments.size], num_voxels=arguments.n_voxels)
    pairs, recordings = make_pairs(arguments)
    some = f"layers {arguments.first}-{arguments.last}"
    found = {}
    for name in arguments.dtypes:
        best = {ALL: float("inf"), some: float("inf")}
        with tempfile.TemporaryDirectory() as cache_dir:
            given = config, arguments, getattr(torch, name), pairs, recordings, cache_dir
            steps = {ALL: ours(*given), some: ours(*given, (arguments.first, arguments.last))}
            for which in range(1 + arguments.turns):
                for what, (step, optimizer) in steps.items():
                    seconds, _ = turn(device, step, optimizer, arguments.steps)
                    print(f"{name}, {what}: {seconds:.3g} s a step", flush=True)
                    if which:  # the first warms up
                        best[what] = min(best[what], seconds)
        found[name] = best
    return found


def main():
    (arguments,) = HfArgumentParser(LayersArguments).parse_args_into_dataclasses()
    print(f"Load of the machine at the start: {os.getloadavg()[0]:.1f}")
    for name, best in compare(arguments).items():
        everything, some = best.values()
        said = ", ".join(f"{what} {seconds:.3g} s" for what, seconds in best.items())
        print(f"{name}: {said} a step: {everything / some:.2f} times as fast")


if __name__ == "__main__":
    main()
