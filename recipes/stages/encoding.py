"""From a checkpoint to what encoding models make of it: predictions of the held-out story."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import joblib
import numpy as np
import torch
from tqdm import tqdm
from transformers import PreTrainedModel

from datasets_scripts import Story, evaluation_windows, lanczos
from evaluate_metrics import LAGS, MEAN_IMPACT, EncodingModel, Residualizer, ScoredLayers, Scores
from modeling_braintune import (
    cached_representations,
    entry_of,
    frame_step,
    keep,
    kept,
    layer_representations,
    model_facts,
    receptive_field,
)
from recipes.stages.backbones import load_backbone

FORMAT = 5  # of what is kept: a new one has it computed again
LEFT_OVER = "left_over"


@dataclass(kw_only=True, frozen=True)
class Extraction:
    """How representations of stories are computed.

    Parameters
    ----------
    layers : list of int, optional
        Every layer of the transformer, but not its input, by default.
    length, stride : float
        Seconds; of the evaluation windows.
    chunk : float
        Seconds between windows, where that is more than a stride: the frames of a window's last
        so many seconds are the samples then, a stride apart, at a fraction of the cost. A sample
        sees up to a chunk, but for a stride, of what comes after it.
    precision : torch.dtype, optional
        torch.bfloat16 for representations that are computed twice as fast, at 1 % relative error.
    cache_dir : path-like, optional
        Keep representations there, and what follows from them for each model.
    device : str or torch.device
    trust_remote_code : bool
        As `recipes.stages.backbones.load_backbone`.
    """

    layers: Sequence[int] | None = None
    length: float = 16.0
    stride: float = 0.1
    chunk: float = 0.1
    precision: torch.dtype | None = None
    cache_dir: str | PathLike | None = None
    device: str | torch.device = "cpu"
    trust_remote_code: bool = False

    @classmethod
    def of(cls, arguments: Any, **options: Any) -> "Extraction":
        """Return what a command's options say, with the further parameters as given."""
        return cls(
            layers=arguments.layers,
            length=arguments.evaluation_length,
            stride=arguments.evaluation_stride,
            chunk=arguments.evaluation_chunk,
            **options,
        )

    def layers_of(self, model: PreTrainedModel) -> list[int]:
        """Return the layers of a model, in order."""
        return sorted(self.layers or range(1, model.config.num_hidden_layers + 1))

    def facts_of(self, model: PreTrainedModel, feature_extractor: Any) -> dict[str, Any]:
        """Return all that a model's representations follow from; weights are hashed for it."""
        layers, back = self.layers_of(model), self.frames_back(model, feature_extractor)
        return model_facts(model, feature_extractor, layers, self.precision, back)

    @property
    def n_each(self) -> int:
        """Samples that are taken from each window."""
        return max(1, round(self.chunk / self.stride))

    def frames_back(self, model: PreTrainedModel, feature_extractor: Any) -> list[int] | None:
        """Return the frames of a window that are samples, in order; None for the last one alone."""
        if self.n_each == 1:
            return None
        per_stride = self.stride * Story.sampling_rate / frame_step(model, feature_extractor)
        return [round(k * per_stride) for k in reversed(range(self.n_each))]

    def samples_of(self, windows: np.ndarray, shortest: int) -> tuple[np.ndarray, np.ndarray]:
        """Return when the samples of windows are, in seconds, and which frames are samples.

        Parameters
        ----------
        windows : array of shape (n_windows, 2)
            Of `windows_of`.
        shortest : int
            Audio samples before which a model has no frame.

        Returns
        -------
        times : array of shape (n_samples,)
        taken : bool array of shape (n_windows * n_each,)
            False of what the window before the last one holds already, and of what is too early.
        """
        ends = windows[:, 1] / Story.sampling_rate
        before = self.stride * np.arange(self.n_each)[::-1]
        times = ends[:, None] - before
        after = np.concatenate([[0.0], ends[:-1]])[:, None] + self.stride / 2
        taken = (times > after) | (before == 0)
        taken = (taken & (np.rint(times * Story.sampling_rate) >= shortest)).ravel()
        return times.ravel()[taken], taken

    def windows_of(self, model: PreTrainedModel, story: Story) -> np.ndarray:
        """Return the windows of a story that are long enough for the model's first frame."""
        windows = evaluation_windows(
            len(story.audio), length=self.length, stride=self.stride, n_each=self.n_each
        )
        return windows[windows[:, 1] - windows[:, 0] >= receptive_field(model)]

    def load(self, checkpoint: str | PathLike) -> tuple[PreTrainedModel, Any]:
        """Load a backbone in float32, and its feature extractor."""
        model, feature_extractor = load_backbone(checkpoint, self.trust_remote_code)
        return model.to(self.device), feature_extractor


