"""What evaluation stride and chunk do to alignment, to a gain and to the time that they take.

    python recipes/benchmarks/chunks.py --checkpoint outputs/phantom/brain-tuned
    python recipes/benchmarks/chunks.py --checkpoint outputs/phantom/brain-tuned --n_stories 2 \\
        --strides 1 --chunks 1

On the phantom's language voxels, mean over layers, of the pretrained model and of a tuned one.
Encoding models are fitted on a few of the training stories. The first line is the paper's way.
"""

import time
from dataclasses import dataclass, field, replace

from recipes.command.process import prepare_process

import numpy as np
import torch
from transformers import HfArgumentParser

from datasets_scripts import noise_ceiling, read_ds003020, read_regions, select_voxels
from evaluate_metrics import EncodingModel, Scores
from evaluate_metrics.reports import text_table
from recipes.command.checkpoints import checkpoint, recordings_folder
from recipes.stages.encoding import Extraction, layer_features

PARTICIPANT, REGION = "P01", "language"
HEADER = ("stride, s", "chunk, s", "pretrained", "tuned", "gain", "seconds")


@dataclass
class Arguments:
    checkpoint: str = field(metadata={"help": "Tuned model, of the phantom's P01."})
    pretrained: str = field(
        default="phantom-wav2vec2", metadata={"help": "Model that it was tuned from."}
    )
    n_stories: int = field(default=6, metadata={"help": "Training stories of encoding models."})
    strides: list[float] = field(
        default_factory=lambda: [0.1, 0.5, 1.0],
        metadata={"help": "Seconds between representations that have a window each."},
    )
    chunks: list[float] = field(
        default_factory=lambda: [0.5, 1.0],
        metadata={"help": "Seconds between windows, with representations every 0.1 s."},
    )
    device: str = field(default="cpu", metadata={"help": "Device of the models, such as cuda."})


def measure(model, train, test, ceiling, extraction):
    """Alignment averaged over layers and voxels, and the seconds that representations take."""
    backbone, feature_extractor = extraction.load(checkpoint(model))
    start = time.perf_counter()
    features = layer_features(backbone, feature_extractor, [*train, test], extraction)
    seconds = time.perf_counter() - start
    predictions = {}
    for layer, (*heard, last) in features.items():
        fitted = EncodingModel(device=extraction.device).fit(heard, [s.responses for s in train])
        (predictions[layer],) = fitted.predict([last])
    return Scores(test.responses, ceiling, {}).score(predictions).per_voxel.mean(), seconds


def main():
    (arguments,) = HfArgumentParser(Arguments).parse_args_into_dataclasses()
    prepare_process(torch.device(arguments.device), 1)
    root = recordings_folder("phantom")
    names = [*(f"story{i:02d}" for i in range(1, arguments.n_stories + 1)), "repeated"]
    *train, test = stories = list(read_ds003020(root, PARTICIPANT, names))
    ceiling = noise_ceiling(test.repeats)
    voxels = select_voxels(ceiling, regions=read_regions(root, PARTICIPANT), names=[REGION])
    *train, test = (
        replace(story, responses=story.responses[:, voxels].astype(np.float32), repeats=None)
        for story in stories
    )
    ways = [(stride, stride) for stride in arguments.strides]
    ways += [(0.1, chunk) for chunk in arguments.chunks]
    lines = []
    for stride, chunk in ways:
        extraction = Extraction(stride=stride, chunk=chunk, device=arguments.device)
        (before, one), (after, other) = (
            measure(model, train, test, ceiling[voxels], extraction)
            for model in (arguments.pretrained, arguments.checkpoint)
        )
        gain = f"{after - before:+.3f}"
        lines.append(
            [
                f"{stride:g}",
                f"{chunk:g}",
                f"{before:.3f}",
                f"{after:.3f}",
                gain,
                f"{one + other:.0f}",
            ]
        )
        print(text_table(HEADER, lines), "\n", flush=True)


if __name__ == "__main__":
    main()
