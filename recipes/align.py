"""Measure how well speech models predict the brain: normalised alignment on a held-out story."""

from pathlib import Path

import evaluate
import numpy as np
import torch
from transformers import AutoFeatureExtractor, AutoModel

import evaluate_metrics
from datasets_scripts import evaluation_windows, lanczos
from evaluate_metrics import EncodingModel, alignment_interval
from modeling_braintune import layer_representations

METRIC = str(Path(evaluate_metrics.__file__).parent / "brain_alignment")


def align(
    checkpoints,
    train_stories,
    test_story,
    noise_ceiling,
    regions,
    *,
    layers=None,
    length=16.0,
    stride=0.1,
    threshold=0.4,
    test_skip_trs=0,
    progress=False,
):
    """Predict a held-out story's responses from each model's representations, and score them.

    An encoding model per layer is fitted on the training stories; models are compared on the same
    voxels, those with a noise ceiling above the threshold (Moussa et al. 2025, section 3.2).

    Parameters
    ----------
    checkpoints : dict of {str: folder or name on the Hub}
        The first is the baseline that gains are relative to.
    train_stories : list of Story
    test_story : Story
        Its responses are the mean over its repeats.
    noise_ceiling : array of shape (n_voxels,), of the test story
    regions : dict of {str: array of voxel indices}
    layers : list of int, optional
        Every layer of the transformer, but not its input, by default.
    length, stride : float
        Seconds; of the evaluation windows.
    threshold : float
    test_skip_trs : int
        TRs left out at the test story's start, on top of the trims (Antonello et al. 2023).
    progress : bool

    Returns
    -------
    dict
        "alignment" {model: {region: scores}}, "gain" {model: {region: scores}} over the baseline,
        "n_trs". Scores hold "mean" over layers, its 95 % bootstrap "interval" over blocks of TRs
        and "n_voxels"; those of alignment also "layers" {layer: mean}. A region without a voxel
        above the threshold has None for all but "n_voxels".

    Raises
    ------
    ValueError
        Nothing is left of the test story, or a window is longer than a model takes.
    """
    references = test_story.responses[test_skip_trs:]
    if len(references) < 20:
        raise ValueError(
            f"test_skip_trs={test_skip_trs} leaves {len(references)} of the "
            f"{len(test_story.responses)} TRs of {test_story.name}; a correlation needs 20"
        )
    voxels = np.flatnonzero(noise_ceiling > threshold)
    predictions = {
        name: _predict(
            checkpoint, train_stories, test_story, voxels, layers, length, stride, test_skip_trs,
            progress,
        )
        for name, checkpoint in checkpoints.items()
    }  # fmt: skip
    references, noise_ceiling = references[:, voxels], noise_ceiling[voxels]
    regions = {name: np.isin(voxels, indices) for name, indices in regions.items()}
    baseline = next(iter(checkpoints))
    scores = {
        name: _score(by_layer, references, noise_ceiling, regions, threshold)
        for name, by_layer in predictions.items()
    }
    gains = {
        name: _gain(name, baseline, scores, predictions, references, noise_ceiling, regions)
        for name in checkpoints
        if name != baseline
    }
    return {"alignment": scores, "gain": gains, "n_trs": len(references)}


def story_features(model, feature_extractor, story, layers, length, stride, progress=False):
    """Layer representations of a story on its TR axis, (n_layers, n_trs, hidden)."""
    windows = evaluation_windows(len(story.audio), length=length, stride=stride)
    representations = layer_representations(
        model, feature_extractor, story.audio, windows, layers, progress=progress
    )
    ends = windows[:, 1] / story.sampling_rate
    return np.stack([lanczos(layer, ends, story.tr_times) for layer in representations])


def _predict(checkpoint, train_stories, test_story, voxels, layers, length, stride, skip, progress):
    """Predicted responses of the test story, {layer: (n_trs, n_selected)}."""
    model = AutoModel.from_pretrained(checkpoint).eval()
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    feature_extractor = AutoFeatureExtractor.from_pretrained(checkpoint)
    layers = layers or list(range(1, model.config.num_hidden_layers + 1))
    features = [
        story_features(model, feature_extractor, story, layers, length, stride, progress)
        for story in (*train_stories, test_story)
    ]
    responses = [story.responses[:, voxels] for story in train_stories]
    predicted = {}
    for i, layer in enumerate(layers):
        *train, test = (story[i] for story in features)
        encoding_model = EncodingModel().fit(train, responses)
        predicted[layer] = encoding_model.predict([test[skip:]])[0]
    return predicted


def _score(predictions, references, noise_ceiling, regions, threshold):
    metric = evaluate.load(METRIC)
    layers = {
        layer: metric.compute(
            predictions=predicted,
            references=references,
            noise_ceiling=noise_ceiling,
            regions=regions,
            threshold=threshold,
        )["regions"]
        for layer, predicted in predictions.items()
    }
    scores = {}
    for region, members in regions.items():
        by_layer = {layer: layers[layer][region]["brain_alignment"] for layer in layers}
        empty = not members.any()
        scores[region] = {
            "mean": None if empty else float(np.mean(list(by_layer.values()))),
            "interval": None
            if empty
            else alignment_interval(
                [p[:, members] for p in predictions.values()],
                references[:, members],
                noise_ceiling[members],
            ),
            "n_voxels": int(members.sum()),
            "layers": by_layer,
        }
    return scores


def _gain(name, baseline, scores, predictions, references, noise_ceiling, regions):
    gains = {}
    for region, members in regions.items():
        if not members.any():
            gains[region] = {"mean": None, "interval": None, "n_voxels": 0}
            continue
        gains[region] = {
            "mean": scores[name][region]["mean"] - scores[baseline][region]["mean"],
            "interval": alignment_interval(
                [p[:, members] for p in predictions[name].values()],
                references[:, members],
                noise_ceiling[members],
                baseline=[p[:, members] for p in predictions[baseline].values()],
            ),
            "n_voxels": int(members.sum()),
        }
    return gains
