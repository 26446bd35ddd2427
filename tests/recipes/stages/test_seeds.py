"""A run with several seeds: where each goes, and that nothing is lost."""

import copy
import json
from types import SimpleNamespace

import pytest

from recipes.command.arguments import parse_arguments
from recipes.command.output_folder import run_settings, write_checked
from recipes.stages.seeds import with_seeds
from recipes.stages.tuning_options import TrainerOptions, TuningOptions
from recipes.tune import tuned_with_seed


def training(output, **changes):
    given = {"output_dir": str(output), "seed": 0, "push_to_hub": None, "process_index": 0}
    return SimpleNamespace(**given | changes)


def measured(gain):
    scores = {"pretrained": {"all": {"mean": 0.2}}, "brain-tuned": {"all": {"mean": 0.2 + gain}}}
    drawn = {
        model: {"all": [of["all"]["mean"]] * 10 + [of["all"]["mean"] + 0.01]}
        for model, of in scores.items()
    }
    return {
        "evaluation_stride": 0.1,
        "evaluation_chunk": 0.1,
        "normalisation": "normalised",
        "n_blocks": 12.0,
        "alignment": scores,
        "resamples": drawn,
        "gain": {"brain-tuned": {}},
        "pairs": [],
    }


def test_each_seed_has_its_folder_and_all_a_table(tmp_path, capsys):
    seen = []

    def run(this):
        seen.append((this.seed, this.output_dir))
        return {"P01": measured(0.1 * this.seed)}

    with_seeds([1, 4], training(tmp_path), run)
    assert seen == [(seed, str(tmp_path / f"seed-{seed}")) for seed in (1, 4)]
    written = (tmp_path / "seeds.md").read_text()
    assert written.strip() in capsys.readouterr().out
    assert "+0.100" in written and "+0.400" in written and "+0.250 [" in written


def test_other_processes_write_nothing(tmp_path):
    with_seeds([1, 4], training(tmp_path, process_index=1), lambda _: None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("seeds", "changes", "message"),
    [
        ([1, 1], {}, "seeds: name each once, got 1 1"),
        ([1, 2], {"push_to_hub": "ada/tuned"}, "push_to_hub: many models are tuned here"),
    ],
)
def test_what_cannot_be_repeated_is_refused_before_it_begins(tmp_path, seeds, changes, message):
    with pytest.raises(ValueError, match=message):
        with_seeds(seeds, training(tmp_path, **changes), lambda _: pytest.fail("it has begun"))


def test_only_a_seed_finished_with_the_same_settings_is_reused(tmp_path, configuration):
    words = ["--config", str(configuration()), "--output_dir", str(tmp_path / "seed-3")]
    arguments, this = parse_arguments((TuningOptions, TrainerOptions), arguments=words)
    this = copy.copy(this)
    this.seed = 3
    (tmp_path / "seed-3").mkdir()
    write_checked(tmp_path / "seed-3" / "results.json", {"participants": {"P01": {}}})
    settings = run_settings(arguments, this)
    (tmp_path / "seed-3" / "settings.json").write_text(json.dumps(settings))
    assert tuned_with_seed(arguments, this) == {"P01": {}}
    arguments.tr = 2.0045
    with pytest.raises(FileExistsError, match="seed-3 holds a finished run"):
        tuned_with_seed(arguments, this)
