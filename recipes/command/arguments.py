"""Arguments of a command: dataclasses, filled from a YAML file and the command line."""

import argparse
import json
from collections.abc import Collection, Sequence
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from datasets_scripts import nearest
from recipes.command.help import OptionParser

CONFIGS = Path(__file__).parents[1] / "configs"


def parse_arguments(
    classes: tuple[type, ...],
    default_config: str | PathLike | None = None,
    arguments: Sequence[str] | None = None,
    *,
    renamed: dict[str, str | None] | None = None,
    passed_over: Collection[str] = (),
) -> tuple[Any, ...]:
    """Fill dataclasses from a configuration file, then from the command line, which wins.

    Parameters
    ----------
    classes : tuple of dataclass types
        Their fields, with their help texts, are the arguments.
    default_config : path-like, optional
        YAML file that is read unless `--config` names another; none by default.
    arguments : list of str, optional
        The command line; that of the process by default.
    renamed : dict of {str: str or None}, optional
        Keys of the file that set an argument of another name, or none: another command's own.
    passed_over : collection of str
        Keys of the file that mean something to another command only.

    Returns
    -------
    tuple of instances, one of each class

    Raises
    ------
    FileNotFoundError
        The configuration file does not exist.
    ValueError
        The file is no YAML mapping, or it or the command line has an unknown key; the message
        suggests the nearest known one.
    """
    default = None if default_config is None else Path(default_config)
    config, command_line = chosen_config(default, arguments)

    parser = OptionParser(classes)
    name = "none" if default is None else f"{CONFIGS.name}/{default.name} of this package"
    parser.add_argument(
        "--config",
        default=argparse.SUPPRESS,  # read above: no dataclass takes it
        help=f"YAML file that sets any of these options, which the command line changes; {name} "
        "by default.",
    )
    known = {field.name for cls in classes for field in fields(cls) if field.init}
    from_file = []
    if config is not None:
        content = {}
        for key, value in read_config(config).items():
            name = (renamed or {}).get(key, key)
            if name in known or (name is not None and key not in passed_over):
                content[name] = value
        parser.say_what_is_set(config.name, content)
        from_file = _as_command_line(content, known, config)
    _check_known(command_line, parser)
    *filled, left = parser.parse_args_into_dataclasses(
        [*from_file, *command_line], look_for_args_file=False, return_remaining_strings=True
    )
    if left:
        raise ValueError(
            f"more values than an option takes: got {left[0]}. --help_all says how many each takes."
        )
    return tuple(filled[: len(classes)])


def chosen_config(
    default: Path | None = None, arguments: Sequence[str] | None = None
) -> tuple[Path | None, list[str]]:
    """Take the configuration file's name out of the command line.

    Parameters
    ----------
    default : Path, optional
        The file unless `--config` names another.
    arguments : list of str, optional
        The command line; that of the process by default.

    Returns
    -------
    config : Path or None
    others : list of str
        The rest of the command line.
    """
    chooser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    chooser.add_argument("--config", type=Path, default=default)
    chosen, others = chooser.parse_known_args(arguments)
    return chosen.config, others


def read_config(path: Path) -> dict[str, Any]:
    """Read a configuration file as it is.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is no YAML mapping, not in UTF-8, or has a key twice.
    """
    if not path.is_file():
        raise FileNotFoundError(f"--config {path}: no such file")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: save it as UTF-8 text, which it is not ({error})") from error
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise ValueError(f"{path}: not a YAML file ({said})") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected lines of 'key: value', got {type(content).__name__}")
    return content


class _UniqueKeys(yaml.SafeLoader):
    """Reads YAML, but for mappings of which one value would silently win over another."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is given twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def keys_of(*classes: type) -> set[str]:
    """Return the names that dataclasses take as arguments."""
    return {field.name for cls in classes for field in fields(cls) if field.init}


def _check_known(command_line, parser):
    """Refuse an unknown option before any that is missing is asked for."""
    known = [option for action in parser._actions for option in action.option_strings]
    for word in command_line:
        option = word.partition("=")[0]
        if option.startswith("--") and option not in known:
            names = [name for name in known if name != "--help"]
            raise ValueError(f"unknown option: got {option}.{_suggestion(option, names)}")


def _as_command_line(content, known, path):
    """A file's keys as command line arguments, so that both are read and checked alike."""
    words = []
    for key, value in content.items():
        if key not in known:
            raise ValueError(f"{path}: unknown key {key!r}.{_suggestion(str(key), known)}")
        if value is None:
            continue
        values = value if isinstance(value, list) else [value]
        if not values or any(v is None or isinstance(v, list) for v in values):
            raise ValueError(f"{path}: {key} must be a value or a list of values, got {value}")
        words.append(f"--{key}")
        words += [json.dumps(v) if isinstance(v, bool | dict) else str(v) for v in values]
    return words


def _suggestion(name, known):
    found = nearest(name, known)
    return f" Did you mean {found!r}?" if found else " --help_all lists those that exist."
