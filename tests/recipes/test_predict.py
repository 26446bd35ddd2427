"""From a recording to predicted responses, as images and as arrays."""

import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import soundfile
import torch
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, set_seed

from modeling_braintune import AutoModelForBrainTuning, Brain, BrainEncodingPipeline
from recipes.predict import PredictOptions, main, predict
from tests.command_process import run_command

TR = 2.0045
SECONDS, N_TRS = 5.0, 3
SHAPE = (3, 4, 5)
AFFINE = np.array([[-2.0, 0, 0, 9], [0, 2, 0, -7], [0, 0, 3, 5], [0, 0, 0, 1]])
RECORDED = np.array([3, 8, 14, 22, 31, 40, 59])  # where the recordings' voxels are, in C order
VOXELS = np.array([5, 0, 3])  # those that are predicted, in an order of their own
PLANTED = np.array([0.5, -2.0, 7.0])  # what is predicted of each, whatever the sound


def brain(participant="P01", **fields):
    space = {"shape": list(SHAPE), "affine": AFFINE.tolist()}
    fields = {"places": RECORDED[VOXELS], "space": space, "noise_ceiling": [0.5, 0.6, 0.7]} | fields
    return Brain(
        participant=participant,
        tr=TR,
        n_trs_per_window=2,
        n_recorded_voxels=len(RECORDED),
        voxels=VOXELS,
        regions={"language": [0, 2], "auditory": []},
        **fields,
    )


@pytest.fixture(scope="module")
def make_checkpoint(tmp_path_factory):
    """Function that saves a model of these brains, whose bias is planted and all else 0."""

    def make(*brains, planted=PLANTED):
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
        )
        config.num_voxels = {each.participant: 3 for each in brains} if len(brains) > 1 else 3
        model = AutoModelForBrainTuning.from_config(config)
        if planted is not None:
            torch.nn.init.zeros_(model.head.weight)
            model.head.bias.data = torch.tensor(planted, dtype=torch.float32)
        if brains:
            model.set_brains(*brains)
        folder = tmp_path_factory.mktemp("checkpoint")
        model.save_pretrained(folder)
        Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
        return str(folder)

    return make


@pytest.fixture(scope="module")
def planted(make_checkpoint):
    """Checkpoint that knows where its voxels are."""
    return make_checkpoint(brain())


@pytest.fixture(scope="module")
def placeless(make_checkpoint):
    """Checkpoint that does not."""
    return make_checkpoint(brain(places=None, space=None))


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    """Five seconds of stereo at 44.1 kHz: three TRs, the last of them cut short."""
    path = tmp_path_factory.mktemp("sound") / "story.wav"
    noise = np.random.default_rng(0).normal(scale=0.1, size=(round(44100 * SECONDS), 2))
    soundfile.write(path, noise, 44100)
    return str(path)


@pytest.fixture
def write_mask(tmp_path):
    """Function that saves a mask whose voxels are at flat places, and returns its file."""

    def write(places=RECORDED, affine=AFFINE, shape=SHAPE):
        inside = np.zeros(shape, np.uint8)
        inside.flat[places] = 1
        nibabel.save(nibabel.Nifti1Image(inside, affine), tmp_path / "mask.nii.gz")
        return str(tmp_path / "mask.nii.gz")

    return write


@pytest.fixture
def write_surface_places(tmp_path):
    """Function that saves places of fsaverage5's vertices: these, and all others far away."""

    def write(placed):
        places = np.full((20484, 3), 1e4)
        for vertex, flat in placed.items():
            index = np.unravel_index(flat, SHAPE)
            places[vertex] = nibabel.affines.apply_affine(AFFINE, index) + 0.4
        np.save(tmp_path / "vertices.npy", places)
        return str(tmp_path / "vertices.npy")

    return write


def volume(values_by_place):
    values = np.zeros((*SHAPE, N_TRS), np.float32)
    for place, value in values_by_place.items():
        values[np.unravel_index(place, SHAPE)] = value
    return values


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_planted_voxels_lie_where_the_checkpoint_says(planted, audio, tmp_path, capsys, suffix):
    output = tmp_path / "new" / "folder" / f"responses{suffix}"
    predict(PredictOptions(checkpoints=[planted], audio=audio, output=str(output)))
    image = nibabel.load(output)
    np.testing.assert_array_equal(image.affine, AFFINE)
    assert image.header.get_zooms() == pytest.approx((2.0, 2.0, 3.0, TR))
    assert image.header.get_xyzt_units() == ("mm", "sec")
    expected = volume(dict(zip(RECORDED[VOXELS], PLANTED, strict=True)))
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32), expected)
    assert [path.name for path in output.parent.iterdir()] == [output.name]
    printed = capsys.readouterr().out
    assert printed == f"Predicted 3 voxels of P01 in 3 TRs of 2.0045 s: {output}\n"


