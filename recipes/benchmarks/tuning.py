"""A tuning step against that of a plain loop: windows per second, share of the peak, memory.

    python recipes/benchmarks/tuning.py
    python recipes/benchmarks/tuning.py --device cuda --batch_size 128 --n_voxels 50000 --steps 10
    python recipes/benchmarks/tuning.py --device cuda --size large --compile true --json large.json

The peer does what the published loop of Moussa et al. 2025 does: all in float32, the CNN computed
anew and the feature extractor called within each step, Adam, evaluation mode. Ours takes cached
features through autocast and fused AdamW, without dropout, masking and LayerDrop, so that both do
the same arithmetic. They take turns, and the fastest turn of each counts. Models have the true size
and random weights.
"""

import ctypes
import json
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from recipes.command.process import prepare_process

import joblib
import numpy as np
import torch
from torch import nn
from transformers import HfArgumentParser, Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from modeling_braintune import AutoModelForBrainTuning, BrainTuningCollator
from modeling_braintune.feature_cache import FeatureWindows, cached_features
from recipes.benchmarks.representations import peak, timed
from recipes.benchmarks.windows import AnonymousMemory

SIZES = {
    "base": {},
    "large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "feat_extract_norm": "layer",
        "conv_bias": True,
        "do_stable_layer_norm": True,
    },
}
N_WINDOWS, N_EPOCHS = 11543, 30  # of a participant's 27 stories
RATES = 5e-5, 1e-4  # of backbone and head
PEER = "published loop"


@dataclass
class Arguments:
    device: str = field(default="cpu", metadata={"help": "Device of the models, such as cuda."})
    size: str = field(default="base", metadata={"help": f"Size of wav2vec2: {', '.join(SIZES)}."})
    batch_size: int = field(default=8, metadata={"help": "Number of windows in a step."})
    seconds: float = field(default=10.0, metadata={"help": "Seconds of sound in a window."})
    n_voxels: int = field(default=30000, metadata={"help": "Number of voxels of the head."})
    dtypes: list[str] = field(
        default_factory=lambda: ["float32", "bfloat16"],
        metadata={"help": "Types that our loop is timed in."},
    )
    turns: int = field(
        default=2, metadata={"help": "Number of turns of each loop, after one to warm up."}
    )
    steps: int = field(default=1, metadata={"help": "Number of steps in a turn."})
    compile: bool = field(
        default=False, metadata={"help": "Whether our model is passed to torch.compile."}
    )
    json: str | None = field(
        default=None, metadata={"help": "JSON file that takes the numbers; none by default."}
    )


def flop_of_window(config, n_samples, n_voxels):
    """FLOP of a forward pass on one window: the CNN, and what comes after it.

    Products of matrices and convolutions only, two for each multiplication and addition.
    """
    cnn, n_frames, channels = 0, n_samples, 1
    for width, kernel, stride in zip(
        config.conv_dim, config.conv_kernel, config.conv_stride, strict=True
    ):
        n_frames = (n_frames - kernel) // stride + 1
        cnn += 2 * n_frames * kernel * channels * width
        channels = width
    hidden = config.hidden_size
    positions = config.num_conv_pos_embeddings * hidden**2 // config.num_conv_pos_embedding_groups
    projections = 4 * hidden**2 + 2 * hidden * config.intermediate_size
    attention = 2 * n_frames * hidden
    per_frame = channels * hidden + positions
    per_frame += config.num_hidden_layers * (projections + attention)
    return cnn, 2 * (n_frames * per_frame + hidden * n_voxels)


