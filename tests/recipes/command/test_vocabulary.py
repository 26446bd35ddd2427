"""One vocabulary: a word of the command line means one thing in all commands."""

import dataclasses

import pytest
from transformers import TrainingArguments

from recipes.align import AlignOptions
from recipes.asr import AsrOptions
from recipes.command.vocabulary import (
    Alignment,
    Collections,
    Output,
    Recordings,
    Representations,
    Seeds,
)
from recipes.demo import DemoOptions
from recipes.predict import PredictOptions
from recipes.preference import PreferenceOptions
from recipes.prepare import PrepareOptions
from recipes.probe import ProbeOptions
from recipes.publish import PublishOptions
from recipes.reproduce import ReproduceOptions
from recipes.stages.comparison import CompareOptions
from recipes.stages.recognition import RecognitionOptions
from recipes.stages.stimulus import StimulusOptions
from recipes.stages.tuning_options import TrainerOptions, TuningOptions
from recipes.summarise import SummaryOptions
from recipes.sweep import SweepOptions

COMMANDS = {
    "tune": (Seeds, TuningOptions, TrainerOptions),
    "align": (AlignOptions,),
    "compare": (CompareOptions, TrainerOptions),
    "stimulus_tune": (StimulusOptions, TrainerOptions),
    "sweep": (SweepOptions, TrainerOptions),
    "probe": (ProbeOptions,),
    "preference": (PreferenceOptions,),
    "asr": (AsrOptions, RecognitionOptions),
    "summarise": (SummaryOptions,),
    "predict": (PredictOptions,),
    "demo": (DemoOptions,),
    "prepare": (PrepareOptions,),
    "publish": (PublishOptions,),
    "reproduce": (ReproduceOptions,),
}
OF_TRAINER = {field.name for field in dataclasses.fields(TrainingArguments)}
OURS = {"output_dir", "push_to_hub", "seed"}  # which Trainer has too


def options(command):
    """Fields that a command takes, but for those that are Trainer's."""
    for cls in COMMANDS[command]:
        for field in dataclasses.fields(cls):
            if field.init and field.name not in OF_TRAINER - OURS:
                yield field


def default_of(field):
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def test_an_option_of_several_commands_has_one_help_text_and_one_default():
    known = {}
    for command in COMMANDS:
        for field in options(command):
            said = field.metadata["help"], default_of(field)
            assert known.setdefault(field.name, said) == said, (command, field.name)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_a_sentence_that_names_the_default(command):
    for field in options(command):
        text = field.metadata["help"]
        assert text[0].isupper() and text.endswith("."), field.name
        if default_of(field) is not dataclasses.MISSING:
            assert "default" in text, field.name


@pytest.mark.parametrize("command", COMMANDS)
def test_old_spellings_are_gone(command):
    old = {"model", "participant", "report_dir", "to", "checkpoint", "hub_model_id"}
    assert not old & {field.name for field in options(command)}


def test_a_command_writes_to_a_folder_of_its_name_by_default():
    @dataclasses.dataclass(kw_only=True)
    class Options(Output):
        command = "measure"

    assert Options().output_dir == "outputs/measure"
    assert Options(output_dir="mine").output_dir == "mine"


def test_precision_is_one_of_two():
    assert Representations().torch_precision is None
    with pytest.raises(ValueError, match="one of float32, bfloat16, got 'half'"):
        Representations(precision="half")


def test_collections_are_named_with_their_folders():
    given = Collections(collections=["timit=a=b", "phantom"])
    assert given.folders == {"timit": "a=b", "phantom": "phantom"}
    for wrong in (["timit"], ["=a"], ["slurp="], ["slurp=a", "slurp=b"]):
        with pytest.raises(ValueError, match="each once as <name>=<folder>"):
            _ = Collections(collections=wrong).folders


def test_ceilings_are_given_for_each_participant():
    one, two = {"participants": ["P01"]}, {"participants": ["P01", "P02"]}
    assert Alignment(**two).ceiling_files == {}
    assert Alignment(**one, ceiling=["a=b.npy"]).ceiling_files == {"P01": "a=b.npy"}
    assert Alignment(**one, ceiling=["P01=b.npy"]).ceiling_files == {"P01": "b.npy"}
    given = Alignment(**two, ceiling=["P02=a=b.npy", "P01=c.npy"])
    assert given.ceiling_files == {"P01": "c.npy", "P02": "a=b.npy"}
    for wrong in (
        ["a.npy"],
        ["P01=a.npy"],
        ["P01=a", "P02="],
        ["P01=a", "P03=b"],
        ["P01=a", "P01=b", "P02=c"],
    ):
        with pytest.raises(ValueError, match="participants P01, P02 as <participant>=<file>, got"):
            Alignment(**two, ceiling=wrong)


def test_words_stand_in_place_of_files_of_ceilings():
    two = {"participants": ["P01", "P02"]}
    for words in (["none"], ["listeners"], ["listeners", "P03", "P04"]):
        given = Alignment(**two, ceiling=words)
        assert given.ceiling_word == words[0] and given.ceiling_files == {}
    assert Alignment(**two).ceiling_word is None
    assert Alignment(participants=["P01"], ceiling=["./none"]).ceiling_word is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ceiling": ["none", "a.npy"]}, "ceiling none stands alone, got none a.npy"),
        ({"ceiling": ["listeners", "P2", "P2"]}, "name each once, got listeners P2 P2"),
        ({"ceiling": ["none"], "ceiling_repeats": 5}, "^ceiling and ceiling_repeats exclude"),
        ({"ceiling": ["a.npy"], "ceiling_repeats": 5}, "^ceiling and ceiling_repeats exclude"),
        ({"ceiling": ["a.npy"], "ceiling_story": "a"}, "^ceiling and ceiling_story exclude"),
        ({"ceiling_repeats": 0, "ceiling_story": "a"}, "^ceiling_story and ceiling_repeats excl"),
    ],
)
def test_noise_ceilings_come_from_one_place(given, message):
    with pytest.raises(ValueError, match=message):
        Alignment(participants=["P01"], **given)


def test_a_tr_beside_reports_that_say_another_is_refused():
    given = {"data": "d", "participants": ["P01"], "tr": 2.0045, "tr_times": "reports"}
    with pytest.raises(ValueError, match="tr and tr_times exclude .* --tr 2.0045 --tr_times rep"):
        Recordings(**given)
