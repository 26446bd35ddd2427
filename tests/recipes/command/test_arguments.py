from dataclasses import dataclass, field

import pytest

from recipes.command.arguments import parse_arguments


@dataclass
class Recording:
    participant: str
    stories: list[str] = field(default_factory=lambda: ["avatar"])
    layers: list[int] | None = None


@dataclass
class Training:
    learning_rate: float = 5e-5
    steps: int = 10
    shuffle: bool = True
    resume: bool = False
    spec_augment: bool | None = None


@pytest.fixture
def parse(tmp_path):
    """Parse a configuration, given as text, and a command line, given as one string."""

    def parse(configuration, command_line=""):
        path = tmp_path / "default.yaml"
        path.write_text(configuration)
        return parse_arguments((Recording, Training), path, command_line.split())

    return parse


def test_each_class_takes_its_own_keys(parse):
    recording, training = parse("participant: UTS03\nsteps: 20")
    assert recording == Recording(participant="UTS03")
    assert training == Training(steps=20)


@pytest.mark.parametrize(
    "written, name, value",
    [
        ("learning_rate: 1e-4", "learning_rate", 1e-4),
        ("learning_rate: 1.0e-4", "learning_rate", 1e-4),
        ("learning_rate: 1", "learning_rate", 1.0),
        ("steps: 7", "steps", 7),
        ("shuffle: false", "shuffle", False),
        ("shuffle: no", "shuffle", False),
        ("resume: true", "resume", True),
        ("resume: false", "resume", False),
        ("spec_augment: false", "spec_augment", False),
        ("spec_augment: null", "spec_augment", None),
        ("learning_rate: null", "learning_rate", 5e-5),
    ],
)
def test_a_value_from_the_file_has_the_type_of_its_field(parse, written, name, value):
    _, training = parse(f"participant: UTS03\n{written}")
    found = getattr(training, name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "written, stories, layers",
    [
        ("stories: [souls, legacy]\nlayers: [2, 11]", ["souls", "legacy"], [2, 11]),
        ("stories:\n- souls\n- legacy", ["souls", "legacy"], None),
        ("stories: souls\nlayers: 5", ["souls"], [5]),
        ("layers: [-1]", ["avatar"], [-1]),
        ("stories: ['two words']", ["two words"], None),
        ("layers: null", ["avatar"], None),
    ],
)
def test_lists(parse, written, stories, layers):
    recording, _ = parse(f"participant: UTS03\n{written}")
    assert recording == Recording("UTS03", stories, layers)


@pytest.mark.parametrize(
    "command_line, expected",
    [
        ("--steps 3", Training(steps=3, shuffle=False)),
        ("--steps=3", Training(steps=3, shuffle=False)),
        ("--learning-rate 1e-3", Training(learning_rate=1e-3, steps=20, shuffle=False)),
        ("--shuffle", Training(steps=20)),
        ("--shuffle true --resume", Training(steps=20, resume=True)),
        ("--spec_augment no", Training(steps=20, shuffle=False, spec_augment=False)),
    ],
)
def test_the_command_line_wins_over_the_file(parse, command_line, expected):
    assert parse("participant: UTS03\nsteps: 20\nshuffle: false", command_line)[1] == expected


def test_a_list_on_the_command_line_replaces_that_of_the_file(parse):
    recording, _ = parse("participant: UTS03\nlayers: [1, 2, 3]", "--layers 7 8")
    assert recording.layers == [7, 8]


def test_the_command_line_gives_what_the_file_leaves_out(parse):
    recording, _ = parse("steps: 3", "--participant UTS01 --stories souls legacy")
    assert recording == Recording("UTS01", ["souls", "legacy"])


def test_another_configuration_takes_the_place_of_the_default(parse, tmp_path):
    (tmp_path / "mine.yaml").write_text("participant: UTS08")
    mine = f"--config {tmp_path / 'mine.yaml'}"
    recording, training = parse("participant: UTS03\nsteps: 20", mine)
    assert (recording.participant, training.steps) == ("UTS08", 10)
    assert parse("participant: UTS03", f"{mine} --steps 5")[1].steps == 5


