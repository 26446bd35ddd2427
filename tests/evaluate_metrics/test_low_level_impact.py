"""Low-level impact: its arithmetic, the metric as users meet it, and planted truth."""

import doctest
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

import evaluate_metrics
from evaluate_metrics.brain_alignment.alignment import alignment_scores
from evaluate_metrics.encoding_model import EncodingModel, delay
from evaluate_metrics.low_level_impact.impact import impact
from evaluate_metrics.low_level_impact.low_level_impact import LowLevelImpact
from evaluate_metrics.residualizer import Residualizer
from evaluate_metrics.zscore import zscore

FOLDER = Path(evaluate_metrics.__file__).with_name("low_level_impact")
CEILING = np.array([0.5, 0.6, 0.7, 0.3])
REGIONS = {"language": [0, 1], "auditory": [2, 3]}


@pytest.fixture
def metric(tmp_path):
    return LowLevelImpact(cache_dir=str(tmp_path))


@pytest.fixture
def responses():
    rng = np.random.default_rng(0)
    references = rng.standard_normal((30, 4))
    return {
        "predictions": references + rng.standard_normal((30, 4)),
        "residual_predictions": references + 3 * rng.standard_normal((30, 4)),
        "references": references,
    }


# arithmetic


@pytest.mark.parametrize(
    ("original", "residual", "expected"),
    [
        (0.5, 0.5, 0),
        (0.5, 0.25, 50),
        (0.5, 0.0, 100),
        (0.5, 0.75, -50),
        (0.5, -0.25, 150),
        (0.0, 0.5, None),
        (-0.1, 0.5, None),
        (None, None, None),
    ],
)
def test_impact_is_the_loss_in_per_cent_of_what_there_was(original, residual, expected):
    assert impact(original, residual) == expected


@pytest.mark.parametrize("ceiling", [None, CEILING], ids=["no ceiling", "ceiling"])
def test_impact_comes_from_means_over_regions(metric, responses, ceiling):
    scores = metric.compute(**responses, noise_ceiling=ceiling, regions=REGIONS)
    original, residual = (
        alignment_scores(responses[name], responses["references"], ceiling, REGIONS)
        for name in ("predictions", "residual_predictions")
    )
    score = "pearson" if ceiling is None else "brain_alignment"
    for found, o, r in [
        (scores, original, residual),
        *((scores["regions"][k], original["regions"][k], residual["regions"][k]) for k in REGIONS),
    ]:
        assert found["low_level_impact"] == pytest.approx(100 * (1 - r[score] / o[score]))
        assert found["brain_alignment"] == o["brain_alignment"]
        assert found["residual_brain_alignment"] == r["brain_alignment"]
        assert (found["pearson"], found["residual_pearson"]) == (o["pearson"], r["pearson"])
        assert found["n_voxels"] == o["n_voxels"]


def test_dead_references_are_counted_and_regions_without_voxels_are_empty(metric, responses):
    responses["references"][:, 0], responses["references"][:, 1] = np.nan, 2.0
    scores = metric.compute(**responses, noise_ceiling=CEILING, regions=REGIONS)
    assert (scores["n_voxels"], scores["n_excluded"]) == (1, 2)
    empty = scores["regions"]["language"]
    assert empty.pop("n_voxels") == 0
    assert set(empty.values()) == {None}


def test_constant_residual_prediction_loses_all(metric, responses):
    responses["residual_predictions"][:] = 0.1
    scores = metric.compute(**responses, noise_ceiling=CEILING)
    assert (scores["residual_brain_alignment"], scores["low_level_impact"]) == (0, 100)


def test_threshold_chooses_the_voxels(metric, responses):
    assert metric.compute(**responses, noise_ceiling=CEILING)["n_voxels"] == 3
    assert metric.compute(**responses, noise_ceiling=CEILING, threshold=0.55)["n_voxels"] == 2


# the metric


@pytest.mark.parametrize("document", ["card", "docstring"])
def test_documented_examples_are_true(metric, document):
    text = {"card": (FOLDER / "README.md").read_text(), "docstring": metric.compute.__doc__}
    example = doctest.DocTestParser().get_doctest(text[document], {}, document, None, None)
    example.examples = [
        e for e in example.examples if "evaluate.load" not in e.source and "import" not in e.source
    ]
    example.globs["metric"] = metric
    assert len(example.examples) >= 3
    assert doctest.DocTestRunner().run(example).failed == 0


@pytest.mark.parametrize(
    "convert",
    [
        np.ndarray.tolist,
        lambda array: list(array),
        torch.from_numpy,
        lambda array: torch.tensor(array, requires_grad=True),
    ],
    ids=["nested list", "list of arrays", "tensor", "tensor with gradient"],
)
def test_lists_and_tensors_score_as_arrays_do(metric, responses, convert):
    expected = metric.compute(**responses, noise_ceiling=CEILING, regions=REGIONS)
    converted = {name: convert(array) for name, array in responses.items()}
    found = metric.compute(**converted, noise_ceiling=convert(CEILING), regions=REGIONS)
    assert found == expected