def published(config, arguments, pairs):
    """The loop that the paper's authors published, restated."""
    device = arguments.device
    backbone = Wav2Vec2Model(config).to(device).eval()
    backbone.feature_extractor._freeze_parameters()
    head = nn.Linear(config.hidden_size, arguments.n_voxels).to(device)
    learnt = [p for p in backbone.parameters() if p.requires_grad], list(head.parameters())
    optimizer = torch.optim.Adam(
        [{"params": p, "lr": rate} for p, rate in zip(learnt, RATES, strict=True)]
    )
    feature_extractor = Wav2Vec2FeatureExtractor()

    def step():
        inputs = feature_extractor(
            [pair["audio"] for pair in pairs], sampling_rate=16000, return_tensors="pt"
        )
        labels = torch.from_numpy(np.stack([pair["labels"] for pair in pairs])).to(device)
        frames = backbone(inputs.input_values.to(device)).last_hidden_state
        loss = nn.functional.mse_loss(head(frames.mean(dim=1)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step, optimizer


def ours(config, arguments, dtype, pairs, recordings, cache_dir, layers=None):
    """A step as BrainTuningTrainer takes it: loading, autocast, clipping of gradients, AdamW.

    Of all layers, or of the first to the last that are given.
    """
    device = arguments.device
    model = AutoModelForBrainTuning.from_config(config).to(device)
    model.freeze_feature_encoder()
    if layers is not None:
        model.freeze_other_layers(*layers)
    model.set_training_switches(apply_spec_augment=False, layerdrop=0, dropout=0)
    feature_extractor = Wav2Vec2FeatureExtractor(return_attention_mask=False)
    autocast = None if dtype == torch.float32 else dtype
    features = cached_features(
        model,
        feature_extractor,
        recordings,
        cache_dir=cache_dir,
        dtype=autocast,
        batch_size=min(8, arguments.batch_size),
    )
    windows = FeatureWindows(pairs, features)
    collate = BrainTuningCollator(feature_extractor)
    head = list(model.head.parameters())
    backbone = [p for p in model.base_model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [{"params": p, "lr": rate} for p, rate in zip((backbone, head), RATES, strict=True)],
        weight_decay=0.0,
        fused=True,
    )
    forward = torch.compile(model) if arguments.compile else model

    def step():
        batch = collate([windows[i] for i in torch.randperm(len(windows)).tolist()])
        batch = {name: values.to(device, non_blocking=True) for name, values in batch.items()}
        with torch.autocast(torch.device(device).type, autocast, enabled=autocast is not None):
            loss = forward(**batch).loss
        loss.backward()
        nn.utils.clip_grad_norm_(backbone + head, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step, optimizer


class AllocatedMemory:
    """The most memory that tensors take on a GPU meanwhile, in GB."""

    def __enter__(self):
        torch.cuda.reset_peak_memory_stats()
        return self

    def __exit__(self, *_):
        self.peak = torch.cuda.max_memory_allocated() / 1e9


def held(optimizer):
    """GB of the weights that are learnt, their gradients, and the optimizer's state."""
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    gradients = [p.grad for p in weights if p.grad is not None]
    state = [t for values in optimizer.state.values() for t in values.values()]
    return sum(t.nbytes for t in (*weights, *gradients, *state)) / 1e9


def turn(device, step, optimizer, n_steps):
    """Seconds of a step, and the GB that the loop takes by itself while others keep theirs."""
    if device.type == "cpu":
        ctypes.CDLL(None).malloc_trim(0)  # or it would start with what others have freed
    memory = AnonymousMemory if device.type == "cpu" else AllocatedMemory
    own = held(optimizer)
    with memory() as before:
        time.sleep(0.05)
    with memory() as during:
        seconds, _ = timed(device, lambda: [step() for _ in range(n_steps)])
    return seconds / n_steps, own + during.peak - before.peak


class Pairs(list):
    """Pairs of sound and responses, as FeatureWindows reads them."""

    def labels(self, i):
        return self[i]["labels"]


def make_pairs(arguments):
    """A batch of noise: its windows in a recording, and each with its responses."""
    rng = np.random.default_rng(0)
    length, shift = round(arguments.seconds * 16000), 32000
    starts = np.arange(arguments.batch_size) * shift
    audio = rng.standard_normal(starts[-1] + length, dtype=np.float32)
    responses = rng.standard_normal((arguments.batch_size, arguments.n_voxels), dtype=np.float32)
    pairs = Pairs(
        {"audio": audio[start : start + length], "labels": row}
        for start, row in zip(starts, responses, strict=True)
    )
    return pairs, [(audio, np.stack([starts, starts + length], axis=1))]


def compare(arguments):
    """Time both loops; a row of numbers for each."""
    device = torch.device(arguments.device)
    prepare_process(device, 1)
    torch.manual_seed(0)
    config = Wav2Vec2Config(**SIZES[arguments.size], num_voxels=arguments.n_voxels)
    pairs, recordings = make_pairs(arguments)
    loops = {PEER: (torch.float32, *published(config, arguments, pairs))}
    with tempfile.TemporaryDirectory() as cache_dir:
        for name in arguments.dtypes:
            dtype = getattr(torch, name)
            loop = ours(config, arguments, dtype, pairs, recordings, cache_dir)
            loops[f"ours, {name}"] = dtype, *loop
        turns = {name: [] for name in loops}
        for _ in range(1 + arguments.turns):
            for name, (_, step, optimizer) in loops.items():
                turns[name].append(turn(device, step, optimizer, arguments.steps))
                print(f"{name}: {turns[name][-1][0]:.3g} s a step", flush=True)
    size = 4096 if device.type == "cpu" else 8192
    peaks = {dtype: peak(device, dtype, size) for dtype, *_ in loops.values()}
    cnn, rest = flop_of_window(config, len(pairs[0]["audio"]), arguments.n_voxels)
    rows = {}
    best = {name: min(seconds for seconds, _ in found[1:]) for name, found in turns.items()}
    for name, (dtype, *_) in loops.items():
        rate = arguments.batch_size / best[name]
        flop = 3 * rest + (cnn if name == PEER else 0)
        rows[name] = {
            "seconds_per_step": best[name],
            "windows_per_second": rate,
            "ratio": best[PEER] / best[name],
            "flop_per_window": flop,
            "peak_flop_per_second": peaks[dtype],
            "share_of_peak": rate * flop / peaks[dtype],
            "peak_memory_gb": max(memory for _, memory in turns[name]),
            "hours_of_a_participant": N_EPOCHS * N_WINDOWS / rate / 3600,
        }
    return rows


def main():
    (arguments,) = HfArgumentParser(Arguments).parse_args_into_dataclasses()
    on_gpu = arguments.device != "cpu"
    machine = torch.cuda.get_device_name() if on_gpu else f"{joblib.cpu_count()} CPU cores"
    print(
        f"wav2vec2-{arguments.size}, batch {arguments.batch_size}, {arguments.seconds:g} s, "
        f"{arguments.n_voxels} voxels, on {machine}, torch {torch.__version__}"
    )
    rows = compare(arguments)
    print(
        f"{'':>16}  s/step  windows/s  ratio  of peak  memory  {N_EPOCHS} epochs of a participant"
    )
    for name, row in rows.items():
        print(
            f"{name:>16}  {row['seconds_per_step']:6.3g}  {row['windows_per_second']:9.3g}  "
            f"{row['ratio']:5.2f}  {100 * row['share_of_peak']:5.0f} %  "
            f"{row['peak_memory_gb']:3.1f} GB  {row['hours_of_a_participant']:.3g} h"
        )
    if arguments.json:
        facts = {"arguments": asdict(arguments), "machine": machine, "torch": torch.__version__}
        Path(arguments.json).write_text(json.dumps({**facts, "loops": rows}, indent=1))


if __name__ == "__main__":
    main()
