"""Recognition by small untaught models of a handful of the phantom's clips, as a command."""

import csv
import json
import shutil

import jiwer
import numpy as np
import pytest
import soundfile
import torch
from transformers import (
    AutoModel,
    AutoModelForCTC,
    AutoProcessor,
    Wav2Vec2FeatureExtractor,
    WhisperConfig,
    pipeline,
)

from datasets_scripts import make_phantom_tasks
from evaluate_metrics.reports.probes import COLUMNS
from modeling_braintune import AutoModelForBrainTuning
from recipes.asr import DEFAULT_CONFIG, AsrOptions, asr
from recipes.command.arguments import parse_arguments
from recipes.stages.recognition import RecognitionOptions

BASELINE, TUNED, TASK = "pretrained", "brain-tuned", "phantom/asr_phones"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks") / "phantom"
    make_phantom_tasks(folder, n_train=30, n_validation=25, n_test=25)
    return folder


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, pretrained):
    """A checkpoint with a head for voxels and other weights than the pretrained one."""
    folder = tmp_path_factory.mktemp("models") / TUNED
    model = AutoModelForBrainTuning.from_pretrained(pretrained, num_voxels=3)
    with torch.no_grad():
        for parameter in model.base_model.encoder.parameters():
            parameter *= 1.1
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
    return folder


def arguments(folder, output, *models, baseline=None, units="phones", **changes):
    options = {"max_steps": 4, "eval_steps": 2, "save_steps": 2, "logging_steps": 1} | changes
    return (
        AsrOptions(
            checkpoints=list(map(str, models)),
            baseline=baseline and str(baseline),
            collections=[f"phantom={folder}"],
            units=units,
        ),
        RecognitionOptions(
            output_dir=str(output),
            per_device_train_batch_size=4,
            use_cpu=True,
            disable_tqdm=True,
            **options,
        ),
    )


@pytest.fixture(scope="module")
def finished(folder, pretrained, tuned, tmp_path_factory):
    """Report of two models, and its folder."""
    output = tmp_path_factory.mktemp("asr")
    return asr(*arguments(folder, output, tuned, baseline=pretrained)), output


def results_of(output, label):
    return json.loads((output / label / "results.json").read_text())


def test_rows_hold_the_error_rate_of_jiwer_and_what_is_left_of_one(finished):
    report, output = finished
    assert [(row["model"], row["measure"]) for row in report["rows"]] == [
        (model, measure) for model in (BASELINE, TUNED) for measure in ("wer", "1-wer")
    ]
    for wrong, right in zip(report["rows"][::2], report["rows"][1::2], strict=True):
        clips = results_of(output, wrong["model"])["clips"]
        said, heard = ([clip[name] for clip in clips] for name in ("reference", "hypothesis"))
        assert wrong["value"] == pytest.approx(jiwer.wer(said, heard))
        assert report["n_words"] == sum(len(text.split()) for text in said)
        assert wrong["interval_low"] < wrong["value"] < wrong["interval_high"]
        for name, other in (("value",) * 2, ("interval_low", "interval_high")):
            assert right[name] == pytest.approx(1 - wrong[other])
        for row in (wrong, right):
            assert tuple(row) == COLUMNS
            assert (row["task"], row["layer"], row["feature"]) == (TASK, "all", None)
            assert (row["n"], row["unit"], row["participant"]) == (25, "clips", None)


def test_the_difference_is_paired_over_clips(finished):
    report, output = finished
    of_baseline, of_tuned = (results_of(output, label)["clips"] for label in (BASELINE, TUNED))
    words = np.array([clip["words"] for clip in of_baseline])
    pairs = zip(of_baseline, of_tuned, strict=True)
    fewer = np.array([a["errors"] - b["errors"] for a, b in pairs])
    difference = report["differences"][TUNED]
    assert difference["value"] == pytest.approx(fewer.sum() / words.sum())
    rng = np.random.default_rng(1)
    drawn = rng.integers(25, size=(4000, 25))
    expected = np.percentile(fewer[drawn].sum(1) / words[drawn].sum(1), [2.5, 97.5])
    assert difference["interval"] == pytest.approx(expected, abs=0.1 * np.ptp(expected))


def test_the_step_with_the_fewest_validation_errors_is_chosen(finished):
    report, output = finished
    for label, step in report["chosen_step"].items():
        rates = dict(map(tuple, results_of(output, label)["wer"]))
        assert set(rates) == {2, 4} and rates[step] == min(rates.values())


