"""Confounds and drifts: planted beside signals, and taken out again."""

import numpy as np
import pytest

from datasets_scripts import open_participant, read_bids
from datasets_scripts.recordings.bids import bids_source_files
from datasets_scripts.recordings.bids.cleaning import VOXELS_AT_ONCE, Cleaning
from datasets_scripts.recordings.bids.volumes import VolumeScan

SCAN = "sub-001_task-tale_space-MNI_desc-preproc_bold.nii.gz"
TABLE = "sub-001_task-tale_desc-confounds_timeseries.tsv"
N_TRS, TR = 40, 1.5
TIME = np.arange(N_TRS)
SIGNAL, CONFOUND, DRIFT, CONSTANT, ALL_THREE, DROPS_OUT, NOT_FINITE, FLAT_WHEN_KEPT = range(8)


def orthogonal(seed, *others):
    """Noise without a mean that correlates with none of the others."""
    noise = np.random.default_rng(seed).standard_normal(N_TRS)
    basis, _ = np.linalg.qr(np.column_stack([np.ones(N_TRS), *others]))
    return noise - basis @ (basis.T @ noise)


# Cosines of the discrete transform below 0.02 Hz: 2 * 40 * 1.5 s * 0.02 Hz = 2.4.
DRIFTS = [np.cos(np.pi * (TIME + 0.5) * k / N_TRS) for k in (1, 2)]
MOTION = orthogonal(1, *DRIFTS)
MOTION_CHANGE = orthogonal(2, *DRIFTS, MOTION)
TRUE = orthogonal(3, *DRIFTS, MOTION, MOTION_CHANGE)


@pytest.fixture
def root(root, func, write_scan):
    """Voxels of a signal, a confound and a drift, alone or together, and such as are dead."""
    voxels = np.zeros((8, N_TRS))
    voxels[SIGNAL], voxels[CONFOUND], voxels[DRIFT] = TRUE, 40 * MOTION, 30 * DRIFTS[1]
    voxels[ALL_THREE] = TRUE + 40 * MOTION + 3 * MOTION_CHANGE - 30 * DRIFTS[0]
    voxels[DROPS_OUT], voxels[NOT_FINITE], voxels[FLAT_WHEN_KEPT] = TRUE, TRUE, TRUE
    voxels += 10_000
    voxels[DROPS_OUT, 20], voxels[NOT_FINITE, 3] = np.nan, np.inf
    voxels[FLAT_WHEN_KEPT, 7:] = 0
    write_scan(func / SCAN, voxels.reshape(2, 2, 2, -1))
    table = {"trans_x": MOTION, "trans_x_derivative1": MOTION_CHANGE, "csf": TRUE}
    rows = [[f"{value:.15f}" for value in row] for row in zip(*table.values(), strict=True)]
    rows[0][1] = "n/a"
    lines = ["\t".join(row) for row in [list(table), *rows]]
    (func / TABLE).write_text("\n".join(lines) + "\n")
    return root


def read(root, **options):
    return next(read_bids(root, "001", **options)).responses


def dead(responses):
    nan = np.isnan(responses)
    assert (nan.all(axis=0) == nan.any(axis=0)).all()
    return set(np.flatnonzero(nan.any(axis=0)).tolist())


def correlation(a, b):
    return np.corrcoef(a, b)[0, 1]


def test_nothing_is_taken_out_unless_asked(root):
    plain = read(root)
    assert dead(plain) == {CONSTANT, DROPS_OUT, FLAT_WHEN_KEPT}  # the damaged TR is not kept
    assert abs(correlation(plain[:, CONFOUND], MOTION[7:])) > 0.999
    assert abs(correlation(plain[:, ALL_THREE], TRUE[7:])) < 0.5


def test_a_planted_signal_is_left_without_confounds_and_drifts(root):
    cleaned = read(root, confounds=["trans_x", "trans_x_derivative1"], high_pass=0.02)
    assert dead(cleaned) == {
        CONFOUND, DRIFT, CONSTANT, DROPS_OUT, NOT_FINITE, FLAT_WHEN_KEPT
    }  # fmt: skip
    for voxel in (SIGNAL, ALL_THREE):
        # The derivative's first value is not known: the second one's in its place.
        assert correlation(cleaned[:, voxel], TRUE[7:]) > 0.99
    np.testing.assert_allclose(cleaned[:, SIGNAL].std(), 1, atol=1e-5)


