"""Several seeds in one table."""

import copy
import json

import pytest

from recipes.command.arguments import parse_arguments
from recipes.command.output_folder import run_settings
from recipes.stages.tuning_options import TrainerOptions, TuningOptions
from recipes.tune_seeds import tune_seeds


def results(pretrained, tuned):
    scores = {
        "alignment": {
            "pretrained": {"language": {"mean": pretrained}},
            "brain-tuned": {"language": {"mean": tuned}},
        },
        "gain": {"brain-tuned": {"language": {"mean": tuned - pretrained}}},
    }
    return {"participants": {"P01": scores}}


def test_only_a_seed_finished_with_the_same_settings_is_reused(tmp_path, settings, configuration):
    words = ["--config", str(configuration()), "--output_dir", str(tmp_path / "seeds")]
    arguments, training = parse_arguments((TuningOptions, TrainerOptions), arguments=words)
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
