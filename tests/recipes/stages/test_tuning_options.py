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
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TuningOptions(**GIVEN | changes)


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
