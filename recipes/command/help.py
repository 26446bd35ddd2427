"""What `--help` prints: a command's own options in groups, and what the configuration sets."""

import argparse
import inspect
from dataclasses import fields
from typing import Any

from transformers import HfArgumentParser, TrainingArguments

EVERY, OWN, TRAINER = "Of every command", "Of this command", "Of the Trainer"
GROUPS = (OWN, "Recordings", "Model", "Tuning", "Controls", "Measuring", "Output", TRAINER, EVERY)
SHOWN = 3  # values of a long list


class OptionParser(HfArgumentParser):
    """A parser whose help can be read to its end, and whose errors are one line.

    A class of options says in `group` which of `GROUPS` those that it adds belong to; without one
    they are the command's own. Of those of `TrainingArguments`, `--help` shows what the
    configuration sets, and `--help_all` shows all.

    Parameters
    ----------
    classes : tuple of dataclass types
        Their fields, with their help texts, are the options.
    """

    def __init__(self, classes: tuple[type, ...]):
        self.source, self.content = "", {}
        self.shows_all = False
        super().__init__(classes, allow_abbrev=False, formatter_class=_Lines)
        self.group_of = {
            field.name: _group(field.name, cls) for cls in classes for field in fields(cls)
        }
        self.add_argument(
            "--help_all",
            action=_HelpAll,
            nargs=0,
            default=argparse.SUPPRESS,
            help="show this help with all options of transformers' Trainer, and exit",
        )

    def say_what_is_set(self, source: str, content: dict[str, Any]) -> None:
        """Have the help show what a configuration file sets.

        Parameters
        ----------
        source : str
            Name of the file.
        content : dict of {option: value}
        """
        self.source, self.content = source, content

    def format_help(self) -> str:
        """Return the help, a section for each group."""
        groups: dict[str, list[argparse.Action]] = {group: [] for group in GROUPS}
        for action in self._actions:
            group = self.group_of.get(action.dest, EVERY)
            is_short = group != TRAINER or action.dest in self.content
            if self.shows_all or (is_short and not _is_complement(action)):
                groups[group].append(self._described(action))
        formatter = self._get_formatter()
        formatter.add_usage("%(prog)s [--option value ...]", self._actions, [])
        for group, actions in groups.items():
            more = group == TRAINER and not self.shows_all
            formatter.start_section(f"{group}, more by --help_all" if more else group)
            formatter.add_arguments(actions)
            formatter.end_section()
        return formatter.format_help()

    def error(self, message):
        self.exit(2, f"{message}; --help_all explains every option\n")

    def _described(self, action):
        """The action, whose help says what its value is where nothing is given."""
        if _is_complement(action):
            action.help = f"The same as --{action.dest} false."
        elif action.dest in self.content:
            action.help += f" {self.source} sets {_listed(self.content[action.dest])}."
        elif action.required:
            action.help += " It must be given."
        elif action.default is not argparse.SUPPRESS and "default" not in action.help:
            action.help += " (default: %(default)s)"
        return action


class _HelpAll(argparse.Action):
    """Prints the help with all options, and ends the process."""

    def __call__(self, parser, *_):
        parser.shows_all = True
        parser.print_help()
        parser.exit()


class _Lines(argparse.HelpFormatter):
    """Names an option once, without its second spelling and without its name as a value."""

    def _format_action_invocation(self, action):
        names = [name for name in action.option_strings if "-" not in name.lstrip("-")]
        values = "" if action.nargs == 0 else " " + self._format_args(action, "VALUE")
        return ", ".join(names) + values


def _group(name, cls):
    """The group of an option: that of the class which adds it."""
    adds = next(base for base in cls.__mro__ if name in inspect.get_annotations(base))
    if "group" in vars(adds):
        if adds.group not in GROUPS:
            raise ValueError(
                f"{adds.__name__}.{name}: group must be one of {', '.join(GROUPS)}, got "
                f"{adds.group!r}"
            )
        return adds.group
    if issubclass(adds, TrainingArguments):
        return TRAINER if name in TrainingArguments.__dataclass_fields__ else "Tuning"
    return OWN


def _is_complement(action):
    return action.option_strings[0].startswith("--no_")


def _listed(value):
    """A value as it stands on the command line; of a long list the first ones."""
    values = [str(v).lower() if isinstance(v, bool) else str(v) for v in _as_list(value)]
    if len(values) > SHOWN + 1:
        values = [*values[:SHOWN], f"... ({len(values)})"]
    return " ".join(values).replace("%", "%%")


def _as_list(value):
    return value if isinstance(value, list) else [value]
