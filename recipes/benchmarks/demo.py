"""Time from a sound to what the page plays, with a model of wav2vec2-base's size.

    python recipes/benchmarks/demo.py
    python recipes/benchmarks/demo.py --precision bfloat16
    python recipes/benchmarks/demo.py --minutes 10

Weights are random. The page takes as long as this, the upload and the browser's drawing together.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from recipes.command.process import one_line_errors, prepare_process

import numpy as np
import soundfile
import torch
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor

from modeling_braintune import AutoModelForBrainTuning, Brain, BrainEncodingPipeline
from modeling_braintune.brain import N_FSAVERAGE5
from recipes.stages.demo.player import write_played
from recipes.stages.demo.predicted import predict
from recipes.stages.demo.sound import read_sound
from recipes.stages.quick_convolutions import quicken


def encoder(n_voxels: int, n_layers: int) -> BrainEncodingPipeline:
    """A model of wav2vec2-base's width, whose voxels are those of the cortex's first vertices."""
    config = Wav2Vec2Config(num_hidden_layers=n_layers)
    config.num_voxels = n_voxels
    model = AutoModelForBrainTuning.from_config(config)
    vertices = np.where(np.arange(N_FSAVERAGE5) < n_voxels, np.arange(N_FSAVERAGE5), -1)
    brain = Brain(
        participant="P01",
        tr=2.0,
        n_trs_per_window=5,
        n_recorded_voxels=n_voxels,
        voxels=np.arange(n_voxels),
        noise_ceiling=None,
        regions={"language": np.arange(n_voxels // 2)},
        fsaverage5=vertices,
    )
    model.set_brains(brain)
    feature_extractor = Wav2Vec2FeatureExtractor(return_attention_mask=False)
    return BrainEncodingPipeline(model=model, feature_extractor=feature_extractor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0, help="How long the sound lasts.")
    parser.add_argument("--n_voxels", type=int, default=15000, help="Voxels that are predicted.")
    parser.add_argument("--n_layers", type=int, default=12, help="Layers of the transformer.")
    parser.add_argument("--device", default="cpu", help="Where the model is: cpu or cuda.")
    parser.add_argument("--precision", default="float32", help="float32 or bfloat16.")
    arguments = parser.parse_args()
    with one_line_errors(), tempfile.TemporaryDirectory() as folder:
        prepare_process(torch.device(arguments.device), 1)
        encode = encoder(arguments.n_voxels, arguments.n_layers)
        encode.model.to(arguments.device, getattr(torch, arguments.precision))
        encode.device = torch.device(arguments.device)
        encode.model.name_or_path = folder
        if (arguments.device, arguments.precision) == ("cpu", "bfloat16"):  # as the page does
            for part in encode.model.feature_encoder_parts():
                quicken(part)
        samples = np.random.default_rng(0).uniform(-0.1, 0.1, round(arguments.minutes * 60 * 16000))
        path = Path(folder) / "sound.wav"
        soundfile.write(path, samples, 16000)

        began, used = time.perf_counter(), time.process_time()
        sound = read_sound(path)
        predicted = predict(encode, sound, "P01")
        made, of_made = time.perf_counter(), time.process_time()
        played = write_played([predicted], ["model"], Path(folder))
        ended = time.perf_counter()
        unit = 1 if sys.platform == "darwin" else 1024  # of what the system counts memory in
        peak = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9
        n_trs, n_voxels = predicted.responses.shape
        print(
            f"{arguments.minutes:g} min, {n_trs} TRs, {n_voxels} voxels on "
            f"{torch.get_num_threads()} threads: predicted in {made - began:.1f} s "
            f"({of_made - used:.1f} s of all cores), written in {ended - made:.1f} s; the browser "
            f"fetches {played.stat().st_size / 1e6:.1f} MB and the sound; peak {peak:.2f} GB"
        )


if __name__ == "__main__":
    main()
