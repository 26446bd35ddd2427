"""From a checkpoint to what encoding models make of it: predictions of the held-out story."""

import json
from dataclasses import dataclass

import joblib
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from tqdm import tqdm
from transformers import AutoFeatureExtractor, AutoModel

from datasets_scripts import evaluation_windows, lanczos
from evaluate_metrics import MEAN_IMPACT, EncodingModel, Residualizer
from modeling_braintune import cached_representations, layer_representations, receptive_field
from modeling_braintune.representation_cache import checksum, entry_of, model_facts

FORMAT = 2  # of what is kept: a new one has it computed again
LEFT_OVER = "left_over"


@dataclass(kw_only=True)
class Encoded:
    """What encoding models predict from a model's layers, and what of it is mere acoustics."""

    predictions: dict  # {layer: array of shape (n_trs, n_voxels)}
    impact: dict  # {low-level feature: {region: scores}}, in per cent
    left_over: np.ndarray | None  # voxels' alignment without the last low-level feature


def encode(
    checkpoint,
    train_stories,
    test_story,
    responses,
    scored,
    *,
    layers=None,
    length=16.0,
    stride=0.1,
    test_skip_trs=0,
    low_level=None,
    precision=None,
    cache_dir=None,
    device="cpu",
    progress=None,
):
    """Fit an encoding model per layer, and predict the test story with and without acoustics.

    Parameters
    ----------
    checkpoint : folder or name on the Hub
    train_stories : list of Story
    test_story : Story
    responses : list of float32 arrays of shape (n_trs, n_voxels)
        To the training stories, in the voxels that are scored.
    scored : evaluate_metrics.Scores
    layers, length, stride, test_skip_trs, low_level, precision
        As `recipes.align.align`.
    cache_dir : path-like, optional
        Keep representations there, and the result, under all that it follows from.
    device : str or torch.device
    progress : str, optional
        Name to show a progress bar under.

    Returns
    -------
    Encoded
    """
    stories = [*train_stories, test_story]
    model, feature_extractor = _loaded(checkpoint, device)
    layers = sorted(layers or _all_layers(model))
    path = None
    if cache_dir is not None:
        sound = [[story.audio, story.tr_times] for story in stories]
        measured = [responses, scored, list((low_level or {}).items()), test_skip_trs]
        solvers = [repr(solver.get_params()) for solver in (EncodingModel(), Residualizer())]
        facts = model_facts(model, feature_extractor, layers, precision) | {
            "encoding": [FORMAT, *solvers, length, stride],
            "recordings": joblib.hash([sound, measured], "sha1", coerce_mmap=True),
        }
        path = entry_of(cache_dir, facts) / "encoded.safetensors"
        if (found := _stored(path)) is not None:
            return found
    features = layer_features(
        checkpoint, stories, layers, length, stride, device, progress, precision, cache_dir
    )

    def predicted(features):
        """Responses to the test story, by layer."""
        fitted = {}
        for layer, (*train, test) in features.items():
            encoding_model = EncodingModel(device=device).fit(train, responses)
            (fitted[layer],) = encoding_model.predict([test[test_skip_trs:]])
        return fitted

    predictions, impact, left_over = predicted(features), {}, None
    for name, feature in (low_level or {}).items():
        left = predicted(_residuals(feature, features))
        impact[name] = scored.impact(predictions, left)
    if low_level:
        left_over = scored.per_voxel(left)  # of the last feature, all of them
        impact[MEAN_IMPACT] = scored.mean_impact(impact)
    # As it is when it was kept.
    impact = _with_layers(json.loads(json.dumps(impact, default=np.ndarray.tolist)))
    encoded = Encoded(predictions=predictions, impact=impact, left_over=left_over)
    if path is not None:
        _store(path, encoded)
    return encoded


def _store(path, encoded):
    """Write a result so that no reader ever sees a part of it."""
    arrays = {str(layer): np.ascontiguousarray(p) for layer, p in encoded.predictions.items()}
    if encoded.left_over is not None:
        arrays[LEFT_OVER] = encoded.left_over
    unfinished = path.with_suffix(".partial")
    noted = {"impact": json.dumps(encoded.impact), "checksums": _checksums(arrays)}
    save_file(arrays, unfinished, noted)
    unfinished.replace(path)


def _stored(path):
    """Read a result; None if it is absent or damaged."""
    try:
        with safe_open(path, "numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            noted = file.metadata()
    except (FileNotFoundError, SafetensorError):
        return None
    if noted["checksums"] != _checksums(arrays):
        return None
    left_over = arrays.pop(LEFT_OVER, None)
    predictions = {layer: arrays[str(layer)] for layer in sorted(map(int, arrays))}
    impact = _with_layers(json.loads(noted["impact"]))
    return Encoded(predictions=predictions, impact=impact, left_over=left_over)


def _checksums(arrays):
    return json.dumps({name: checksum(arrays[name]) for name in sorted(arrays)})


def _with_layers(content):
    """What JSON holds, but with layers as numbers again."""
    if not isinstance(content, dict):
        return content
    return {
        key: {int(layer): v for layer, v in value.items()}
        if key in ("layers", "layer_intervals")
        else _with_layers(value)
        for key, value in content.items()
    }


def _loaded(checkpoint, device):
    model = AutoModel.from_pretrained(checkpoint, dtype=torch.float32).to(device)
    return model, AutoFeatureExtractor.from_pretrained(checkpoint)


def _all_layers(model):
    return list(range(1, model.config.num_hidden_layers + 1))


def layer_features(
    checkpoint,
    stories,
    layers=None,
    length=16.0,
    stride=0.1,
    device="cpu",
    progress=None,
    precision=None,
    cache_dir=None,
):
    """Representations of stories by the layers of a model, on the stories' TR axis.

    Windows at the start of a sound that are too short for the model's first frame are left out.

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
    precision : torch.dtype, optional
        As `recipes.align.align`.
    cache_dir : path-like, optional
        Keep representations there.

    Returns
    -------
    dict of {layer: list of arrays of shape (n_trs, hidden)}
        An array per story.
    """
    model, feature_extractor = _loaded(checkpoint, device)
    layers = layers or _all_layers(model)
    features = {layer: [] for layer in layers}
    for story in tqdm(stories, desc=progress or None, unit="story", disable=not progress):
        windows = evaluation_windows(len(story.audio), length=length, stride=stride)
        windows = windows[windows[:, 1] - windows[:, 0] >= receptive_field(model)]
        represent = layer_representations
        options = {"dtype": precision}
        if cache_dir is not None:
            represent, options = cached_representations, options | {"cache_dir": cache_dir}
        values_by_layer = represent(
            model, feature_extractor, story.audio, windows, layers, **options
        )
        ends = windows[:, 1] / story.sampling_rate
        for layer, values in zip(layers, values_by_layer, strict=True):
            features[layer].append(lanczos(values, ends, story.tr_times))
    return features


def _residuals(feature, features):
    """What is left of every layer without a low-level feature; layers are fitted side by side."""
    widths = np.cumsum([arrays[0].shape[1] for arrays in features.values()])[:-1]
    together = [np.hstack(layers) for layers in zip(*features.values(), strict=True)]
    residualizer = Residualizer().fit(feature[:-1], together[:-1])
    left = [np.split(r, widths, axis=1) for r in residualizer.transform(feature, together)]
    return {layer: [story[i] for story in left] for i, layer in enumerate(features)}
