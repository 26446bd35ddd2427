import gzip
import json

import nibabel
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_scripts import Interval, open_participant, write_textgrid
from datasets_scripts.recordings.bids import (
    bids_brain_mask,
    bids_repeated,
    bids_shape,
    bids_sound_files,
    bids_source_files,
    bids_stories,
    read_bids,
    read_bids_responses,
    stories,
)

SHAPE = (8, 8, 6)
AFFINE = np.diag([3.0, 3.0, 4.0, 1.0])
TR = 1.5
MNI = "MNI152NLin2009cAsym"
FUNC = "derivatives/fmriprep/sub-001/func"
PIEMAN_SECONDS = 60.0
# The sound holds the music as well: it starts with the first event.
PIEMAN_EVENTS = [
    ("0.0", "13.0", "music", "pieman_audio.wav"),
    ("15.0", "45.0", "story", "pieman_audio.wav"),
    ("62.0", "n/a", "question", "n/a"),
]
DEAD, NOT_FINITE, OUTSIDE = (2, 2, 2), (3, 3, 3), (0, 0, 0)


def waves(n_trs, phase=0.0):
    """A wave of its own in every voxel, in units and around a level like a scanner's."""
    place = np.arange(np.prod(SHAPE)).reshape(SHAPE)[..., None]
    wave = np.sin(2 * np.pi * np.arange(n_trs) * (0.05 + 0.0005 * place) + place + phase)
    return 9000 + place + (50 + place % 7) * wave


def zscored(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def inside():
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[1:7, 1:6, 1:5] = 1
    return mask


def save(path, data, affine=AFFINE, tr=TR, unit="sec", dtype=np.float32):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(np.asarray(data, dtype=dtype), affine)
    if image.ndim == 4:
        image.header.set_zooms((*image.header.get_zooms()[:3], tr))
        image.header.set_xyzt_units("mm", unit)
    nibabel.save(image, path)


def write_events(path, rows, columns=("onset", "duration", "trial_type", "stim_file")):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(row) + "\n" for row in (columns, *rows)))


def write_sound(root, name, seconds, sampling_rate=8000):
    (root / "stimuli").mkdir(exist_ok=True)
    samples = np.random.default_rng(0).uniform(-1, 1, round(seconds * sampling_rate))
    soundfile.write(root / "stimuli" / name, samples, sampling_rate)


def write_run(
    root,
    name,
    volumes,
    rows,
    participant="001",
    session="",
    space=MNI,
    mask=None,
    sidecar=None,
    pipeline="derivatives/fmriprep",
):
    """A run called `name` ("task-pieman_run-1") in the raw data and in a pipeline's folder."""
    folder = f"sub-{participant}/{session + '/' if session else ''}func"
    run = f"sub-{participant}_{session + '_' if session else ''}{name}"
    write_events(root / folder / f"{run}_events.tsv", rows)
    prefix = root / pipeline / folder / f"{run}_space-{space}"
    tr = (sidecar or {}).get("RepetitionTime", TR)
    save(prefix.with_name(f"{prefix.name}_desc-preproc_bold.nii.gz"), volumes, tr=tr)
    brain = inside() if mask is None else mask
    save(prefix.with_name(f"{prefix.name}_desc-brain_mask.nii.gz"), brain, dtype=np.uint8)
    if sidecar is not None:
        prefix.with_name(f"{prefix.name}_desc-preproc_bold.json").write_text(json.dumps(sidecar))


def bold(root, run="task-pieman"):
    return root / FUNC / f"sub-001_{run}_space-{MNI}_desc-preproc_bold.nii.gz"


def brain_mask(root, run="task-pieman"):
    return root / FUNC / f"sub-001_{run}_space-{MNI}_desc-brain_mask.nii.gz"


def events(root, run="task-pieman"):
    return root / f"sub-001/func/sub-001_{run}_events.tsv"


def read(root, story="pieman_audio", **options):
    return next(read_bids(root, "001", [story], **options))


