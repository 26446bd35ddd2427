"""Whom a model was tuned on."""

import pytest
from transformers import Wav2Vec2Config

from recipes.report import tuned_on


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
    assert tuned_on(Wav2Vec2Config(**options)) == participant