def test_a_checkpoint_that_was_measured_says_how_far_to_trust_it(
    make_checkpoint, audio, tmp_path, capsys
):
    alignment = {"language": {"value": 0.5, "low": 0.375, "high": 0.625}}
    measured_on = {"story": "repeated", "n_trs": 232, "normalisation": "normalised"}
    checkpoint = make_checkpoint(brain(alignment=alignment, measured_on=measured_on))
    output = str(tmp_path / "responses.npz")
    predicted = predict(PredictOptions(checkpoints=[checkpoint], audio=audio, output=output))
    assert predicted["alignment"] == alignment
    assert capsys.readouterr().out.splitlines()[1] == (
        "Brain alignment of such predictions on 'repeated', which the model was not tuned on "
        "(232 TRs, normalised): language 0.50 [0.38, 0.62] [95 % interval]"
    )


@pytest.mark.parametrize("model", ["planted", "placeless"])
def test_with_a_mask_all_recorded_voxels_are_placed(model, write_mask, audio, tmp_path, request):
    output = tmp_path / "responses.nii.gz"
    model = request.getfixturevalue(model)
    predict(PredictOptions(checkpoints=[model], audio=audio, output=str(output), mask=write_mask()))
    image = nibabel.load(output)
    np.testing.assert_array_equal(image.affine, AFFINE)
    values = dict.fromkeys(RECORDED, np.nan) | dict(zip(RECORDED[VOXELS], PLANTED, strict=True))
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32), volume(values))


@pytest.mark.parametrize("masked", [True, False])
def test_vertices_take_the_values_of_the_voxels_that_they_lie_in(
    planted, audio, write_mask, write_surface_places, tmp_path, masked
):
    first, second, third = RECORDED[VOXELS].tolist()
    unpredicted, outside = int(RECORDED[1]), 0
    surface = write_surface_places(
        {0: first, 7: second, 8: unpredicted, 9: outside, 10242: third, 20483: first}
    )
    output, mask = tmp_path / "responses.func.gii", write_mask() if masked else None
    predict(
        PredictOptions(
            checkpoints=[planted], audio=audio, output=str(output), surface=surface, mask=mask
        )
    )
    expected = np.full((2, 10242), np.nan)
    expected[0, [0, 7]] = PLANTED[:2]
    expected[1, [0, 10241]] = PLANTED[[2, 0]]
    for side, values in zip("LR", expected, strict=True):
        maps = nibabel.load(tmp_path / f"responses_hemi-{side}.func.gii").agg_data()
        np.testing.assert_array_equal(maps, [values] * N_TRS)


def test_a_checkpoint_that_knows_its_cortex_needs_no_places(make_checkpoint, audio, tmp_path):
    vertices = np.full(20484, -1)
    vertices[[5, 10241, 10242, 20483]] = [0, 1, 2, 0]
    checkpoint = make_checkpoint(brain(fsaverage5=vertices))
    output = tmp_path / "story.func.gii"
    predict(PredictOptions(checkpoints=[checkpoint], audio=audio, output=str(output)))
    expected = np.full((2, 10242), np.nan)
    expected[0, [5, 10241]] = PLANTED[:2]
    expected[1, [0, 10241]] = PLANTED[[2, 0]]
    for side, values in zip("LR", expected, strict=True):
        maps = nibabel.load(tmp_path / f"story_hemi-{side}.func.gii").agg_data()
        np.testing.assert_array_equal(maps, [values] * N_TRS)


@pytest.mark.parametrize("name", ["responses.func.gii", "responses.gii"])
def test_recorded_vertices_are_split_between_hemispheres(placeless, audio, tmp_path, name):
    output = str(tmp_path / name)
    predict(PredictOptions(checkpoints=[placeless], audio=audio, output=output, left_vertices=4))
    _, second, third = PLANTED
    nan = np.nan
    for side, values in {"L": [second, nan, nan, third], "R": [nan, PLANTED[0], nan]}.items():
        maps = nibabel.load(tmp_path / f"responses_hemi-{side}.func.gii").agg_data()
        np.testing.assert_array_equal(maps, [values] * N_TRS)