def test_confounds_alone_leave_drifts_and_a_filter_alone_leaves_confounds(root):
    of_motion = read(root, confounds=["trans_x"])
    assert dead(of_motion) == {CONFOUND, CONSTANT, DROPS_OUT, NOT_FINITE, FLAT_WHEN_KEPT}
    np.testing.assert_allclose(of_motion[:, DRIFT], read(root)[:, DRIFT], atol=1e-3)
    filtered = read(root, high_pass=0.02)
    assert dead(filtered) == {DRIFT, CONSTANT, DROPS_OUT, NOT_FINITE, FLAT_WHEN_KEPT}
    assert correlation(filtered[:, CONFOUND], MOTION[7:]) > 0.999


def test_it_is_a_regression_with_an_intercept(root, func):
    """Against least squares on the whole scan; the first row of a derivative is the second's."""
    responses = VolumeScan(func / SCAN).read(VolumeScan.places([VolumeScan(func / SCAN)], "MNI"))
    change = MOTION_CHANGE.copy()
    change[0] = change[1]
    design = np.column_stack([np.ones(N_TRS), MOTION, change, *DRIFTS])
    y = responses[:, ALL_THREE].astype(np.float64)
    expected = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    cleaning = Cleaning(("trans_x", "trans_x_derivative1"), 0.02)
    found = cleaning.clean(responses, VolumeScan(func / SCAN), TR)
    assert found.dtype == np.float32 and found.shape == responses.shape
    np.testing.assert_allclose(found[:, ALL_THREE], expected, atol=1e-4)
    many = np.tile(responses[:, :3], (1, VOXELS_AT_ONCE // 2))
    again = cleaning.clean(many, VolumeScan(func / SCAN), TR)
    np.testing.assert_allclose(again[:, -3:], found[:, :3], atol=1e-4)


def test_tables_of_older_pipelines_are_read_alike(root, func):
    expected = read(root, confounds=["trans_x"])
    old = (func / TABLE).rename(func / TABLE.replace("timeseries", "regressors"))
    np.testing.assert_array_equal(read(root, confounds=["trans_x"]), expected)
    assert old in bids_source_files(root, "001", confounds=["trans_x"])
    assert old not in bids_source_files(root, "001")


def test_a_confound_that_is_not_there_is_refused_at_the_call(root, func):
    with pytest.raises(ValueError, match="confound in .*timeseries.tsv: .*Did you mean 'trans_x'"):
        read_bids(root, "001", confounds=["trans_z"])
    table = (func / TABLE).read_text()
    (func / TABLE).write_text(table.rsplit("\n", 2)[0])
    with pytest.raises(ValueError, match="39 rows, but .*has 40 TRs"):
        read_bids(root, "001", confounds=["trans_x"])
    lines = table.splitlines()
    lines[5] = "n/a\t0.1\t0.1"
    (func / TABLE).write_text("\n".join(lines))
    with pytest.raises(
        ValueError, match="trans_x must be a number in every row but the first, got"
    ):
        read_bids(root, "001", confounds=["trans_x"])
    assert read(root, confounds=["csf"]).shape == (33, 8)
    (func / TABLE).unlink()
    with pytest.raises(FileNotFoundError, match=r"no \*_desc-confounds_timeseries\.tsv"):
        read_bids(root, "001", confounds=["trans_x"])


@pytest.mark.parametrize("high_pass", [0, -0.01, np.inf, np.nan])
def test_a_frequency_is_positive(root, high_pass):
    with pytest.raises(ValueError, match="high_pass must be a positive frequency in Hz, got"):
        read_bids(root, "001", high_pass=high_pass)


def test_taking_out_everything_is_refused(root):
    with pytest.raises(ValueError, match="1 confounds and 38 cosines .* leave nothing of 40 TRs"):
        read(root, confounds=["trans_x"], high_pass=0.32)


def test_prepared_recordings_differ_by_what_is_taken_out(root, tmp_path):
    def prepared(**options):
        return open_participant(root, "001", options=options, cache_dir=tmp_path / "cache")

    plain, cleaned = prepared(), prepared(confounds=["trans_x"], high_pass=0.02)
    assert cleaned.provenance["options"] == {"confounds": ["trans_x"], "high_pass": 0.02}
    assert any(name.endswith(TABLE) for name in cleaned.provenance["sources"])
    (one,), (other,) = plain.responses(), cleaned.responses()
    assert dead(one.responses) < dead(other.responses)