@pytest.fixture
def root(tmp_path):
    """One participant heard one story, once, in 60 TRs; a voxel is dead and one is damaged."""
    volumes = waves(60)
    volumes[DEAD] = 700
    volumes[NOT_FINITE][7] = np.nan
    write_sound(tmp_path, "pieman_audio.wav", PIEMAN_SECONDS)
    write_run(tmp_path, "task-pieman", volumes, PIEMAN_EVENTS, sidecar={"RepetitionTime": TR})
    for report in ("derivatives/README", "derivatives/fmriprep/sub-001.html"):
        (tmp_path / report).write_text("no folder")
    return tmp_path


@pytest.fixture
def repeated(tmp_path):
    """Two runs of a story, the second of which started two TRs later on the scanner's clock."""
    write_sound(tmp_path, "tale.wav", 60.0)
    write_run(tmp_path, "task-tale_run-1", waves(60), [("3.0", "60", "story", "tale.wav")])
    late = waves(60, phase=0.4)
    write_run(tmp_path, "task-tale_run-2", late, [("6.0", "60", "story", "tale.wav")])
    return tmp_path


def test_responses_are_those_of_the_stories_and_decode_no_sound(repeated, monkeypatch):
    story = read(repeated, "tale")
    monkeypatch.delattr(soundfile.SoundFile, "read")
    (found,) = read_bids_responses(repeated, "001")
    assert (found.name, found.participant, found.tr) == ("tale", "001", story.tr)
    for name in ("tr_times", "responses", "repeats"):
        np.testing.assert_array_equal(getattr(found, name), getattr(story, name))


