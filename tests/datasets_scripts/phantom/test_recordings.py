import json
from itertools import pairwise

import nibabel
import numpy as np
import pytest
import soundfile
from nilearn.datasets import load_fsaverage
from scipy.signal import fftconvolve
from scipy.stats import gamma, zscore

from datasets_scripts import (
    make_phantom,
    noise_ceiling,
    read_ds003020,
    read_recording,
    read_regions,
    read_textgrid,
    select_voxels,
)
from datasets_scripts.phantom.lexicon import (
    CONTENT_WORDS,
    FUNCTION_WORDS,
    NEW_WORDS,
    semantic_vectors,
)
from datasets_scripts.phantom.recordings import BANDS, TEST_STORY, phantom_stories, tell
from datasets_scripts.phantom.speech import PHONES, SAMPLING_RATE, SILENCE
from datasets_scripts.recordings.ds003020 import participant_anatomy

TINY = dict(
    n_stories=1,
    seconds=30,
    test_seconds=24,
    participants=("P01",),
    n_language=3,
    n_auditory=3,
    n_noise=2,
    n_dead=1,
)
N_VOXELS = 123
DECLARED = dict(
    n_stories=2, seconds=60, test_seconds=640, n_language=50, n_auditory=50, n_noise=20, n_dead=3
)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantom") / "data"
    assert make_phantom(root, **DECLARED)
    return root


@pytest.fixture(scope="module")
def truth(phantom):
    with np.load(phantom / "truth.npz") as file:
        return dict(file)


def one_story(root, participant="P01", story=TEST_STORY):
    return next(read_ds003020(root, participant, [story]))


@pytest.fixture(scope="module")
def repeated(phantom):
    return one_story(phantom)


def kind(truth, name):
    return np.flatnonzero(truth["P01/kind"] == name)


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def felt(signal, tr_times):
    """A signal of ten values a second through the double-gamma response, z-scored at the TRs."""
    seconds = np.arange(0, 32, 0.1)
    response = gamma.pdf(seconds, 6) - gamma.pdf(seconds, 16) / 6
    slow = fftconvolve(signal, response[:, None], axes=0)[: len(signal)]
    return zscore(np.stack([np.interp(tr_times, np.arange(len(slow)) / 10, s) for s in slow.T]).T)


