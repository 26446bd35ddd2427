"""Help that can be read to its end: a command's own options, and what the configuration sets."""

import re
from dataclasses import dataclass, field

import pytest
from transformers import TrainingArguments

from recipes.command.arguments import parse_arguments
from recipes.command.help import GROUPS, OptionParser
from recipes.command.vocabulary import Output, Recordings, Seed
from recipes.stages.tuning_options import TrainerOptions, TuningOptions
from recipes.tune import DEFAULT_CONFIG


@dataclass(kw_only=True)
class Options(Recordings, Seed, Output):
    command = "measure"

    words: list[str] = field(metadata={"help": "Words in %% of all."})
    quick: bool = field(default=True, metadata={"help": "Whether it is quick; true by default."})


def sections(text):
    """Lines of help by the titles above them, joined where they are broken."""
    parts = re.split(r"^(\S.*):$", text, flags=re.MULTILINE)[1:]
    return {
        title: " ".join(lines.split()) for title, lines in zip(parts[::2], parts[1::2], strict=True)
    }


@pytest.fixture
def help_of(capsys):
    def help_of(classes, *words, config=None):
        with pytest.raises(SystemExit) as stopped:
            parse_arguments(classes, config, words)
        assert stopped.value.code == 0
        return capsys.readouterr().out

    return help_of


def test_the_command_s_own_options_come_first_and_the_others_in_groups(help_of, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = help_of((Options,), "--help")
    found = sections(text)
    assert list(found) == [
        "Of this command",
        "Recordings",
        "Tuning",
        "Output",
        "Of every command",
    ]
    assert (
        "--words VALUE [VALUE ...] Words in % of all. It must be given."
        in (found["Of this command"])
    )
    assert "--no_quick" not in text and "--no-quick" not in text
    assert "--participants" in found["Recordings"] and "--seed" in found["Tuning"]
    assert "--config" in found["Of every command"]


def test_what_the_configuration_sets_is_said(help_of, tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text("words: [a, b, c, d, e]\nquick: false\nseed: 7\ndata: 50% of it\n")
    found = sections(help_of((Options,), "--help", config=config))
    assert "Words in % of all. mine.yaml sets a b c ... (5)." in found["Of this command"]
    assert "true by default. mine.yaml sets false." in found["Of this command"]
    assert "mine.yaml sets 7." in found["Tuning"]
    assert "mine.yaml sets 50% of it." in found["Recordings"]
    another = tmp_path / "another.yaml"
    another.write_text("seed: 8")
    text = help_of((Options,), "--config", str(another), "--help", config=config)
    assert "another.yaml sets 8." in text and "mine.yaml sets" not in text


def test_trainer_s_options_are_shown_as_far_as_they_are_set_and_all_of_them_on_request(help_of):
    classes = (TuningOptions, TrainerOptions)
    text = help_of(classes, "--help", config=DEFAULT_CONFIG)
    found = sections(text)
    assert "phantom.yaml sets 0.0007." in found["Of the Trainer, more by --help_all"]
    assert "--head_learning_rate" in found["Tuning"]
    assert "--adam_beta1" not in text
    whole = help_of(classes, "--help_all", config=DEFAULT_CONFIG)
    assert "(default: 0.9)" in sections(whole)["Of the Trainer"]
    assert "--no_load_best_model_at_end" not in text
    shown = set(re.findall(r"^  --(\w+)", whole, flags=re.MULTILINE))
    of_trainer = {name for name, f in TrainerOptions.__dataclass_fields__.items() if f.init}
    assert of_trainer & set(TrainingArguments.__dataclass_fields__) <= shown


def test_options_are_in_groups_that_are_shown():
    @dataclass
    class Elsewhere:
        group = "Elsewhere"
        colour: str = field(default="red", metadata={"help": "Colour; red by default."})

    with pytest.raises(ValueError, match="Elsewhere.colour: group must be one of Of this command"):
        OptionParser((Elsewhere,))
    assert {*OptionParser((TuningOptions, TrainerOptions)).group_of.values()} <= {*GROUPS}
