"""Brain-tuning beside its controls, on a phantom and a model that take seconds."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

from datasets_scripts import read_textgrid, write_textgrid
from modeling_braintune import AutoModelForBrainTuning
from recipes.command.arguments import parse_arguments
from recipes.compare import compare
from recipes.phantom import phantom_teacher
from recipes.stages.comparison import CompareOptions
from recipes.stages.tuning_options import TrainerOptions, TuningOptions
from recipes.tune import tune

pytestmark = pytest.mark.filterwarnings("ignore:a recording of:UserWarning")

MODELS = [
    *("brain-tuned", "permuted", "text-model-tuned", "permuted-text-model-tuned"),
    *("other-teacher-tuned", "stimulus-tuned"),
]


def parsed(settings, output, arguments_class=CompareOptions, **changes):
    path = output.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(settings | {"num_train_epochs": 1} | changes))
    words = ["--config", str(path), "--output_dir", str(output)]
    return parse_arguments((arguments_class, TrainerOptions), arguments=words)


@pytest.fixture(scope="module")
def controls(tmp_path_factory, settings):
    """Settings of a run with all controls."""
    folder = tmp_path_factory.mktemp("configurations")
    own = {key: settings[key] for key in ("pretrained", "data", "participants", "train_stories")}
    own |= {key: settings[key] for key in ("validation_stories", "test_story", "disable_tqdm")}
    own |= {"max_steps": 2, "eval_strategy": "steps", "eval_steps": 1, "save_steps": 1}
    own |= {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss"}
    (folder / "stimulus.yaml").write_text(yaml.safe_dump(own | {"mask_time_length": 2}))
    teacher, _ = phantom_teacher("phantom-gpt2-untaught")
    shutil.copytree(teacher, folder / "other-teacher")
    return settings | {
        "targets": ["responses", "permuted", "text_model", "permuted_text_model"],
        "text_teacher": "phantom-gpt2-untaught",
        "more_text_teachers": [str(folder / "other-teacher")],
        "stimulus_config": str(folder / "stimulus.yaml"),
        "low_level": False,
        "cache_dir": str(folder / "representations"),
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory, settings, controls):
    """A folder where tune.py was run, and then compare.py; what it held before; the results."""
    output = tmp_path_factory.mktemp("compared") / "output"
    tune(*parsed(settings, output, TuningOptions, text_teacher="phantom-gpt2-untaught"))
    before = {path: path.read_bytes() for path in output.glob("*/model.safetensors")}
    results = compare(*parsed(controls, output))
    return output, before, results


def test_every_control_is_tuned_and_measured_beside_brain_tuning(finished):
    output, _, results = finished
    assert list(results["alignment"]) == ["pretrained", *MODELS]
    pairs = [(pair["model"], pair["other"]) for pair in results["pairs"]]
    assert pairs == [("brain-tuned", model) for model in MODELS[1:]] + [
        ("text-model-tuned", "permuted-text-model-tuned"),
        ("text-model-tuned", "other-teacher-tuned"),
    ]
    for pair in results["pairs"]:
        gains = [results["alignment"][pair[key]]["language"]["mean"] for key in ("model", "other")]
        assert pair["gain"]["language"]["mean"] == pytest.approx(gains[0] - gains[1])
    chosen = {model: curve["chosen_step"] for model, curve in results["curves"].items()}
    assert chosen["permuted"] == chosen["brain-tuned"]
    assert chosen["permuted-text-model-tuned"] == chosen["text-model-tuned"]
    written = json.loads((output / "compare.json").read_text())
    assert written["pairs"] == json.loads(json.dumps(results["pairs"]))
    for name in ("compare.csv", "compare.png", "compare-layers.png"):
        assert (output / name).stat().st_size > 0


def test_checkpoints_and_cards_say_which_control_they_are(finished):
    output, _, _ = finished
    for model, teacher, targets in (
        ("text-model-tuned", "phantom-gpt2-untaught", "text_model"),
        ("permuted-text-model-tuned", "phantom-gpt2-untaught", "permuted_text_model"),
        ("other-teacher-tuned", "other-teacher", "text_model"),
    ):
        (brain,) = AutoModelForBrainTuning.from_pretrained(output / model).brains.values()
        assert (brain.participant, brain.targets) == (teacher, targets)
        assert teacher in (output / model / "README.md").read_text()


def test_checkpoints_of_a_participant_say_how_well_their_heads_predict(finished):
    output, _, results = finished
    assert results["heads"].keys() == {"brain-tuned", "permuted"}
    for model, by_region in results["heads"].items():
        brain = AutoModelForBrainTuning.from_pretrained(output / model).brain_of("P01")
        means = {region: scores["mean"] for region, scores in by_region.items()}
        assert {region: s["value"] for region, s in brain.alignment.items()} == means
    (taught,) = AutoModelForBrainTuning.from_pretrained(output / "text-model-tuned").brains.values()
    assert not taught.alignment and not taught.measured_on


def test_what_is_in_the_folder_already_is_not_done_again(finished, controls, capsys):
    output, before, results = finished
    assert {path.parent.name for path in before} == {"brain-tuned", "permuted"}
    assert all(path.read_bytes() == content for path, content in before.items())
    times = {path: path.stat().st_mtime_ns for path in output.glob("*/*.safetensors")}
    kept = Path(controls["cache_dir"])
    measured = {path: path.stat().st_mtime_ns for path in kept.rglob("*.safetensors")}
    again = compare(*parsed(controls, output))
    assert again["alignment"] == results["alignment"] and again["pairs"] == results["pairs"]
    assert all(path.stat().st_mtime_ns == time for path, time in (times | measured).items())
    printed = capsys.readouterr().out
    assert printed.count("is tuned") == len(MODELS) and "Estimated time: " in printed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 3e-3}, r"output holds what was tuned with other settings \(learning_"),
        ({"participants": ["P01", "P02"]}, "one at a time, got P01, P02"),
        ({"targets": ["text_model"]}, "targets must hold responses"),
        ({"heads_only": True}, "drop it"),
        ({"more_text_teachers": ["a/gpt2", "b/gpt2"]}, "must end in different names"),
    ],
)
def test_bad_settings_are_refused(finished, controls, changes, message):
    with pytest.raises((ValueError, FileExistsError), match=message):
        compare(*parsed(controls | changes, finished[0]))


def test_other_settings_of_the_stimulus_are_refused_too(finished, controls, tmp_path):
    own = yaml.safe_load(Path(controls["stimulus_config"]).read_text())
    changed = tmp_path / "stimulus.yaml"
    changed.write_text(yaml.safe_dump(own | {"mask_time_length": 3}))
    with pytest.raises(FileExistsError, match=r"stimulus-tuned holds .* \(mask_time_length\)"):
        compare(*parsed(controls, finished[0], stimulus_config=str(changed)))


def test_a_model_that_another_teacher_taught_is_not_taken_for_this_ones(finished, controls):
    with pytest.raises(FileExistsError, match=r"the teacher changed since .*other-teacher-tuned"):
        compare(*parsed(controls, finished[0], more_text_layers=[0]))


def test_a_family_without_self_supervised_losses_is_named(controls, tmp_path):
    config = HubertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    HubertModel(config).save_pretrained(tmp_path / "hubert")
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path / "hubert")
    with pytest.raises(ValueError, match="hubert is of hubert; give --stimulus false"):
        compare(*parsed(controls, tmp_path / "out", pretrained=str(tmp_path / "hubert")))


def test_a_story_without_phones_is_named_before_anything_is_tuned(controls, recordings, tmp_path):
    copy = tmp_path / "recordings"
    shutil.copytree(recordings, copy)
    textgrid = copy / "derivative" / "TextGrids" / "story02.TextGrid"
    write_textgrid(textgrid, {"word": read_textgrid(textgrid)["word"]}, 60.0)
    changes = {"data": str(copy), "low_level": True}
    with pytest.raises(ValueError, match="story story02 of P01 has no phones"):
        compare(*parsed(controls | changes, tmp_path / "output"))
    assert not list((tmp_path / "output").glob("*/model.safetensors"))