@dataclass(kw_only=True)
class Encoded:
    """What encoding models predict from a model's layers, and what of it is mere acoustics."""

    layers: ScoredLayers
    impact: dict[str, dict]  # {low-level feature: {region: scores}}, in per cent
    left_over: np.ndarray | None  # voxels' alignment without the last low-level feature
    at_edges: dict[int, tuple[int, int]]  # {layer: voxels at the smallest and largest penalty}


def encode(
    checkpoint: str | PathLike,
    train_stories: list[Story],
    test_story: Story,
    responses: list[np.ndarray],
    scored: Scores,
    extraction: Extraction,
    *,
    test_skip_trs: int = 0,
    low_level: dict[str, list[np.ndarray]] | None = None,
    low_level_lags: Sequence[int] | None = None,
    delays: Sequence[int] = (1, 2, 3, 4),
    penalties_on: Sequence[tuple[Story, np.ndarray]] = (),
    progress: str | None = None,
) -> Encoded:
    """Fit an encoding model per layer, and predict the test story with and without acoustics.

    Parameters
    ----------
    checkpoint : folder or name on the Hub
    train_stories : list of Story
    test_story : Story
    responses : list of float32 arrays of shape (n_trs, n_voxels)
        To the training stories, in the voxels that are scored.
    scored : evaluate_metrics.Scores
    extraction : Extraction
    test_skip_trs, low_level, low_level_lags, delays
        As `recipes.stages.measuring.align`.
    penalties_on : list of (Story, responses)
        That penalties are chosen on, with responses as of the training stories.
    progress : str, optional
        Name to show a progress bar under.

    Returns
    -------
    Encoded
    """
    chosen_on = [story for story, _ in penalties_on]
    stories = [*train_stories, *chosen_on, test_story]
    model, feature_extractor = extraction.load(checkpoint)
    path = facts = None
    if extraction.cache_dir is not None:
        facts = extraction.facts_of(model, feature_extractor)
        sound = [[story.audio, story.tr_times] for story in stories]
        measured = [responses, scored, list((low_level or {}).items()), test_skip_trs]
        measured += [responses_to for _, responses_to in penalties_on]
        parameters = (s.get_params() for s in (EncodingModel(delays=delays), Residualizer()))
        solvers = [*map(repr, parameters), repr(low_level_lags)]
        measurement = facts | {
            "encoding": [FORMAT, *solvers, extraction.length, extraction.stride, extraction.chunk],
            "recordings": joblib.hash([sound, measured], "sha1", coerce_mmap=True),
        }
        path = entry_of(extraction.cache_dir, measurement) / "encoded.safetensors"
        if (found := _stored(path, scored)) is not None:
            return found
    features = layer_features(
        model, feature_extractor, stories, extraction, progress=progress, facts=facts
    )

    def predicted(features):
        """Responses to the test story, and voxels at the ends of the penalties, by layer."""
        fitted, at_edges, n_train = {}, {}, len(train_stories)
        for layer, (*heard, test) in features.items():
            validation = (heard[n_train:], [responses_to for _, responses_to in penalties_on])
            encoding_model = EncodingModel(delays=delays, device=extraction.device).fit(
                heard[:n_train], responses, validation if penalties_on else None
            )
            (fitted[layer],) = encoding_model.predict([test[test_skip_trs:]])
            at_edges[layer] = encoding_model.at_edges_
        return fitted, at_edges

    predictions, at_edges = predicted(features)
    layers, impact, left_over = scored.score(predictions), {}, None
    for lags, named in _removals(low_level_lags) if low_level else ():
        of_lags = {}
        for name, feature in low_level.items():
            residuals = _residuals(feature, features, len(train_stories), lags)
            left = scored.score(predicted(residuals)[0])
            of_lags[name] = scored.impact(layers, left)
        if left_over is None:
            left_over = left.per_voxel  # of the last feature, all of them, at the same TR
        of_lags[MEAN_IMPACT] = scored.mean_impact(of_lags)
        impact |= {f"{name}{named}": by_region for name, by_region in of_lags.items()}
    # As it is when it was kept.
    impact = _with_layers(json.loads(json.dumps(impact, default=np.ndarray.tolist)))
    encoded = Encoded(layers=layers, impact=impact, left_over=left_over, at_edges=at_edges)
    if path is not None:
        _store(path, encoded)
    return encoded


