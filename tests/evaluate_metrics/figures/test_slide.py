"""What all figures share: nothing of matplotlib's is changed, and it need not be there."""

import sys

import pytest

from evaluate_metrics.figures import tuning_figure
from evaluate_metrics.figures.slide import words


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
