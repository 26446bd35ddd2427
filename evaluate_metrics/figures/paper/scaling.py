"""Figure 12: what brain-tuning gains in tasks, by share of the data and size of the model."""

from pathlib import Path

from ...reports.over_participants import layer_means
from ...reports.summary_figures import MEASURES, grouped, line_panel
from ...reports.summary_lines import SCORES, stage_place, task_name
from ...reports.tables import BASELINE
from ..panels import line_figure
from ..slide import minus, words
from .drawn import Drawn, Missing, Rows
from .layers import LARGE
from .measured import TUNED, averaged, caption_with_stars, finished, needed

NOTHING = "no gain"  # what gains are tested against


def scaling(number: str, title: str, rows: Rows, folder: Path) -> Drawn:
    """Draw gains in each task, over shares of the stories and over weights of models.

    Parameters
    ----------
    number, title, rows, folder
        As `PaperFigure`.

    Raises
    ------
    Missing
        There are no scores of models that were tuned on a share of the stories, or none of the
        models that these started from.
    """
    what = "scores in tasks of models tuned on shares of the stories"

    def wanted(row):
        return row["task"] is not None and row["metric"] in SCORES

    table = needed(rows, what, wanted)
    table += layer_means(table)
    table = [row for row in table if row["layer"] in ("mean", "all")]
    if not any(row["fraction"] and row["model"] == TUNED for row in table):
        raise Missing(f"no row is of {what}: they lack a fraction")
    gains = _gains(table)
    if not gains:
        raise Missing(f"no row is of scores in tasks of a {BASELINE} model that was tuned on")
    nothing = [row | {"model": NOTHING, "value": 0.0} for row in gains]
    lines = [line for line in averaged(gains + nothing, NOTHING) if line["model"] != NOTHING]
    lines = sorted(lines, key=lambda line: (line["task"], line["fraction"]))
    return _drawn(number, title, folder, lines)


def _gains(table):
    """Rows of what models gain over those that they were tuned from, which name the models."""
    before = {}
    for row in table:
        if row["model"] == BASELINE and row["value"] is not None:
            before[_what(row), row["participant"], row["fraction"]] = row["value"]
    gains = []
    for row in table:
        if row["model"] != TUNED or not row["fraction"] or row["value"] is None:
            continue
        # a pretrained model is the same for all participants and shares
        known = [
            before[_what(row), participant, fraction]
            for participant in (row["participant"], None)
            for fraction in (row["fraction"], None)
            if (_what(row), participant, fraction) in before
        ]
        if known:
            of_row = {"value": row["value"] - known[0], "model": row["pretrained"]}
            no_interval = {"interval_low": None, "interval_high": None, "majority": None}
            gains.append(row | of_row | no_interval | {"pretrained": None})
    return gains


def _what(row):
    return tuple(row[name] for name in ("pretrained", "task", "measure", "layer"))


def _drawn(number, title, folder, lines):
    tasks = grouped(sorted(lines, key=stage_place), "task")
    shares = sorted({line["fraction"] for line in lines})
    by_share, by_size, told = [], [], []
    for task, found in tasks.items():
        label = f"gain in {MEASURES[found[0]['measure']]}"
        name = words(task_name(found[0]))
        ticks = {"log": True, "ticks": {share: f"{share:g}" for share in shares}}
        by_share.append(
            line_panel(
                found,
                name,
                lambda line: line["fraction"],
                label,
                task,
                aside="",
                x_label="share of the stories",
                reference=0,
                **ticks,
            )
        )
        most = [line for line in found if line["fraction"] == shares[-1] and line["n_parameters"]]
        sizes = {line["n_parameters"]: f"{line['n_parameters'] / 1e6:.3g} M" for line in most}
        if len(sizes) > 1:
            of_base = [line | {"model": line["model"].removesuffix(LARGE)} for line in most]
            by_size.append(
                line_panel(
                    of_base,
                    name,
                    lambda line: line["n_parameters"],
                    label,
                    task,
                    aside=f"{shares[-1]:g} of the stories",
                    x_label="weights",
                    reference=0,
                    log=True,
                    ticks=sizes,
                )
            )
        for model, of_model in grouped(found, "model").items():
            values = (
                f"{line['value']:+.2f} with {line['fraction']:g} of the stories"
                for line in (of_model[0], of_model[-1])[: len(of_model)]
            )
            told.append(minus(f"{', '.join(values)}") + f" ({model}, {name}).")
    path = folder / f"{number}.png"
    caption = caption_with_stars("Bands", lines, NOTHING)
    caption += " Gain: brain-tuned minus pretrained, mean over layers. Stars: in the table."
    line_figure(by_share + by_size, path, title, caption, len(by_share))
    alt = f"Lines of gains in tasks over shares of the stories and weights. {' '.join(told)}"
    lines = [line | {"pretrained": line["model"], "model": TUNED} for line in lines]
    return finished(number, title, [path], alt, lines, caption)