def test_a_story_holds_its_own_trs_and_voxels(root):
    story = read(root)
    # The story begins at 15 s: the first TR that begins 10 s later is number 17, at 25.5 s. The
    # last one that ends by the 60 s of the sound is number 39.
    expected = zscored(waves(60)[..., 17:40][inside() > 0].T)
    assert (story.name, story.participant, story.tr) == ("pieman_audio", "001", TR)
    np.testing.assert_allclose(story.tr_times, np.arange(17, 40) * TR + TR / 2)
    voxels = np.argwhere(inside())  # in C order
    live = [v for v, place in enumerate(voxels) if tuple(place) not in (DEAD, NOT_FINITE)]
    assert story.responses.shape == (23, len(voxels)) and len(live) == len(voxels) - 2
    np.testing.assert_allclose(story.responses[:, live], expected[:, live], atol=2e-4)
    np.testing.assert_allclose(story.responses[:, live].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(story.responses[:, live].std(axis=0), 1, atol=1e-6)
    assert story.repeats is None
    assert story.responses.dtype == np.float32 and story.responses.flags.c_contiguous


def test_a_sound_starts_with_the_first_event_that_names_it(root):
    """Events at 0 s (music) and 15 s (story) are parts of one sound of 60 s."""
    assert read(root, lead=0.0).tr_times[0] == 15.0 + TR / 2
    rows = [(str(float(onset) + 4.5), *row) for onset, *row in PIEMAN_EVENTS[:2]]
    write_events(events(root), rows)
    assert read(root, lead=0.0).tr_times[0] == pytest.approx(15.0 + TR / 2)


def test_a_voxel_that_is_constant_or_not_finite_is_dead(root):
    assert set(map(tuple, np.argwhere(inside())[np.isnan(read(root).responses).any(axis=0)])) == {
        DEAD
    }  # the damaged TR lies before those kept
    volumes = waves(60)
    volumes[NOT_FINITE][20] = np.inf
    save(bold(root), volumes)
    dead = np.isnan(read(root).responses)
    assert (dead.all(axis=0) == dead.any(axis=0)).all()
    assert set(map(tuple, np.argwhere(inside())[dead.any(axis=0)])) == {NOT_FINITE}


def test_audio_is_mono_at_the_models_rate_and_the_recording_is_named(root):
    story = read(root)
    assert story.audio.shape == (PIEMAN_SECONDS * 16000,) and story.audio.dtype == np.float32
    assert story.audio_file == root / "stimuli/pieman_audio.wav"


def test_words_and_phones_lie_beside_the_recording_or_are_absent(root):
    assert (read(root).words, read(root).phones) == ([], [])
    words, phones = [Interval(15.0, 15.2, "I")], [Interval(15.0, 15.2, "AY1")]
    textgrid = root / "stimuli/pieman_audio.TextGrid"
    write_textgrid(textgrid, {"words": words, "phones": phones}, PIEMAN_SECONDS)
    assert (read(root).words, read(root).phones) == (words, phones)


def test_responses_written_through_the_brain_mask_lie_where_they_were(root):
    mask = bids_brain_mask(root, "001")
    np.testing.assert_array_equal(mask.get_fdata(), inside())
    np.testing.assert_array_equal(mask.affine, AFFINE)
    volume = np.zeros(SHAPE)
    volume[mask.get_fdata() > 0] = read(root).responses[4]
    place = (5, 4, 3)
    np.testing.assert_allclose(volume[place], zscored(waves(60)[place][17:40])[4], atol=2e-4)
    assert volume[OUTSIDE] == 0


def test_integer_images_are_read_with_their_scale(root):
    volumes = waves(60)
    image = nibabel.Nifti1Image(volumes, AFFINE)
    image.set_data_dtype(np.int16)  # nibabel chooses slope and intercept
    nibabel.save(image, bold(root))
    voxel = np.ravel_multi_index((4, 3, 2), (6, 5, 4))
    expected = zscored(volumes[5, 4, 3][17:40])
    np.testing.assert_allclose(read(root).responses[:, voxel], expected, atol=5e-3)


def test_runs_of_one_sound_are_its_repeats(repeated):
    write_sound(repeated, "lucy.wav", 60.0)
    write_run(repeated, "task-lucy", waves(60), [("0.0", "60", "story", "lucy.wav")])
    assert bids_repeated(repeated, "001") == ["tale"]
    story = read(repeated, "tale")
    # The sound starts 2 TRs into the first run, 4 into the second, and lasts 40 TRs. The first TR
    # that begins 10 s into it is its seventh.
    one = zscored(waves(60)[..., 9:42][inside() > 0].T)
    two = zscored(waves(60, phase=0.4)[..., 11:44][inside() > 0].T)
    assert story.repeats.shape == (2, 33, inside().sum()) and story.repeats.dtype == np.float32
    np.testing.assert_allclose(story.repeats, [one, two], atol=2e-4)
    np.testing.assert_allclose(story.responses, zscored((one + two) / 2), atol=5e-4)
    np.testing.assert_allclose(story.tr_times, 7 * TR + TR / 2 + TR * np.arange(33))


def test_repeats_take_the_trs_that_all_of_them_hold(repeated):
    save(bold(repeated, "task-tale_run-2"), waves(40))
    with pytest.warns(UserWarning, match=r"tale, or of a repeat of it, ends 6\.00 s before"):
        story = read(repeated, "tale")
    assert story.repeats.shape[1] == 29
    np.testing.assert_allclose(
        story.repeats[0], zscored(waves(60)[..., 9:38][inside() > 0].T), atol=2e-4
    )


def test_a_later_run_in_which_more_of_the_sound_came_before_the_scan_bounds_the_others(repeated):
    """The sound starts 9 s before the second scan: its first TR is the sound's seventh."""
    write_events(events(repeated, "task-tale_run-2"), [("-9.0", "60", "story", "tale.wav")])
    story = read(repeated, "tale", lead=0.0)
    assert story.tr_times[0] == 9.0 + TR / 2
    two = zscored(waves(60, phase=0.4)[..., :34][inside() > 0].T)
    np.testing.assert_allclose(story.repeats[1], two, atol=2e-4)


@pytest.mark.parametrize("onset", ["5.93", "6.07"])
def test_repeats_within_a_twentieth_of_a_tr_are_aligned(repeated, onset):
    write_events(events(repeated, "task-tale_run-2"), [(onset, "60", "story", "tale.wav")])
    two = zscored(waves(60, phase=0.4)[..., 11:44][inside() > 0].T)
    np.testing.assert_allclose(read(repeated, "tale").repeats[1], two, atol=2e-4)


@pytest.mark.parametrize("onset", ["5.9", "6.1", "6.75"])
def test_repeats_further_apart_are_refused(repeated, onset):
    path = events(repeated, "task-tale_run-2")
    write_events(path, [(onset, "60", "story", "tale.wav")])
    with pytest.raises(ValueError, match=rf"{path}.*within 0\.05 TR; got tale\.wav at {onset} s"):
        read(repeated, "tale")


def test_repeats_have_one_tr(repeated):
    save(bold(repeated, "task-tale_run-2"), waves(60), tr=2.0)
    with pytest.raises(ValueError, match=r"run-2.*must have one TR, got 2\.0 s here and 1\.5 s"):
        read(repeated, "tale")


def test_every_story_has_the_voxels_of_all_the_masks(repeated):
    smaller, other = inside(), inside()
    smaller[1], other[:, 1] = 0, 0
    save(brain_mask(repeated, "task-tale_run-2"), smaller, dtype=np.uint8)
    write_sound(repeated, "lucy.wav", 60.0)
    rows = [("2.0", "60", "story", "lucy.wav")]
    write_run(repeated, "task-lucy", waves(60), rows, mask=other)
    shared = inside() & smaller & other
    np.testing.assert_array_equal(bids_brain_mask(repeated, "001").get_fdata(), shared)
    lucy, tale = read_bids(repeated, "001")
    assert lucy.responses.shape[1] == tale.responses.shape[1] == shared.sum()
    np.testing.assert_allclose(
        lucy.responses, zscored(waves(60)[..., 8:41][shared > 0].T), atol=2e-4
    )


def test_two_sounds_in_one_run_are_two_stories(root):
    write_sound(root, "friends.flac", 30.0)
    write_sound(root, "movie.wav", 30.0)
    rows = [
        ("3.0", "30", "story", "friends.flac"),
        ("36.0", "20", "movie", "movie.wav"),
        ("39.0", "20", "story", "shows/shame.wav"),
    ]
    (root / "stimuli/shows").mkdir()
    write_sound(root, "shows/shame.wav", 30.0)
    write_events(events(root), rows)
    assert bids_stories(root, "001") == ["friends", "shame"]
    friends, shame = read_bids(root, "001")
    np.testing.assert_allclose(
        friends.responses[:, 0], zscored(waves(60)[1, 1, 1][9:22]), atol=2e-4
    )
    np.testing.assert_allclose(shame.responses[:, 0], zscored(waves(60)[1, 1, 1][33:46]), atol=2e-4)


def test_sounds_without_any_story_among_them_are_the_stories(root):
    write_events(events(root), [("0.0", "pieman_audio.wav")], columns=("onset", "stim_file"))
    assert bids_stories(root, "001") == ["pieman_audio"]
    assert read(root).tr_times[0] == 10.5 + TR / 2


def test_sessions_and_scans_at_rest(root):
    rows = [("0.0", "60", "story", "lucy.wav")]
    write_sound(root, "lucy.wav", 60.0)
    write_run(root, "task-lucy", waves(60), rows, session="ses-2", sidecar={"RepetitionTime": TR})
    save(root / FUNC / f"sub-001_task-rest_space-{MNI}_desc-preproc_bold.nii.gz", waves(10))
    assert bids_stories(root, "001") == ["lucy", "pieman_audio"]
    assert [story.name for story in read_bids(root, "001")] == ["lucy", "pieman_audio"]
    asked = read_bids(root, "001", ["pieman_audio", "lucy"])
    assert [story.name for story in asked] == ["pieman_audio", "lucy"]


def test_stories_are_read_one_at_a_time(root):
    write_sound(root, "zoo.wav", 60.0)
    write_run(root, "task-zoo", waves(60), [("0.0", "60", "story", "zoo.wav")])
    bold(root, "task-zoo").write_bytes(b"damaged")
    stories = read_bids(root, "001")
    assert next(stories).name == "pieman_audio"
    with pytest.raises(ValueError, match="task-zoo"):
        next(stories)


def test_a_pipelines_folder_is_a_root_too(root):
    reference = read(root)
    from_pipeline = read(root / "derivatives/fmriprep")
    np.testing.assert_array_equal(from_pipeline.responses, reference.responses)
    assert from_pipeline.audio_file == root / "stimuli/pieman_audio.wav"

    alone = root / "moved/derivatives/fmriprep"
    alone.parent.mkdir(parents=True)
    (root / "derivatives/fmriprep").rename(alone)
    (root / "stimuli").rename(alone / "stimuli")
    events(root).rename(alone / "sub-001/func/sub-001_task-pieman_events.tsv")
    np.testing.assert_array_equal(read(alone).responses, reference.responses)


def test_the_space_is_asked_for_where_there_are_several(root):
    flipped = waves(60)[::-1]
    write_run(root, "task-pieman", flipped, PIEMAN_EVENTS, space="T1w")
    with pytest.raises(ValueError, match=rf"several spaces.*\['{MNI}', 'T1w'\]"):
        bids_stories(root, "001")
    voxel = read(root, space="T1w").responses[:, 0]
    np.testing.assert_allclose(voxel, zscored(flipped[1, 1, 1][17:40]), atol=2e-4)
    with pytest.raises(ValueError, match="unknown space.*'T1'.*Did you mean 'T1w'"):
        read_bids(root, "001", space="T1")


def test_two_images_of_one_run_are_no_repeats(root):
    write_run(root, "task-pieman", waves(60), PIEMAN_EVENTS, pipeline="derivatives/other")
    with pytest.raises(ValueError, match=r"fmriprep.*other.*images of one run"):
        bids_stories(root, "001")
    assert bids_stories(root / "derivatives/other", "001") == ["pieman_audio"]


@pytest.mark.parametrize(("zoom", "unit"), [(2.0, "sec"), (2000, "msec"), (2e6, "usec")])
def test_without_a_sidecar_the_header_gives_the_tr_in_its_unit(root, zoom, unit):
    save(bold(root), waves(60), tr=zoom, unit=unit)
    bold(root).with_name(bold(root).name.replace(".nii.gz", ".json")).unlink()
    story = read(root)
    assert story.tr == 2.0
    assert story.tr_times[0] == 27.0


@pytest.mark.parametrize(("zoom", "unit"), [(0, "sec"), (2.0, "unknown"), (2.0, "hz")])
def test_a_header_that_gives_no_tr_is_refused(root, zoom, unit):
    save(bold(root), waves(60), tr=zoom, unit=unit)
    sidecar = bold(root).with_name(bold(root).name.replace(".nii.gz", ".json"))
    sidecar.write_text("{}")
    with pytest.raises(ValueError, match=f"{bold(root)}.*write RepetitionTime.*{sidecar.name}"):
        read(root)


@pytest.mark.parametrize(("zoom", "unit"), [(2.0045, "sec"), (1000, "msec")])
def test_a_sidecar_that_contradicts_the_header_is_refused_with_both_numbers(root, zoom, unit):
    save(bold(root), waves(60), tr=zoom, unit=unit)
    in_header = zoom if unit == "sec" else zoom / 1000
    said = f"json: RepetitionTime is {TR} s, but the header of .*nii.gz says {in_header:g} s; corr"
    with pytest.raises(ValueError, match=said):
        read(root)


def test_a_tr_that_a_sidecar_rounds_is_no_contradiction(root):
    save(bold(root), waves(60), tr=TR + 4e-4)
    assert read(root).tr == TR


@pytest.mark.parametrize("content", ['{"RepetitionTime": 0}', '{"RepetitionTime": "2 s"}', "{"])
def test_a_sidecar_without_a_sensible_tr_is_refused(root, content):
    bold(root).with_name(bold(root).name.replace(".nii.gz", ".json")).write_text(content)
    with pytest.raises(ValueError, match=r"desc-preproc_bold\.json: (RepetitionTime|not a JSON)"):
        read(root)


def test_source_files_are_those_that_reading_touches(root):
    write_sound(root, "lucy.wav", 60.0)
    write_run(root, "task-lucy", waves(60), [("0.0", "60", "story", "lucy.wav")])
    sidecar = bold(root).with_name(bold(root).name.replace(".nii.gz", ".json"))
    pieman = {bold(root), sidecar, events(root), root / "stimuli/pieman_audio.wav"}
    masks = {brain_mask(root), brain_mask(root, "task-lucy")}
    assert bids_source_files(root, "001", ["pieman_audio"]) == sorted(pieman | masks)
    lucy = {bold(root, "task-lucy"), events(root, "task-lucy"), root / "stimuli/lucy.wav"}
    assert bids_source_files(root, "001") == sorted(pieman | masks | lucy)
    with pytest.raises(ValueError, match="Did you mean 'lucy'"):
        bids_source_files(root, "001", ["lucie"])


def test_how_much_there_is_of_a_story_is_known_by_headers(root, monkeypatch):
    story = read(root)
    monkeypatch.delattr(stories, "_responses")
    assert bids_shape(root, "001", "pieman_audio") == (*story.responses.shape, 0)


def test_a_scan_cut_short_gives_the_trs_there_are(root):
    save(bold(root), waves(30))
    with pytest.warns(UserWarning, match=r"task-pieman.*ends 15\.00 s before the last TR"):
        story = read(root)
    np.testing.assert_allclose(story.tr_times, np.arange(17, 30) * TR + TR / 2)


def test_a_scan_of_which_no_tr_is_left_is_refused(root):
    save(bold(root), waves(18))
    with pytest.raises(ValueError, match=r"task-pieman.*fewer than two TRs.*ends 33\.00 s before"):
        read(root)
    with pytest.raises(ValueError, match=r"fewer than two TRs.*lead of 44\.0 s"):
        read(root, lead=44.0)


def test_arguments_are_checked_at_the_call(root, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere is not a BIDS folder"):
        read_bids(tmp_path / "nowhere", "001")
    with pytest.raises(ValueError, match="unknown participant.*'sub-001'.*Did you mean '001'"):
        read_bids(root, "sub-001")
    with pytest.raises(ValueError, match="unknown story of 001.*Did you mean 'pieman_audio'"):
        read_bids(root, "001", ["pieman"])
    with pytest.raises(TypeError, match=r"use \['pieman_audio'\]"):
        read_bids(root, "001", "pieman_audio")
    with pytest.raises(ValueError, match="each story can be read once"):
        read_bids(root, "001", ["pieman_audio", "pieman_audio"])
    with pytest.raises(ValueError, match="lead must be 0 or more seconds, got -1"):
        read_bids(root, "001", lead=-1)
    (root / "sub-002").mkdir()
    with pytest.raises(FileNotFoundError, match="participant 002 in .* has no images of a task"):
        read_bids(root, "002")


@pytest.mark.parametrize("path", [brain_mask, lambda root: root / "stimuli/pieman_audio.wav"])
def test_missing_files_are_named_at_the_call(root, path):
    path(root).unlink()
    with pytest.raises(FileNotFoundError, match=f"files of 001 are missing: {path(root)}"):
        read_bids(root, "001")


def test_missing_events_are_named(root):
    events(root).rename(root / "sub-001/func/sub-001_task-lucy_events.tsv")
    with pytest.raises(FileNotFoundError, match=rf"{bold(root)}: no events\.tsv for this run"):
        read_bids(root, "001")


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([("0", "story")], ("onset", "trial_type"), r"got \['onset', 'trial_type'\]"),
        ([("n/a", "pieman_audio.wav")], ("onset", "stim_file"), "in seconds, got 'n/a'"),
        ([("0", "../pieman_audio.wav")], ("onset", "stim_file"), r"got '\.\./pieman_audio\.wav'"),
        ([("0", "a.wav"), ("9", "a.mp3")], ("onset", "stim_file"), "two sounds are named 'a'"),
        ([("0", "picture.png")], ("onset", "stim_file"), "no event of 001 has a sound file"),
        ([], ("onset", "caf\udce9", "stim_file"), "not text in UTF-8"),
    ],
)
def test_events_that_name_no_sound_in_time_are_refused(root, rows, columns, message):
    lines = "".join("\t".join(row) + "\n" for row in (columns, *rows))
    events(root).write_bytes(lines.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=message) as error:
        read_bids(root, "001")
    assert str(events(root)) in str(error.value)


