"""Figure 12: planted gains are found over shares of the stories and weights of models."""

import pytest

from evaluate_metrics.figures.paper import FIGURES, Missing

WEIGHTS = {"hubert": 95_000_000, "hubert-large": 317_000_000}
SHARES = (0.25, 1.0)


def gain(family, share):
    return 0.1 * share + 0.05 * (family == "hubert-large")


def scores(row, *, share_of_baseline):
    """Scores of two tasks in two layers; the larger model gains more, and more of the stories do.

    The pretrained model stands as that of every share, or once for all.
    """
    return [
        row(
            *(family, model, participant, layer),
            task=f"slurp/{task}",
            metric="macro_f1",
            fraction=share if model == "brain-tuned" or share_of_baseline else None,
            n_parameters=WEIGHTS[family],
            value=0.4 + 0.1 * layer + (participant is not None) * (gain(family, share) + noise),
        )
        for family in WEIGHTS
        for share in SHARES
        for model, participant, noise in (
            ("pretrained", None, 0),
            ("brain-tuned", "P01", -0.02),
            ("brain-tuned", "P02", 0.02),
        )
        for task in ("action", "intent")
        for layer in (0, 1, 2)
    ]


@pytest.mark.parametrize("share_of_baseline", [True, False])
def test_planted_gains_stand_in_the_lines(show, row, share_of_baseline):
    shown = show("12", scores(row, share_of_baseline=share_of_baseline))
    by_share, by_size = shown.figures[0].axes[:2], shown.figures[0].axes[2:]
    for axes in by_share:
        shown.axes["of share"] = axes
        for family in WEIGHTS:
            assert shown.line("of share", family, WEIGHTS) == {
                share: pytest.approx(gain(family, share)) for share in SHARES
            }
    for axes in by_size:
        shown.axes["of size"] = axes
        assert shown.line("of size", "hubert", WEIGHTS) == {
            weights: pytest.approx(gain(family, 1)) for family, weights in WEIGHTS.items()
        }
    assert len(by_share) == len(by_size) == 2
    first = shown.drawn.table[0]
    assert (first["family"], first["model"], first["fraction"]) == ("hubert", "brain-tuned", 0.25)
    assert first["standard_error"] == pytest.approx(0.02)
    alt = "+0.03 with 0.25 of the stories, +0.10 with 1 of the stories (hubert, action)"
    assert alt in shown.drawn.alt


def test_what_is_missing_is_named(row, tmp_path):
    rows = scores(row, share_of_baseline=True)
    for kept, message in (
        ([], "no row is of scores in tasks of models tuned on shares"),
        ([one | {"fraction": None} for one in rows], "they lack a fraction"),
        ([one for one in rows if one["model"] == "brain-tuned"], "of a pretrained model"),
    ):
        with pytest.raises(Missing, match=message):
            FIGURES["12"].draw(kept, tmp_path)
