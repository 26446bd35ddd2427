"""Probes of untaught models on a handful of the phantom's clips, against their definition."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, Wav2Vec2Model, set_seed

from datasets_scripts import PHANTOM_TASKS, make_phantom_tasks, mfcc
from datasets_scripts.collections import TASKS
from datasets_scripts.speech_tasks import SPLITS, open_clips
from evaluate_metrics import ClassProbe, LabelProbe, RidgeProbe
from evaluate_metrics.reports.probes import COLUMNS
from modeling_braintune import clip_representations
from recipes.probe import ProbeOptions, probe
from tests.command_process import run

ALL_TASKS = {f"phantom/{task}" for task in ("mfcc", "fbank", *PHANTOM_TASKS)}
TWO_TASKS = ["phantom/mood", "phantom/fbank"]
LAYERS = [0, 1, 2]

PROGRAM = """
import sys
from datasets_scripts.collections import TASKS
from datasets_scripts.speech_tasks import open_clips, sounds
from recipes.probe import main

folder, build = sys.argv.pop(1), TASKS["phantom/mood"]
data, _ = open_clips(build, folder, ["phantom/mood"])
data.push_to_hub("ada/phantom-tasks", "sentences")
again, n_unreadable = open_clips(build, "ada/phantom-tasks", ["phantom/mood"])
assert (again["test"]["mood"], n_unreadable) == (list(data["test"]["mood"]), 0)
assert (sounds(again["test"])[3] == sounds(data["test"])[3]).all()
print("the same clips")
for name, task in (("ada/phantom-tasks", "timit/emotion"), ("ada/none", "phantom/mood")):
    try:
        open_clips(build, name, [task])
    except (ValueError, FileNotFoundError) as error:
        print(error)
main()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks") / "phantom"
    make_phantom_tasks(folder, n_train=60, n_validation=25, n_test=30)
    return folder


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory, pretrained):
    """The small model with frames of 20 ms, as published ones have: untaught, it hears spectra."""
    folder = tmp_path_factory.mktemp("models") / "pretrained"
    set_seed(0)
    config = AutoConfig.from_pretrained(pretrained, conv_kernel=(40, 16), conv_stride=(20, 16))
    Wav2Vec2Model(config).save_pretrained(folder)
    AutoFeatureExtractor.from_pretrained(pretrained).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory, pretrained):
    """A checkpoint of the same shape with other weights, of a participant."""
    folder = tmp_path_factory.mktemp("models") / "other"
    set_seed(1)
    config = AutoConfig.from_pretrained(pretrained)
    config.brain = {"P01": {"targets": "responses"}}
    Wav2Vec2Model(config).save_pretrained(folder)
    AutoFeatureExtractor.from_pretrained(pretrained).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def settings(folder, other, tmp_path_factory):
    """Arguments of a run but for the report's folder."""
    return {
        "checkpoints": [str(other)],
        "collections": [f"phantom={folder}"],
        "cache_dir": str(tmp_path_factory.mktemp("cache")),
    }


@pytest.fixture(scope="module")
def finished(settings, pretrained, tmp_path_factory):
    """Report of all tasks, and its folder."""
    where = tmp_path_factory.mktemp("reports")
    arguments = ProbeOptions(
        tasks=["phantom"],
        baseline=str(pretrained),
        weighted_sum=True,
        output_dir=str(where),
        **settings,
    )
    return probe(arguments), where


def times(folder):
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*.safetensors")}


def selected(report, **wanted):
    return [
        row for row in report["rows"] if all(row[name] == value for name, value in wanted.items())
    ]


def test_every_task_and_layer_of_every_model_has_a_score_in_its_interval(finished):
    report, _ = finished
    found = [(row["model"], row["task"], row["layer"]) for row in report["rows"]]
    assert len(found) == len(set(found)) == 2 * 7 * 4
    assert {model for model, _, _ in found} == {"pretrained", "other"}
    assert {task for _, task, _ in found} == ALL_TASKS
    assert {layer for _, _, layer in found} == {*LAYERS, "weighted_sum"}
    for row in report["rows"]:
        assert tuple(row) == COLUMNS
        assert row["measure"] == ("r2" if row["task"][-4:] in ("mfcc", "bank") else "macro_f1")
        assert row["interval_low"] <= row["value"] <= row["interval_high"] <= 1
        assert (row["n"], row["unit"]) == (30, "clips")
        assert row["participant"] == {"pretrained": None, "other": "P01"}[row["model"]]
        assert row["feature"] is None