def _store(path, encoded):
    arrays = {str(layer): p for layer, p in encoded.layers.predictions.items()}
    if encoded.left_over is not None:
        arrays[LEFT_OVER] = encoded.left_over
    keep(path, arrays, {"impact": encoded.impact, "at_edges": encoded.at_edges})


def _stored(path, scored):
    """Read a result; None if it is absent or damaged."""
    found = kept(path)
    if found is None:
        return None
    arrays, facts = found
    left_over = arrays.pop(LEFT_OVER, None)
    predictions = {layer: arrays[str(layer)] for layer in sorted(map(int, arrays))}
    return Encoded(
        layers=scored.score(predictions),
        impact=_with_layers(facts["impact"]),
        left_over=left_over,
        at_edges={int(layer): tuple(ends) for layer, ends in facts["at_edges"].items()},
    )


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


def layer_features(
    model: PreTrainedModel,
    feature_extractor: Any,
    stories: list[Story],
    extraction: Extraction,
    *,
    progress: str | None = None,
    facts: dict[str, Any] | None = None,
) -> dict[int, list[np.ndarray]]:
    """Representations of stories by the layers of a model, on the stories' TR axis.

    Windows at the start of a sound that are too short for the model's first frame are left out.

    Parameters
    ----------
    model, feature_extractor
        Of `Extraction.load`.
    stories : list of Story
    extraction : Extraction
    progress : str, optional
        Name to show a progress bar under.
    facts : dict, optional
        Of `Extraction.facts_of`, where they are known already.

    Returns
    -------
    dict of {layer: list of arrays of shape (n_trs, hidden)}
        An array per story.
    """
    layers = extraction.layers_of(model)
    represent: Callable = layer_representations
    back = extraction.frames_back(model, feature_extractor)
    options = {"dtype": extraction.precision, "frames_back": back}
    if extraction.cache_dir is not None:
        represent = cached_representations
        facts = facts or extraction.facts_of(model, feature_extractor)
        options |= {"cache_dir": extraction.cache_dir, "facts": facts}
    features = {layer: [] for layer in layers}
    for story in tqdm(stories, desc=progress or None, unit="story", disable=not progress):
        windows = extraction.windows_of(model, story)
        by_layer = represent(model, feature_extractor, story.audio, windows, layers, **options)
        times, taken = extraction.samples_of(windows, receptive_field(model))
        for layer, values in zip(layers, by_layer, strict=True):
            samples = values.reshape(-1, values.shape[-1])[taken]
            features[layer].append(lanczos(samples, times, story.tr_times))
    return features


def share_in_representations(
    checkpoints: Iterable[str | PathLike], stories: list[Story], extraction: Extraction
) -> None:
    """Compute representations into the cache, beside the process that measures with them.

    Parameters
    ----------
    checkpoints : folders or names on the Hub
    stories : list of Story
    extraction : Extraction
        With `cache_dir`, which the processes share.
    """
    for checkpoint in checkpoints:
        layer_features(*extraction.load(checkpoint), stories, extraction)


def _removals(lags):
    """Lags at which features are removed, and what says so behind their names."""
    yield (0,), ""
    if lags is not None:
        first, last = lags
        yield range(first, last + 1), f"{LAGS}{first} to {last}"


def _residuals(feature, features, n_train, lags):
    """What is left of every layer without a low-level feature; layers are fitted side by side."""
    widths = np.cumsum([arrays[0].shape[1] for arrays in features.values()])[:-1]
    together = [np.hstack(layers) for layers in zip(*features.values(), strict=True)]
    residualizer = Residualizer(lags=lags).fit(feature[:n_train], together[:n_train])
    left = [np.split(r, widths, axis=1) for r in residualizer.transform(feature, together)]
    return {layer: [story[i] for story in left] for i, layer in enumerate(features)}
