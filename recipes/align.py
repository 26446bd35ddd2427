"""Measure how well speech models predict the brain: normalised alignment on a held-out story."""

from pathlib import Path

import evaluate
import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoFeatureExtractor, AutoModel

import evaluate_metrics
from datasets_scripts import evaluation_windows, lanczos
from evaluate_metrics import EncodingModel, alignment_interval
from modeling_braintune import layer_representations

METRIC = str(Path(evaluate_metrics.__file__).parent / "brain_alignment")
SHORTEST = 20  # TRs: two blocks of the bootstrap


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
    device="cpu",
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
    device : str or torch.device
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
        Too little is left of the test story, or a window is longer than a model takes.
    """
    check_test_story(test_story, test_skip_trs)
    references = test_story.responses[test_skip_trs:]
    voxels = np.unique(np.concatenate([np.asarray(v, dtype=int) for v in regions.values()]))
    voxels = voxels[noise_ceiling[voxels] > threshold]
    responses = [story.responses[:, voxels] for story in train_stories]
    references, noise_ceiling = references[:, voxels], noise_ceiling[voxels]
    regions = {name: np.isin(voxels, indices) for name, indices in regions.items()}

    predictions, alignment = {}, {}
    for model, checkpoint in checkpoints.items():
        features = layer_features(
            checkpoint,
            [*train_stories, test_story],
            layers,
            length,
            stride,
            device,
            progress and model,
        )
        predictions[model] = {}
        for layer, (*train, test) in features.items():
            encoding_model = EncodingModel(device=device).fit(train, responses)
            (predictions[model][layer],) = encoding_model.predict([test[test_skip_trs:]])
        alignment[model] = _alignment(predictions[model], references, noise_ceiling, regions)

    baseline = next(iter(checkpoints))
    gain = {
        model: {
            region: _gain(
                alignment[model][region],
                alignment[baseline][region],
                _interval(
                    predictions[model], references, noise_ceiling, members, predictions[baseline]
                ),
            )
            for region, members in regions.items()
        }
        for model in checkpoints
        if model != baseline
    }
    return {"alignment": alignment, "gain": gain, "n_trs": len(references)}


def check_test_story(story, skip_trs=0):
    """Refuse a story that models cannot be compared on.

    Raises
    ------
    ValueError
        It has no repeats to take a noise ceiling from, or too few TRs are left of it.
    """
    if story.repeats is None:
        raise ValueError(f"test_story {story.name!r} has no repeats to take a noise ceiling from")
    left = len(story.responses) - skip_trs
    if skip_trs < 0 or left < SHORTEST:
        raise ValueError(
            f"test_skip_trs={skip_trs} leaves {left} of the {len(story.responses)} TRs of "
            f"{story.name}; at least {SHORTEST} are needed"
        )


def layer_features(
    checkpoint, stories, layers=None, length=16.0, stride=0.1, device="cpu", progress=None
):
    """Representations of stories by the layers of a model, on the stories' TR axis.

    Parameters
    ----------
    checkpoint : folder or name on the Hub
    stories : list of Story
    layers : list of int, optional
        Every layer of the transformer, but not its input, by default.
    length, stride : float
        Seconds; of the evaluation windows.
    device : str or torch.device
    progress : str, optional
        Name to show a progress bar under.

    Returns
    -------
    dict of {layer: list of arrays of shape (n_trs, hidden)}
        An array per story.
    """
    model = AutoModel.from_pretrained(checkpoint, dtype=torch.float32).to(device)
    feature_extractor = AutoFeatureExtractor.from_pretrained(checkpoint)
    layers = layers or list(range(1, model.config.num_hidden_layers + 1))
    features = {layer: [] for layer in layers}
    for story in tqdm(stories, desc=progress or None, unit="story", disable=not progress):
        windows = evaluation_windows(len(story.audio), length=length, stride=stride)
        representations = layer_representations(
            model, feature_extractor, story.audio, windows, layers
        )
        ends = windows[:, 1] / story.sampling_rate
        for layer, values in zip(layers, representations, strict=True):
            features[layer].append(lanczos(values, ends, story.tr_times))
    return features


def _alignment(predictions, references, noise_ceiling, regions):
    """Scores of a model by region, from {layer: predicted responses (n_trs, n_voxels)}."""
    metric = evaluate.load(METRIC)
    by_layer = {
        layer: metric.compute(
            predictions=predicted,
            references=references,
            noise_ceiling=noise_ceiling,
            regions=regions,
            threshold=0.0,  # these voxels have passed it
        )["regions"]
        for layer, predicted in predictions.items()
    }
    return {
        region: {
            "mean": float(np.mean([by_layer[k][region]["brain_alignment"] for k in by_layer]))
            if members.any()
            else None,
            "interval": _interval(predictions, references, noise_ceiling, members),
            "n_voxels": int(members.sum()),
            "layers": {k: by_layer[k][region]["brain_alignment"] for k in by_layer},
        }
        for region, members in regions.items()
    }


def _interval(predictions, references, noise_ceiling, members, baseline=None):
    if not members.any():
        return None
    return alignment_interval(
        [predicted[:, members] for predicted in predictions.values()],
        references[:, members],
        noise_ceiling[members],
        baseline and [predicted[:, members] for predicted in baseline.values()],
    )


def _gain(scores, baseline, interval):
    mean = None if interval is None else scores["mean"] - baseline["mean"]
    return {"mean": mean, "interval": interval, "n_voxels": scores["n_voxels"]}