def test_untaught_models_hear_spectra_but_no_topics(finished):
    report, _ = finished
    (spectrum,) = selected(report, model="pretrained", task="phantom/fbank", layer=0)
    assert spectrum["interval_low"] > 0 >= spectrum["majority"]
    (topic,) = selected(report, model="pretrained", task="phantom/topic", layer=2)
    assert topic["interval_low"] < 1 / 5 and topic["majority"] == pytest.approx(1 / 15)


@pytest.mark.parametrize(
    ("task", "make_probe"),
    [("mood", ClassProbe), ("phones_present", LabelProbe), ("mfcc", RidgeProbe)],
)
def test_scores_are_those_of_a_probe_on_the_clips_representations(
    task, make_probe, finished, folder, other
):
    data, _ = open_clips(TASKS[f"phantom/{task}"], str(folder), [f"phantom/{task}"])
    model, extractor = AutoModel.from_pretrained(other), AutoFeatureExtractor.from_pretrained(other)
    features, targets = {}, {}
    for split in SPLITS:
        heard = [soundfile.read(folder / file, dtype="float32")[0] for file in data[split]["file"]]
        features[split] = clip_representations(model, extractor, heard)
        if task == "mfcc":
            targets[split] = np.array([mfcc(sound).mean(axis=0) for sound in heard])
        elif task == "mood":
            targets[split] = np.array(data[split]["mood"])
        else:
            spoken = np.unique(np.concatenate(list(data["train"][task])))
            targets[split] = np.array([np.isin(spoken, row) for row in data[split][task]])
    fitted = make_probe().fit(
        features["train"], targets["train"], features["validation"], targets["validation"]
    )
    scores = fitted.score(features["test"], targets["test"])
    for layer, score in zip(LAYERS, scores, strict=True):
        (row,) = selected(finished[0], model="other", task=f"phantom/{task}", layer=layer)
        assert row["value"] == pytest.approx(score["value"])
        assert (row["interval_low"], row["interval_high"]) == pytest.approx(score["interval"])
        assert row["majority"] == pytest.approx(score["majority"])


