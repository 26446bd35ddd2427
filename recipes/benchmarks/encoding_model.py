"""EncodingModel against himalaya and scikit-learn: seconds to choose penalties and fit.

    pip install himalaya
    python recipes/benchmarks/encoding_model.py
    python recipes/benchmarks/encoding_model.py --device cuda
    python recipes/benchmarks/encoding_model.py --peers false --shapes 3000x3072x95556

All get the same folds of whole stories and the same penalties, and a penalty per voxel. They take
turns, and of each one's times the best counts: what else a machine does only ever adds to them.
"""

import resource
import time
from dataclasses import dataclass, field

import numpy as np
import torch
from sklearn.linear_model import Ridge
from transformers import HfArgumentParser

from evaluate_metrics import EncodingModel
from evaluate_metrics.encoding_model import PENALTIES, delay, story_folds
from evaluate_metrics.zscore import zscore

DELAYS = (1, 2, 3, 4)


@dataclass
class Arguments:
    shapes: list[str] = field(
        default_factory=lambda: ["3000x3072x4000", "3000x768x20000"],
        metadata={"help": "Problems to time, each as TRs x delayed features x voxels."},
    )
    n_stories: int = field(default=10, metadata={"help": "Number of stories that TRs are of."})
    rounds: int = field(
        default=3, metadata={"help": "How many times each of the faster ones is timed."}
    )
    peers: bool = field(
        default=True, metadata={"help": "Whether himalaya and scikit-learn are timed too."}
    )
    device: str | None = field(
        default=None,
        metadata={"help": "Device of ours, such as cuda; the encoding model's choice by default."},
    )


def simulate(n_trs, n_features, n_voxels, n_stories):
    """Stories whose responses follow smooth features through a response of some seconds."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((n_features, n_features)) / np.arange(1, n_features + 1) ** 0.5
    weights = rng.standard_normal((n_features, n_voxels), dtype=np.float32)
    strength = rng.uniform(0, 0.2, n_voxels).astype(np.float32)
    features, responses = [], []
    for length in map(len, np.array_split(np.arange(n_trs), n_stories)):
        story = (rng.standard_normal((length, n_features)) @ mixing).astype(np.float32)
        signal = np.roll(zscore(story).astype(np.float32) @ weights, 2, axis=0)
        signal *= strength / n_features**0.5
        responses.append(signal + rng.standard_normal(signal.shape, dtype=np.float32))
        features.append(story)
    return features, responses


class Folds:
    """The folds of EncodingModel as a splitter of scikit-learn."""

    def __init__(self, held_out):
        self.held_out = held_out

    def split(self, X, y=None, groups=None):
        rows = np.arange(len(X))
        return [(np.setdiff1d(rows, held), held) for held in self.held_out]

    def get_n_splits(self, X=None, y=None, groups=None):
        return len(self.held_out)


def himalaya_solvers(cv):
    """Fits of (X, Y), by name; penalties of the voxels are in their `best_alphas_`."""
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.ridge import RidgeCV

    batches = dict(n_targets_batch=2000, n_alphas_batch=5, n_targets_batch_refit=2000)
    kinds = {
        RidgeCV: {"solver_params": batches | {"warn": False}},
        KernelRidgeCV: {"solver_params": batches, "warn": False},
    }
    solvers = {}
    for backend in ("numpy", "torch"):
        for kind, options in kinds.items():

            def fit(X, Y, backend=backend, kind=kind, options=options):
                set_backend(backend)
                solver = kind(alphas=PENALTIES, cv=cv, **options)
                return np.asarray(solver.fit(X, Y).best_alphas_)

            solvers[f"himalaya {kind.__name__} ({backend})"] = fit
    return solvers


def scikit_learn(X, Y, cv):
    """scikit-learn has no penalty per target over given folds: a Ridge per fold and penalty."""
    scores = np.zeros((len(PENALTIES), Y.shape[1]))
    for train, held in cv.split(X):
        total = ((Y[held] - Y[held].mean(axis=0)) ** 2).sum(axis=0)
        for k, penalty in enumerate(PENALTIES):
            ridge = Ridge(alpha=penalty, fit_intercept=False).fit(X[train], Y[train])
            scores[k] += 1 - ((Y[held] - ridge.predict(X[held])) ** 2).sum(axis=0) / total
    chosen = np.asarray(PENALTIES)[scores.argmax(axis=0)]
    for penalty in np.unique(chosen):
        Ridge(alpha=penalty, fit_intercept=False).fit(X, Y[:, chosen == penalty])
    return chosen


def timed(work):
    start = time.perf_counter()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


def compare(shape, arguments):
    n_trs, n_columns, n_voxels = map(int, shape.split("x"))
    features, responses = simulate(n_trs, n_columns // len(DELAYS), n_voxels, arguments.n_stories)
    model = EncodingModel(delays=DELAYS, device=arguments.device)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    first, _ = timed(lambda: model.fit(features, responses))
    above = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e6
    print(f"{shape}: EncodingModel {first:.1f} s at first, at most {above:.1f} GB above the inputs")
    if not arguments.peers:
        return
    X = np.concatenate([delay(zscore(story), DELAYS) for story in features]).astype(np.float32)
    Y = np.concatenate(responses)
    cv = Folds(story_folds([len(story) for story in features], model.folds))
    solvers = himalaya_solvers(cv) | {"scikit-learn Ridge": lambda X, Y: scikit_learn(X, Y, cv)}
    seconds, ours = {name: [] for name in solvers}, []
    for turn in range(arguments.rounds):
        for name, fit in solvers.items():
            if turn and seconds[name][0] > 2 * min(map(min, seconds.values())):
                continue  # it will not become the fastest
            taken, chosen = timed(lambda fit=fit: fit(X, Y))
            seconds[name].append(taken)
            if turn == 0:
                same = 100 * np.isclose(chosen, model.penalty_, rtol=1e-4).mean()
                print(f"  {name}: {same:.2f} % of voxels have the same penalty", flush=True)
        ours.append(timed(lambda: model.fit(features, responses))[0])
    for name, rounds in {"EncodingModel": ours, **seconds}.items():
        each = ", ".join(f"{taken:.1f}" for taken in rounds)
        print(
            f"  {name}: {min(rounds):.1f} s ({each}), {min(rounds) / min(ours):.2f} times as long"
        )


def main():
    (arguments,) = HfArgumentParser(Arguments).parse_args_into_dataclasses()
    print(f"{torch.get_num_threads()} threads, device {arguments.device or 'by default'}")
    print("First a small problem, so that nobody pays for what libraries make on first use")
    compare("300x256x200", arguments)
    for shape in arguments.shapes:
        compare(shape, arguments)


if __name__ == "__main__":
    main()
