"""When training ends, and what is shown of it."""

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from modeling_braintune import FiniteLoss, LossBar, Patience, StopAt


@pytest.fixture
def arguments(tmp_path):
    return TrainingArguments(
        output_dir=str(tmp_path),
        use_cpu=True,
        eval_strategy="steps",
        eval_steps=1,
        load_best_model_at_end=True,
        save_steps=1,
        metric_for_best_model="loss",
    )


def state_after(losses, best):
    """State of a training whose evaluations, one a step, gave these losses."""
    state = TrainerState(global_step=len(losses), best_global_step=best)
    state.log_history = [{"step": i + 1, "eval_loss": loss} for i, loss in enumerate(losses)]
    return state


@pytest.mark.parametrize(("losses", "stops"), [([3, 2, 4], False), ([3, 2, 4, 5], True)])
def test_patience_counts_what_was_evaluated_before_an_interruption(losses, stops, arguments):
    control, state = TrainerControl(), state_after(losses, best=2)
    patience = Patience(2)
    patience.on_train_begin(arguments, state, control)
    patience.on_step_end(arguments, state, control)
    assert control.should_training_stop == stops


@pytest.mark.parametrize("moment", ["on_step_end", "on_epoch_end"])
def test_training_stops_at_a_step_and_keeps_no_checkpoint_of_it(moment, arguments):
    stop = StopAt(3)
    for step in (2, 3):
        control = TrainerControl(should_save=True)
        getattr(stop, moment)(arguments, TrainerState(global_step=step), control)
        assert (control.should_training_stop, control.should_save) == (step == 3, step != 3)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_validation_loss_that_is_not_finite_ends_training(loss, arguments):
    state, control = TrainerState(global_step=7), TrainerControl()
    FiniteLoss().on_evaluate(arguments, state, control, metrics={"eval_loss": 1.0})
    with pytest.raises(FloatingPointError, match=f"is {loss} at step 7: lower learning_rate"):
        FiniteLoss().on_evaluate(arguments, state, control, metrics={"eval_loss": loss})


def test_the_bar_shows_the_newest_losses(arguments, capsys):
    bar, control = LossBar(), TrainerControl()
    state = TrainerState(max_steps=4, is_world_process_zero=True)
    bar.on_log(arguments, state, control, logs={"loss": 9.0})  # no bar yet
    bar.on_train_begin(arguments, state, control)
    bar.on_log(arguments, state, control, logs={"loss": 2.0, "learning_rate": 1.0})
    bar.on_log(arguments, state, control, logs={"eval_loss": 3.0})
    assert "loss=2.0000, eval_loss=3.0000" in bar.training_bar.postfix
    bar.on_train_end(arguments, state, control)
    shown = capsys.readouterr()
    assert not shown.out and "learning_rate" not in shown.err
