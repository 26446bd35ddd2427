"""Tidy rows with planted results, and the artists of what is drawn of them."""

import csv

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from evaluate_metrics.figures.colours import colours_of
from evaluate_metrics.figures.paper import FIGURES
from evaluate_metrics.reports.tidy import COLUMNS

N_LAYERS = {"wav2vec2": 12, "hubert": 12, "whisper": 4, "hubert-large": 24}
FAMILIES = ("hubert", "wav2vec2", "whisper")
PARTICIPANTS = ("P01", "P02", "P03", "P04")


def _row(family="hubert", model="pretrained", participant="P01", layer="mean", **more):
    known = {"family": family, "model": model, "participant": participant, "layer": str(layer)}
    known |= {"n_layers": N_LAYERS[family], "n": 50, "unit": "voxels"}
    if "task" not in more:
        known |= {"stride": 0.1, "chunk": 0.1, "normalisation": "normalised"}
    return dict.fromkeys(COLUMNS) | known | more


@pytest.fixture(scope="session")
def row():
    """Makes a row with all columns."""
    return _row


@pytest.fixture(scope="session")
def regions():
    """Makes rows of a metric by region: {(family, model, region): value}, a bit by participant."""

    def make(values, metric="alignment", participants=PARTICIPANTS, layer="mean"):
        feature = "mean of the four" if metric == "impact" else None
        return [
            _row(f, model, p, layer, region=r, metric=metric, feature=feature, value=v + 0.01 * i)
            for (f, model, r), v in values.items()
            for i, p in enumerate(participants)
        ]

    return make


class Shown:
    """A figure that was drawn: its axes by title, and what is in them in a model's colour."""

    def __init__(self, drawn, figures):
        self.drawn, self.figures = drawn, figures
        self.axes = {ax.get_title(loc="left"): ax for figure in figures for ax in figure.axes}

    def _colour(self, model, models):
        return to_hex(colours_of(models)[model])

    def bars(self, title, model, models):
        """Heights of the model's bars, by what stands below them."""
        axes, colour = self.axes[title], self._colour(model, models)
        names = [label.get_text().replace("\n", " ") for label in axes.get_xticklabels()]
        return {
            names[round(bar.get_x() + bar.get_width() / 2)]: bar.get_height()
            for bar in axes.patches
            if to_hex(bar.get_facecolor()) == colour and bar.get_height()
        }

    def errors(self, title, model, models):
        """Lengths of the error bars on the model's bars, to one side, by what stands below them."""
        axes, colour = self.axes[title], self._colour(model, models)
        names = [label.get_text().replace("\n", " ") for label in axes.get_xticklabels()]
        middles = {
            round(bar.get_x() + bar.get_width() / 2, 6)
            for bar in axes.patches
            if to_hex(bar.get_facecolor()) == colour and bar.get_height()
        }
        found = {}
        for line in (line for line in axes.lines if line.get_marker() == "_"):
            (x, *_), (low, high) = line.get_data()
            if round(x, 6) in middles:
                found[names[round(x)]] = (high - low) / 2
        return found

    def band(self, title, model, models):
        """Half the height of the model's band at each x."""
        colour = self._colour(model, models)
        (band,) = [
            one for one in self.axes[title].collections if to_hex(one.get_facecolor()) == colour
        ]
        at: dict[float, set] = {}
        for x, y in band.get_paths()[0].vertices:
            at.setdefault(float(x), set()).add(float(y))
        return {x: (max(ys) - min(ys)) / 2 for x, ys in at.items()}

    def line(self, title, model, models):
        """Points (x, y) of the model's line."""
        colour = self._colour(model, models)
        (line,) = [one for one in self.axes[title].lines if to_hex(one.get_color()) == colour]
        return dict(zip(*np.asarray(line.get_data()).tolist(), strict=True))

    def texts(self, title):
        return [text.get_text() for text in self.axes[title].texts]


@pytest.fixture
def show(tmp_path, monkeypatch):
    """Draws a figure of the paper, keeps the artists, checks what all figures have in common."""
    matplotlib.use("agg")

    def draw(number, rows):
        figures = []
        monkeypatch.setattr(
            Figure,
            "savefig",
            lambda self, path, **_: (figures.append(self), open(path, "w").close()),
        )
        drawn = FIGURES[number].draw(rows, tmp_path)
        assert all(path.parent == tmp_path and path.suffix == ".png" for path in drawn.pictures)
        assert drawn.pictures[0].name == f"{number}.png"
        assert (drawn.number, drawn.title) == (number, FIGURES[number].title)
        with open(tmp_path / f"{number}.csv", newline="") as file:
            in_text = [{k: "" if v is None else str(v) for k, v in r.items()} for r in drawn.table]
            assert list(csv.DictReader(file)) == in_text
        return Shown(drawn, list(dict.fromkeys(figures)))  # a PNG and a PDF may be of one

    return draw