def loudness(audio):
    """Level in dB of each tenth of a second, with a floor 45 dB below the mean."""
    power = np.mean(audio.astype(np.float64).reshape(-1, SAMPLING_RATE // 10) ** 2, axis=1)
    return 10 * np.log10(power / power.mean() + 10**-4.5)[:, None]


def spectrum(audio):
    frames = audio.astype(np.float64).reshape(-1, SAMPLING_RATE // 10)
    power = np.abs(np.fft.fft(frames, axis=1)) ** 2
    frequency = np.arange(frames.shape[1]) * 10
    bands = [(frequency >= low) & (frequency < high) for low, high in pairwise(BANDS)]
    power = np.stack([power[:, band].sum(axis=1) for band in bands], axis=1)
    return 10 * np.log10(power / power.mean() + 10**-4.5)


def language_parts(story, truth):
    """What a language voxel's response is made of: its own meaning, and loudness."""
    meaning = felt(truth[f"{story.name}/meaning"], story.tr_times) @ truth["P01/meaning"]
    return zscore(meaning[:, kind(truth, "language")]), felt(loudness(story.audio), story.tr_times)


def correlation(a, b):
    return np.mean(zscore(a) * zscore(b), axis=0)


def loudness_shares(story, truth):
    """Share of loudness in each language voxel's variance, from a regression on both parts."""
    meaning, loud = language_parts(story, truth)
    shares = []
    for voxel, own in zip(kind(truth, "language"), meaning.T, strict=True):
        parts = np.column_stack([own, loud])
        weights = np.linalg.lstsq(parts, story.responses[:, voxel], rcond=None)[0]
        shares.append(weights[1] ** 2 / (weights**2).sum())
    return np.array(shares)


# What is written


def test_the_reader_of_real_recordings_reads_every_story(phantom):
    for participant in ("P01", "P02"):
        stories = list(read_ds003020(phantom, participant))
        assert sorted(story.name for story in stories) == sorted(phantom_stories(2))
        for story in stories:
            seconds = 640 if story.name == TEST_STORY else 60
            n_trs = {640: 312, 60: 22}[seconds]
            assert len(story.audio) == seconds * SAMPLING_RATE
            assert story.responses.shape == (n_trs, N_VOXELS)
            assert story.tr_times.shape == (n_trs,)
            assert story.tr_times[0] == 11
            assert story.tr_times[-1] < seconds
            if story.name == TEST_STORY:
                assert story.repeats.shape == (10, n_trs, N_VOXELS)
            else:
                assert story.repeats is None


def test_stories_are_numbered_and_the_repeated_one_comes_last():
    assert phantom_stories(2) == ["story01", "story02", "repeated"]


def test_phones_fill_the_story(phantom):
    story = one_story(phantom, story="story01")
    starts, ends, labels = zip(*story.phones, strict=True)
    np.testing.assert_allclose([*starts, 60], [0, *ends])
    assert set(labels) <= PHONES.keys()


def test_words_are_made_of_the_phones_between_their_ends(phantom):
    said = {word.label: word.phones for word in CONTENT_WORDS + FUNCTION_WORDS}
    story = one_story(phantom, story="story01")
    for word in story.words:
        inside = [p for p in story.phones if word.start <= (p.start + p.end) / 2 <= word.end]
        assert tuple(phone.label for phone in inside) == said[word.label]
    n_spoken = sum(phone.label != SILENCE for phone in story.phones)
    assert n_spoken == sum(len(said[word.label]) for word in story.words)


def test_textgrids_hold_phones_then_words(phantom):
    tiers = read_textgrid(phantom / "derivative/TextGrids/story01.TextGrid")
    assert list(tiers) == ["phone", "word"]


def test_meaning_is_that_of_the_word_being_said(phantom, truth):
    categories = {word.label: word.category for word in CONTENT_WORDS + FUNCTION_WORDS}
    vectors = semantic_vectors()
    story = one_story(phantom, story="story01")
    meaning = truth["story01/meaning"]
    assert meaning.shape == (600, vectors.shape[1])
    for word in story.words:
        category = categories[word.label]
        expected = 0 if category is None else vectors[category]
        middle = meaning[int((word.start + word.end) / 2 * 10)]
        np.testing.assert_allclose(middle, np.broadcast_to(expected, middle.shape), atol=1e-6)


def test_recordings_are_sound_and_participants_hear_the_same(phantom):
    for path in (phantom / "stimuli").iterdir():
        audio, rate = read_recording(path)
        assert rate == SAMPLING_RATE
        assert np.abs(audio).max() == pytest.approx(0.9, abs=1e-3)
    mine, yours = (one_story(phantom, who) for who in ("P01", "P02"))
    assert mine.audio_file == yours.audio_file
    assert not np.array_equal(mine.responses, yours.responses, equal_nan=True)


def test_regions_hold_the_voxels_of_their_kind(phantom, truth):
    regions = read_regions(phantom, "P01")
    assert list(regions) == ["language", "auditory"]
    for name, voxels in regions.items():
        np.testing.assert_array_equal(voxels, kind(truth, name))
        assert len(voxels) == 50


@pytest.mark.parametrize("participant", ["P01", "P02"])
def test_the_mask_has_one_true_place_per_voxel(phantom, participant):
    image = nibabel.load(phantom / f"derivative/masks/{participant}.nii.gz")
    mask = np.asarray(image.dataobj)
    assert set(np.unique(mask)) == {0, 1}
    assert mask.sum() == N_VOXELS
    np.testing.assert_array_equal(image.affine[:3, :3], 5 * np.eye(3))


def test_dead_voxels_and_no_others_are_nan(phantom, truth):
    for story in read_ds003020(phantom, "P01"):
        dead = truth["P01/kind"] == "dead"
        assert dead.sum() == 3
        assert np.isnan(story.responses[:, dead]).all()
        assert np.isfinite(story.responses[:, ~dead]).all()
    assert np.isnan(truth["P01/ceiling"][dead]).all()


def test_responses_are_z_scored_and_those_to_repeats_are_their_mean(repeated, truth):
    live = truth["P01/kind"] != "dead"
    responses = repeated.responses[:, live]
    np.testing.assert_allclose(responses.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(responses.std(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(
        responses, zscore(repeated.repeats[..., live].mean(axis=0)), atol=1e-5
    )


# What is planted


def test_ceilings_from_the_repeats_are_the_planted_ones(phantom, truth):
    for participant in ("P01", "P02"):
        planted = truth[f"{participant}/ceiling"]
        live = ~np.isnan(planted)
        found = noise_ceiling(one_story(phantom, participant).repeats)
        assert np.corrcoef(found[live], planted[live])[0, 1] > 0.97
        assert np.abs(found - planted)[planted > 0.4].mean() < 0.03


def test_selection_by_ceiling_keeps_what_follows_the_story(phantom, truth, repeated):
    selected = select_voxels(noise_ceiling(repeated.repeats), 0.5, read_regions(phantom, "P01"))
    np.testing.assert_array_equal(
        selected, np.flatnonzero(np.isin(truth["P01/kind"], ["language", "auditory"]))
    )


def test_language_voxels_follow_meaning_and_loudness_up_to_their_ceiling(repeated, truth):
    language = kind(truth, "language")
    meaning, loud = language_parts(repeated, truth)
    planted = np.sqrt(0.8) * meaning + np.sqrt(0.2) * loud
    found = correlation(planted, repeated.responses[:, language])
    reached = found / truth["P01/ceiling"][language]
    assert reached.mean() == pytest.approx(1, abs=0.01)
    assert reached.min() > 0.9


def test_auditory_voxels_follow_their_part_of_the_spectrum_up_to_their_ceiling(repeated, truth):
    auditory = kind(truth, "auditory")
    bands = felt(spectrum(repeated.audio), repeated.tr_times)
    found = correlation(bands @ truth["P01/tuning"][:, auditory], repeated.responses[:, auditory])
    reached = found / truth["P01/ceiling"][auditory]
    assert reached.mean() == pytest.approx(1, abs=0.01)
    assert reached.min() > 0.9


def test_auditory_voxels_do_not_follow_meaning(repeated, truth):
    meaning = felt(truth["repeated/meaning"], repeated.tr_times)
    readout = np.linalg.lstsq(meaning, np.nan_to_num(repeated.responses), rcond=None)[0]
    explained = correlation(meaning @ readout, repeated.responses) ** 2
    assert explained[kind(truth, "auditory")].mean() < 0.1
    assert explained[kind(truth, "language")].mean() > 0.5


@pytest.fixture(scope="module")
def noise_of_repeats(tmp_path_factory):
    """What is left of each repeat without their mean, (n_repeats, n_trs, n_voxels), and places."""

    def made(**settings):
        root = tmp_path_factory.mktemp("noise") / "data"
        make_phantom(root, **TINY | dict(test_seconds=640, n_noise=60, n_dead=0) | settings)
        repeats = one_story(root).repeats
        mask = nibabel.load(root / "derivative/masks/P01.nii.gz")
        places = nibabel.affines.apply_affine(mask.affine, np.argwhere(mask.get_fdata()))
        return repeats - repeats.mean(axis=0), places

    return made


@pytest.mark.parametrize("planted", [0.0, 0.4, 0.7])
def test_noise_goes_on_from_one_tr_to_the_next(noise_of_repeats, planted):
    noise, _ = noise_of_repeats(autocorrelation=planted)
    for lag in (1, 2, 3):
        found = (noise[:, lag:] * noise[:, :-lag]).mean() / (noise**2).mean()
        assert found == pytest.approx(planted**lag, abs=0.02)


@pytest.mark.parametrize("fwhm", [0.0, 8.0, 15.0])
def test_noise_is_smooth_over_voxels(noise_of_repeats, fwhm):
    noise, places = noise_of_repeats(noise_fwhm=fwhm)
    found = np.corrcoef(noise.reshape(-1, noise.shape[-1]).T)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    kernel = np.exp(-4 * np.log(2) * (apart / fwhm) ** 2) if fwhm else np.eye(len(apart))
    covariance = kernel @ kernel  # of white noise that the kernel has passed over
    deviation = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(found, covariance / np.outer(deviation, deviation), atol=0.1)
    near = np.isclose(apart, 5)
    in_open_grid = np.exp(-2 * np.log(2) * (5 / fwhm) ** 2) if fwhm else 0
    assert found[near].mean() == pytest.approx(in_open_grid, abs=0.08)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 1.0])
def test_loudness_has_the_stated_share_of_a_language_voxel(tmp_path, share):
    settings = TINY | dict(test_seconds=240, n_repeats=400, n_language=12, loudness_share=share)
    make_phantom(tmp_path / "data", **settings)
    with np.load(tmp_path / "data/truth.npz") as file:
        truth = dict(file)
    found = loudness_shares(one_story(tmp_path / "data"), truth)
    np.testing.assert_allclose(found, share, atol=0.03)


def test_low_level_impact_on_a_perfect_representation_is_the_stated_one(repeated, truth):
    language = kind(truth, "language")
    meaning, loud = language_parts(repeated, truth)
    planted = np.sqrt(0.8) * meaning + np.sqrt(0.2) * loud
    left = planted - loud @ np.linalg.lstsq(loud, planted, rcond=None)[0]
    before, after = (
        correlation(known, repeated.responses[:, language]).mean() for known in (planted, left)
    )
    assert 100 * (before - after) / before == pytest.approx(100 * (1 - np.sqrt(0.8)), abs=2)


def test_voxels_lie_in_the_cortex_where_their_kind_is_said_to(phantom, truth):
    anatomy = participant_anatomy(phantom, "P01")
    assert anatomy.n_voxels == N_VOXELS
    assert set(anatomy.fsaverage5) == {-1, *range(N_VOXELS)}
    for name, voxels in anatomy.regions.items():
        np.testing.assert_array_equal(voxels, kind(truth, name))
    meshes = load_fsaverage("fsaverage5")
    vertices = np.concatenate(
        [
            (meshes["pial"].parts[s].coordinates + meshes["white_matter"].parts[s].coordinates) / 2
            for s in ("left", "right")
        ]
    )
    mask = anatomy.mask
    centres = nibabel.affines.apply_affine(mask.affine, np.argwhere(np.asarray(mask.dataobj)))
    inside = anatomy.fsaverage5 >= 0
    away = np.abs(vertices[inside] - centres[anatomy.fsaverage5[inside]])
    assert away.max() <= 2.5 + 1e-4  # each vertex lies in its own voxel, of 5 mm
    # Heschl's gyri and the occipital poles, in MNI305
    for name, left in [("auditory", (-50, -20, 6)), ("noise", (-8, -90, 4))]:
        mirrored = np.abs(centres[kind(truth, name)]) * (-1, 1, 1)
        its = np.array(left) * (1, np.sign(left[1]), np.sign(left[2]))
        assert np.linalg.norm(mirrored.mean(axis=0) - its) < 15


def test_participants_have_their_voxels_in_places_of_their_own(phantom):
    mine, yours = (participant_anatomy(phantom, who).fsaverage5 >= 0 for who in ("P01", "P02"))
    assert 0.1 < np.mean(mine[yours]) < 0.9


def test_participants_maps_are_alike_but_for_a_warp(tmp_path):
    many = dict(participants=("P01", "P02"), n_language=400, n_auditory=200)
    make_phantom(tmp_path / "data", **TINY | many)
    with np.load(tmp_path / "data/truth.npz") as file:
        truth = dict(file)
    vertices = {w: participant_anatomy(tmp_path / "data", w).fsaverage5 for w in ("P01", "P02")}
    for name, key in [("language", "meaning"), ("auditory", "tuning")]:
        here = np.ones(20484, dtype=bool)
        for who, voxels in vertices.items():
            here &= np.isin(voxels, np.flatnonzero(truth[f"{who}/kind"] == name))
        assert here.sum() > 200
        mine, yours = (truth[f"{who}/{key}"][:, voxels[here]] for who, voxels in vertices.items())
        alike = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(mine, yours, strict=True)])
        assert 0.4 < alike < 0.97  # alike but not the same; unrelated maps would have 0


def test_neighbours_respond_alike_and_distant_voxels_do_not(phantom, truth):
    mask = participant_anatomy(phantom, "P01").mask
    places = nibabel.affines.apply_affine(mask.affine, np.argwhere(np.asarray(mask.dataobj)))
    language = kind(truth, "language")
    meaning = truth["P01/meaning"][:, language]
    apart = np.linalg.norm(places[language, None] - places[None, language], axis=-1)
    alike = meaning.T @ meaning
    assert alike[np.isclose(apart, 5)].mean() == pytest.approx(
        np.exp(-0.5 * (5 / 12) ** 2), abs=0.1
    )
    assert abs(alike[apart > 40].mean()) < 0.25


# When it is made, and when not


def test_one_seed_gives_one_phantom(tmp_path):
    for folder, seed in [("one", 3), ("again", 3), ("other", 4)]:
        assert make_phantom(tmp_path / folder, seed=seed, **TINY)
    one, again, other = (contents(tmp_path / folder) for folder in ("one", "again", "other"))
    assert one == again
    assert one.keys() == other.keys()
    assert not any(one[path] == other[path] for path in one if path.suffix in {".wav", ".hf5"})


def test_stories_differ_from_one_another(phantom):
    first, second = (soundfile.read(phantom / f"stimuli/story0{k}.wav")[0] for k in (1, 2))
    assert not np.array_equal(first, second)


def test_a_phantom_that_is_there_is_kept(tmp_path):
    root = tmp_path / "data"
    assert make_phantom(root, **TINY) is True
    stamps = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    before = contents(root)
    assert make_phantom(root, **TINY) is False
    assert contents(root) == before
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == stamps
    assert list(tmp_path.iterdir()) == [root]


def test_a_phantom_with_other_settings_is_not_overwritten(tmp_path):
    make_phantom(tmp_path / "data", **TINY)
    before = contents(tmp_path / "data")
    with pytest.raises(
        FileExistsError, match="data exists but is not a phantom with these settings"
    ):
        make_phantom(tmp_path / "data", seed=1, **TINY)
    assert contents(tmp_path / "data") == before


def test_a_folder_of_something_else_is_not_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("chapter 1")
    with pytest.raises(FileExistsError, match="not a phantom with .*; give another folder"):
        make_phantom(tmp_path, **TINY)
    assert contents(tmp_path) == {tmp_path.relative_to(tmp_path) / "thesis.txt": b"chapter 1"}


def test_a_making_that_fails_leaves_no_phantom_and_can_be_repeated(tmp_path):
    root = tmp_path / "data"
    with pytest.raises(OSError, match="name too long"):
        make_phantom(root, **TINY | dict(participants=("P01", "x" * 300)))
    assert not root.exists()
    assert make_phantom(root, **TINY)
    assert make_phantom(root, **TINY) is False


def test_what_an_interrupted_making_left_does_not_end_in_the_phantom(tmp_path):
    left = tmp_path / "data.partial/stimuli/story99.wav"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a story")
    assert make_phantom(tmp_path / "data", **TINY)
    assert not (tmp_path / "data/stimuli/story99.wav").exists()
    assert list(tmp_path.iterdir()) == [tmp_path / "data"]


def test_the_settings_stand_beside_the_data(phantom):
    settings = json.loads((phantom / "truth.json").read_text())["settings"]
    assert settings.items() >= DECLARED.items()
    assert settings["loudness_share"] == 0.2


@pytest.mark.parametrize(
    "wrong, message",
    [
        (dict(seed=-1), "seed must be at least 0, got -1"),
        (dict(n_stories=-1), "n_stories must be at least 0, got -1"),
        (dict(seconds=-180), "seconds must be at least 20, got -180"),
        (dict(test_seconds=19.9), "test_seconds must be at least 20, got 19.9"),
        (dict(seconds=float("nan")), "seconds must be at least 20, got nan"),
        (dict(n_repeats=1), "n_repeats must be at least 2, got 1"),
        (dict(n_dead=-2), "n_dead must be at least 0, got -2"),
        (dict(n_language=2.5), "n_language must be a whole number, got 2.5"),
        (dict(n_language=0, n_auditory=0, n_noise=0, n_dead=0), "needs voxels"),
        (dict(loudness_share=1.1), "loudness_share must be from 0 to 1, got 1.1"),
        (dict(loudness_share=-0.1), "loudness_share must be from 0 to 1, got -0.1"),
        (dict(new_share=1.5), "new_share must be from 0 to 1, got 1.5"),
        (dict(autocorrelation=1), "autocorrelation must be from 0 to below 1, got 1"),
        (dict(noise_fwhm=float("nan")), "noise_fwhm must be at least 0, got nan"),
        (dict(n_noise=9999), "10006 voxels were asked for, but the cortex holds 6[0-9]{3}"),
        (dict(participants=()), "one or more different names"),
        (dict(participants=("P01", "P01")), r"different names, got \('P01', 'P01'\)"),
    ],
)
def test_an_experiment_that_cannot_be_is_refused(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        make_phantom(tmp_path / "data", **TINY | wrong)
    assert not list(tmp_path.iterdir())


def test_one_name_is_no_list_of_participants(tmp_path):
    with pytest.raises(TypeError, match="participants must be a list of names, got 'P01'"):
        make_phantom(tmp_path / "data", **TINY | dict(participants="P01"))


# Stories


@pytest.mark.parametrize("seconds", [2, 7.5, 61.3])
def test_a_story_fills_its_time(seconds):
    told = tell(seconds, np.random.default_rng(0))
    assert len(told.audio) == round(seconds * SAMPLING_RATE)
    assert told.phones[-1].end == seconds
    assert len(told.meaning) == round(seconds * 10)
    assert told.words


@pytest.mark.parametrize("seconds", [1.9, 0, -60, float("nan")])
def test_a_story_needs_time_for_a_word(seconds):
    with pytest.raises(ValueError, match=f"at least 2, to hold a word, got {seconds}"):
        tell(seconds, np.random.default_rng(0))


@pytest.fixture(scope="module")
def told():
    return tell(600, np.random.default_rng(0))


def test_one_word_in_six_is_a_function_word(told):
    function = {word.label for word in FUNCTION_WORDS}
    share = np.mean([word.label in function for word in told.words])
    assert share == pytest.approx(1 / 6, abs=0.04)


@pytest.mark.parametrize("share", [0, 0.3, 1])
def test_new_words_are_said_at_the_end_of_every_two_minutes(share):
    told = tell(600, np.random.default_rng(0), share)
    function = {word.label for word in FUNCTION_WORDS}
    new = {word.label for word in NEW_WORDS}
    content = [word for word in told.words if word.label not in function]
    for word in content:
        assert (word.label in new) == (word.start % 120 >= (1 - share) * 120)
    assert np.mean([word.label in new for word in content]) == pytest.approx(share, abs=0.03)


def test_new_words_are_said_in_the_test_story_alone(phantom):
    new = {word.label for word in NEW_WORDS}
    for story in read_ds003020(phantom, "P01"):
        said = np.mean([word.label in new for word in story.words])
        assert said == (0 if story.name != TEST_STORY else pytest.approx(5 / 6 / 3, abs=0.05))


def test_every_topic_has_its_turn(told):
    spoken = told.meaning[told.meaning.any(axis=1)]
    n_steps = np.unique(spoken, axis=0, return_counts=True)[1]
    np.testing.assert_allclose(n_steps / len(spoken), np.full(5, 0.2), atol=0.1)


def test_topics_last_for_seconds_not_for_minutes(told):
    def agreement(steps):
        return (told.meaning[:-steps] * told.meaning[steps:]).sum(axis=1).mean()

    assert agreement(20) > 0.2
    assert agreement(50) > 0.1
    assert abs(agreement(600)) < 0.05


def test_loudness_knows_nothing_of_the_topic():
    stories = [tell(300, np.random.default_rng([7, k])) for k in range(8)]
    meaning = np.concatenate([story.meaning for story in stories])
    level = np.concatenate([loudness(story.audio)[:, 0] for story in stories])
    spoken = meaning.any(axis=1)
    topics, topic = np.unique(meaning[spoken], axis=0, return_inverse=True)
    means = [level[spoken][topic == k].mean() for k in range(len(topics))]
    assert np.ptp(means) < 0.3 * level[spoken].std()
