"""The metric as users meet it: loaded by path, fed in batches, with lists, arrays and tensors."""

import doctest
import json
import os
import pickle
import pydoc
import shutil
import subprocess
import sys
from pathlib import Path

import evaluate
import numpy as np
import pytest
import torch

import evaluate_metrics
from evaluate_metrics.brain_alignment.alignment import alignment_scores
from evaluate_metrics.brain_alignment.brain_alignment import BrainAlignment

FOLDER = Path(evaluate_metrics.__file__).with_name("brain_alignment")
CEILING = np.array([0.5, 0.6, 0.7, 0.3])
REGIONS = {"language": [0, 1], "auditory": [2, 3]}


@pytest.fixture
def metric(tmp_path):
    return BrainAlignment(cache_dir=str(tmp_path))


@pytest.fixture
def responses():
    rng = np.random.default_rng(0)
    references = rng.standard_normal((30, 4))
    return {
        "predictions": references + rng.standard_normal((30, 4)),
        "references": references,
    }


# loading


def test_copied_folder_loads_by_path_without_the_package(tmp_path, responses):
    shutil.copytree(FOLDER, tmp_path / "brain_alignment")
    inputs = {name: array.tolist() for name, array in responses.items()}
    inputs |= {"noise_ceiling": CEILING.tolist(), "regions": REGIONS}
    script = (
        "import json, sys, evaluate\n"
        "metric = evaluate.load('brain_alignment')\n"
        "print(json.dumps(metric.compute(**json.load(sys.stdin))))\n"
        "assert 'evaluate_metrics' not in sys.modules\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(inputs),
        env=os.environ | {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout)
    assert found == alignment_scores(**responses, noise_ceiling=CEILING, regions=REGIONS)


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


# feeding


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
    converted = {name: convert(array) for name, array in responses.items()}
    found = metric.compute(**converted, noise_ceiling=convert(CEILING), regions=REGIONS)
    assert found == alignment_scores(**responses, noise_ceiling=CEILING, regions=REGIONS)


def test_bfloat16_tensors_are_taken(metric, responses):
    halves = {name: torch.from_numpy(array).bfloat16() for name, array in responses.items()}
    exact = {name: half.double().numpy() for name, half in halves.items()}
    assert metric.compute(**halves) == alignment_scores(**exact)


def test_batches_and_single_trs_score_as_one_call_does(metric, responses):
    once = metric.compute(**responses, noise_ceiling=CEILING)
    predictions, references = responses.values()
    metric.add_batch(predictions=predictions[:20], references=references[:20])
    for prediction, reference in zip(predictions[20:25], references[20:25], strict=True):
        metric.add(prediction=prediction, reference=reference)
    assert len(metric) == 25
    found = metric.compute(
        predictions=predictions[25:], references=references[25:], noise_ceiling=CEILING
    )
    assert found == once
    assert len(metric) == 0  # the next story starts afresh


def test_a_failing_compute_keeps_what_was_added(metric, responses):
    once = metric.compute(**responses)
    first, rest = (
        {name: array[part] for name, array in responses.items()}
        for part in (slice(20), slice(20, None))
    )
    metric.add_batch(**first)
    for wrong in ({"threshold": 2, "noise_ceiling": CEILING}, {"regions": ["language"]}, {"n": 1}):
        with pytest.raises((ValueError, TypeError)):
            metric.compute(**rest, **wrong)
        assert len(metric) == 20
    assert metric.compute(**rest) == once


def test_batches_are_copies(metric, responses):
    buffers = {name: torch.from_numpy(array.copy()) for name, array in responses.items()}
    metric.add_batch(**buffers)
    for buffer in buffers.values():
        buffer.zero_()
    assert metric.compute() == alignment_scores(**responses)


def test_arrays_come_on_request(metric, responses):
    scores = metric.compute(**responses, noise_ceiling=CEILING, per_voxel=True)
    assert scores["pearson_per_voxel"].shape == (4,)
    assert np.isnan(scores["brain_alignment_per_voxel"]).tolist() == [False, False, False, True]


def test_metric_pickles_with_what_was_added(metric, responses):
    metric.add_batch(**responses)
    assert pickle.loads(pickle.dumps(metric)).compute() == metric.compute()


def test_metric_combines_with_others(metric, responses, tmp_path):
    both = evaluate.combine({"a": metric, "b": BrainAlignment(cache_dir=str(tmp_path))})
    found = both.compute(**responses, noise_ceiling=CEILING)
    assert found["a_brain_alignment"] == found["b_brain_alignment"] > 0


def test_combined_metrics_take_single_trs(metric, responses, tmp_path):
    both = evaluate.combine([metric, BrainAlignment(cache_dir=str(tmp_path))])
    for prediction, reference in zip(*responses.values(), strict=True):
        both.add(prediction=prediction, reference=reference)
    found = both.compute(noise_ceiling=CEILING)
    once = alignment_scores(**responses, noise_ceiling=CEILING)
    assert found["brain_alignment_1_brain_alignment"] == once["brain_alignment"]


def test_help_shows_the_example(metric):
    assert 'evaluate.load("evaluate_metrics/brain_alignment")' in pydoc.render_doc(metric)


# what it refuses


def test_nothing_to_score(metric):
    with pytest.raises(ValueError, match="nothing to score"):
        metric.compute()


def test_shapes_and_widths_must_fit(metric, responses):
    with pytest.raises(TypeError, match="references must be an array, got None"):
        metric.compute(predictions=responses["predictions"])
    with pytest.raises(ValueError, match=r"got shapes \(30, 4\) and \(30,\)"):
        metric.compute(predictions=responses["predictions"], references=np.ones(30))
    metric.add_batch(**responses)
    with pytest.raises(ValueError, match="a batch has 3 voxels, but those before it have 4"):
        metric.add_batch(predictions=np.ones((2, 3)), references=np.ones((2, 3)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"predictions": np.ones((30, 4), complex)}, "predictions must be real numbers"),
        ({"references": np.full((30, 4), "x")}, "references must be numbers, got values of type"),
        ({"noise_ceiling": np.ma.masked_less(CEILING, 0.4)}, "noise_ceiling hold 1 masked"),
        ({"noise_ceiling": ["high"] * 4}, "noise_ceiling must be numbers"),
        ({"regions": [[0, 1]]}, "regions must be a dict .* got list"),
        ({"regions": {"language": ["V1"]}}, "voxels of region 'language' must be numbers"),
        ({"threshold": None, "noise_ceiling": CEILING}, "threshold must be .* got None"),
    ],
)
def test_what_is_no_number_or_region_is_named(metric, responses, wrong, message):
    with pytest.raises((TypeError, ValueError), match=message):
        metric.compute(**responses | wrong)


def test_several_processes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="got num_process=2: gather the TRs"):
        BrainAlignment(cache_dir=str(tmp_path), num_process=2, process_id=0)