def test_json_and_csv_hold_the_same(finished):
    report, where = finished
    assert json.loads((where / "probes.json").read_text()) == json.loads(json.dumps(report))
    with open(where / "probes.csv", newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    blank = {None: ""}
    assert read == [{k: blank.get(v, str(v)) for k, v in row.items()} for row in report["rows"]]


@pytest.fixture(scope="module")
def went_on(finished, settings, pretrained, folder, tmp_path_factory):
    """A process that pushes the clips to a Hub, takes them from there, and runs the command.

    It finds the report without one of the results, and with another changed.
    """
    where = tmp_path_factory.mktemp("again") / "report"
    shutil.copytree(finished[1], where)
    report = json.loads((where / "probes.json").read_text())
    del report["finished"]["other"]["phantom/word"]
    report["rows"][0]["value"] = 0.123
    (where / "probes.json").write_text(json.dumps(report))
    words = ["--tasks", "phantom", "--weighted_sum", "true", "--output_dir", str(where)]
    words += ["--baseline", str(pretrained)]
    for name, value in settings.items():
        words += [f"--{name}", *([value] if isinstance(value, str) else value)]
    before = times(settings["cache_dir"])
    program = where.with_name("program.py")
    program.write_text(PROGRAM)
    done = run(program, folder, *words)
    assert done.returncode == 0, done.stderr
    assert times(settings["cache_dir"]) == before
    return done, json.loads((where / "probes.json").read_text())


def test_the_command_computes_only_what_is_not_finished(went_on, finished):
    (said, shown), again = (went_on[0].stdout, went_on[0].stderr), went_on[1]
    report = json.loads(json.dumps(finished[0]))
    assert again["finished"] == report["finished"]
    assert again["rows"] == [report["rows"][0] | {"value": 0.123}, *report["rows"][1:]]
    assert "60 train, 25 validation, 30 test clips of" in said
    assert "phantom/word: macro F1 on 30 test clips" in said and "/14 [" in shown


def test_a_prepared_data_set_comes_from_the_hub(went_on):
    said = went_on[0].stdout
    assert "the same clips" in said
    assert "was prepared for timit/emotion: it lacks emotion\n" in said
    assert "ada/none was not found locally or on the Hub: " in said


def test_another_model_of_the_same_name_is_measured_anew(finished, settings, other, tmp_path):
    report, where = finished
    shutil.copytree(where, tmp_path / "report")
    changed = shutil.copytree(other, tmp_path / "other")
    model = AutoModel.from_pretrained(changed)
    model.encoder.layers[1].final_layer_norm.weight.data[:8] = 0
    model.save_pretrained(changed)
    arguments = ProbeOptions(
        tasks=["phantom/mood"],
        weighted_sum=True,
        output_dir=str(tmp_path / "report"),
        **settings | {"checkpoints": [str(changed)]},
    )
    rows = probe(arguments)["rows"]
    before = selected(report, model="other", task="phantom/mood")
    assert [row["layer"] for row in rows] == [*LAYERS, "weighted_sum"]
    assert rows[:2] == before[:2] and rows[2] != before[2]


@pytest.fixture
def spoilt(folder, tmp_path):
    """Function from a file's name and what becomes of it to a copy of the clips."""

    def copy(name, spoil):
        copied = shutil.copytree(folder, tmp_path / "spoilt")
        spoil(copied / "sentences" / name)
        return str(copied)

    return copy


def test_unreadable_recordings_are_counted(spoilt, settings, tmp_path):
    data = spoilt("test-00003.wav", lambda path: path.write_bytes(b"RIFF"))
    arguments = ProbeOptions(
        tasks=["phantom/mood"],
        layers=[1],
        max_unusable=0.05,
        output_dir=str(tmp_path / "report"),
        **settings | {"collections": [f"phantom={data}"]},
    )
    with pytest.warns(
        UserWarning, match="1 of the 30 recordings of test are missing or unreadable"
    ):
        report = probe(arguments)
    assert report["notes"] == [f"1 recordings of {data} are missing or unreadable, and left out."]
    assert [(row["layer"], row["n"]) for row in report["rows"]] == [(1, 29)]


def test_a_clip_that_is_too_short_is_named(spoilt, settings, tmp_path):
    data = spoilt("train-00007.wav", lambda path: soundfile.write(path, np.ones(100), 16000))
    arguments = ProbeOptions(
        tasks=["phantom/mood"],
        output_dir=str(tmp_path),
        **settings | {"collections": [f"phantom={data}"]},
    )
    with pytest.raises(ValueError, match="clip sentences/train-00007.wav has 100 samples, shorter"):
        probe(arguments)


def test_a_class_that_no_training_clip_has_is_an_error(spoilt, settings, tmp_path):
    def say_happy_in_training(path):
        records = path.parents[1] / "sentences.jsonl"
        lines = [json.loads(line) for line in records.read_text().splitlines()]
        for line in lines:
            if line["split"] == "train":
                line["mood"] = {"sad": "happy"}.get(line["mood"], line["mood"])
        records.write_text("".join(json.dumps(line) + "\n" for line in lines))

    data = spoilt("train-00000.wav", say_happy_in_training)
    arguments = ProbeOptions(
        tasks=["phantom/mood"],
        output_dir=str(tmp_path),
        **settings | {"collections": [f"phantom={data}"]},
    )
    with pytest.raises(ValueError, match="phantom/mood: validation targets hold 'sad'"):
        probe(arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": ["phantom/moods"]}, "got 'phantom/moods'. Did you mean 'phantom/mood'?"),
        ({"tasks": ["timit"]}, "where timit is: give --collections timit=<folder>"),
        ({"tasks": ["timit", "slurp"], "collections": ["timit=a"]}, "where slurp is: .*slurp=<f"),
        ({"collections": ["timit"]}, "each once as <name>=<folder>, got timit"),
        ({"collections": ["timit=a", "timit=b"]}, "each once as <name>=<folder>, got timit=a"),
        ({"collections": ["timid=a"]}, "got 'timid'. Did you mean 'timit'?"),
        ({"checkpoints": ["a/x", "b/x"]}, "last part of their names"),
        ({"checkpoints": ["runs/pretrained"]}, "differ from one another and from 'pretrained'"),
        ({"precision": "half"}, "float32, bfloat16, got 'half'"),
    ],
)
def test_wrong_arguments_are_an_error(changes, message):
    with pytest.raises(ValueError, match=message):
        ProbeOptions(**{"checkpoints": ["x"], "tasks": ["phantom"], **changes})


def test_the_phantom_needs_no_folder():
    assert ProbeOptions(checkpoints=["x"], tasks=TWO_TASKS).folders == {}


def test_a_folder_of_something_else_is_said_to_be_so(tmp_path, settings):
    arguments = ProbeOptions(
        tasks=["crema_d"],
        output_dir=str(tmp_path),
        **settings | {"collections": [f"crema_d={tmp_path}"]},
    )
    with pytest.raises(FileNotFoundError, match="not a complete folder of CREMA-D"):
        probe(arguments)
