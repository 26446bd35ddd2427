"""Lanczos downsampling: the sparse product against the dense formula, in one process.

python recipes/benchmarks/lanczos.py
python recipes/benchmarks/lanczos.py --n_features 1024
"""

import time
from dataclasses import dataclass, field

import numpy as np
from transformers import HfArgumentParser

from datasets_scripts import lanczos


@dataclass
class Arguments:
    n_samples: int = field(default=6000, metadata={"help": "Number of samples, 0.1 s apart."})
    n_features: int = field(default=768, metadata={"help": "Number of features."})
    n_trs: int = field(default=300, metadata={"help": "Number of TRs of 2 s."})
    rounds: int = field(default=9, metadata={"help": "How many times each way is timed."})


def dense(values, times, tr_times, lobes=3):
    """The formula as it is written, a weight for every pair of sample and TR."""
    t = (tr_times[:, None] - times) / np.diff(tr_times).mean()
    with np.errstate(invalid="ignore"):
        weights = lobes * np.sin(np.pi * t) * np.sin(np.pi * t / lobes) / (np.pi * t) ** 2
    weights[t == 0] = 1
    weights[np.abs(t) > lobes] = 0
    return weights @ values


def main():
    (arguments,) = HfArgumentParser(Arguments).parse_args_into_dataclasses()
    shape = arguments.n_samples, arguments.n_features
    rng = np.random.default_rng(0)
    times = (np.arange(arguments.n_samples) + 1) * 0.1
    tr_times = np.arange(arguments.n_trs) * 2.0 + 1
    print(f"{shape[0]} x {shape[1]} to {arguments.n_trs} TRs, best of {arguments.rounds}")
    for dtype in (np.float64, np.float32):
        values = rng.standard_normal(shape).astype(dtype)
        best = {}
        for _ in range(arguments.rounds):
            for function in (dense, lanczos):
                start = time.perf_counter()
                function(values, times, tr_times)
                seconds = time.perf_counter() - start
                best[function] = min(seconds, best.get(function, seconds))
        difference = np.abs(lanczos(values, times, tr_times) - dense(values, times, tr_times)).max()
        print(
            f"{np.dtype(dtype)}: dense {1e3 * best[dense]:.1f} ms, sparse "
            f"{1e3 * best[lanczos]:.1f} ms: {best[dense] / best[lanczos]:.1f} times as fast; "
            f"largest difference {difference:.1e}"
        )


if __name__ == "__main__":
    main()
