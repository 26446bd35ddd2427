"""What lies ahead of a run."""

import pytest

from recipes.command.arguments import parse_arguments
from recipes.stages.encoding import Extraction, layer_features
from recipes.stages.estimates import Estimate, estimate, estimate_measuring
from recipes.stages.recordings import open_recordings, tuning_listener
from recipes.stages.targets import windows
from recipes.stages.tuning_options import TrainerOptions, TuningOptions


def test_minutes_count_every_kind_of_work_as_often_as_it_is_done():
    ahead = Estimate(
        once=60,
        n_steps=30,
        step=2,
        n_representations=600,
        representation=0.1,
        n_encoding_models=12,
        encoding_model=5,
    )
    assert ahead.minutes(n_tuned=2, n_measured=3) == pytest.approx(1 + 2 * 1 + 3 * (1 + 1))
    assert ahead.minutes(n_tuned=0, n_measured=1, n_features=5) == pytest.approx(1 + 6)


def test_an_estimate_knows_how_often_the_run_does_everything(configuration, tmp_path):
    words = ["--config", str(configuration()), "--output_dir", str(tmp_path)]
    arguments, training = parse_arguments((TuningOptions, TrainerOptions), arguments=words)
    (participant,) = open_recordings(arguments.data, arguments)
    one = tuning_listener(participant, arguments)
    (pairs, _) = windows(arguments, [one], ["responses"], located=str)["responses"]
    ahead = estimate(arguments, training, arguments.pretrained, pairs, [one])
    n_batches = -(-len(pairs) // training.per_device_train_batch_size)
    assert ahead.n_steps == training.num_train_epochs * n_batches
    assert ahead.n_representations == 3 * 30 + 45  # stories of 60 s and one of 90 s, every 2 s
    assert ahead.n_encoding_models == 2  # layers
    assert min(ahead.once, ahead.step, ahead.representation, ahead.encoding_model) > 0


@pytest.mark.parametrize("changes", [{"retention": "distil"}, {"retention": "self_supervised"}])
def test_a_step_with_retention_is_timed(changes, configuration, tmp_path):
    words = ["--config", str(configuration(**changes)), "--output_dir", str(tmp_path)]
    arguments, training = parse_arguments((TuningOptions, TrainerOptions), arguments=words)
    (participant,) = open_recordings(arguments.data, arguments)
    one = tuning_listener(participant, arguments)
    (pairs, _) = windows(arguments, [one], ["responses"], located=str)["responses"]
    ahead = estimate(arguments, training, arguments.pretrained, pairs, [one])
    assert ahead.step > 0 and ahead.once > 0


def test_measuring_takes_over_what_earlier_runs_kept(configuration, tmp_path):
    words = ["--config", str(configuration()), "--output_dir", str(tmp_path)]
    arguments, _ = parse_arguments((TuningOptions, TrainerOptions), arguments=words)
    (participant,) = open_recordings(arguments.data, arguments)
    one = tuning_listener(participant, arguments)
    extraction = Extraction.of(arguments, cache_dir=tmp_path / "kept")

    def ahead():
        models, more = [arguments.pretrained] * 2, {"n_listeners": 2, "n_features": 5}
        return estimate_measuring(models, arguments, extraction, one, **more)

    before = ahead()
    assert (before.n_representations, before.n_kept) == (2 * (3 * 30 + 45), 0)
    assert before.n_encoding_models == 2 * 2 * 2 * (1 + 5)  # models, listeners, layers
    layer_features(*extraction.load(arguments.pretrained), [one.train[0], one.test], extraction)
    after = ahead()
    assert after.n_kept == 2 * (30 + 45)
    assert "Representations: 150 of 270 are kept from earlier runs" in str(after)
    assert "(120 representations and 48 encoding models)" in str(after)