def test_batches_and_single_trs_score_as_one_call_does(metric, responses):
    once = metric.compute(**responses, noise_ceiling=CEILING)

    def part(rows):
        return {name: array[rows] for name, array in responses.items()}

    metric.add_batch(**part(slice(20)))
    for tr in range(20, 25):
        metric.add(**{name.removesuffix("s"): row for name, row in part(tr).items()})
    assert len(metric) == 25
    assert metric.compute(**part(slice(25, None)), noise_ceiling=CEILING) == once
    assert len(metric) == 0  # the next story starts afresh


def test_what_was_added_stays_when_the_buffers_are_refilled(metric, responses):
    once = metric.compute(**responses)
    metric.add_batch(**responses)
    for array in responses.values():
        array[:] = 0
    assert metric.compute() == once


def test_metric_pickles_with_what_was_added(metric, responses):
    metric.add_batch(**responses)
    assert pickle.loads(pickle.dumps(metric)).compute() == metric.compute()


def test_nothing_to_score(metric):
    with pytest.raises(ValueError, match="nothing to score: give predictions, residual_pred"):
        metric.compute()


def test_shapes_and_widths_must_fit(metric, responses):
    with pytest.raises(TypeError, match="residual_predictions must be an array, got None"):
        metric.compute(**responses | {"residual_predictions": None})
    metric.add_batch(**responses)
    with pytest.raises(ValueError, match="a batch has 3 voxels, but those before it have 4"):
        metric.add_batch(**dict.fromkeys(responses, np.ones((2, 3))))


def test_residual_predictions_that_are_not_finite_are_refused_by_name(metric, responses):
    responses["residual_predictions"][3, 2] = np.nan
    with pytest.raises(ValueError, match="^residual_predictions: .* the first is voxel 2"):
        metric.compute(**responses)


def test_several_processes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="got num_process=2: gather the TRs"):
        LowLevelImpact(cache_dir=str(tmp_path), num_process=2, process_id=0)


# planted truth


SHARES = (0.0, 0.2, 0.5, 0.8)  # of the sound in the variance of a region's voxels


def planted_impact(metric, held):
    """Scores of regions whose voxels hear sound and meaning two TRs ago, in the shares above.

    The representation holds mixtures of the sound, of the meaning, or of both, side by side or
    ("everything, entangled") in the same dimensions. One fit serves all regions.
    """
    rng = np.random.default_rng(0)
    n_stories, n_trs, n_features, n_voxels = 7, 500, 5, 60
    sound, meaning = (
        [zscore(rng.standard_normal((n_trs, n_features))) for _ in range(n_stories)]
        for _ in range(2)
    )
    rotation = np.linalg.qr(rng.standard_normal((2 * n_features, 2 * n_features)))[0]
    representation = {
        "everything": [np.hstack(parts) for parts in zip(sound, meaning, strict=True)],
        "everything, entangled": [
            np.hstack(parts) @ rotation for parts in zip(sound, meaning, strict=True)
        ],
        "sound alone": [story @ rotation[:n_features] for story in sound],
        "meaning alone": [story @ rotation[:n_features] for story in meaning],
    }[held]
    weights = rng.standard_normal((2, n_features, n_voxels))
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    parts = [weights * np.sqrt([share, 1 - share])[:, None, None] for share in SHARES]
    weights = np.concatenate(np.concatenate(parts, axis=2))
    responses = [
        zscore(
            delay(np.hstack(parts), [2]) @ weights
            + np.tile(rng.standard_normal((n_trs, n_voxels)), len(SHARES))
        )
        for parts in zip(sound, meaning, strict=True)
    ]

    train, test = slice(0, -1), slice(-1, None)
    residualizer = Residualizer().fit(sound[train], representation[train])
    residual = residualizer.transform(sound, representation)
    predictions, residual_predictions = (
        EncodingModel().fit(features[train], responses[train]).predict(features[test])[0]
        for features in (representation, residual)
    )
    voxels = np.arange(len(SHARES) * n_voxels)
    scores = metric.compute(
        predictions=predictions,
        residual_predictions=residual_predictions,
        references=responses[-1],
        noise_ceiling=np.full(len(voxels), np.sqrt(1 / 2)),  # signal and noise of equal variance
        regions=dict(zip(SHARES, np.split(voxels, len(SHARES)), strict=True)),
    )
    return scores["regions"]


@pytest.mark.parametrize("held", ["everything", "everything, entangled"])
def test_planted_share_is_recovered_within_3_points(metric, held):
    for share, scores in planted_impact(metric, held).items():
        expected = 100 * (1 - np.sqrt(1 - share))
        assert scores["low_level_impact"] == pytest.approx(expected, abs=3)
        assert scores["brain_alignment"] == pytest.approx(1, abs=0.05)


def test_sound_alone_is_lost_entirely(metric):
    scores = planted_impact(metric, held="sound alone")[0.5]
    assert scores["brain_alignment"] == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert scores["low_level_impact"] == pytest.approx(100, abs=3)


def test_meaning_alone_loses_nothing(metric):
    scores = planted_impact(metric, held="meaning alone")[0.5]
    assert scores["brain_alignment"] == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert scores["low_level_impact"] == pytest.approx(0, abs=3)
