"""What is run for each variant, and the table of what came out."""

import dataclasses
import json
from dataclasses import fields

import pytest

from evaluate_metrics.reports import BASELINE
from recipes.asr import AsrOptions
from recipes.command.arguments import parse_arguments, read_config
from recipes.probe import ProbeOptions
from recipes.stages.recognition import RecognitionOptions
from recipes.stages.tuning_options import TrainerOptions, TuningOptions
from recipes.variants import DEFAULT_CONFIG, VariantsOptions, compare, plan, rows

CONFIG = read_config(DEFAULT_CONFIG)
TAKEN = {
    "tune": (TuningOptions, TrainerOptions),
    "probe": (ProbeOptions,),
    "asr": (AsrOptions, RecognitionOptions),
}


def options(folder, **changes):
    told = {"seeds": [0, 1], "tasks": ["phantom/topic"], "output_dir": str(folder / "output")}
    return VariantsOptions(**told | changes)


def test_the_phantoms_configuration_is_accepted_whole():
    names = {field.name for field in fields(VariantsOptions)} | {"tuning", "recognition"}
    assert CONFIG.keys() <= names | {"variants"}
    assert VariantsOptions(
        **{key: value for key, value in CONFIG.items() if key in names - {"tuning", "recognition"}}
    )


@pytest.mark.parametrize("name", CONFIG["variants"])
def test_every_job_of_a_variant_is_a_command_that_takes_its_words(name, tmp_path):
    jobs = [job for job in plan(options(tmp_path), CONFIG) if job.facts["variant"] == name]
    for job in jobs:
        parsed = parse_arguments(TAKEN[job.script], None, job.command[2:])
        assert parsed[-1].output_dir == str(job.folder)
        if job.script == "tune":
            tuning, training = parsed
            for option, value in CONFIG["variants"][name].items():
                of = tuning if hasattr(tuning, option) else training
                assert getattr(of, option) == value
            assert training.seed == job.facts["seed"]
            assert len(tuning.train_stories) == 16 and tuning.targets == ["responses"]
        else:  # whatever their configurations say
            assert (BASELINE in parsed[0].names) is (name == "today")


def test_each_variant_is_tuned_with_each_seed_and_the_pretrained_model_measured_once_a_seed(
    tmp_path,
):
    jobs = plan(options(tmp_path), CONFIG)
    assert len(jobs) == 3 * 2 * len(CONFIG["variants"])
    for job in jobs:
        facts = f"{job.facts['variant']}-{job.facts['seed']}"
        assert job.name == f"{job.script}-{facts}"
        assert job.needs == (() if job.script == "tune" else (f"tune-{facts}",))


RESULTS = {
    "tune": {
        "participants": {
            "P01": {
                "alignment": {
                    "pretrained": {"language": {"mean": 0.4}},
                    "brain-tuned": {"language": {"mean": 0.6}},
                }
            }
        }
    },
    "probe": {
        "rows": [
            {"model": "brain-tuned", "task": "phantom/topic", "value": 0.5},
            {"model": "brain-tuned", "task": "phantom/topic", "value": 0.7},
        ]
    },
    "asr": {
        "rows": [
            {"model": "brain-tuned", "measure": "wer", "value": 0.25},
            {"model": "brain-tuned", "measure": "cer", "value": 0.01},
        ]
    },
}


@pytest.fixture
def ended(tmp_path):
    """All jobs of a variant, but the recognition with seed 1, have come to their ends."""
    given = options(tmp_path, only=["distil-1"])
    jobs = plan(given, CONFIG)
    for job in jobs[:-1]:
        job.folder.mkdir(parents=True)
        (job.folder / job.result).write_text(json.dumps(RESULTS[job.script]))
        job.place(".json").write_text(json.dumps({"key": job.key, "seconds": 1.0}))
    return given, jobs


def test_what_jobs_found_is_read_by_variant_seed_model_and_measure(ended):
    _, jobs = ended
    found = {(r["seed"], r["model"], r["measure"]): r["value"] for r in rows(jobs)}
    of_each = {
        ("pretrained", "language"): 0.4,
        ("brain-tuned", "language"): 0.6,
        ("brain-tuned", "phantom/topic"): pytest.approx(0.6),
    }
    expected = {(seed, *what): value for seed in (0, 1) for what, value in of_each.items()}
    assert found == expected | {(0, "brain-tuned", "phone error rate"): 0.25}
    assert {row["variant"] for row in rows(jobs)} == {"distil-1"}


def test_a_job_that_fails_is_named_and_the_table_is_of_the_others(ended, capsys):
    given, jobs = ended
    given = dataclasses.replace(given, seeds=[1])
    jobs[-1].folder.parent.mkdir(parents=True, exist_ok=True)
    broken = {"recognition": {"config": "no-such-file.yaml"}}
    with pytest.raises(SystemExit, match="1 jobs failed; the same command tries them again"):
        compare(given, CONFIG | broken)
    said = capsys.readouterr()
    assert "asr-distil-1-1 failed: " in said.err and "no-such-file.yaml" in said.err
    table = (jobs[0].folder.parent.parent / "variants.md").read_text()
    assert "| distil-1   | 0.600      | 0.600           |" in table
    assert table.strip() in said.out


def test_an_unknown_variant_is_named_before_anything_is_tuned(tmp_path):
    with pytest.raises(ValueError, match="unknown variant: got 'tody'.*'today'"):
        compare(options(tmp_path, only=["tody"]), CONFIG)
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(dict(seeds=[]), "seeds: give at least one"), (dict(n_at_once=0), "at least 1 job, got 0")],
)
def test_what_cannot_be_run_is_refused(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        options(tmp_path, **wrong)