def test_a_sound_is_played_once_in_a_run(root):
    rows = [(onset, "60", "story", "pieman_audio.wav") for onset in ("0.0", "60.0")]
    write_events(events(root), rows)
    with pytest.raises(ValueError, match=r"events\.tsv.*got an event of it at 60\.0 s.*once"):
        read(root)


def test_one_story_is_one_sound_in_all_runs(repeated):
    path = events(repeated, "task-tale_run-2")
    write_events(path, [("6.0", "60", "story", "tale.flac")])
    with pytest.raises(ValueError, match=rf"{path}.*'tale' is tale\.flac here and tale\.wav"):
        bids_stories(repeated, "001")


def test_masks_and_images_share_their_voxels(repeated):
    second = brain_mask(repeated, "task-tale_run-2")
    save(second, inside()[1:], dtype=np.uint8)
    with pytest.raises(ValueError, match=rf"{second}.*got shape \(7, 8, 6\).*expected \(8, 8, 6\)"):
        read_bids(repeated, "001")
    save(second, 1 - inside(), dtype=np.uint8)
    with pytest.raises(ValueError, match="share no voxel"):
        read_bids(repeated, "001")
    save(second, inside(), dtype=np.uint8)
    moved = AFFINE.copy()
    moved[0, 3] = 3.0
    image = bold(repeated, "task-tale_run-2")
    save(image, waves(60), affine=moved)
    with pytest.raises(ValueError, match=f"{image}: its voxels are not those of {second}"):
        read(repeated, "tale")
    save(image, waves(60)[..., 0])
    with pytest.raises(ValueError, match=rf"{image}: expected a shape of .* got \(8, 8, 6\)"):
        read(repeated, "tale")


