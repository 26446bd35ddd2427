"""What brain-tuning is compared with."""

import pytest

from recipes.stages.comparison import CompareOptions, compared

GIVEN = dict(
    data="d",
    participants=["P01"],
    pretrained="p",
    train_stories=["a"],
    validation_stories=["b"],
    test_story="c",
)


def test_models_are_those_of_the_targets_of_further_teachers_and_of_the_sound():
    options = CompareOptions(**GIVEN, more_text_teachers=["ada/llama"], more_text_layers=[0, 3])
    assert options.targets == ["responses", "permuted", "speech_model", "text_model"]
    controls = ["permuted", "speech-model-tuned", "text-model-tuned", "llama-tuned"]
    assert options.models == ["brain-tuned", *controls, "stimulus-tuned"]
    (further,) = options.further.values()
    assert (further.targets, further.text_teacher) == (["text_model"], "ada/llama")
    assert further.text_layers == [0, 3] and options.text_layers is None


def test_brain_tuning_is_compared_with_each_control_and_the_text_teacher_with_others():
    models = ["brain-tuned", "permuted", "text-model-tuned", "permuted-text-model-tuned", "llama"]
    pairs = compared(models, ["llama"])
    assert pairs[:4] == [("brain-tuned", model) for model in models[1:]]
    assert pairs[4:] == [
        ("text-model-tuned", "permuted-text-model-tuned"),
        ("text-model-tuned", "llama"),
    ]
    assert compared(["brain-tuned", "permuted"], []) == [("brain-tuned", "permuted")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"participants": ["P01", "P02"]}, "one at a time, got P01, P02"),
        ({"targets": ["text_model"]}, "targets must hold responses"),
        ({"heads_only": True}, "drop it"),
        ({"more_text_teachers": ["a/gpt2", "b/gpt2"]}, "must end in different names"),
        ({"more_text_teachers": ["a/text-model"]}, "must end in different names"),
    ],
)
def test_what_cannot_be_compared_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        CompareOptions(**GIVEN | changes)
