"""Figures 4, 9, 10 and 11: what models know of speech, task by task."""

from collections.abc import Iterable
from pathlib import Path

from ...reports.over_participants import layer_means
from ...reports.summary_figures import caption_of, grouped, stage_lines, task_bars
from ...reports.summary_lines import SCORES, score_lines, task_name
from ..panels import bar_figure, line_figure
from ..slide import minus, words
from .drawn import Drawn, Missing, Rows
from .measured import (
    LOWERS,
    MAIN,
    RAISES,
    TUNED,
    averaged,
    caption_with_stars,
    change_of,
    check_controls,
    depths_of,
    finished,
    needed,
    tuned_families,
)

SOUND = ("mfcc", "fbank")  # low-level features, of which figure 9 is


def _task_rows(rows, models, *, sound):
    """Rows of scores in tasks of families that are tuned, and what they are called."""
    what = "MFCC and FBANK" if sound else "tasks"

    def wanted(row):
        is_score = row["task"] is not None and row["metric"] in SCORES
        return is_score and row["fraction"] is None and (task_name(row) in SOUND) is sound

    return tuned_families(needed(rows, f"scores in {what}", wanted), f"scores in {what}", models)


def task_means(
    number: str,
    title: str,
    rows: Rows,
    folder: Path,
    *,
    models: Iterable[str] | None = None,
    sound: bool = False,
) -> Drawn:
    """Draw scores in tasks, averaged over layers: a panel for each family and kind of score.

    Parameters
    ----------
    number, title, rows, folder
        As `PaperFigure`.
    models : iterable of str, optional
        Those that are shown, all by default, of which one then must be a control.
    sound : bool
        Whether tasks are MFCC and FBANK, which are otherwise left out; a second picture has layers.

    Raises
    ------
    Missing
        As `needed` and `tuned_families`; there is no control.
    """
    table = _task_rows(rows, models, sound=sound)
    if models is None:
        check_controls(table, "scores in tasks")
    summary = averaged(table + layer_means(table))
    panels, lines = task_bars(summary)
    caption = caption_with_stars("Error bars", lines)
    pictures, depths = [folder / f"{number}.png"], None
    bar_figure(panels, pictures[0], title, caption)
    if sound:
        depths = depths_of(table)
        panels, of_layers = stage_lines(summary, depths)
        if of_layers:
            pictures.append(folder / f"{number}-layers.png")
            n_families = len({line["pretrained"] for line in of_layers})
            layers = f"{title}, layer by layer"
            line_figure(panels, pictures[1], layers, caption_of("Bands", of_layers), n_families)
            lines = lines + of_layers
    alt = f"Bars of scores by task, family and model. {_told(score_lines(summary))}"
    return finished(number, title, pictures, alt, lines, caption, depths)


def task_layers(number: str, title: str, rows: Rows, folder: Path) -> Drawn:
    """Draw scores in tasks by layer: a panel for each task and family.

    Parameters
    ----------
    number, title, rows, folder
        As `PaperFigure`.

    Raises
    ------
    Missing
        As `needed`, `tuned_families` and `depths_of`; rows are not of single layers.
    """
    table = _task_rows(rows, MAIN, sound=False)
    summary = averaged(table + layer_means(table))
    depths = depths_of(table)
    panels, lines = stage_lines(summary, depths)
    if not lines:
        raise Missing("no row is of scores in tasks of a single layer")
    path, caption = folder / f"{number}.png", caption_of("Bands", lines)
    line_figure(panels, path, title, caption, len({line["pretrained"] for line in lines}))
    means = [line for line in score_lines(summary) if line["layer"] == "mean"]
    alt = f"Lines of scores over layers, by task, family and model. {_told(means)}"
    return finished(number, title, [path], alt, lines, caption, depths)


def _told(lines):
    """In how many tasks brain-tuning raises and lowers the score of each family, and where most."""
    told = []
    for family, found in grouped(lines, "pretrained").items():
        tuned = [line for line in found if line["model"] == TUNED and line["gain"] is not None]
        if not tuned:
            continue
        changes = [change_of(line) for line in tuned]
        most = max(tuned, key=lambda line: abs(line["gain"]))
        gain = minus(f"{most['gain']:+.2f}")
        told.append(
            f"{family}: raises {changes.count(RAISES)}, lowers {changes.count(LOWERS)} of "
            f"{len(tuned)}, most in {words(task_name(most))} ({gain}, n = {most['n_tested']})"
        )
    return f"Scores that brain-tuning clearly changes. {'; '.join(told)}." if told else ""