@pytest.mark.parametrize("path", [bold, brain_mask])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: gzip.compress(gzip.decompress(content)[:600]),
        lambda content: b"not an image",
        lambda content: b"",
    ],
)
def test_truncated_images_are_named(root, path, damage):
    path(root).write_bytes(damage(path(root).read_bytes()))
    with pytest.raises(ValueError, match=f"{path(root)}: truncated, or not a NIfTI image"):
        read(root)


@pytest.mark.parametrize(("tr", "onset", "first"), [(1.49, 12.35, 15), (0.7, -1.6, 12)])
def test_a_tr_that_begins_exactly_at_the_lead_is_kept(root, tr, onset, first):
    """In floating point (12.35 + 10) / 1.49 exceeds 15, and (-1.6 + 10) / 0.7 exceeds 12."""
    write_events(events(root), [(str(onset), "60", "story", "pieman_audio.wav")])
    save(bold(root), waves(130), tr=tr)
    sidecar = bold(root).with_name(bold(root).name.replace(".nii.gz", ".json"))
    sidecar.write_text(json.dumps({"RepetitionTime": tr}))
    np.testing.assert_allclose(read(root).tr_times[0], (first + 0.5) * tr - onset)


def test_a_tr_that_ends_exactly_with_the_sound_is_kept(root):
    """In floating point (0.8 + 60) / 0.8 is below 76."""
    write_events(events(root), [("0.8", "60", "story", "pieman_audio.wav")])
    save(bold(root), waves(130), tr=0.8)
    sidecar = bold(root).with_name(bold(root).name.replace(".nii.gz", ".json"))
    sidecar.write_text(json.dumps({"RepetitionTime": 0.8}))
    np.testing.assert_allclose(read(root).tr_times[-1], 75.5 * 0.8 - 0.8)


