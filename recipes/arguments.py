"""Arguments of a recipe: dataclasses, filled from a YAML file and the command line."""

import argparse
import json
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path

import yaml
from transformers import HfArgumentParser


def parse_arguments(classes, default_config, arguments=None, *, renamed=None, passed_over=()):
    """Fill dataclasses from a configuration file, then from the command line, which wins.

    Parameters
    ----------
    classes : tuple of dataclass types
        Their fields, with their help texts, are the arguments.
    default_config : path-like
        YAML file that is read unless `--config` names another.
    arguments : list of str, optional
        The command line; that of the process by default.
    renamed : dict of {str: str}, optional
        Keys of the file that set an argument of another name.
    passed_over : collection of str
        Keys of the file that mean something to another recipe only.

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
    chooser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    chooser.add_argument("--config", type=Path, default=Path(default_config))
    chosen, command_line = chooser.parse_known_args(arguments)

    parser = HfArgumentParser(classes, allow_abbrev=False)
    parser.add_argument(
        "--config", default=str(default_config), help="YAML file that sets any of these arguments."
    )
    known = {field.name for cls in classes for field in fields(cls) if field.init}
    content = {
        (renamed or {}).get(key, key): value
        for key, value in _read(chosen.config).items()
        if key in known or key not in passed_over
    }
    from_file = _as_command_line(content, known, chosen.config)
    *filled, unknown = parser.parse_args_into_dataclasses(
        [*from_file, *command_line], look_for_args_file=False, return_remaining_strings=True
    )
    if unknown:
        name = unknown[0].partition("=")[0]
        raise ValueError(f"unknown argument: got {name}.{_nearest(name.lstrip('-'), known)}")
    return tuple(filled[: len(classes)])


def _read(path):
    if not path.is_file():
        raise FileNotFoundError(f"--config {path}: no such file")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not a YAML file ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected lines of 'key: value', got {type(content).__name__}")
    return content


def _as_command_line(content, known, path):
    """A file's keys as command line arguments, so that both are read and checked alike."""
    words = []
    for key, value in content.items():
        if key not in known:
            raise ValueError(f"{path}: unknown key {key!r}.{_nearest(str(key), known)}")
        if value is None:
            continue
        values = value if isinstance(value, list) else [value]
        if not values or any(v is None or isinstance(v, list) for v in values):
            raise ValueError(f"{path}: {key} must be a value or a list of values, got {value}")
        words.append(f"--{key}")
        words += [json.dumps(v) if isinstance(v, bool | dict) else str(v) for v in values]
    return words


def _nearest(name, known):
    nearest = get_close_matches(name, known, n=1)
    return f" Did you mean {nearest[0]!r}?" if nearest else " --help lists those that exist."
