"""Lanczos downsampling: the sparse product against the dense formula, in one process.

python recipes/benchmarks/lanczos.py
"""

import time

import numpy as np

from datasets_scripts import lanczos


def dense(values, times, tr_times, lobes=3):
    """The formula as it is written, a weight for every pair of sample and TR."""
    t = (tr_times[:, None] - times) / np.diff(tr_times).mean()
    with np.errstate(invalid="ignore"):
        weights = lobes * np.sin(np.pi * t) * np.sin(np.pi * t / lobes) / (np.pi * t) ** 2
    weights[t == 0] = 1
    weights[np.abs(t) > lobes] = 0
    return weights @ values


def main(n_samples=6000, n_features=768, n_trs=300, rounds=9):
    rng = np.random.default_rng(0)
    times = (np.arange(n_samples) + 1) * 0.1
    tr_times = np.arange(n_trs) * 2.0 + 1
    print(f"{n_samples} x {n_features} to {n_trs} TRs, best of {rounds}")
    for dtype in (np.float64, np.float32):
        values = rng.standard_normal((n_samples, n_features)).astype(dtype)
        best = {}
        for _ in range(rounds):
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
