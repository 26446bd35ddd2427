"""The settings that ship: where the paper's values come from, and that they are what they say."""

import re

import pytest

from recipes.command.arguments import CONFIGS, parse_arguments, read_config
from recipes.stages.tuning_options import TrainerOptions, TuningOptions

KEY = re.compile(r"^(\w+): ", re.M)


def test_every_value_for_ds003020_says_whose_it_is():
    text = (CONFIGS / "ds003020.yaml").read_text(encoding="utf-8")
    for line in text.splitlines():
        if KEY.match(line):
            assert re.search(r"  # (paper|code|ours)\b", line), line


@pytest.mark.parametrize("name", ["ds003020.yaml", "ds003020-authors.yaml"])
def test_settings_for_ds003020_are_accepted(name):
    arguments, training = parse_arguments((TuningOptions, TrainerOptions), CONFIGS / name, [])
    assert (training.learning_rate, training.head_learning_rate) == (5e-5, 1e-4)
    batch = training.per_device_train_batch_size * training.gradient_accumulation_steps
    assert (batch, training.num_train_epochs) == (128, 30)
    assert len(arguments.train_stories) == 24 and len(arguments.validation_stories) == 2


def test_the_authors_settings_tune_in_evaluation_mode_and_move_blocks_within_stories():
    name = CONFIGS / "ds003020-authors.yaml"
    arguments, training = parse_arguments((TuningOptions, TrainerOptions), name, [])
    switched_off = (arguments.apply_spec_augment, arguments.layerdrop, arguments.dropout)
    assert switched_off == (False, 0, 0)
    assert (training.bf16, training.max_grad_norm, training.weight_decay) == (False, 0, 0)
    assert str(training.train_sampling_strategy) == "sequential"
    assert arguments.permute_within
    paper = read_config(CONFIGS / "ds003020.yaml")
    differing = {
        key for key, value in read_config(name).items() if key in paper and paper[key] != value
    }
    assert differing == {
        *("output_dir", "max_grad_norm", "train_sampling_strategy", "permute_within"),
    }
