"""Arrays on disk are whole, or they are not there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from modeling_braintune import checksum, keep, kept
from modeling_braintune.kept_arrays import written_whole

ARRAYS = {
    "voxels": np.arange(6).reshape(2, 3).T,  # whose memory lies in another order
    "alignment": np.array([0.5, np.nan], np.float32),
    "nothing": np.empty((0, 3)),
}


@pytest.fixture
def path(tmp_path):
    keep(tmp_path / "kept.safetensors", ARRAYS, {"layers": [1, 2]})
    return tmp_path / "kept.safetensors"


def test_arrays_and_facts_are_read_back_to_the_bit(path):
    arrays, facts = kept(path)
    assert arrays.keys() == ARRAYS.keys() and facts == {"layers": [1, 2]}
    for name, values in ARRAYS.items():
        assert arrays[name].dtype == values.dtype
        np.testing.assert_array_equal(arrays[name], values)


def test_the_same_arrays_are_the_same_file(path):
    before = path.read_bytes()
    keep(path, ARRAYS, {"layers": [1, 2]})
    assert path.read_bytes() == before


def test_others_may_read_it(path):
    (path.parent / "usual").touch()
    assert path.stat().st_mode == (path.parent / "usual").stat().st_mode


def test_facts_may_be_left_out(path):
    keep(path, ARRAYS)
    assert kept(path).facts == {}


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:-3] + bytes([content[-3] ^ 1]) + content[-2:],
        lambda content: content.replace(b"F32", b"I32"),
        lambda content: content.replace(b"[3,2]", b"[2,3]"),
        lambda content: content.replace(b'"voxels"', b'"voxelz"'),
        lambda content: content[:6],
        lambda content: b"",
    ],
    ids="cut flipped type shape name start empty".split(),
)
def test_a_damaged_file_is_as_one_that_is_not_there(damage, path):
    path.write_bytes(damage(path.read_bytes()))
    assert kept(path) is None


@given(st.data())
def test_no_flipped_bit_is_taken_for_what_was_kept(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "flipped.safetensors"
    keep(path, ARRAYS, {"alignment": [0.25, 1.5]})
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    found = kept(path)
    if found is not None:  # a bit that says nothing, such as a blank
        assert found.facts == {"alignment": [0.25, 1.5]} and found.arrays.keys() == ARRAYS.keys()
        for name, values in ARRAYS.items():
            np.testing.assert_array_equal(found.arrays[name], values)


def test_what_is_not_there_and_what_others_wrote_is_none(tmp_path):
    save_file({"voxels": np.arange(3)}, tmp_path / "other.safetensors")
    assert kept(tmp_path / "other.safetensors") is None
    assert kept(tmp_path / "nowhere.safetensors") is None


def test_a_checksum_tells_types_shapes_and_values_apart():
    values = np.zeros((2, 3), np.float32)
    others = [values.T, values.astype(np.int32), values + 1]
    assert len({checksum(array) for array in (values, *others)}) == 4
    assert checksum(np.asfortranarray(values)) == checksum(values)


def test_a_file_stays_as_it_is_if_writing_fails(path):
    before = path.read_bytes()
    with pytest.raises(MemoryError), written_whole(path) as partial:
        partial.write_text("half of it")
        raise MemoryError
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]
