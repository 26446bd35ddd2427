import sys

import pytest

from recipes.benchmarks import layers, tuning
from tests.recipes.benchmarks.test_tuning import TINY


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_steps_of_all_and_of_some_layers_are_timed(monkeypatch):
    monkeypatch.setitem(tuning.SIZES, "tiny", TINY | {"num_hidden_layers": 3})
    arguments = layers.LayersArguments(
        size="tiny", batch_size=2, seconds=1.0, n_voxels=5, turns=1, first=3, last=3
    )
    (seconds,) = layers.compare(arguments).values()
    assert list(seconds) == ["all layers", "layers 3-3"]
    assert all(0 < value < float("inf") for value in seconds.values())
