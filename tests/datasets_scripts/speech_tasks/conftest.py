"""Sound files as data sets hold them."""

from io import BytesIO

import numpy as np
import pytest
import soundfile


@pytest.fixture
def wav():
    """Function from samples, or a number of silent ones, to a sound file."""

    def encoded(samples, rate=16000):
        samples = np.zeros(samples, np.float32) if isinstance(samples, int) else samples
        file = BytesIO()
        soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
        return {"bytes": file.getvalue(), "path": None}

    return encoded