def test_events_of_the_run_come_before_those_of_the_task(repeated):
    write_events(events(repeated, "task-tale"), [("1.0", "60", "story", "tale.wav")])
    assert read(repeated, "tale", lead=0.0).tr_times[0] == TR / 2
    for run in ("task-tale_run-1", "task-tale_run-2"):
        events(repeated, run).unlink()
    assert read(repeated, "tale", lead=0.0).tr_times[0] == TR + TR / 2 - 1.0


@settings(max_examples=20, deadline=None)
@given(
    tr=st.sampled_from([0.8, 1.49, 1.5, 2.0045]),
    onset=st.floats(-5, 30).map(lambda x: round(x, 3)),
    seconds=st.floats(20, 40).map(lambda x: round(x, 3)),
    lead=st.sampled_from([0.0, 4.0, 10.0]),
)
def test_the_trs_kept_are_those_that_lie_in_the_story(tmp_path_factory, tr, onset, seconds, lead):
    root = tmp_path_factory.mktemp("bids")
    n_trs = 90
    write_sound(root, "tale.wav", seconds)
    rows = [(str(onset), str(seconds), "story", "tale.wav")]
    write_run(root, "task-tale", waves(n_trs), rows, sidecar={"RepetitionTime": tr})
    story = read(root, "tale", lead=lead)
    starts = np.arange(n_trs) * tr - onset
    kept = np.flatnonzero((starts >= lead - 1e-5) & (starts + tr <= seconds + 1e-5))
    np.testing.assert_allclose(story.tr_times, starts[kept] + tr / 2)
    assert story.tr == tr
    np.testing.assert_allclose(
        story.responses[:, 0], zscored(waves(n_trs)[1, 1, 1, kept]), atol=2e-3
    )


