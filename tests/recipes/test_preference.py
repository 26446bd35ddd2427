"""Preference of untaught models among the phantom's words, against its definition."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cosine
from transformers import AutoFeatureExtractor, AutoModel, Wav2Vec2Model, set_seed

from datasets_scripts import open_participant
from datasets_scripts.phantom import CONTENT_WORDS
from evaluate_metrics.reports.task_rows import COLUMNS
from modeling_braintune import clip_representations
from recipes.preference import PreferenceOptions, measure_preference
from tests.command_process import run_command

STORIES = ["story02", "story01"]
MEASURES = ["d", "d_relative", "semantic", "phonetic", "random"]


@pytest.fixture(scope="module")
def other(tmp_path_factory, pretrained):
    """A checkpoint of the same shape with other weights."""
    folder = tmp_path_factory.mktemp("models") / "other"
    set_seed(1)
    Wav2Vec2Model(AutoModel.from_pretrained(pretrained).config).save_pretrained(folder)
    AutoFeatureExtractor.from_pretrained(pretrained).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def settings(recordings, pretrained, other, tmp_path_factory):
    """Arguments of a run but for the report's folder and the lists."""
    return {
        "checkpoints": [str(other)],
        "baseline": str(pretrained),
        "data": str(recordings),
        "participants": ["P01"],
        "stories": STORIES,
        "max_tokens": 3,
        "cache_dir": str(tmp_path_factory.mktemp("cache")),
    }


@pytest.fixture(scope="module")
def finished(settings, tmp_path_factory):
    """Report on the phantom's words, and its folder."""
    where = tmp_path_factory.mktemp("reports")
    return measure_preference(
        PreferenceOptions(lists="phantom", output_dir=str(where), **settings)
    ), where


def selected(report, **wanted):
    return [
        row for row in report["rows"] if all(row[name] == value for name, value in wanted.items())
    ]


def test_every_layer_of_every_model_has_d_and_its_distances(finished):
    report, where = finished
    found = [(row["model"], row["layer"], row["measure"]) for row in report["rows"]]
    expected = {"pretrained": MEASURES, "other": [*MEASURES, "d_change", "d_relative_change"]}
    assert found == [
        (model, layer, measure)
        for model, measures in expected.items()
        for layer in range(3)
        for measure in measures
    ]
    lists = json.loads((where / "words.json").read_text())
    for row in report["rows"]:
        assert tuple(row) == COLUMNS
        assert row["task"] == "phantom/preference"
        assert (row["participant"], row["feature"]) == ("P01", None)
        assert (row["n"], row["unit"]) == (len(lists), "words")
        assert row["interval_low"] < row["value"] < row["interval_high"]
    d, relative, semantic, phonetic, random = (
        row["value"] for row in selected(report, layer=2)[:5]
    )
    assert d == pytest.approx(semantic - phonetic) == relative * random


def test_the_change_is_that_of_d(finished):
    for layer in range(3):
        (change,) = selected(finished[0], layer=layer, measure="d_change")
        before, after = (row["value"] for row in selected(finished[0], layer=layer, measure="d"))
        assert change["value"] == pytest.approx(after - before)


def test_d_is_as_defined_where_all_tokens_are_taken(settings, recordings, other, tmp_path):
    changes = {"max_tokens": 1000, "baseline": None, "layers": [2]}
    arguments = PreferenceOptions(lists="phantom", output_dir=str(tmp_path), **settings | changes)
    report = measure_preference(arguments)
    model, extractor = AutoModel.from_pretrained(other), AutoFeatureExtractor.from_pretrained(other)
    cuts = {}
    for story in open_participant(recordings, "P01").stories(STORIES):
        for word in story.words:
            start, end = round(word.start * 16000), word.end * 16000
            end = start + round((end - word.start * 16000) / 160) * 160
            if end <= len(story.audio):
                cuts.setdefault(word.label, []).append(story.audio[start:end])
    content = {word.label: word for word in CONTENT_WORDS if word.label in cuts}
    means = {
        word: clip_representations(model, extractor, cuts[word], [2])[0].mean(axis=0)
        for word in content
    }
    differences = []
    for word, own in content.items():
        distances = {"category": [], "phone": []}
        for name, its in content.items():
            if its is own:
                continue
            if its.category == own.category:
                distances["category"].append(cosine(means[word], means[name]))
            elif any(map(str.__eq__, its.phones, own.phones)):
                distances["phone"].append(cosine(means[word], means[name]))
        differences.append(np.mean(distances["category"]) - np.mean(distances["phone"]))
    (row,) = selected(report, measure="d")
    assert (row["layer"], row["n"]) == (2, len(differences))
    assert row["value"] == pytest.approx(np.mean(differences), abs=1e-5)


