"""EncodingModel against himalaya and scikit-learn: seconds to choose penalties and fit.

    pip install himalaya
    python recipes/benchmarks/encoding_model.py
    python recipes/benchmarks/encoding_model.py --device cuda
    python recipes/benchmarks/encoding_model.py --peers false --shapes 3000x3072x95556

All get the same folds of whole stories and the same penalties, and a penalty per voxel.
"""

import resource
import time
from dataclasses import dataclass, field

import numpy as np
import torch
from sklearn.linear_model import Ridge
from transformers import HfArgumentParser

from evaluate_metrics import EncodingModel
from evaluate_metrics.encoding_model import PENALTIES, delay, story_folds, zscore

DELAYS = (1, 2, 3, 4)


@dataclass
class Arguments:
    shapes: list[str] = field(
        default_factory=lambda: ["3000x3072x4000", "3000x768x20000"],
        metadata={"help": "TRs x delayed features x voxels."},
    )
    n_stories: int = 10
    peers: bool = field(default=True, metadata={"help": "Also time himalaya and scikit-learn."})
    device: str | None = None


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


def himalaya_solvers(cv, backend):
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.ridge import RidgeCV

    set_backend(backend)
    batches = dict(n_targets_batch=2000, n_alphas_batch=5, n_targets_batch_refit=2000)
    for solver in (RidgeCV, KernelRidgeCV):
        options = {"fit_intercept": False} if solver is RidgeCV else {}
        yield (
            f"himalaya {solver.__name__} ({backend})",
            solver(alphas=PENALTIES, cv=cv, solver_params=batches, **options),
        )


def scikit_learn(X, Y, cv):
    """scikit-learn has no penalty per target over given folds: a Ridge per fold and penalty."""
    scores = np.zeros((len(PENALTIES), Y.shape[1]))
    for train, held in cv.split(X):
        total = ((Y[held] - Y[held].mean(axis=0)) ** 2).sum(axis=0)
        for k, penalty in enumerate(PENALTIES):
            ridge = Ridge(alpha=penalty, fit_intercept=False).fit(X[train], Y[train])
            scores[k] += 1 - ((Y[held] - ridge.predict(X[held])) ** 2).sum(axis=0) / total
    chosen = np.asarray(PENALTIES)[scores.argmax(axis=0)]
    coef = np.empty((X.shape[1], Y.shape[1]), Y.dtype)
    for penalty in np.unique(chosen):
        voxels = chosen == penalty
        fitted = Ridge(alpha=penalty, fit_intercept=False).fit(X, Y[:, voxels])
        coef[:, voxels] = np.atleast_2d(fitted.coef_).T
    return chosen, coef


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
    seconds, _ = timed(lambda: model.fit(features, responses))
    above = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e6
    print(f"{shape}: EncodingModel {seconds:.1f} s, at most {above:.1f} GB above the inputs")
    if not arguments.peers:
        return
    X = np.concatenate([delay(zscore(story), DELAYS) for story in features]).astype(np.float32)
    Y = np.concatenate(responses)
    cv = Folds(story_folds([len(story) for story in features], model.folds))
    peers = {}
    for backend in ("numpy", "torch"):
        for name, solver in himalaya_solvers(cv, backend):
            peers[name], fitted = timed(lambda s=solver: s.fit(X, Y))
            chosen = np.asarray(fitted.best_alphas_)
            report(name, peers[name], seconds, chosen, model.penalty_)
    fastest = min(peers, key=peers.get)
    print(f"  {peers[fastest] / seconds:.2f} times as fast as {fastest}, the fastest of himalaya's")
    peer_seconds, (chosen, _) = timed(lambda: scikit_learn(X, Y, cv))
    report("scikit-learn Ridge", peer_seconds, seconds, chosen, model.penalty_)


def report(name, peer_seconds, seconds, chosen, penalty):
    same = np.isclose(chosen, penalty, rtol=1e-4).mean()
    print(
        f"  {name}: {peer_seconds:.1f} s, {peer_seconds / seconds:.1f} times as long; "
        f"{100 * same:.2f} % of voxels have the same penalty",
        flush=True,
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
