"""A small phantom and a small untaught model, on which a whole run takes seconds."""

import shutil

import h5py
import numpy as np
import pytest
import yaml
from scipy.stats import zscore
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model, set_seed

from datasets_scripts import make_phantom, noise_ceiling, read_regions
from tests.planted_anatomy import plant_anatomy


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    """Four stories of a minute and the repeated one, heard by P01 and P02."""
    root = tmp_path_factory.mktemp("recordings") / "phantom"
    make_phantom(
        root,
        participants=("P01", "P02"),
        n_stories=4,
        seconds=60.0,
        test_seconds=90.0,
        n_language=12,
        n_auditory=12,
        n_noise=4,
        n_dead=2,
    )
    return root


@pytest.fixture(scope="session")
def anatomical(recordings, tmp_path_factory):
    """The same stories as UTS05 heard them, whose anatomy is planted, in a folder like ds003020.

    Voxels of late language regions answer as the phantom's language voxels, those of early auditory
    ones as its auditory voxels, the others are noise.
    """
    root = tmp_path_factory.mktemp("anatomical") / "ds003020"
    truth = plant_anatomy(root)
    shutil.copytree(recordings / "stimuli", root / "stimuli")
    for name in ("TextGrids", "respdict.json"):
        copy = shutil.copytree if name == "TextGrids" else shutil.copy
        copy(recordings / "derivative" / name, root / "derivative" / name)
    own = root / "derivative/preprocessed_data/UTS05"
    own.mkdir(parents=True)
    rng = np.random.default_rng(0)
    phantom = recordings / "derivative/preprocessed_data/P01"
    with h5py.File(phantom / "repeated.hf5") as heard:
        ceiling = noise_ceiling(heard["individual_repeats"][()])
    kinds = read_regions(recordings, "P01")
    noise = np.setdiff1d(np.flatnonzero(ceiling < 0.4), np.concatenate([*kinds.values()]))
    column = rng.choice(noise, truth.n_voxels)
    for region, kind in (("late_language", "language"), ("early_auditory", "auditory")):
        best = kinds[kind][np.argsort(ceiling[kinds[kind]])[-4:]]
        column[truth.voxels(region)] = rng.choice(best, len(truth.voxels(region)))
    for path in sorted(phantom.iterdir()):
        with h5py.File(path) as heard, h5py.File(own / path.name, "w") as file:
            for name, values in heard.items():
                values = values[()][..., column]
                noise = rng.standard_normal(values.shape)
                file[name] = zscore(values + 0.3 * noise, axis=-2)
            if "individual_repeats" in file:
                file["data"][...] = zscore(file["individual_repeats"][()].mean(axis=0))
    return root, truth


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory):
    """Folder of a plain Wav2Vec2 checkpoint with two layers."""
    folder = tmp_path_factory.mktemp("pretrained")
    set_seed(0)
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8, 16),
        # Frames of 40 ms: attention costs a quarter of what it does at the published rate.
        conv_kernel=(40, 32),
        conv_stride=(20, 32),
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        # of self-supervised training, which is slow with the default ones
        num_codevectors_per_group=8,
        codevector_dim=8,
        proj_codevector_dim=8,
        num_negatives=5,
    )
    Wav2Vec2Model(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def settings(recordings, pretrained):
    """Arguments of a run that takes seconds, but for the output folder."""
    return {
        "pretrained": str(pretrained),
        "data": str(recordings),
        "participants": ["P01"],
        "train_stories": ["story01", "story02", "story03"],
        "validation_stories": ["story04"],
        "test_story": "repeated",
        "tuning_regions": ["language", "auditory"],
        "permutation_block": 5,
        "evaluation_length": 4.0,
        "evaluation_stride": 2.0,
        "learning_rate": 1e-3,
        "head_learning_rate": 1e-2,
        "num_train_epochs": 3,
        "per_device_train_batch_size": 8,
        "eval_strategy": "steps",
        "eval_steps": 3,
        "save_strategy": "steps",
        "save_steps": 3,
        "logging_steps": 1,
        "save_total_limit": 1,
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
        "use_cpu": True,
        "disable_tqdm": True,
    }


@pytest.fixture
def configuration(tmp_path, settings):
    """Write the settings, some of them changed, as a configuration file."""

    def write(**changes):
        path = tmp_path / "configuration.yaml"
        path.write_text(yaml.safe_dump(settings | changes))
        return path

    return write
