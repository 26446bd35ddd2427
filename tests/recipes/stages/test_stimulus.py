"""The control that only hears: what it leaves behind, what it refuses, how it goes on."""

import dataclasses
import json
import shutil

import h5py
import numpy as np
import pytest
from safetensors.numpy import load_file
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoModelForPreTraining

from datasets_scripts import TrainingWindows, open_participant, read_ds003020
from recipes.command.arguments import keys_of, parse_arguments
from recipes.command.output_folder import finished_curve
from recipes.stages import stimulus
from recipes.stages.encoding import Extraction, layer_features
from recipes.stages.recordings import open_recordings
from recipes.stages.stimulus import StimulusOptions, sound_windows
from recipes.stages.tuning_options import TrainerOptions, TuningOptions
from recipes.stimulus_tune import DEFAULT_CONFIG


def stimulus_tune(arguments, training):
    """Train on the sound that the only participant heard."""
    (participant,) = open_recordings(arguments.data, arguments)
    return stimulus.stimulus_tune(arguments, training, arguments.pretrained, participant)


def arguments(config, output):
    return parse_arguments(
        (StimulusOptions, TrainerOptions),
        DEFAULT_CONFIG,
        ["--config", str(config), "--output_dir", str(output)],
        passed_over=keys_of(TuningOptions),
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory, settings, pretrained):
    """Configuration, output folder and results of a run."""
    folder = tmp_path_factory.mktemp("stimulus")
    config = folder / "configuration.yaml"
    config.write_text(json.dumps(settings | brief(pretrained)))  # JSON is YAML
    return config, folder / "output", stimulus_tune(*arguments(config, folder / "output"))


def brief(model, **changes):
    return {
        "pretrained": str(model),
        "num_train_epochs": 2,
        "eval_steps": 6,
        "save_steps": 6,
    } | changes


def weights(output):
    return load_file(output / "stimulus-tuned" / "model.safetensors")


def test_the_losses_fall_and_the_best_step_is_chosen(finished):
    _, output, results = finished
    steps, losses = zip(*results["train"], strict=True)
    assert steps == tuple(range(1, len(steps) + 1))
    assert np.mean(losses[-8:]) < np.mean(losses[:8])
    validation = dict(results["validation"])
    assert validation[results["chosen_step"]] == min(validation.values())
    assert finished_curve(output / "stimulus-tuned" / "results.json") == results