def test_arrays_say_all_that_the_pipeline_says(make_checkpoint, audio, tmp_path):
    model = make_checkpoint(brain(places=None, space=None), planted=None)
    output = tmp_path / "responses.npz"
    predicted = predict(PredictOptions(checkpoints=[model], audio=audio, output=str(output)))
    with np.load(output, allow_pickle=False) as file:
        arrays = dict(file)
    regions = {"language": [0, 2], "auditory": []}
    for name, columns in regions.items():
        np.testing.assert_array_equal(arrays.pop(f"regions/{name}"), columns)
    assert arrays.keys() | {"regions", "alignment"} == predicted.keys()
    for name, values in arrays.items():
        np.testing.assert_array_equal(values, predicted[name])
    assert arrays["responses"].shape == (N_TRS, 3)
    assert np.ptp(arrays["responses"], axis=0).min() > 0
    np.testing.assert_allclose(arrays["times"], [0.5 * TR, 1.5 * TR, 2.5 * TR])
    np.testing.assert_array_equal(arrays["voxels"], VOXELS)
    assert (arrays["participant"], arrays["tr"]) == ("P01", TR)

    pipe = BrainEncodingPipeline(
        model=AutoModelForBrainTuning.from_pretrained(model),
        feature_extractor=Wav2Vec2FeatureExtractor.from_pretrained(model),
    )
    np.testing.assert_array_equal(arrays["responses"], pipe(audio)["responses"])


def test_arrays_hold_no_noise_ceilings_where_there_were_none(make_checkpoint, audio, tmp_path):
    model = make_checkpoint(brain(noise_ceiling=None))
    output = tmp_path / "responses.npz"
    predicted = predict(PredictOptions(checkpoints=[model], audio=audio, output=str(output)))
    assert predicted["noise_ceiling"] is None
    with np.load(output, allow_pickle=False) as file:
        assert "noise_ceiling" not in file
        np.testing.assert_array_equal(file["voxels"], VOXELS)


def test_of_several_participants_one_is_chosen(make_checkpoint, audio, tmp_path):
    other = brain("P02", places=RECORDED[:3])
    model = make_checkpoint(brain(), other, planted=[*PLANTED, 11.0, 12.0, 13.0])
    output = str(tmp_path / "responses.nii.gz")
    predict(PredictOptions(checkpoints=[model], audio=audio, output=output, participants=["P02"]))
    expected = volume(dict(zip(RECORDED[:3], [11.0, 12.0, 13.0], strict=True)))
    np.testing.assert_array_equal(nibabel.load(output).get_fdata(dtype=np.float32), expected)
    with pytest.raises(ValueError, match="P01, P02"):
        predict(PredictOptions(checkpoints=[model], audio=audio, output=output))


def test_a_file_that_cannot_be_replaced_leaves_nothing_beside_it(planted, audio, tmp_path):
    output = tmp_path / "responses.npz"
    output.mkdir()
    with pytest.raises(IsADirectoryError):
        predict(PredictOptions(checkpoints=[planted], audio=audio, output=str(output)))
    assert list(tmp_path.iterdir()) == [output]


@pytest.fixture
def refused(planted, audio, tmp_path):
    """Function that checks that arguments end in one line, and that nothing is written."""

    def check(message, error=ValueError, output="responses.nii.gz", **arguments):
        output = tmp_path / "output" / output
        arguments = {"checkpoints": [planted], "audio": audio, "output": str(output)} | arguments
        with pytest.raises(error, match=message) as raised:
            predict(PredictOptions(**arguments))
        assert "\n" not in str(raised.value)
        assert not output.parent.exists()

    return check


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no sound at all", "sound.wav: not a readable sound file"),
        (np.empty(0), r"sound.wav: the sound is empty \(0 samples\)"),
        (np.array([0.1, np.nan, np.inf]), "sound.wav: 2 of 3 samples are not finite"),
    ],
)
def test_a_recording_that_cannot_be_heard_is_named(refused, tmp_path, content, message):
    path = tmp_path / "sound.wav"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        soundfile.write(path, content, 8000, subtype="FLOAT")
    refused(message, audio=str(path))


def test_a_recording_that_is_not_there_is_named(refused, tmp_path):
    path = str(tmp_path / "nothing.wav")
    refused("nothing.wav: there is no such recording", FileNotFoundError, audio=path)


def test_a_participant_that_the_model_does_not_know_is_named(refused):
    refused("P01.*got 'P03'", participants=["P03"])


def test_a_model_must_say_whose_voxels_it_predicts(refused, pretrained, make_checkpoint, tmp_path):
    message = "does not say whose voxels it predicts; give a checkpoint that recipes/tune.py wrote"
    refused(message, checkpoints=[str(pretrained)])
    refused(message, checkpoints=[make_checkpoint()])
    refused("no checkpoint at", FileNotFoundError, checkpoints=[str(tmp_path / "nowhere")])


