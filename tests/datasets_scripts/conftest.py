"""Small recordings in the layout of ds003020, for what reads and prepares them."""

import pytest

from datasets_scripts import make_phantom


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    """Two stories of a minute and a repeated one, heard by P01 and P02; a test changes a copy."""
    root = tmp_path_factory.mktemp("small") / "phantom"
    make_phantom(
        root,
        n_stories=2,
        seconds=60.0,
        test_seconds=70.0,
        n_language=6,
        n_auditory=6,
        n_noise=4,
        n_dead=2,
    )
    return root
