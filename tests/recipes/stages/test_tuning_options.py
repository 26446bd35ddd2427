"""Options of tuning, and what they refuse."""

import dataclasses

import pytest

from recipes.stages.tuning_options import TrainerOptions, TuningOptions

GIVEN = dict(
    data="d",
    participants=["P02", "P01"],
    pretrained="p",
    train_stories=["a", "b"],
    validation_stories=["c"],
    test_story="d",
)


def test_participants_and_targets_have_one_order():
    options = TuningOptions(**GIVEN, targets=["permuted", "responses"])
    assert options.participants == ["P01", "P02"]
    assert options.targets == ["responses", "permuted"] == TuningOptions(**GIVEN).targets


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"participants": []}, "give --participants"),
        ({"participants": ["P01", "P01"]}, "name each participant once"),
        ({"train_stories": ["a", "a"]}, "'a' is in train_stories and in train_stories"),
        ({"validation_stories": ["a"]}, "'a' is in train_stories and in validation_stories"),
        ({"test_story": "c"}, "'c' is in validation_stories and in test_story"),
        ({"tuning_stories": ["c"]}, "training story to tune on: got 'c'"),
        ({"tuning_stories": ["a", "a"]}, "tuning_stories: name each story once, got a, a"),
        ({"targets": ["permuted"]}, "permuted is taken at the step .* name both"),
        ({"targets": ["respones"]}, "unknown target: got 'respones'.*'responses'"),
        ({"teacher_dtype": "float8"}, "unknown teacher_dtype: got 'float8'"),
        ({"heads_only": True, "lora_rank": 2}, "drop lora_rank"),
        ({"objective": "correlations"}, "unknown objective: got 'correlations'"),
        (
            {"objective": "weighted_spatial_correlation", "ceiling": ["none"]},
            "weighted_spatial_correlation weights voxels by their noise ceilings",
        ),
        ({"head_rank": -1}, "head_rank must not be negative, got -1"),
        ({"retention": "distill"}, "unknown retention: got 'distill'.*'distil'"),
        ({"retention_weight": 1.0}, "give --retention distil or self_supervised"),
        ({"retention": "distil", "retention_weight": -1.0}, "must not be negative, got -1"),
        ({"retention": "distil", "heads_only": True}, "drop retention"),
        ({"retention": "self_supervised", "lora_rank": 2}, "drop lora_rank, or distil"),
        ({"retention": "self_supervised", "tune_layers": "2-3"}, "drop tune_layers, or distil"),
        ({"retention": "distil", "dropout": 0.1}, "without dropout, got dropout 0.1: drop it"),
        ({"retention": "distil", "layerdrop": 0.1}, "without layerdrop, got 0.1: drop it"),
        ({"tune_layers": "2-"}, "a range of layers such as 8-12, or one, got '2-'"),
        ({"tune_layers": "last"}, "a range of layers such as 8-12, or one, got 'last'"),
        ({"tune_layers": "2", "heads_only": True}, "drop tune_layers"),
        ({"tune_layers": "2", "apply_spec_augment": True}, "without apply_spec_augment"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TuningOptions(**GIVEN | changes)


def test_a_range_of_layers_or_one():
    assert TuningOptions(**GIVEN).first_and_last_tuned is None
    assert TuningOptions(**GIVEN, tune_layers="8-12").first_and_last_tuned == (8, 12)
    assert TuningOptions(**GIVEN, tune_layers="12").first_and_last_tuned == (12, 12)


def test_a_retention_weighs_1_unless_told_and_nothing_at_0():
    assert TuningOptions(**GIVEN, retention="distil").retention_weight == 1
    assert TuningOptions(**GIVEN, retention="distil").distils
    left_out = TuningOptions(**GIVEN, retention="distil", retention_weight=0.0, dropout=0.1)
    assert not left_out.distils


def test_what_a_command_decides_is_no_option_of_the_trainer():
    offered = {field.name for field in dataclasses.fields(TrainerOptions) if field.init}
    assert {"output_dir", "seed", "push_to_hub", "private", "learning_rate"} <= offered
    assert not {name for name in offered if name.startswith(("hub_", "do_", "resume_"))}
    assert TrainerOptions(use_cpu=True, seed=3).seed == 3


def test_checkpoints_are_saved_when_the_validation_loss_is_computed():
    assert TrainerOptions(use_cpu=True).save_strategy == "epoch"
    assert (
        TrainerOptions(
            use_cpu=True, eval_strategy="steps", eval_steps=5, save_steps=5
        ).save_strategy
        == "steps"
    )
