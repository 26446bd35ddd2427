"""The colours of models, looked at in a figure."""

from evaluate_metrics.figures import tuning_figure
from evaluate_metrics.figures.colours import colours_of


def test_model_of_any_name_has_a_colour_of_its_own(tmp_path, make_tuned, area):
    alignment, curves = make_tuned()
    alignment["some-other"] = alignment.pop("pretrained")
    curves["some-other"] = curves.pop("permuted")
    tuning_figure(alignment, curves, tmp_path / "tuning.png")
    assert area(tmp_path / "tuning.png", "some-other") > 0
    assert area(tmp_path / "tuning.png", "pretrained") == 0


def test_known_models_come_first_and_keep_their_colours():
    names = ["some-other", "brain-tuned", "permuted", "pretrained"]
    assert list(colours_of(names)) == ["pretrained", "permuted", "brain-tuned", "some-other"]
    assert colours_of(names)["permuted"] == colours_of(["permuted"])["permuted"] == "#999999"
