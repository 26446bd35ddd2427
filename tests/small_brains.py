"""Checkpoints that predict a few voxels in no time, some of which lie at known vertices."""

from pathlib import Path

import numpy as np
import torch
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, set_seed

from modeling_braintune import AutoModelForBrainTuning, Brain
from modeling_braintune.brain import N_FSAVERAGE5

TR, N_TRS_PER_WINDOW = 2.0, 3
N_LEFT = N_FSAVERAGE5 // 2
# Vertices of each column but the last, which lies at none: a left patch, and a right one.
PATCHES = {0: (0, 2000), 1: (2000, 4000), 2: (N_LEFT, N_LEFT + 3000)}


def brain(participant="P01", **fields):
    """A participant with four voxels, of which the head's columns 0 and 1 are of language."""
    vertices = np.full(N_FSAVERAGE5, -1)
    for column, (first, end) in PATCHES.items():
        vertices[first:end] = column
    affine = np.diag([3.0, 3.0, 3.0, 1.0]).tolist()
    return Brain(
        participant=participant,
        **{
            "tr": TR,
            "n_trs_per_window": N_TRS_PER_WINDOW,
            "n_recorded_voxels": 9,
            "voxels": [7, 1, 4, 2],
            "noise_ceiling": [0.5, 0.6, 0.7, 0.8],
            "regions": {"late_language": [0, 1], "early_auditory": [2], "none": []},
            "places": [30, 10, 20, 40],
            "space": {"shape": [4, 4, 4], "affine": affine},
            "fsaverage5": vertices,
            "data": {"train_stories": ["story01", "story02"]},
        }
        | fields,
    )


def write_checkpoint(folder, *brains, seed=0):
    """Save a model of random weights, whose responses differ from voxel to voxel and in time."""
    set_seed(seed)
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8, 16),
        conv_kernel=(40, 16),
        conv_stride=(20, 16),
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )
    n_voxels = {one.participant: len(one.voxels) for one in brains}
    config.num_voxels = n_voxels if len(brains) > 1 else len(brains[0].voxels)
    model = AutoModelForBrainTuning.from_config(config)
    torch.nn.init.normal_(model.head.weight, std=1.0)
    model.set_brains(*brains)
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
    return Path(folder)


def bursts(seconds, rate=16000):
    """Noise that comes and goes every three seconds, at most half of full scale."""
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, len(time))
    return (noise * np.where(time % 6 < 3, 1.0, 0.02)).astype(np.float32)
