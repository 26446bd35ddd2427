"""Which jobs a study takes."""

import dataclasses
import importlib
from pathlib import Path

import pytest

from recipes.command.arguments import CONFIGS, keys_of, parse_arguments, read_config
from recipes.phantom.data import PARTICIPANTS
from recipes.reproduce import OF_JOBS, ReproduceOptions, study_of
from recipes.stages.study.jobs import for_figures
from recipes.stages.study.planning import (
    FIGURES,
    RECIPES,
    command,
    figures_named,
    plan,
    splits_of,
)
from recipes.stages.tuning_options import TrainerOptions, TuningOptions
from tests.recipes.command.test_vocabulary import COMMANDS

TAKEN = {"tune", "align", "compare", "stimulus_tune", "sweep", "probe", "preference", "asr"}


@pytest.fixture(scope="module")
def full():
    """All of ds003020, and of the phantom."""

    def study(name, *words):
        config = CONFIGS / name
        (arguments,) = parse_arguments((ReproduceOptions,), config, [*words], passed_over=OF_JOBS)
        return study_of(arguments, read_config(config))

    eight = [f"UTS{i:02d}" for i in range(1, 9)]
    given = [f"{name}=folder" for name in ("timit", "slurp", "speech_commands", "crema_d")]
    words = ["--data", "recordings", "--participants", *eight, "--collections", *given]
    phantom = ["--participants", *PARTICIPANTS]
    return study("reproduce.yaml", *words), study("reproduce-phantom.yaml", *phantom)


def test_a_study_of_full_size_has_jobs_for_every_figure(full):
    for study in full:
        jobs = plan(study)
        assert frozenset().union(*(job.figures for job in jobs)) == {*FIGURES}
        assert {name for job in jobs for name in job.facts if job.sources} <= {
            *("family", "participant", "n_layers", "n_parameters", "fraction"),
            *("settings_hash", "code_version"),
        }


def test_what_figures_share_is_run_once_and_what_they_do_not_need_is_not(full):
    for study in full:
        jobs = plan(study)
        assert len({job.name for job in jobs}) == len(jobs)
        outputs = [job.folder for job in jobs if not job.name.startswith("permuted-")]
        assert len(set(outputs)) == len(outputs)
        few = for_figures(jobs, figures_named(["2", "3"]))
        assert {job.script for job in few} == {"tune", "align"}
        assert len(few) == 2 * len(study.participants) * len(study.families)


def test_every_job_is_a_command_that_takes_its_words(full):
    """A command of each kind is parsed as the command itself would."""
    for study in full:
        kinds = {(job.script, job.name.split("-")[0]): job for job in plan(study)}
        assert {script for script, _ in kinds} == TAKEN
        for (script, _), job in kinds.items():
            assert Path(job.command[1]).resolve() == RECIPES / f"{script}.py"
            module = importlib.import_module(f"recipes.{script}")
            parsed = parse_arguments(
                COMMANDS[script],
                getattr(module, "DEFAULT_CONFIG", None),
                job.command[2:],
                renamed={"pretrained": "baseline", "output_dir": None} if script == "align" else {},
                passed_over=keys_of(TuningOptions, TrainerOptions),
            )
            assert parsed[-1].output_dir == str(job.folder)


def test_settings_of_a_control_are_its_own(full):
    real, _ = full
    by_name = {job.name: job for job in plan(real)}
    words = by_name["text-model-hubert"].command
    assert words[words.index("--num_train_epochs") + 1] == "200"
    assert "--num_train_epochs" not in by_name["tune-hubert-UTS01"].command


def test_families_without_ctc_are_not_tuned_for_recognition(full):
    for study in full:
        families = {job.facts["family"] for job in plan(study) if job.script == "asr"}
        assert families == {"wav2vec2", "hubert"}


def test_every_model_is_tuned_for_recognition_and_the_pretrained_one_once(full):
    for study in full:
        for family in ("wav2vec2", "hubert"):
            jobs = [job for job in plan(study) if job.script == "asr"]
            words = [job.command for job in jobs if job.facts["family"] == family]
            assert {of[of.index("--baseline") + 1] for of in words} == {study.families[family].name}
            assert sum("--baseline_too" not in of for of in words) == 1
            models = {Path(word).name for of in words for word in of}
            controls = {"permuted", "text-model-tuned", "speech-model-tuned"}
            controls |= {"stimulus-tuned"} if family == "wav2vec2" else {*()}
            assert models >= {"brain-tuned", *controls}


def test_who_missed_a_story_is_tuned_on_the_others(full):
    study = dataclasses.replace(full[0], unrecorded={"UTS04": ["life"]})
    by_name = {job.name: job for job in plan(study)}
    words = by_name["tune-whisper-UTS04"].command
    stories = words[words.index("--train_stories") + 1 :][:23]
    assert sorted([*stories, "life"]) == sorted(splits_of(study.kinds)["train_stories"])
    assert "--train_stories" not in by_name["tune-whisper-UTS05"].command


def test_the_permuted_control_goes_on_in_the_folder_of_the_tuned_model(full, tmp_path):
    by_name = {job.name: job for job in plan(full[1])}
    tuned, control = by_name["tune-hubert-P01"], by_name["permuted-hubert-P01"]
    assert control.folder == tuned.folder and control.needs == (tuned.name,)


def test_figures_are_named_by_number():
    assert figures_named(["3", "2a", "stages"]) == ["2a", "3a", "3b", "3c", "stages"]
    assert figures_named(["all"]) == [*FIGURES]
    with pytest.raises(ValueError, match="got '16'"):
        figures_named(["16"])


def test_words_of_a_command_can_be_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(RECIPES.parent)
    told = {"low_level": False, "layers": [1, 2], "atlas": None, "config": "phantom.yaml"}
    assert " ".join(command("align", told)) == (
        "python recipes/align.py --config recipes/configs/phantom.yaml --low_level false "
        "--layers 1 2"
    )


def test_settings_have_one_digest_whoever_is_studied(full):
    study, other = full
    assert study.settings_hash != other.settings_hash
    fewer = dataclasses.replace(study, participants=["UTS01"], folder=Path("elsewhere"))
    assert fewer.settings_hash == study.settings_hash
    assert dataclasses.replace(study, evaluation_chunk=1.0).settings_hash != study.settings_hash