def test_json_and_csv_hold_the_same(finished):
    report, where = finished
    assert json.loads((where / "preference.json").read_text()) == json.loads(json.dumps(report))
    with open(where / "preference.csv", newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    blank = {None: ""}
    assert read == [{k: blank.get(v, str(v)) for k, v in row.items()} for row in report["rows"]]


def test_the_command_goes_on_with_lists_of_a_file(finished, settings, tmp_path):
    report, where = finished
    lists = json.loads((where / "words.json").read_text())
    lists["unheard"] = next(iter(lists.values())) | {"semantic": ["of"]}
    (tmp_path / "lists.json").write_text(json.dumps(lists))
    words = ["--lists", tmp_path / "lists.json", "--output_dir", tmp_path]
    for name, value in settings.items():
        words += [f"--{name}", *(value if isinstance(value, list) else [str(value)])]
    kept = {path: path.stat().st_mtime_ns for path in cached(settings)}
    done = run_command("preference", *words)
    assert done.returncode == 0, done.stderr
    again = json.loads((tmp_path / "preference.json").read_text())
    assert again["rows"] == report["rows"]
    assert {path: path.stat().st_mtime_ns for path in cached(settings)} == kept
    left_out = f"1 of the {len(lists)} words of the lists are left out"
    assert left_out in again["notes"][-2] and left_out in done.stdout
    assert "Stories: 2, with" in done.stdout and "Listening" in done.stderr


def cached(settings):
    return Path(settings["cache_dir"]).rglob("*.safetensors")


def test_what_cannot_be_measured_is_an_error(settings, tmp_path):
    lists = tmp_path / "lists.json"
    lists.write_text(json.dumps({"dog": {"semantic": ["hound"], "phonetic": ["fog"]}}))
    for changes, message in (
        ({"lists": str(lists)}, "none of the 1 words of the lists is spoken"),
        ({"stories": ["story05"]}, "got 'story05'. Did you mean 'story0"),
        ({"participants": ["P09"]}, "P09"),
        ({"min_seconds": 3}, "words of at least 3 s, got none"),
    ):
        with pytest.raises(ValueError, match=message):
            measure_preference(PreferenceOptions(**{"lists": "phantom", **settings, **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"checkpoints": ["a/x", "b/x"]}, "last part of their names"),
        ({"checkpoints": ["runs/pretrained"]}, "differ from one another and from 'pretrained'"),
        ({"precision": "half"}, "float32, bfloat16, got 'half'"),
        ({"participants": ["P01", "P02"]}, "one at a time here, got P01, P02"),
        ({"n_words": 0}, "n_words must be at least 1, got 0"),
    ],
)
def test_wrong_arguments_are_an_error(changes, message):
    with pytest.raises(ValueError, match=message):
        PreferenceOptions(**{"checkpoints": ["x"], "data": "d", "participants": ["P01"], **changes})


def test_the_phantoms_lists_go_with_the_phantom():
    given = {"checkpoints": ["x"], "participants": ["P01"]}
    assert PreferenceOptions(data="phantom", **given).lists == "phantom"
    assert PreferenceOptions(data="phantom", lists="mine.json", **given).lists == "mine.json"
    assert PreferenceOptions(data="elsewhere", **given).lists is None
