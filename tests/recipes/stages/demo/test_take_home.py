"""What is taken home of a prediction, read back with what others read it with."""

import csv
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import soundfile
from matplotlib import colormaps
from PIL import Image
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, set_seed

from modeling_braintune import AutoModelForBrainTuning, Brain
from recipes.stages.demo.predicted import Predicted, Sound, predict
from recipes.stages.demo.sound import read_sound
from recipes.stages.demo.take_home import LETTERS, take_home
from recipes.stages.predicting import brain_pipeline

ROOT = Path(__file__).resolve().parents[4]
TR = 1.5
SHAPE, AFFINE = (3, 4, 5), np.diag([2.0, 2, 3, 1])
PLACES = np.array([40, 3, 22])  # of the three voxels, in an order of their own
VERTICES = np.repeat([0, 1], 10242)
VERTICES[:20], VERTICES[20483] = -1, 2
RESPONSES = np.array([[1, -2, 0.5], [-1, 2, 0.25], [0.5, 1, -4], [0, 0, 0]], np.float32)
COURSES = {"language": [-0.5, 0.5, 0.75, 0.0], "auditory": [0.5, 0.25, -4.0, 0.0]}


def brain(**changes):
    fields = {
        "participant": "P01",
        "tr": TR,
        "n_trs_per_window": 2,
        "n_recorded_voxels": 7,
        "voxels": [5, 0, 3],
        "noise_ceiling": [0.5, 0.6, 0.7],
        "regions": {"language": [0, 1], "auditory": [2], "empty": []},
        "places": PLACES,
        "space": {"shape": list(SHAPE), "affine": AFFINE.tolist()},
        "fsaverage5": VERTICES,
    }
    return Brain(**fields | changes)


def planted(name="a story.wav", **changes):
    """A prediction whose responses are known."""
    return Predicted(
        checkpoint="outputs/phantom/brain-tuned",
        brain=brain(**changes),
        sound=Sound(name=name, samples=np.zeros(96000, np.float32), rate=16000),
        responses=RESPONSES,
        times=(np.arange(4) + 0.5) * TR,
    )


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """Folder of all that is taken home of the planted prediction, and what was told on the way."""
    folder, told = tmp_path_factory.mktemp("home") / "taken", []
    paths = take_home(planted(), folder, told.append)
    assert sorted(paths) == sorted(folder.iterdir())
    return folder, [path.name for path in told]


def test_everything_is_called_after_the_sound_and_the_participant(taken):
    folder, told = taken
    stem = "a-story-P01"
    assert told == [
        f"{stem}{end}" for end in (".py", "-regions.csv", ".nii.gz", ".func.gii", ".gif")
    ]
    maps = {f"{stem}_hemi-L.func.gii", f"{stem}_hemi-R.func.gii"}
    assert {path.name for path in folder.iterdir()} == {*told} - {f"{stem}.func.gii"} | maps


def test_a_volume_holds_the_voxels_where_they_lie(taken):
    image = nibabel.load(taken[0] / "a-story-P01.nii.gz")
    np.testing.assert_array_equal(image.affine, AFFINE)
    assert image.header.get_zooms() == pytest.approx((2.0, 2.0, 3.0, TR))
    expected = np.zeros((np.prod(SHAPE), 4), np.float32)
    expected[PLACES] = RESPONSES.T
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32).reshape(-1, 4), expected)


def test_maps_hold_the_voxel_of_each_vertex(taken):
    found = [
        np.stack(nibabel.load(taken[0] / f"a-story-P01_hemi-{side}.func.gii").agg_data())
        for side in "LR"
    ]
    whole = np.concatenate(found, axis=1)
    np.testing.assert_array_equal(whole[:, VERTICES >= 0], RESPONSES[:, VERTICES[VERTICES >= 0]])
    assert np.isnan(whole[:, VERTICES < 0]).all()


def test_the_table_has_a_column_for_each_region_that_is_predicted(taken):
    with open(taken[0] / "a-story-P01-regions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["seconds"]) for row in rows] == [0.75, 2.25, 3.75, 5.25]
    assert set(rows[0]) == {"seconds", *COURSES}
    for region, values in COURSES.items():
        assert [float(row[region]) for row in rows] == values


def test_the_animation_shows_each_volume_in_its_colours(taken):
    with Image.open(taken[0] / "a-story-P01.gif") as image:
        assert image.n_frames == 4
        for n, response in enumerate(RESPONSES[:, 0]):  # that of nearly all of the left hemisphere
            image.seek(n)
            pixels = np.asarray(image.convert("RGB")) / 255
            left = pixels[: len(pixels) // 2, : pixels.shape[1] // 2]
            # The 99th percentile of the vertices' absolute values is 2.
            colour = np.array(colormaps["RdBu_r"](0.5 + response / 4)[:3])
            assert (np.abs(left - colour) < 0.04).all(axis=-1).mean() > 0.1


@pytest.mark.parametrize(
    ("changes", "suffixes"),
    [
        ({"fsaverage5": None}, {".py", ".csv", ".gz"}),
        ({"fsaverage5": np.full(20484, -1)}, {".py", ".csv", ".gz"}),
        ({"places": None, "space": None, "fsaverage5": None}, {".py", ".csv"}),
    ],
)
def test_what_is_not_known_of_places_is_left_out(changes, suffixes, tmp_path):
    take_home(planted(**changes), tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == suffixes


@pytest.mark.parametrize(
    "name", ["../../etc/'pass\"wd'.wav", "{x}.wav", "ä" * 200 + ".wav", ".wav"]
)
def test_names_of_sounds_stay_in_the_folder_and_in_their_quotes(name, tmp_path):
    folder = tmp_path / "taken"
    predicted = planted(name=name, places=None, space=None, fsaverage5=None)
    predicted = dataclasses.replace(predicted, checkpoint="/srv/secret/brain-tuned")
    script, table = take_home(predicted, folder)
    assert script.parent == table.parent == folder and len(script.name) < LETTERS + 10
    said = script.read_text()
    compile(said, script, "exec")
    assert repr(name) in said and "brain_pipeline('brain-tuned')" in said


def test_work_that_nobody_waits_for_ends_and_leaves_no_part_of_a_file(tmp_path):
    def leave(path):
        if path.suffix == ".gz":
            raise InterruptedError

    with pytest.raises(InterruptedError):
        take_home(planted(), tmp_path, leave)
    assert {path.suffix for path in tmp_path.iterdir()} == {".py", ".csv"}


def test_the_lines_of_python_write_the_same_files(tmp_path):
    set_seed(0)
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8, 16),
        conv_kernel=(40, 16),
        conv_stride=(20, 16),
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        num_voxels=3,
    )
    model = AutoModelForBrainTuning.from_config(config)
    model.set_brains(brain(fsaverage5=None))
    model.save_pretrained(tmp_path / "brain-tuned")
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path / "brain-tuned")
    noise = np.random.default_rng(0).normal(scale=0.1, size=44100 * 5)
    soundfile.write(tmp_path / "story.wav", noise, 44100)
    encode = brain_pipeline(str(tmp_path / "brain-tuned"))
    predicted = predict(encode, read_sound(tmp_path / "story.wav"), "P01")
    assert predicted.responses.shape == (4, 3) and np.ptp(predicted.responses, axis=0).min() > 0
    paths = take_home(predicted, tmp_path / "taken")
    # Beside the checkpoint and the sound, as a visitor has them
    done = subprocess.run(
        [sys.executable, paths[0]],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(4, 3)\n"
    for path in paths:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name
