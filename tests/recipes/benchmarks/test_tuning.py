import sys

import pytest

from recipes.benchmarks import tuning

TINY = dict(
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    conv_dim=(8,) * 7,
    num_conv_pos_embeddings=4,
    num_conv_pos_embedding_groups=2,
)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_both_loops_are_timed_on_the_same_batch(monkeypatch):
    monkeypatch.setitem(tuning.SIZES, "tiny", TINY)
    monkeypatch.setattr(tuning, "peak", lambda *_: 1e9)
    arguments = tuning.Arguments(size="tiny", batch_size=2, seconds=1.0, n_voxels=5, turns=1)
    rows = tuning.compare(arguments)
    assert list(rows) == [tuning.PEER, "ours, float32", "ours, bfloat16"]
    for row in rows.values():
        rate = arguments.batch_size / row["seconds_per_step"]
        assert row["windows_per_second"] == pytest.approx(rate)
        assert row["share_of_peak"] == pytest.approx(rate * row["flop_per_window"] / 1e9)


def test_pairs_hold_the_windows_that_their_recording_is_cut_by():
    arguments = tuning.Arguments(batch_size=3, seconds=2.0, n_voxels=4)
    pairs, ((audio, windows),) = tuning.make_pairs(arguments)
    assert len(pairs) == len(windows) == 3
    for i, (start, end) in enumerate(windows):
        assert (pairs[i]["audio"] == audio[start:end]).all()
        assert pairs.labels(i).shape == (4,)
