"""What models are tuned on, and what follows from that."""

import pytest
from transformers import Wav2Vec2Config

from evaluate_metrics.reports.tables import CONTROLS, TUNED
from recipes.stages.controls import STIMULUS_TUNED, TARGETS, source_of, tuned_participant


@pytest.mark.parametrize(
    ("options", "participant"),
    [
        ({}, None),
        ({"brain": {"UTS03": {"targets": "responses"}}}, "UTS03"),
        ({"brain": {"UTS03": {"targets": "permuted"}}}, "UTS03"),
        ({"brain": {"gpt2-medium": {"targets": "text_model"}}}, None),
        ({"brain": {name: {"targets": "responses"} for name in ("UTS02", "UTS03")}}, None),
    ],
)
def test_a_model_is_of_the_one_participant_that_it_was_tuned_on(options, participant):
    assert tuned_participant(Wav2Vec2Config(**options)) == participant


def test_every_model_has_a_name_of_its_own_and_a_permuted_one_has_a_right_order():
    models = [target.model for target in TARGETS.values()]
    assert len(set(models)) == len(models)
    order = list(TARGETS)
    for name, target in TARGETS.items():
        if target.is_permuted:
            assert "permuted" in target.model
            right = TARGETS[source_of(name)]
            assert not right.is_permuted and right.teacher == target.teacher
            assert order.index(source_of(name)) < order.index(name)  # whose step it is taken at
        else:
            assert source_of(name) == name


def test_tables_know_all_controls_by_name():
    models = {target.model for target in TARGETS.values()} | {STIMULUS_TUNED}
    assert models - {TUNED} == {*CONTROLS}
