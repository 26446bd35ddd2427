"""The figure of how many voxels change, and how far."""

import numpy as np
import pytest

from evaluate_metrics.figures import change_figure


def test_change_has_one_colour_for_rise_and_one_for_fall(tmp_path, drawn, share, colours):
    rise = np.linspace(0.01, 0.1, 50)
    risen = drawn(change_figure, {"language": rise}, tmp_path / "rise.png")
    fallen = drawn(change_figure, {"language": -rise}, tmp_path / "fall.png")
    assert share(risen, colours["brain-tuned"]) > 0.05 > share(risen, colours["pretrained"]) == 0
    assert share(fallen, colours["pretrained"]) > 0.05 > share(fallen, colours["brain-tuned"]) == 0


def test_regions_without_voxels_or_without_change_are_drawn(tmp_path, picture, share, colours):
    change_figure({"language": np.zeros(5), "auditory": []}, tmp_path / "change.png")
    pixels = picture(tmp_path / "change.png")
    left, right = np.array_split(pixels, 2, axis=1)
    assert share(left, colours["brain-tuned"]) > 0 == share(right, colours["brain-tuned"])


def test_change_that_is_not_known_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'language' are NaN or infinite in 1 of 2 voxels"):
        change_figure({"language": [0.1, np.nan]}, tmp_path / "change.png")
    assert not (tmp_path / "change.png").exists()
