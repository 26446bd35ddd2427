"""Several seeds in one table."""

import copy
import json

import pytest

from modeling_braintune import BrainTuningArguments
from recipes.arguments import parse_arguments
from recipes.tune import DEFAULT_CONFIG, TuneArguments, run_settings
from recipes.tune_seeds import table, tune_seeds


def results(pretrained, tuned):
    scores = {
        "alignment": {
            "pretrained": {"language": {"mean": pretrained}},
            "brain-tuned": {"language": {"mean": tuned}},
        },
        "gain": {"brain-tuned": {"language": {"mean": tuned - pretrained}}},
    }
    return {"participants": {"P01": scores}}


def test_the_table_shows_every_seed_its_mean_and_the_gain():
    lines = table({0: results(0.2, 0.3), 7: results(0.2, 0.5)}).splitlines()
    assert lines[0] == "| region | model | seed 0 | seed 7 | mean | gain |"
    assert lines[2] == "| language | pretrained | 0.200 | 0.200 | 0.200 |  |"
    assert lines[3] == (
        "| language | brain-tuned | 0.300 | 0.500 | 0.400 | +0.200 (+0.100 to +0.300) |"
    )


def test_only_a_seed_finished_with_the_same_settings_is_reused(tmp_path, settings, configuration):
    words = ["--config", str(configuration()), "--output_dir", str(tmp_path / "seeds")]
    arguments, training = parse_arguments(
        (TuneArguments, BrainTuningArguments),
        DEFAULT_CONFIG,
        words,
        renamed={"participant": "participants"},
    )
    done, folder = results(0.1, 0.2), tmp_path / "seeds" / "seed-3"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(done))
    this = copy.copy(training)
    this.seed, this.output_dir = 3, str(folder)
    (folder / "settings.json").write_text(json.dumps(run_settings(arguments, this)))
    assert tune_seeds([3], arguments, training) == {3: done}

    arguments.tr = 2.0045
    with pytest.raises(FileExistsError, match="seed-3 holds a finished run"):
        tune_seeds([3], arguments, training)