def test_a_damaged_model_is_named(refused, make_checkpoint):
    model = make_checkpoint(brain())
    weights = Path(model) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    refused(f"weights of '{model}' cannot be read", checkpoints=[model])


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("responses.txt", {}, r"responses.txt: its name must end in .nii.gz, .nii, .func.gii or"),
        ("responses.nii", {"surface": "v.npy"}, "goes with .* --mask, got --surface"),
        ("responses.npz", {"mask": "m.nii"}, "got --mask"),
        ("responses.func.gii", {"mask": "m.nii"}, "got --mask"),
        ("responses.func.gii", {"surface": "v.npy", "left_vertices": 3}, "got --left_vertices --s"),
    ],
)
def test_the_name_of_the_output_says_what_else_is_needed(refused, output, options, message):
    refused(message, output=output, **options)


def test_places_on_the_surface_must_be_known(refused, make_checkpoint):
    message = "which vertices the voxels of P01 lie at is not known: give .* --surface"
    refused(message, checkpoints=[make_checkpoint(brain())], output="responses.func.gii")


def test_places_must_be_known_for_an_image(refused, placeless, write_surface_places):
    message = "where the voxels of P01 lie is not known: give the voxel mask .* as --mask"
    refused(message, checkpoints=[placeless])
    surface = write_surface_places({0: 3})
    refused(message, checkpoints=[placeless], output="responses.func.gii", surface=surface)


@pytest.mark.parametrize(
    "other",
    [
        {"places": RECORDED - (RECORDED == 59)},
        {"affine": np.diag([2.0, 2, 3, 1])},
        {"shape": (3, 5, 4)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_mask_of_other_places_is_refused(refused, make_checkpoint, write_mask, other):
    every = Brain(
        participant="P01",
        tr=TR,
        n_trs_per_window=2,
        n_recorded_voxels=len(RECORDED),
        voxels=[0, 3, 6],
        noise_ceiling=[0.5, 0.6, 0.7],
        places=RECORDED[[0, 3, 6]],
        space={"shape": list(SHAPE), "affine": AFFINE.tolist()},
    )
    message = "mask.nii.gz: the checkpoint has its voxels in other places"
    refused(message, checkpoints=[make_checkpoint(every)], mask=write_mask(**other))


def test_a_mask_must_fit_the_recordings(refused, placeless, write_mask, tmp_path):
    message = "the mask has 6 true voxels, but there are values for 7"
    refused(message, checkpoints=[placeless], mask=write_mask(RECORDED[1:]))
    missing = str(tmp_path / "none.nii")
    refused("none.nii: there is no such mask", FileNotFoundError, mask=missing)
    inside = np.zeros(SHAPE)
    inside.flat[RECORDED] = 1
    np.save(tmp_path / "mask.npy", inside)
    message = "mask.npy: an array has no affine"
    refused(message, checkpoints=[placeless], mask=str(tmp_path / "mask.npy"))


def test_a_surface_must_be_of_the_functional_space(refused, write_surface_places, tmp_path):
    def check(message, path, error=ValueError):
        refused(message, error, output="responses.func.gii", surface=str(path))

    unpredicted = int(RECORDED[1])
    check("no vertex lies in a voxel that is predicted", write_surface_places({5: unpredicted}))
    np.save(tmp_path / "few.npy", np.zeros((10, 3)))
    check(r"few.npy: .* shape \(20484, 3\), got \(10, 3\)", tmp_path / "few.npy")
    (tmp_path / "empty.npy").touch()
    check("empty.npy: not a readable array of vertices", tmp_path / "empty.npy")
    check("none.npy: there is no such", tmp_path / "none.npy", FileNotFoundError)


def test_left_vertices_must_be_some_of_those_recorded(refused, placeless):
    for n_left in (0, 7):
        refused(
            f"--left_vertices must be from 1 to 6, got {n_left}",
            checkpoints=[placeless],
            output="responses.func.gii",
            left_vertices=n_left,
        )
    refused("are of voxels in a volume", output="responses.func.gii", left_vertices=4)


def test_as_a_process(planted, audio, tmp_path):
    output = tmp_path / "responses.nii.gz"
    words = ["--checkpoints", planted, "--audio", audio, "--output", output]
    done = run_command("predict", *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"in 3 TRs of 2.0045 s: {output}\n")
    assert nibabel.load(output).shape == (*SHAPE, N_TRS)


def test_the_process_stops_with_one_line(monkeypatch):
    words = ["predict.py", "--checkpoints", "m", "--audio", "a.wav", "--output", "a.txt"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit, match="^ValueError: --output a.txt: its name must end in .*$"):
        main()
