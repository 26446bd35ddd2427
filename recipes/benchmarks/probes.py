"""ClassProbe against scikit-learn's LogisticRegression: seconds for all layers, and agreement.

    python recipes/benchmarks/probes.py
    python recipes/benchmarks/probes.py --device cuda
    python recipes/benchmarks/probes.py --n_layers 4 --n_clips 2000

scikit-learn solves the layers one after another, from strong to weak penalties, each starting
where the last one ended; both choose the penalty of a layer by macro F1 on the validation clips.
Its default tolerance, 1e-4, is timed. It stops short of the optimum, where F1 is up to a point
apart from ours, so that the chosen fits are also scored after going on to 1e-5.
"""

import time
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler
from transformers import HfArgumentParser

from evaluate_metrics.probes import PENALTIES, ClassProbe


@dataclass
class Arguments:
    n_layers: int = field(default=12, metadata={"help": "Number of layers."})
    n_clips: int = field(default=10_000, metadata={"help": "Number of clips to learn from."})
    n_held_out: int = field(
        default=2_000, metadata={"help": "Number of clips to validate on, and to test on."}
    )
    n_features: int = field(default=768, metadata={"help": "Number of dimensions of a layer."})
    n_classes: int = field(default=35, metadata={"help": "Number of classes."})
    device: str | None = field(
        default=None,
        metadata={"help": "Device of our probes, such as cuda; the probe's own choice by default."},
    )


def simulate(n_layers, n_clips, n_features, n_classes):
    """Layers with correlated dimensions of unlike size, the later ones telling classes better."""
    rng = np.random.default_rng(0)
    classes = rng.integers(n_classes, size=n_clips)
    mixing = rng.standard_normal((n_features, n_features)) / np.arange(1, n_features + 1)[:, None]
    layers = np.empty((n_layers, n_clips, n_features), np.float32)
    for layer, strength in zip(layers, np.linspace(0.05, 0.3, n_layers), strict=True):
        centres = strength * rng.standard_normal((n_classes, n_features))
        layer[:] = (rng.standard_normal(layer.shape) + centres[classes]) @ mixing
    return layers, classes


def one_after_another(layers, classes, held_out, held_out_classes):
    """scikit-learn's scaler and model of each layer, with its choice of penalty."""
    for layer, held_out_layer in zip(layers, held_out, strict=True):
        scaler = StandardScaler().fit(layer)
        X, X_held_out = scaler.transform(layer), scaler.transform(held_out_layer)
        model = LogisticRegression(warm_start=True, max_iter=10_000)
        fits = []
        for penalty in np.sort(PENALTIES)[::-1]:
            model.set_params(C=1 / penalty).fit(X, classes)
            fits.append((macro_f1(model, X_held_out, held_out_classes), deepcopy(model)))
        yield scaler, max(fits, key=lambda fit: fit[0])[1]


def macro_f1(model, X, classes):
    return f1_score(classes, model.predict(X), average="macro")


def timed(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main():
    (arguments,) = HfArgumentParser(Arguments).parse_args_into_dataclasses()
    n_clips, n_held_out = arguments.n_clips, arguments.n_held_out
    layers, classes = simulate(
        arguments.n_layers, n_clips + 2 * n_held_out, arguments.n_features, arguments.n_classes
    )
    bounds = [n_clips, n_clips + n_held_out]
    train, validation, test = np.split(layers, bounds, axis=1)
    train_classes, validation_classes, test_classes = np.split(classes, bounds)
    splits = train, train_classes, validation, validation_classes
    print(
        f"{arguments.n_layers} layers x {n_clips} clips x {arguments.n_features} features, "
        f"{arguments.n_classes} classes, {len(PENALTIES)} penalties, "
        f"{torch.get_num_threads()} threads, device {arguments.device or 'by default'}"
    )
    seconds, probe = timed(lambda: ClassProbe(device=arguments.device).fit(*splits))
    print(f"ClassProbe {seconds:.1f} s", flush=True)
    peer_seconds, peers = timed(lambda: list(one_after_another(*splits)))
    print(f"scikit-learn {peer_seconds:.1f} s, {peer_seconds / seconds:.1f} times as long")

    scores = probe.score(test, test_classes)
    differences = []
    for index, (score, (scaler, model)) in enumerate(zip(scores, peers, strict=True)):
        X_test = scaler.transform(test[index])
        early = macro_f1(model, X_test, test_classes)
        model.set_params(tol=1e-5).fit(scaler.transform(train[index]), train_classes)
        late = macro_f1(model, X_test, test_classes)
        differences.append(abs(score["value"] - late))
        low, high = score["interval"]
        print(
            f"  layer {index}: F1 {score['value']:.4f} ({low:.3f} to {high:.3f}), scikit-learn "
            f"{early:.4f} and, gone on, {late:.4f}; penalties {probe.penalty_[index]:g} and "
            f"{1 / model.C:g}",
            flush=True,
        )
    print(f"largest difference of F1: {100 * max(differences):.2f} points")


if __name__ == "__main__":
    main()