def test_a_damaged_model_is_named(finished, tmp_path):
    _, output, _ = finished
    copy = shutil.copytree(output / "stimulus-tuned", tmp_path / "stimulus-tuned")
    (copy / "README.md").write_text("a card of one's own")
    assert finished_curve(copy / "results.json")
    with open(copy / "model.safetensors", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
        finished_curve(copy / "results.json")


def test_training_moves_the_transformer_and_not_the_feature_encoder(finished, pretrained):
    _, output, results = finished
    before, after = load_file(pretrained / "model.safetensors"), weights(output)
    moved = {name for name, value in before.items() if (after[f"wav2vec2.{name}"] != value).any()}
    assert any(name.startswith("encoder.layers.0") for name in moved)
    assert not any(name.startswith("feature_extractor") for name in moved)
    assert results["new"] == ["project_hid", "project_q", "quantizer"]


def test_the_result_is_an_ordinary_checkpoint_that_says_what_it_heard(
    finished, pretrained, recordings
):
    _, output, _ = finished
    folder = output / "stimulus-tuned"
    for model_class in (AutoModel, AutoModelForPreTraining):
        _, info = model_class.from_pretrained(folder, output_loading_info=True)
        assert not info["missing_keys"]
    said, own = (json.loads((place / "config.json").read_text()) for place in (folder, pretrained))
    heard = said.pop("stimulus_tuned")
    assert heard["stories"] == ["story01", "story02", "story03"] and len(heard["data"]) == 64
    assert said == own | {"architectures": ["Wav2Vec2ForPreTraining"]}
    AutoFeatureExtractor.from_pretrained(folder)
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors", ".md", ".png"}
    card = (folder / "README.md").read_text()
    assert "stimulus-tuned" in card and "not a model of the brain" in card
    assert "3: story01, story02, story03" in card

    (story,) = read_ds003020(recordings, "P01", ["story04"])
    extraction = Extraction(length=4.0, stride=2.0)
    features = layer_features(*extraction.load(folder), [story], extraction)
    assert features[2][0].shape == (len(story.tr_times), 16)


def test_the_windows_are_those_of_brain_tuning(finished, recordings):
    config, output, _ = finished
    asked, _ = arguments(config, output)
    participant = open_participant(recordings, "P01")
    own = sound_windows(asked, participant, ["story01", "story02"])
    live = [int(np.flatnonzero(np.isfinite(next(participant.stories()).responses[0]))[0])]
    tuned_on = TrainingWindows(participant.stories(["story01", "story02"]), live)
    assert len(own) == len(tuned_on)
    for i in range(0, len(own), 9):
        np.testing.assert_array_equal(own[i]["audio"], tuned_on[i]["audio"])


def test_other_responses_to_the_same_sound_give_the_same_weights(
    finished, configuration, pretrained, recordings, tmp_path
):
    _, output, _ = finished
    copy = shutil.copytree(recordings, tmp_path / "recordings")
    for path in (copy / "derivative" / "preprocessed_data" / "P01").glob("*.hf5"):
        with h5py.File(path, "r+") as file:
            if "individual_repeats" not in file:  # whose mean the responses are
                file["data"][:] = np.random.default_rng(0).standard_normal(file["data"].shape)
    config = configuration(**brief(pretrained, data=str(copy)))
    stimulus_tune(*arguments(config, tmp_path / "output"))
    other = weights(tmp_path / "output")
    for name, values in weights(output).items():
        np.testing.assert_array_equal(other[name], values, err_msg=name)
    heard, again = (
        AutoConfig.from_pretrained(folder / "stimulus-tuned").stimulus_tuned
        for folder in (output, tmp_path / "output")
    )
    assert heard == again


def test_a_finished_run_is_not_overwritten_unless_told(finished, tmp_path):
    config, output, _ = finished
    copy = shutil.copytree(output, tmp_path / "output")
    (copy / "brain-tuned").mkdir()
    asked, training = arguments(config, copy)
    with pytest.raises(FileExistsError, match="stimulus-tuned holds a finished run"):
        stimulus_tune(asked, training)
    training.max_steps = 3
    training.overwrite_output_dir = True
    stimulus_tune(asked, training)
    assert len(json.loads((copy / "stimulus-tuned" / "results.json").read_text())["train"]) == 3
    assert (copy / "brain-tuned").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation_stories": ["story01"]}, "'story01' is in train_stories and in validation"),
        ({"train_stories": ["story05"]}, "unknown story .* got 'story05'.*story04"),
        ({"participants": ["P03"]}, "unknown participant .* got 'P03'.*P01"),
        ({"n_trs_per_window": 40}, "window of 80 s is longer than its sound of 60 s"),
        ({"pretrained": "./nowhere"}, "no checkpoint at './nowhere'"),
        ({"mask_time_length": 1}, "mask_time_length in 2 to the .* got 0.65 and 1"),
    ],
)
def test_bad_settings_stop_the_run_before_it_begins(configuration, tmp_path, changes, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        stimulus_tune(*arguments(configuration(**changes), tmp_path / "output"))
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("path", [DEFAULT_CONFIG, DEFAULT_CONFIG.with_name("stimulus.yaml")])
def test_configurations_hear_what_those_of_brain_tuning_tune_on(path, tmp_path):
    brain = DEFAULT_CONFIG.with_name("phantom.yaml" if path == DEFAULT_CONFIG else "ds003020.yaml")
    (own, ours), (other, theirs) = (arguments(config, tmp_path) for config in (path, brain))
    differing = {
        key
        for key, value in dataclasses.asdict(own).items()
        if dataclasses.asdict(other)[key] != value
    }
    assert differing <= {"mask_time_length", "layers", "test_skip_trs", "evaluation_chunk"}
    assert (ours.seed, ours.optim, ours.train_batch_size) == (
        theirs.seed,
        theirs.optim,
        theirs.train_batch_size,
    )
