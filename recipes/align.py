"""Measure how well speech models predict the brain: normalised alignment on a held-out story."""

import dataclasses
from pathlib import Path

import evaluate
import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoFeatureExtractor, AutoModel

import evaluate_metrics
from datasets_scripts import evaluation_windows, lanczos, noise_ceiling
from evaluate_metrics import EncodingModel, alignment_interval
from modeling_braintune import layer_representations

METRIC = str(Path(evaluate_metrics.__file__).parent / "brain_alignment")
SHORTEST = 20  # TRs: two blocks of the bootstrap
OWN_REPEATS = (
    "Warning: noise ceilings, and with them the voxels, come from the repeats of {!r}, on which "
    "the models are scored too."
)


def align(
    checkpoints,
    train_stories,
    test_story,
    ceiling,
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
    ceiling : array of shape (n_voxels,)
        Noise ceiling of the test story's responses.
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
    voxels = voxels[ceiling[voxels] > threshold]
    responses = [story.responses[:, voxels].astype(np.float32) for story in train_stories]
    references, ceiling = references[:, voxels].astype(np.float32), ceiling[voxels]
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
        alignment[model] = _alignment(predictions[model], references, ceiling, regions)

    baseline = next(iter(checkpoints))
    gain = {
        model: {
            region: _gain(
                alignment[model][region],
                alignment[baseline][region],
                _interval(predictions[model], references, ceiling, members, predictions[baseline]),
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


def scored_story(participant, test_story, *, skip_trs=0, ceiling_story=None, n_repeats=None):
    """The story that models are compared on, and the noise ceilings of its responses.

    The noise ceilings select voxels, so they should not come from the repeats that are scored:
    they can be had from another repeated story, or from some of the repeats, whereupon the mean of
    the others is scored (Schoppe et al. 2016).

    Parameters
    ----------
    participant : Participant
    test_story : str
    skip_trs : int
        TRs left out at the test story's start.
    ceiling_story : str, optional
        Repeated story to take the noise ceilings from instead.
    n_repeats : int, optional
        Take the noise ceilings from so many of the first repeats, and score the mean of the rest.

    Returns
    -------
    test : Story
    ceiling : array of shape (n_voxels,)
    note : str
        Where the noise ceilings come from.

    Raises
    ------
    ValueError
        As `check_test_story`; both options are given; too few repeats for either part.
    """
    (test,) = participant.stories([test_story])
    check_test_story(test, skip_trs)
    if ceiling_story is not None and n_repeats is not None:
        raise ValueError("ceiling_story and ceiling_repeats exclude each other, got both")
    if ceiling_story is not None:
        (other,) = participant.stories([ceiling_story])
        if other.repeats is None:
            raise ValueError(f"ceiling_story {ceiling_story!r} has no repeats")
        ceiling = noise_ceiling(other.repeats, n_scored=len(test.repeats))
        return test, ceiling, f"Noise ceilings, and with them the voxels, come from {other.name!r}."
    repeats = test.repeats[:, skip_trs:]
    if n_repeats is None:
        return test, noise_ceiling(repeats), OWN_REPEATS.format(test.name)
    if not 2 <= n_repeats < len(repeats):
        raise ValueError(
            f"ceiling_repeats must be from 2 to {len(repeats) - 1}, so that of the {len(repeats)} "
            f"repeats of {test.name} some are left to score, got {n_repeats}"
        )
    scored = test.repeats[n_repeats:]
    mean = scored.mean(axis=0, dtype=np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (mean - mean.mean(axis=0)) / mean.std(axis=0)
    ceiling = noise_ceiling(repeats[:n_repeats], n_scored=len(scored))
    note = (
        f"Noise ceilings, and with them the voxels, come from {n_repeats} repeats of "
        f"{test.name!r}; models are scored on the mean of the other {len(scored)}."
    )
    return dataclasses.replace(test, responses=mean, repeats=scored), ceiling, note


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