@pytest.mark.parametrize(
    "key, suggestion",
    [
        ("learning_rat", "Did you mean 'learning_rate'?"),
        ("story", "Did you mean 'stories'?"),
        ("colour", "--help_all lists those that exist"),
        ("config", "--help_all lists those that exist"),
        (7, "--help_all lists those that exist"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known(parse, key, suggestion):
    with pytest.raises(ValueError) as error:
        parse(f"participant: UTS03\n{key}: 1")
    assert f"default.yaml: unknown key {key!r}" in str(error.value)
    assert suggestion in str(error.value)


@pytest.mark.parametrize(
    "flag, suggestion",
    [
        ("--learning_rat 1", "got --learning_rat. Did you mean '--learning_rate'?"),
        ("--learning_rat=1", "got --learning_rat. Did you mean '--learning_rate'?"),
        ("--step 1", "got --step. Did you mean '--steps'?"),
        ("--colour red", "got --colour. --help_all lists those that exist."),
    ],
)
def test_an_unknown_flag_is_refused_with_the_nearest_known(parse, flag, suggestion):
    with pytest.raises(ValueError) as error:
        parse("participant: UTS03", flag)
    assert suggestion in str(error.value)


def test_a_missing_configuration_is_named(parse, tmp_path):
    with pytest.raises(FileNotFoundError, match="mine.yaml: no such file"):
        parse("participant: UTS03", f"--config {tmp_path / 'mine.yaml'}")


@pytest.mark.parametrize(
    "content, message",
    [
        ("- participant\n- UTS03", "expected lines of 'key: value', got list"),
        ("UTS03", "expected lines of 'key: value', got str"),
        ("", "expected lines of 'key: value', got NoneType"),
        ("participant: [UTS03", "not a YAML file"),
        ("a: b: c", "not a YAML file"),
        ("steps: 1\nsteps: 2", r"not a YAML file \(key 'steps' is given twice"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(parse, content, message):
    with pytest.raises(ValueError, match=f"default.yaml: {message}"):
        parse(content)


def test_a_file_in_another_encoding_is_refused(parse, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("participant: UTS03", encoding="utf-16")
    with pytest.raises(ValueError, match="mine.yaml: save it as UTF-8 text"):
        parse("", f"--config {path}")


@pytest.mark.parametrize(
    "written, argument, value",
    [
        ("steps: many", "--steps", "'many'"),
        ("steps: 1.5", "--steps", "'1.5'"),
        ("steps: true", "--steps", "'true'"),
        ("layers: [first]", "--layers", "'first'"),
        ("learning_rate: {start: 1}", "--learning_rate", "start"),
        ("shuffle: maybe", "--shuffle", "maybe"),
    ],
)
def test_a_value_of_another_type_stops_with_the_argument_and_the_value(
    parse, capsys, written, argument, value
):
    with pytest.raises(SystemExit):
        parse(f"participant: UTS03\n{written}")
    message = capsys.readouterr().err.splitlines()[-1]
    assert argument in message
    assert value in message


@pytest.mark.parametrize("value", ["[[1, 2]]", "[]", "[1, null]"])
def test_lists_hold_values_and_at_least_one(parse, value):
    with pytest.raises(ValueError, match="layers must be a value or a list of values, got"):
        parse(f"participant: UTS03\nlayers: {value}")


def test_several_values_for_one_are_refused(parse):
    with pytest.raises(ValueError, match="got 2"):
        parse("participant: UTS03\nsteps: [1, 2]")


def test_a_field_without_default_must_be_given(parse, capsys):
    with pytest.raises(SystemExit):
        parse("participant: null")
    assert "required: --participant" in capsys.readouterr().err


def test_a_key_of_the_file_can_set_another_argument_or_none(tmp_path):
    path = tmp_path / "tuning.yaml"
    path.write_text("person: UTS03\nsteps: 20\nhead: 3")
    given = {"renamed": {"person": "participant", "steps": None}, "passed_over": {"head"}}
    recording, training = parse_arguments((Recording, Training), path, [], **given)
    assert (recording.participant, training.steps) == ("UTS03", 10)
    with pytest.raises(ValueError, match="unknown key 'head'"):
        parse_arguments((Recording, Training), path, [], renamed=given["renamed"])