def test_prepared_as_a_data_set_the_stories_are_the_same(repeated, tmp_path):
    participant = open_participant(repeated, "001", cache_dir=tmp_path / "cache")
    (expected,), (found,) = read_bids(repeated, "001"), participant.stories()
    assert participant.story_names == ["tale"]
    assert participant.n_voxels == inside().sum()
    for name in ("audio", "tr_times", "responses", "repeats"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.tr == expected.tr == TR
    assert participant.provenance["trims"] == {"lead_seconds": 10.0}


@pytest.mark.parametrize("folder", ["pieman", "pieman_audio"])
def test_words_by_gentle_stand_in_for_a_textgrid(root, folder):
    gentle = root / "stimuli/gentle" / folder
    gentle.mkdir(parents=True)
    (root / "stimuli/pieman_audio.wav").rename(gentle / "a.wav")  # Gentle keeps what it aligned
    write_sound(root, "pieman_audio.wav", PIEMAN_SECONDS)
    (gentle / "align.csv").write_text("I,i,15.0,15.2\nbegan,,,\n")
    assert bids_sound_files(root).keys() == {"pieman_audio"}
    assert (read(root).words, read(root).phones) == ([Interval(15.0, 15.2, "I")], [])
    assert gentle / "align.csv" in bids_source_files(root, "001")
    said = {"word": "I", "case": "success", "start": 15.0, "end": 15.5}
    said["phones"] = [{"phone": "ay_S", "duration": 0.5}]
    (gentle / "align.json").write_text(json.dumps({"words": [said]}))
    assert read(root).phones == [Interval(15.0, 15.5, "AY")]
    assert bids_sound_files(root)["pieman_audio"][1] == gentle / "align.json"
    words, phones = [Interval(15.0, 15.3, "I")], [Interval(15.0, 15.3, "AY1")]
    textgrid = root / "stimuli/pieman_audio.TextGrid"
    write_textgrid(textgrid, {"words": words, "phones": phones}, PIEMAN_SECONDS)
    assert (read(root).words, read(root).phones) == (words, phones)
    assert textgrid in bids_source_files(root, "001")


def test_words_without_phones_are_prepared(root, tmp_path):
    gentle = root / "stimuli/gentle/pieman"
    gentle.mkdir(parents=True)
    (gentle / "align.csv").write_text("I,i,15.0,15.2\n")
    (story,) = open_participant(root, "001", cache_dir=tmp_path / "cache").stories()
    assert (story.words, story.phones) == ([Interval(15.0, 15.2, "I")], [])
