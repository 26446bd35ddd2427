"""Lines of a summary over participants: which are of what, in the order that reports have them."""

import itertools
from typing import Any

from ..normalisation import alignment_name
from .tables import LEVEL

FEWEST = 6  # participants below whom no test reaches the level
SCORES = ("r2", "macro_f1", "1-wer")  # of tasks; the more, the better
STAGES = {  # of tasks, from acoustic to semantic (Moussa and Toneva 2025)
    "acoustic": ("mfcc", "fbank"),
    "prosodic": ("mood", "emotion"),
    "phonetic": ("phones_present", "asr_phones", "asr_characters"),
    "lexical": ("word",),
    "sentence": ("sentence_type",),
    "semantic": ("topic", "action", "intent", "preference"),
}
STAGE_OF = {task: stage for stage, tasks in STAGES.items() for task in tasks}
_PLACE = {task: place for place, task in enumerate(STAGE_OF)}


def lines_of(summary: list[dict], *measures: str, **wanted: Any) -> list[dict]:
    """Lines of some measures with certain values in their columns, and not of a sweep."""
    wanted = {"fraction": None} | wanted
    return [
        line
        for line in summary
        if line["measure"] in measures and all(line[k] == v for k, v in wanted.items())
    ]


def alignment_lines(summary: list[dict]) -> list[dict]:
    """Alignment averaged over layers."""
    return lines_of(summary, "alignment", layer="mean")


def normalised_as(summary: list[dict]) -> str:
    """What alignment is called in a summary, whose lines are of one normalisation."""
    found = (line["normalisation"] for line in summary if line["normalisation"] is not None)
    return alignment_name(*itertools.islice(found, 1))


def score_lines(summary: list[dict]) -> list[dict]:
    """Scores of tasks over all layers, from acoustic tasks to semantic ones."""
    lines = [line for line in lines_of(summary, *SCORES) if line["layer"] in ("mean", "all")]
    return sorted(lines, key=stage_place)


def swept_lines(summary: list[dict]) -> list[dict]:
    """Alignment of a sweep over sizes of models and amounts of data."""
    return [
        line
        for line in summary
        if line["fraction"] and line["measure"] == "alignment" and line["layer"] == "mean"
    ]


def task_name(line: dict) -> str:
    """The task of "collection/task"."""
    return line["task"].partition("/")[2]


def collection(line: dict) -> str:
    """The collection of "collection/task"."""
    return line["task"].partition("/")[0]


def stage_place(line: dict) -> int:
    """Place of a task from acoustic to semantic; those that are not known come last."""
    return _PLACE.get(task_name(line), len(_PLACE))


def stars(line: dict) -> str:
    """One star for p below the level, two where it stays there when it is corrected."""
    if line["p"] is None or line["p"] >= LEVEL:
        return ""
    return "**" if line["p_holm"] < LEVEL else "*"


def legend_of_stars(n_tested: int, baseline: str) -> str:
    """What stars mean, or why there are none."""
    if n_tested < FEWEST:
        return f"No stars: p < .05 needs {FEWEST} participants, and there are {n_tested}."
    return (
        f"*: differs from {baseline}, p < .05 (two-sided Wilcoxon signed-rank test over "
        "participants); **: also when corrected for the number of regions or tasks (Holm)."
    )
