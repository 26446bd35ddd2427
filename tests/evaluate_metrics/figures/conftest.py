"""What figures are drawn of, and how the pictures are looked at."""

import pytest
from matplotlib.image import imread

COLOURS = {
    "pretrained": (0x56, 0xB4, 0xE9),
    "permuted": (0x99, 0x99, 0x99),
    "brain-tuned": (0xD5, 0x5E, 0x00),
    "some-other": (0x00, 0x9E, 0x73),
}


def _bar(mean, half_width=0.05, n_voxels=80):
    return {
        "mean": mean,
        "interval": None if mean is None else [mean - half_width, mean + half_width],
        "n_voxels": n_voxels,
    }


def _tuned():
    alignment = {
        "brain-tuned": {"language": _bar(0.5), "auditory": _bar(0.6)},
        "pretrained": {"language": _bar(0.3), "auditory": _bar(0.6)},
        "permuted": {"language": _bar(0.3), "auditory": _bar(0.6)},
    }
    curve = {"train": [(0, 1.0), (10, 0.8)], "validation": [(0, 1.0), (10, 0.9)]}
    return alignment, {"brain-tuned": {**curve, "chosen_step": 10}, "permuted": curve}


def _report():
    """Results of two models in two regions, with a test and a low-level feature."""
    alignment = {
        model: {
            region: _bar(mean)
            | {
                "layers": {layer: mean + 0.01 * layer for layer in range(1, 5)},
                "layer_intervals": {layer: [mean - 0.05, mean + 0.1] for layer in range(1, 5)},
            }
            for region in ("late_language", "primary_auditory")
        }
        for model, mean in (("pretrained", 0.3), ("brain-tuned", 0.5))
    }
    impact = {
        model: {"power_spectrum": {region: _bar(mean, 5) for region in alignment["pretrained"]}}
        for model, mean in (("pretrained", 60), ("brain-tuned", 40))
    }
    tests = {
        "brain-tuned": {
            "late_language": {"p": 0.01, "p_holm": 0.02},
            "primary_auditory": {"p": 0.01, "p_holm": 0.02},
        }
    }
    return {"alignment": alignment, "impact": impact, "tests": tests}


def _picture(path):
    return (imread(path)[..., :3] * 255).round()


def _drawn(figure, results, path):
    figure(results, path)
    return _picture(path)


def _share(pixels, colour):
    return (pixels == colour).all(axis=-1).mean()


def _area(path, model):
    """Share of the left half of the picture that has the model's colour."""
    pixels = _picture(path)
    return _share(pixels[:, : pixels.shape[1] // 2], COLOURS[model])


@pytest.fixture(scope="session")
def bar():
    """Makes the scores of a bar."""
    return _bar


@pytest.fixture(scope="session")
def make_tuned():
    """Makes alignment and loss curves of three models."""
    return _tuned


@pytest.fixture(scope="session")
def make_report():
    """Makes results of two models in two regions, with a test and a low-level feature."""
    return _report


@pytest.fixture(scope="session")
def picture():
    """Reads a PNG's pixels, (height, width, 3) from 0 to 255."""
    return _picture


@pytest.fixture(scope="session")
def drawn():
    """Draws a figure and reads its pixels."""
    return _drawn


@pytest.fixture(scope="session")
def share():
    """Tells the share of pixels that have a colour."""
    return _share


@pytest.fixture(scope="session")
def area():
    """Tells the share of a picture's left half that has a model's colour."""
    return _area


@pytest.fixture(scope="session")
def colours():
    """Colours of models, from 0 to 255."""
    return COLOURS
