"""Layer representations in bfloat16 against float32: windows per second, and the error.

    python recipes/benchmarks/representations.py
    python recipes/benchmarks/representations.py --device cuda --batch_size 64 --n_windows 512

A model of the size of wav2vec2-base with random weights hears windows of 16 s of noise. On a
device with bfloat16 the share of its measured peak is printed too.
"""

import time
from dataclasses import dataclass, field

from recipes.command.process import prepare_process

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import HfArgumentParser, Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from modeling_braintune import layer_representations


@dataclass
class Arguments:
    device: str = field(default="cpu", metadata={"help": "Device of the model, such as cuda."})
    n_windows: int = field(default=8, metadata={"help": "Number of windows that are timed."})
    batch_size: int = field(default=4, metadata={"help": "Number of windows heard at once."})
    seconds: float = field(default=16.0, metadata={"help": "Seconds of sound in a window."})


def peak(device, dtype, n=4096, rounds=5):
    """FLOP per second of a large product of matrices."""
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    seconds = min(timed(device, lambda: a @ b)[0] for _ in range(rounds))
    return 2 * n**3 / seconds


def timed(device, work):
    start = time.perf_counter()
    result = work()
    if device.type != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter() - start, result


def main():
    (arguments,) = HfArgumentParser(Arguments).parse_args_into_dataclasses()
    device = torch.device(arguments.device)
    prepare_process(device, 1)
    torch.manual_seed(0)
    model = Wav2Vec2Model(Wav2Vec2Config()).to(device).eval()
    feature_extractor = Wav2Vec2FeatureExtractor(return_attention_mask=False)
    length, step = round(arguments.seconds * 16000), 1600
    n_samples = length + step * arguments.n_windows
    audio = np.random.default_rng(0).standard_normal(n_samples).astype(np.float32)
    starts = np.arange(arguments.n_windows) * step
    windows = np.stack([starts, starts + length], axis=1)

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, length, device=device))
    flop = counter.get_total_flops()
    found = {}
    for dtype in (None, torch.bfloat16):
        options = dict(batch_size=arguments.batch_size, dtype=dtype)

        def represent(windows, options=options):
            return layer_representations(model, feature_extractor, audio, windows, **options)

        represent(windows[: arguments.batch_size])
        seconds, values = timed(device, lambda represent=represent: represent(windows))
        rate = len(windows) / seconds
        share = rate * flop / peak(device, dtype or torch.float32)
        name = str(dtype or torch.float32).removeprefix("torch.")
        found[name] = rate, values
        print(f"{name}: {rate:.2f} windows a second, {100 * share:.0f} % of the measured peak")
    (slow, exact), (fast, close) = found.values()
    error = np.linalg.norm(close - exact, axis=-1) / np.linalg.norm(exact, axis=-1)
    print(
        f"bfloat16 is {fast / slow:.2f} times as fast; relative error by layer "
        f"{', '.join(f'{100 * e:.1f}' for e in error.mean(axis=1))} %"
    )


if __name__ == "__main__":
    main()
