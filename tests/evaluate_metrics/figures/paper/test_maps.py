"""Maps of the paper: what rows plant at vertices is found in the colours that are drawn there."""

import numpy as np
import pytest

from evaluate_metrics.figures import fsaverage5
from evaluate_metrics.figures.paper import FIGURES, Missing

GAINS = {"hubert": 0.2, "whisper": 0.0}
OFFSETS = {"P01": 0.05, "P02": -0.05}  # of each participant, everywhere
N, N_KNOWN, LANGUAGE = 20484, 10000, np.arange(4000)
KINDS = {  # {quantity: (in language, elsewhere, how much of an offset)}
    "noise-ceiling": (lambda gain: 0.8, 0.6, 1),
    "alignment-change": (lambda gain: gain, 0.0, 1),
    "impact-change": (lambda gain: -100 * gain, 0.0, 100),
}


@pytest.fixture(scope="module")
def shown_at():
    """The vertex that each pixel of the flat map shows, -1 for none."""
    return fsaverage5().flat.vertices


@pytest.fixture
def rows(row):
    """Participants whose language vertices gain; half of the vertices have no voxel."""

    def make(families=GAINS, quantities=KINDS):
        made = []
        for family in families:
            for who, offset in OFFSETS.items():
                inside = np.isin(np.arange(N), LANGUAGE).astype(float)
                of = {"participant": who, "unit": "vertices", "n": N_KNOWN}
                region = {"region": "language", "metric": "region map", "value": len(LANGUAGE)}
                made.append(row(family, None, vertices=inside.tolist(), **region | of))
                for quantity in quantities:
                    within, elsewhere, scale = KINDS[quantity]
                    values = (
                        np.where(inside == 1, within(GAINS[family]), elsewhere) + scale * offset
                    )
                    vertices = [*values[:N_KNOWN].tolist(), *[None] * (N - N_KNOWN)]
                    model = None if quantity == "noise-ceiling" else "brain-tuned"
                    of_map = {"metric": f"{quantity} map", "value": float(values.mean())}
                    made.append(row(family, model, vertices=vertices, **of_map | of))
        return made

    return make


def drawn(figure, shown_at):
    """{panel: value of each vertex, of its colour in the flat map, NaN where that is no value's}.

    The colour bar says which value has a colour.
    """
    scales = [axes._colorbar.mappable for axes in figure.axes if hasattr(axes, "_colorbar")]
    (scale,) = scales
    steps = np.linspace(*scale.get_clim(), 256)
    colours = np.round(255 * scale.to_rgba(steps)[:, :3])
    flat = [axes for axes in figure.axes if axes.images]
    flat = [axes for axes in flat if axes.images[0].get_array().shape[:2] == shown_at.shape]
    found = {}
    for axes in flat:
        of_vertices = np.full(N, np.nan)
        seen, where = np.unique(shown_at, return_index=True)
        pixels = np.asarray(axes.images[0].get_array(), float)
        given = pixels.reshape(-1, 4)[where, :3]
        distances = np.abs(given[:, np.newaxis] - colours).max(axis=2)
        values = np.where(distances.min(axis=1) <= 1, steps[distances.argmin(axis=1)], np.nan)
        of_vertices[seen[seen >= 0]] = values[seen >= 0]
        found[_title_above(figure, axes)] = of_vertices
    return found, (steps[1] - steps[0])


def _title_above(figure, axes):
    """The bold text that stands nearest above axes."""
    box = axes.get_position()
    above = [
        (text.get_position()[1], text.get_text())
        for text in figure.texts
        if text.get_weight() == "bold"
        and box.x0 <= text.get_position()[0] <= box.x1
        and text.get_position()[1] >= box.y1
    ]
    return min(above)[1]


def in_language(values):
    return np.nanmean(values[LANGUAGE])


@pytest.mark.parametrize(("number", "quantity"), [("2c", "alignment"), ("3c", "impact")])
def test_the_mean_change_of_each_family_has_the_colour_of_what_is_planted(
    show, row, rows, shown_at, number, quantity
):
    within, _, _ = KINDS[f"{quantity}-change"]
    shown = show(number, rows())
    panels, step = drawn(shown.figures[0], shown_at)
    assert list(panels) == ["hubert (n = 2)", "whisper (n = 2)"]
    for family, values in zip(GAINS, panels.values(), strict=True):
        assert in_language(values) == pytest.approx(within(GAINS[family]), abs=step)
        assert np.nanmax(np.abs(values[len(LANGUAGE) : N_KNOWN])) < 2 * step
        assert np.isnan(values[N_KNOWN:]).all()
    assert {r["family"]: r["value"] for r in shown.drawn.table} == {
        family: pytest.approx(within(gain), abs=1e-9) for family, gain in GAINS.items()
    }
    assert {r["n"] for r in shown.drawn.table} == {len(LANGUAGE)}


def test_each_participant_has_a_map_beside_the_mean(show, rows, shown_at):
    shown = show("14", rows())
    assert [path.name for path in shown.drawn.pictures] == ["14.png", "14-whisper.png"]
    for figure, gain in zip(shown.figures, GAINS.values(), strict=True):
        panels, step = drawn(figure, shown_at)
        assert {name: in_language(of) for name, of in panels.items()} == pytest.approx(
            {"P01": gain + 0.05, "P02": gain - 0.05, "mean": gain}, abs=step
        )


def test_impact_changes_in_percentage_points(show, rows, shown_at):
    shown = show("15", rows(["hubert"]))
    panels, step = drawn(shown.figures[0], shown_at)
    assert in_language(panels["P01"]) == pytest.approx(-15, abs=step)
    assert "hubert language \N{MINUS SIGN}20" in shown.drawn.alt


def test_seeds_of_a_participant_are_averaged(show, rows, shown_at):
    more = [
        one | {"seed": 1, "vertices": [v and v + 0.1 for v in one["vertices"]]}
        for one in rows(["hubert"], ["alignment-change"])
        if one["model"]
    ]
    shown = show("14", rows(["hubert"]) + more)
    panels, step = drawn(shown.figures[0], shown_at)
    assert in_language(panels["P01"]) == pytest.approx(0.25 + 0.05, abs=step)


def test_noise_ceilings_are_of_no_family(show, rows, shown_at):
    shown = show("13", rows())
    assert [path.name for path in shown.drawn.pictures] == ["13.png"]
    panels, step = drawn(shown.figures[0], shown_at)
    assert in_language(panels["P02"]) == pytest.approx(0.75, abs=step)
    assert "language 0.80" in shown.drawn.alt


def test_a_map_is_written(rows, tmp_path):
    drawn = FIGURES["2c"].draw(rows(["hubert"]), tmp_path)
    assert all(path.stat().st_size > 10_000 for path in drawn.pictures)


@pytest.mark.parametrize("number", ["2c", "3c", "13", "14", "15"])
def test_what_is_missing_is_named(row, rows, tmp_path, number):
    without = [one | {"vertices": None} for one in rows()]  # as a CSV file has them
    for lacking in ([], without, rows(quantities=[])):
        with pytest.raises(Missing, match="no row is a map of .* how voxels lie on fsaverage5"):
            FIGURES[number].draw(lacking, tmp_path)


def test_measurements_that_lack_a_map_are_counted(show, row, rows):
    aligned = [
        row("hubert", "brain-tuned", who, metric="alignment", region="language", value=0.3)
        for who in ("P01", "P02", "P03")
    ]
    drawn = show("2c", rows(["hubert"]) + aligned).drawn
    assert "Measurements left out: 1." in drawn.caption
