"""What all figures share: nothing of matplotlib's is changed, and it need not be there."""

import sys

import pytest

from evaluate_metrics.figures import tuning_figure


def test_drawing_leaves_matplotlib_as_it_was(tmp_path, make_tuned):
    import matplotlib
    from matplotlib import pyplot

    before = dict(matplotlib.rcParams)
    tuning_figure(*make_tuned(), tmp_path / "tuning.png")
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == []


def test_without_matplotlib_the_error_says_what_to_install(tmp_path, monkeypatch, make_tuned):
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # Python's own mark of a missing module
    with pytest.raises(ImportError, match=r'pip install "braintune\[figures\]"'):
        tuning_figure(*make_tuned(), tmp_path / "tuning.png")
