"""A head for all, tuned and asked for somebody else, as a user does it."""

import json
import shutil

import numpy as np
import pytest
import yaml

from modeling_braintune import AutoModelForBrainTuning
from recipes.zero_shot import told_apart
from tests.command_process import RECIPES, run_command, run_two


@pytest.fixture(scope="module")
def write(tmp_path_factory, settings):
    folder = tmp_path_factory.mktemp("configurations")

    def write(name, **changes):
        path = folder / f"{name}.yaml"
        few = {"num_train_epochs": 1, "targets": ["responses"]}
        path.write_text(yaml.safe_dump(settings | few | changes))
        return path

    return write


@pytest.fixture(scope="module")
def shared(tmp_path_factory, write):
    """Folder of a model whose head was tuned on P01's responses, at vertices; and what it said."""
    output = tmp_path_factory.mktemp("shared")
    config = write("shared", shared_space=True)
    done = run_command("tune", "--config", config, "--output_dir", output)
    assert done.returncode == 0, done.stderr
    return output / "brain-tuned", done.stdout


@pytest.fixture(scope="module")
def own(tmp_path_factory, write):
    """Folder of a model with a head of P01's own voxels."""
    output = tmp_path_factory.mktemp("own")
    done = run_command("tune", "--config", write("own"), "--output_dir", output)
    assert done.returncode == 0, done.stderr
    return output / "brain-tuned"


def zero_shot(write, tmp_path, participant, *checkpoints, **changes):
    config = write("zero_shot", **changes)
    words = ["--participants", participant, "--checkpoints", *checkpoints]
    return run_command("zero_shot", "--config", config, *words, "--output_dir", tmp_path / "out")


def test_a_head_for_all_is_tuned_scored_and_carried_by_the_checkpoint(shared):
    folder, said = shared
    model = AutoModelForBrainTuning.from_pretrained(folder)
    brain = model.brain_of()
    assert (brain.participant, brain.participants) == ("fsaverage5", ["P01"])
    assert model.config.num_voxels == len(brain.voxels) == np.count_nonzero(brain.fsaverage5 >= 0)
    assert set(brain.regions) == {"language", "auditory"}
    assert brain.n_recorded_voxels == 20484
    assert "P01: 24 of 24 voxels lie at vertices of fsaverage5 that the head predicts" in said
    assert "head, brain-tuned" in said  # of P01's voxels, from their vertices
    card = (folder / "README.md").read_text()
    assert "P01" in card and "fsaverage5" in card


def test_somebody_else_is_predicted_beside_the_mean_of_heads(shared, own, write, tmp_path):
    folder, _ = shared
    done = zero_shot(write, tmp_path, "P02", own, folder)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out/zero_shot.json").read_text())["participants"]["P02"]
    names = [f"{path.parent.name}/brain-tuned" for path in (own, folder)]
    assert list(found["alignment"]) == names and list(found["gain"]) == names[1:]
    scores = found["alignment"][names[0]]["auditory"]
    assert scores["n_voxels"] > 0 and -1 <= scores["mean"] <= 1.5
    assert all(f"{name} " in done.stdout for name in names)
    assert f"{found['n_unknown']} voxels above the threshold lie where" in done.stdout


def test_a_new_participant_goes_on_with_the_head_for_all(shared, write, tmp_path):
    folder, _ = shared
    few = dict(tuning_stories=["story01"], participants=["P02"], shared_space=True, max_steps=1)
    few |= dict(learning_rate=0.0, head_learning_rate=0.0, eval_steps=1, save_steps=1)
    config = write("few", pretrained=str(folder), **few)
    done = run_command("tune", "--config", config, "--output_dir", tmp_path)
    assert done.returncode == 0, done.stderr
    before, after = (
        AutoModelForBrainTuning.from_pretrained(path) for path in (folder, tmp_path / "brain-tuned")
    )
    assert after.head.weight.equal(before.head.weight)
    np.testing.assert_array_equal(after.brain_of().voxels, before.brain_of().voxels)
    assert after.brain_of().participants == ["P02"]


def test_other_objectives_and_options_take_a_shared_space(write, tmp_path):
    config = write(
        "options",
        shared_space=True,
        participants=["P01", "P02"],
        objective="weighted_both_correlations",
        targets=["responses", "permuted"],
        lora_rank=2,
        retention="distil",
        head_rank=3,
        max_steps=2,
        eval_steps=2,
        save_steps=2,
    )
    done = run_command("tune", "--config", config, "--output_dir", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "permuted: its targets correlate with the true ones" in done.stdout
    brain = AutoModelForBrainTuning.from_pretrained(tmp_path / "brain-tuned").brain_of()
    assert brain.participants == ["P01", "P02"]


def test_two_processes_give_the_losses_of_one_with_all_options_together(write, tmp_path):
    """Of a shared space: a loss over voxels, retention, adapters in one layer, a refit."""
    config = write(
        "together",
        shared_space=True,
        participants=["P01", "P02"],
        objective="spatial_correlation",
        retention="distil",
        head_rank=3,
        lora_rank=2,
        tune_layers="2",
        refit=True,
        dropout=0.0,
        dataloader_drop_last=True,  # else an epoch's last batch is filled up
    )
    alone, both = tmp_path / "alone", tmp_path / "both"
    done = run_command("tune", "--config", config, "--output_dir", alone)
    assert done.returncode == 0, done.stderr
    half = ("--per_device_train_batch_size", "4", "--per_device_eval_batch_size", "4")
    run_two(RECIPES / "tune.py", "--config", config, "--output_dir", both, *half)
    one, two = (
        json.loads((folder / "results.json").read_text())["curves"]["brain-tuned"]
        for folder in (alone, both)
    )
    assert len(one["train"]) > 3 and one["refit_steps"] == two["refit_steps"]
    for name in ("train", "validation"):  # correlations, which are near 0
        np.testing.assert_allclose(two[name], one[name], atol=1e-4)


def test_who_was_learned_from_is_refused_in_one_line(shared, write, tmp_path):
    folder, _ = shared
    done = zero_shot(write, tmp_path, "P01", folder)
    assert done.returncode == 1
    assert "was tuned on responses of P01" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_participants_without_a_surface_are_named_before_anything_is_tuned(
    recordings, write, tmp_path
):
    flat = shutil.copytree(recordings, tmp_path / "flat")
    shutil.rmtree(flat / "derivative/anatomy")
    config = write("flat", data=str(flat), participants=["P01", "P02"], shared_space=True)
    done = run_command("tune", "--config", config, "--output_dir", tmp_path / "out")
    assert done.returncode == 1
    assert "which is not known of P01, P02: recipes/anatomy.py writes it" in done.stderr
    assert not (tmp_path / "out").exists()


def test_models_of_one_name_are_told_apart_by_their_folders():
    names = ["a/each/brain-tuned", "a/one/brain-tuned", "org/model"]
    assert list(told_apart(names)) == ["each/brain-tuned", "one/brain-tuned", "org/model"]
    assert told_apart(["org/model"]) == {"model": "org/model"}