def test_the_report_is_written(finished):
    report, output = finished
    assert json.loads((output / "asr.json").read_text()) == json.loads(json.dumps(report))
    with open(output / "asr.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["value"]) for row in rows] == [row["value"] for row in report["rows"]]


@pytest.mark.parametrize("label", [BASELINE, TUNED])
def test_a_tuned_model_is_an_ordinary_recogniser(label, finished, folder):
    _, output = finished
    _, info = AutoModelForCTC.from_pretrained(output / label, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    config = json.loads((output / label / "config.json").read_text())
    assert not {"num_voxels", "brain", "auto_map"} & set(config)
    vocabulary = json.loads((output / label / "vocab.json").read_text())
    *tokens, unknown, blank = sorted(vocabulary, key=vocabulary.get)
    assert tokens == sorted(tokens) and (unknown, blank) == ("<unk>", "<pad>")
    processor = AutoProcessor.from_pretrained(output / label)
    assert processor.tokenizer.get_vocab() == vocabulary
    transcribe = pipeline("automatic-speech-recognition", model=str(output / label))
    for clip in results_of(output, label)["clips"][:5]:
        sound, rate = soundfile.read(folder / clip["file"], dtype="float32")
        assert rate == 16000 and transcribe(sound)["text"] == clip["hypothesis"]


def test_all_but_the_feature_encoder_is_tuned(finished, tuned):
    _, output = finished
    before = AutoModel.from_pretrained(tuned).state_dict()
    after = AutoModelForCTC.from_pretrained(output / TUNED).base_model.state_dict()
    moved = {name for name, value in before.items() if not after[name].equal(value)}
    assert moved and not any(name.startswith("feature_extractor") for name in moved)
    assert any(name.startswith("feature_projection") for name in moved)


def test_a_finished_model_is_not_tuned_again_and_one_with_other_settings_not_replaced(
    finished, folder, pretrained, tuned, tmp_path
):
    report, output = finished
    copy = shutil.copytree(output, tmp_path / "asr")
    weights = [copy / label / "model.safetensors" for label in (BASELINE, TUNED)]
    before = [path.stat().st_mtime_ns for path in weights]
    again = asr(*arguments(folder, copy, tuned, baseline=pretrained))
    assert again["rows"] == report["rows"]
    assert [path.stat().st_mtime_ns for path in weights] == before
    with pytest.raises(FileExistsError, match="overwrite_output_dir"):
        asr(*arguments(folder, copy, tuned, baseline=pretrained, learning_rate=1e-3))


def test_words_are_recognised_by_characters(folder, pretrained, tmp_path, capsys):
    report = asr(*arguments(folder, tmp_path, pretrained, units="characters", max_steps=2))
    assert {row["task"] for row in report["rows"]} == {"phantom/asr_characters"}
    assert report["n_words"] == 25 * 7 and report["differences"] == {}
    said = capsys.readouterr().out
    assert "word error rate" in said and f"25 test clips, {report['n_words']} words" in said
    assert "Estimated time: " in said and " min for 1 models" in said


def test_bad_arguments_are_refused(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        asr(*arguments(folder, tmp_path, tmp_path / "none"))
    WhisperConfig().save_pretrained(tmp_path / "other")
    with pytest.raises(ValueError, match="other is of model type 'whisper'.*hubert"):
        asr(*arguments(folder, tmp_path, tmp_path / "other"))
    with pytest.raises(ValueError, match="Did you mean 'phones'"):
        arguments(folder, tmp_path, "a", units="phone")
    with pytest.raises(ValueError, match="last part of their names"):
        arguments(folder, tmp_path, "a/x", "b/x")
    with pytest.raises(ValueError, match="must name one of phantom, timit, .* got none"):
        AsrOptions(checkpoints=["a"])


@pytest.mark.parametrize("name", ["phantom-asr.yaml", "asr.yaml"])
def test_the_configurations_are_complete_but_for_the_data(name):
    words = ["--config", str(DEFAULT_CONFIG.with_name(name)), "--collections", "timit=a"]
    asked, training = parse_arguments(
        (AsrOptions, RecognitionOptions), DEFAULT_CONFIG, [*words, "--checkpoints", "a/b"]
    )
    assert list(asked.names) == ["pretrained", "b"] and asked.folders == {"timit": "a"}
    assert training.load_best_model_at_end and training.metric_for_best_model == "wer"


def test_the_phantoms_configuration_names_the_tuned_model_and_its_control():
    asked, _ = parse_arguments((AsrOptions, RecognitionOptions), DEFAULT_CONFIG, [])
    assert list(asked.names) == ["pretrained", "brain-tuned", "permuted"]
