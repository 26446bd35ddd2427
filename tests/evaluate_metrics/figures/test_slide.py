"""What all figures share: nothing of matplotlib's is changed, and it need not be there."""

import sys

import pytest

from evaluate_metrics.figures import tuning_figure
from evaluate_metrics.figures.slide import start_at_zero, words


def test_drawing_leaves_matplotlib_as_it_was(tmp_path, make_tuned):
    import matplotlib
    from matplotlib import pyplot

    before = dict(matplotlib.rcParams)
    tuning_figure(*make_tuned(), tmp_path / "tuning.png")
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == []


def test_names_with_dollars_are_no_formulas(tmp_path, make_tuned):
    alignment, curves = make_tuned()
    alignment = {
        m: dict.fromkeys([r"$\frac$"], next(iter(s.values()))) for m, s in alignment.items()
    }
    tuning_figure(alignment, curves, tmp_path / "a.png", title=r"story '$\frac$'", caption=r"$\x$")
    assert words("a_$b$") == r"a \$b\$"


def test_without_matplotlib_the_error_says_what_to_install(tmp_path, monkeypatch, make_tuned):
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # Python's own mark of a missing module
    with pytest.raises(ImportError, match=r'pip install "braintune\[figures\]"'):
        tuning_figure(*make_tuned(), tmp_path / "tuning.png")


@pytest.mark.parametrize(
    ("heights", "limits"),
    [([0.0, 0.0], (0, 1)), ([0.0, 1e-17], (0, 1)), ([0.0, 2.0], (0, 2)), ([-1.0, 2.0], (-1, 2))],
)
def test_an_axis_begins_at_zero_and_has_a_scale(heights, limits):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axes.bar([0, 1], heights)
    axes.margins(y=0)
    start_at_zero(axes)
    assert axes.get_ylim() == pytest.approx(limits, abs=1e-12)
