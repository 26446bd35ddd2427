import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_scripts import (
    ceiling_across_listeners,
    noise_ceiling,
    passing_noise,
    read_noise_ceiling,
    select_voxels,
)


def simulated(snr, n_repeats=10, n_trs=300, seed=0):
    """Repeats of one signal per voxel, `snr` times as large as the noise of each repeat."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((n_trs, len(snr))) * snr
    noise = rng.standard_normal((n_repeats, n_trs, len(snr)))
    return (signal + noise).astype(np.float32)


def restated(repeats):
    """The ceiling of one voxel, as the formula stands. repeats: (n_repeats, n_trs)."""
    n = len(repeats)
    z = [(repeat - np.mean(repeat)) / np.std(repeat, ddof=1) for repeat in repeats]
    signal_power = (n * np.var(np.mean(z, axis=0), ddof=1) - 1) / (n - 1)
    return 0.0 if signal_power <= 0 else 1 / np.sqrt(1 + (1 / signal_power - 1) / n)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_repeats=st.integers(2, 6),
    n_trs=st.integers(2, 40),
    snr=st.lists(st.floats(0, 3), min_size=1, max_size=5),
)
def test_it_is_the_formula_voxel_by_voxel(seed, n_repeats, n_trs, snr):
    repeats = simulated(np.array(snr), n_repeats, n_trs, seed).astype(np.float64)
    expected = [restated(repeats[:, :, voxel]) for voxel in range(len(snr))]
    np.testing.assert_allclose(noise_ceiling(repeats), expected, rtol=1e-7, atol=1e-6)


def test_planted_ceilings_are_recovered():
    snr = np.random.default_rng(1).uniform(0, 1.5, 3000)
    planted = np.sqrt(10 * snr**2 / (1 + 10 * snr**2))
    recovered = noise_ceiling(simulated(snr))
    assert np.corrcoef(planted, recovered)[0, 1] > 0.97
    assert np.abs(planted - recovered)[planted > 0.4].mean() < 0.03


def test_the_ceiling_of_the_mean_of_other_repeats_depends_on_their_number():
    snr = np.random.default_rng(2).uniform(0.3, 1.5, 2000)
    for n_scored in (1, 3):
        planted = np.sqrt(n_scored * snr**2 / (1 + n_scored * snr**2))
        recovered = noise_ceiling(simulated(snr), n_scored=n_scored)
        assert np.abs(planted - recovered).mean() < 0.03
    repeats = simulated(snr[:5])
    np.testing.assert_array_equal(noise_ceiling(repeats), noise_ceiling(repeats, n_scored=10))
    with pytest.raises(ValueError, match="n_scored must be at least 1, got 0"):
        noise_ceiling(repeats, n_scored=0)


@pytest.mark.parametrize(
    ("n_repeats", "n_scored", "autocorrelation", "share"),
    [(2, 8, 0.0, 0.345), (3, 7, 0.0, 0.225), (2, 2, 0.0, 0.069), (5, 5, 0.0, 0.027)]
    + [(5, 5, 0.6, 0.09)],
)
def test_noise_passes_the_threshold_the_oftener_the_fewer_repeats(
    n_repeats, n_scored, autocorrelation, share
):
    found = passing_noise(n_repeats, 291, 0.4, n_scored, autocorrelation)
    assert found == pytest.approx(share, abs=0.015)
    assert passing_noise(n_repeats, 291, 0.0, n_scored, n_voxels=500) == pytest.approx(0.5, abs=0.1)


def test_white_noise_seldom_passes_the_threshold():
    ceiling = noise_ceiling(simulated(np.zeros(4000)))
    assert ceiling.min() == 0
    assert 0.003 < (ceiling > 0.4).mean() < 0.03
    np.testing.assert_allclose(ceiling.mean(), 0.11, atol=0.02)


def test_equal_repeats_can_be_predicted_wholly():
    repeats = np.repeat(simulated(np.ones(3), n_repeats=1), 4, axis=0)
    np.testing.assert_allclose(noise_ceiling(repeats), 1, rtol=1e-6)


def test_scale_and_offset_of_a_repeat_do_not_matter():
    repeats = simulated(np.linspace(0, 1, 20)).astype(np.float64)
    scaled = repeats * np.arange(1, 11)[:, None, None] + 5
    np.testing.assert_allclose(noise_ceiling(scaled), noise_ceiling(repeats), atol=1e-7)


def test_dead_voxels_are_nan_and_leave_the_others_alone():
    repeats = simulated(np.ones(5))
    alive = noise_ceiling(repeats)
    repeats[3, 10, 1] = np.nan
    repeats[2, :, 3] = 0.1
    ceiling = noise_ceiling(repeats)
    assert np.isnan(ceiling).tolist() == [False, True, False, True, False]
    np.testing.assert_array_equal(ceiling[[0, 2, 4]], alive[[0, 2, 4]])


def test_voxels_without_signal_power_have_ceiling_zero():
    # Two repeats that contradict each other.
    repeat = simulated(np.ones(2), n_repeats=1)[0]
    np.testing.assert_array_equal(noise_ceiling(np.stack([repeat, -repeat])), 0)


def test_repeats_are_not_changed_and_their_floating_type_is_kept():
    repeats = simulated(np.ones(3))
    before = repeats.copy()
    assert noise_ceiling(repeats).dtype == np.float32
    assert noise_ceiling(repeats.astype(np.float64)).dtype == np.float64
    np.testing.assert_array_equal(repeats, before)


@pytest.mark.parametrize("shape", [(1, 300, 5), (10, 1, 5), (300, 5)])
def test_what_is_not_repeated_has_no_ceiling(shape):
    with pytest.raises(ValueError, match=r"at least two repeats and two TRs, got \("):
        noise_ceiling(np.zeros(shape))


CEILING = np.array([0.9, np.nan, 0.4, 0.41, 0.0, 0.6])
REGIONS = {"language": np.array([5, 1, 0]), "auditory": np.array([2, 3])}


@pytest.mark.parametrize(
    ("options", "selected"),
    [
        ({}, [0, 3, 5]),
        ({"threshold": 0.5}, [0, 5]),
        ({"regions": {}}, [0, 3, 5]),
        ({"regions": REGIONS, "names": ["language"]}, [0, 5]),
        ({"regions": REGIONS, "names": ["auditory", "language"]}, [0, 3, 5]),
        ({"regions": {"auditory": np.array([2, 3])}}, [3]),
    ],
)
def test_voxels_above_the_threshold_are_selected_within_regions(options, selected):
    assert select_voxels(CEILING, **options).tolist() == selected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0.95}, "the whole brain .* above 0.95: 5 are live .* ceiling is 0.900; low"),
        (
            {"threshold": 0.5, "regions": REGIONS, "names": ["auditory"]},
            r"the regions \['auditory'\] .* above 0.5: 2 are live .* ceiling is 0.410; lower",
        ),
        ({"regions": {"dead": np.array([1])}}, "0 are live and their highest ceiling is 0.000"),
        ({"regions": REGIONS, "names": []}, "0 are live"),
        ({"regions": REGIONS, "names": ["langage"]}, "got 'langage'. Did you mean 'language'"),
        ({"names": ["language"]}, "unknown region: got 'language'. Available: none"),
        ({"regions": {"far": np.array([0, 6])}}, "'far' has 1 voxels outside 0 to 5, got"),
    ],
)
def test_a_selection_that_cannot_be_made_says_why(options, message):
    with pytest.raises(ValueError, match=message):
        select_voxels(CEILING, **options)


def test_one_region_is_still_given_as_a_list():
    with pytest.raises(TypeError, match=r"got 'language'; use \['language'\]"):
        select_voxels(CEILING, regions=REGIONS, names="language")


# Ceilings that others computed


@pytest.fixture
def given():
    return np.array([0.0, 0.4, np.nan, 1.0, 1.005, 0.9])


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_given_ceilings_are_read_as_they_are(given, tmp_path, dtype):
    np.save(tmp_path / "given.npy", given.astype(dtype))
    read = read_noise_ceiling(tmp_path / "given.npy", 6)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, given.astype(dtype).astype(np.float32))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda v: v[:-1], r"each of the 6 voxels, .* got shape \(5,\) of float64"),
        (lambda v: v[None], r"each of the 6 voxels, .* got shape \(1, 6\)"),
        (lambda v: v.astype(str), r"each of the 6 voxels, .* of <U"),
        (lambda v: v > 0.4, "each of the 6 voxels, .* of bool"),
        (lambda v: v - 0.1, "from 0 to 1, .* got -0.1 for voxel 0, and 0 more"),
        (lambda v: v * 100, "from 0 to 1, .* got 40 for voxel 1, and 3 more"),
        (lambda v: np.where(v == 0, np.inf, v), "got inf for voxel 0, and 0 more"),
    ],
)
def test_what_is_no_ceiling_of_each_voxel_is_refused(given, tmp_path, spoil, message):
    np.save(tmp_path / "bad.npy", spoil(given))
    with pytest.raises(ValueError, match=rf"bad\.npy: .*{message}"):
        read_noise_ceiling(tmp_path / "bad.npy", 6)


def test_a_file_of_ceilings_that_is_none_is_named(given, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npy: there is no such file"):
        read_noise_ceiling(tmp_path / "none.npy", 6)
    np.savez(tmp_path / "several.npz", given)
    (tmp_path / "empty.npy").touch()
    np.save(tmp_path / "objects.npy", np.array([None]), allow_pickle=True)
    for name in ("several.npz", "empty.npy", "objects.npy"):
        with pytest.raises(ValueError, match=rf"{name}: not an array of numbers in a \.npy file"):
            read_noise_ceiling(tmp_path / name, 6)


def test_a_listener_is_compared_with_the_mean_of_the_others():
    rng = np.random.default_rng(3)
    heard = rng.standard_normal((4, 50, 6)).astype(np.float32)
    heard[:, :, 0] = heard[0, :, 0] * [[1], [2], [5], [3]] + 7  # scale and mean do not matter
    heard[0, :, 1] = -heard[1:, :, 1].mean(axis=0)
    heard[2, 4, 2] = np.nan
    heard[3, :, 3] = 1.0
    kept = heard.copy()
    ceiling = ceiling_across_listeners(heard[0], iter(heard[1:]))
    np.testing.assert_array_equal(heard, kept)
    assert ceiling[0] == pytest.approx(1, abs=1e-5) and ceiling[1] == 0
    assert np.isnan(ceiling[2:4]).all()
    for voxel in (4, 5):
        others = [(h - h.mean()) / h.std() for h in heard[1:, :, voxel]]
        expected = np.corrcoef(heard[0, :, voxel], np.mean(others, axis=0))[0, 1]
        assert ceiling[voxel] == pytest.approx(max(expected, 0), abs=1e-5)


def test_one_other_listener_or_another_story_is_refused():
    responses = np.zeros((9, 2), np.float32)
    with pytest.raises(ValueError, match="at least 2 other listeners are needed, got 1"):
        ceiling_across_listeners(responses, [responses])
    with pytest.raises(ValueError, match=r"of shape \(9, 2\), got \(8, 2\)"):
        ceiling_across_listeners(responses, [responses, responses[1:]])
