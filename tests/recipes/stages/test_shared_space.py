"""One head for all: what it learns from, what it says of itself, and whom it predicts besides."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import pearsonr

from modeling_braintune import AutoModelForBrainTuning, load_feature_extractor
from modeling_braintune.brain import N_FSAVERAGE5
from recipes.stages.shared_space import (
    SPACE,
    carried_over,
    check_surfaces,
    coverage,
    known_vertices,
    mean_of_vertices,
    shared_brain,
    zero_shot_scores,
)
from tests.small_brains import PATCHES, TR, brain, bursts, write_checkpoint

NAN = np.nan


def participant(name, voxel_of_vertex, n_voxels=6):
    cortex = np.full(N_FSAVERAGE5, -1)
    for vertices, voxel in voxel_of_vertex.items():
        cortex[slice(*vertices)] = voxel
    anatomy = SimpleNamespace(fsaverage5=cortex)
    return SimpleNamespace(name=name, anatomy=anatomy, n_voxels=n_voxels, regions={})


def listener(who, responses=None, audio=None):
    audio = bursts(20.0) if audio is None else audio
    times = (np.arange(int(len(audio) / 16000 / TR)) + 0.5) * TR
    if responses is None:
        responses = np.random.default_rng(0).standard_normal((len(times), who.n_voxels))
    return SimpleNamespace(
        name=who.name,
        participant=who,
        test=SimpleNamespace(
            name="repeated", audio=audio, tr=TR, tr_times=times, responses=responses
        ),
        ceiling=np.full(who.n_voxels, 0.8),
        normalisation="normalised",
        measured_regions={"all": np.arange(who.n_voxels)},
    )


def test_a_voxel_has_the_mean_of_its_vertices_that_have_a_value():
    values = np.array([[1.0, 3.0, NAN, 5.0, NAN, 8.0], [2.0, 2.0, NAN, 0.0, NAN, 1.0]])
    found = mean_of_vertices(values, np.array([2, 2, 2, 0, 1, -1]), 4)
    np.testing.assert_array_equal(found, [[5, NAN, 2, NAN], [0, NAN, 2, NAN]])
    assert found.dtype == np.float32


def test_participants_without_a_surface_are_named():
    known, unknown = participant("P01", {}), participant("P02", {})
    unknown.anatomy.fsaverage5 = None
    check_surfaces([known])
    with pytest.raises(ValueError, match="fsaverage5 .* is not known of P02: recipes/anatomy.py"):
        check_surfaces([known, unknown])


def test_a_shared_head_says_what_is_known_of_any_participant_at_its_vertices():
    vertices = np.array([0, 1999, 2000, N_FSAVERAGE5 // 2, N_FSAVERAGE5 - 1])
    elsewhere = np.full(N_FSAVERAGE5, -1)
    elsewhere[[0, N_FSAVERAGE5 - 1]] = 1, 3
    data = {"train_stories": ["story01"]}
    one = brain(data=data | {"fingerprint": "a"})
    other = brain(
        "P02",
        fsaverage5=elsewhere,
        noise_ceiling=[0.1, 0.9, 0.3, 0.4],
        regions={"late_language": [1], "A5": [3]},
        data=data | {"fingerprint": "b"},
    )
    found = shared_brain([one, other], vertices)
    assert (found.participant, found.participants) == (SPACE, ["P01", "P02"])
    assert found.n_recorded_voxels == N_FSAVERAGE5
    np.testing.assert_array_equal(found.voxels, vertices)
    np.testing.assert_array_equal(found.fsaverage5[vertices], np.arange(5))
    assert np.count_nonzero(found.fsaverage5 >= 0) == 5
    # columns 0, 0, 1, 2 and none of P01, 1 and 3 of P02 at the ends
    np.testing.assert_allclose(found.noise_ceiling, [0.7, 0.5, 0.6, 0.7, 0.4])
    expected = {"late_language": [0, 1, 2], "early_auditory": [3], "none": [], "A5": [4]}
    assert {name: list(columns) for name, columns in found.regions.items()} == expected
    assert found.places is None and found.space is None and not found.alignment


def test_how_many_voxels_a_head_reaches_is_said():
    who = participant("P01", {(0, 10): 2, (10, 20): 4, (20, 30): 5})
    one = SimpleNamespace(name="P01", participant=who, voxels=np.array([1, 2, 5]))
    said = coverage(one, np.arange(5, 15))
    assert said.startswith("P01: 1 of 3 voxels lie at vertices of fsaverage5") and "(10 in" in said


def test_participants_of_different_trs_share_no_head():
    both = [brain(data={"fingerprint": "a"}), brain("P02", tr=1.5, data={"fingerprint": "b"})]
    with pytest.raises(ValueError, match=r"of one TR, got \{'P01': 2.0, 'P02': 1.5\} s"):
        shared_brain(both, np.arange(3))


def test_the_vertices_of_a_shared_head_are_known_again(tmp_path):
    shared = brain(SPACE, voxels=[5, 2, 9, 1], n_recorded_voxels=N_FSAVERAGE5, participants=["P01"])
    assert list(known_vertices(str(write_checkpoint(tmp_path / "shared", shared)))) == [5, 2, 9, 1]
    assert known_vertices(str(write_checkpoint(tmp_path / "own", brain()))) is None


def test_a_new_participant_is_predicted_by_the_mean_of_all_heads_at_their_vertices(tmp_path):
    first_half = np.full(N_FSAVERAGE5, -1)
    first_half[:1000] = 3  # half of the patch of the other's column 0
    folder = write_checkpoint(tmp_path / "each", brain(), brain("P02", fsaverage5=first_half))
    model, extractor = (
        AutoModelForBrainTuning.from_pretrained(folder),
        load_feature_extractor(folder),
    )
    who = participant("P03", {PATCHES[0]: 1, PATCHES[2]: 4, (4500, 4600): 5})
    one = listener(who)
    found = carried_over(model, extractor, one, 2, 4)
    own, other = (
        model.predict_responses(one.test.audio, extractor, participant=name)[2:]
        for name in ("P01", "P02")
    )
    assert found.shape == (8, 6)
    at_both, at_one = (own[:, 0] + other[:, 3]) / 2, own[:, 0]
    np.testing.assert_allclose(found[:, 1], (at_both + at_one) / 2, atol=1e-5)
    np.testing.assert_allclose(found[:, 4], own[:, 2], atol=1e-5)
    assert np.isnan(found[:, [0, 2, 3, 5]]).all()


def test_heads_whose_voxels_lie_nowhere_cannot_be_carried_over(tmp_path):
    folder = write_checkpoint(tmp_path / "nowhere", brain(fsaverage5=None))
    model = AutoModelForBrainTuning.from_pretrained(folder)
    with pytest.raises(ValueError, match="does not say where on fsaverage5 the voxels of P01 lie"):
        carried_over(model, load_feature_extractor(folder), listener(participant("P03", {})), 0, 8)


OPTIONS = SimpleNamespace(test_skip_trs=0, lowest_ceiling=0.4)


def test_models_are_scored_on_the_voxels_that_all_of_them_predict(tmp_path):
    narrow = np.full(N_FSAVERAGE5, -1)
    narrow[: PATCHES[1][1]] = 0
    folders = {
        "each": str(write_checkpoint(tmp_path / "each", brain())),
        "narrow": str(write_checkpoint(tmp_path / "narrow", brain(fsaverage5=narrow), seed=1)),
    }
    who = participant("P03", dict(zip(PATCHES.values(), (1, 2, 4), strict=True)))
    audio = bursts(80.0)
    one = listener(who, audio=audio)
    one.ceiling[2] = 0.3
    found = zero_shot_scores(folders, one, OPTIONS, "cpu", 8)
    assert found["n_unknown"] == 4  # all but voxel 1, and 2 which is below the threshold
    for name, folder in folders.items():
        model = AutoModelForBrainTuning.from_pretrained(folder)
        predicted = model.predict_responses(audio, load_feature_extractor(folder))[:, 0]
        score = found["alignment"][name]["all"]
        assert score["n_voxels"] == 1
        r = pearsonr(predicted, one.test.responses[:, 1]).statistic
        assert score["mean"] == pytest.approx(r / 0.8, abs=1e-4)
    gain = found["gain"]["narrow"]["all"]["mean"]
    each, other = (found["alignment"][name]["all"]["mean"] for name in folders)
    assert gain == pytest.approx(other - each) and found["gain"].keys() == {"narrow"}
    assert 0 < found["tests"]["narrow"]["all"]["p_holm"] <= 1


@pytest.mark.parametrize(
    "learned", [brain("P03"), brain(SPACE, participants=["P01", "P03"])], ids=["own", "shared"]
)
def test_who_was_learned_from_is_nobody_new(tmp_path, learned):
    folder = str(write_checkpoint(tmp_path / "tuned", learned))
    who = participant("P03", {PATCHES[0]: 1})
    with pytest.raises(ValueError, match=r"tuned on responses of .*P03: .* no prediction of some"):
        zero_shot_scores({"tuned": folder}, listener(who), OPTIONS, "cpu", 8)


def test_a_participant_whom_no_head_reaches_is_refused(tmp_path):
    folder = str(write_checkpoint(tmp_path / "tuned", brain()))
    who = participant("P03", {(4500, 4600): 5})
    with pytest.raises(ValueError, match="no voxel of P03 above the threshold lies where every"):
        zero_shot_scores({"tuned": folder}, listener(who), OPTIONS, "cpu", 8)
