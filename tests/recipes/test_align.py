"""The report of an alignment: files, cards, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import HfApi, ModelCard
from transformers import AutoFeatureExtractor, AutoModel, Wav2Vec2Model, set_seed

from datasets_scripts import noise_ceiling, open_participant, read_regions
from evaluate_metrics.reports.maps import read_maps
from recipes.align import AlignOptions, align, check_card
from tests.command_process import run_command


@pytest.fixture(scope="module")
def other(tmp_path_factory, pretrained):
    """A checkpoint of the same shape with other weights."""
    folder = tmp_path_factory.mktemp("other")
    set_seed(1)
    model = Wav2Vec2Model(AutoModel.from_pretrained(pretrained).config)
    model.save_pretrained(folder)
    AutoFeatureExtractor.from_pretrained(pretrained).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def hub(other, loopback_hub):
    """A Hub with the other checkpoint as ada/measured; it has a card there and in its folder."""
    (other / "README.md").write_text("---\nlicense: mit\n---\n# Another model\n")
    hub = HfApi(loopback_hub.url, loopback_hub.token)
    hub.create_repo("ada/measured")
    hub.upload_folder(repo_id="ada/measured", folder_path=other)
    return hub


def test_the_recipe_reports_models_against_the_configurations_own(
    configuration, pretrained, other, hub, tmp_path
):
    words = ["--config", configuration(), "--checkpoints", other, "ada/measured"]
    words += ["--output_dir", tmp_path / "report", "--cache_dir", tmp_path / "kept"]
    done = run_command("align", *words, "--update_card", "true")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "report" / "alignment.json").read_text())
    assert list(results["alignment"]) == ["pretrained", other.name, "measured"]
    assert results["settings"]["baseline"] == str(pretrained)
    features = ["power_spectrum", "diphones", "triphones", "articulation", "all"]
    assert list(results["impact"]["pretrained"]) == [*features, "mean of the four"]
    figures = ("alignment.png", "layers.png")
    for name in ("alignment.csv", *figures, f"change-{other.name}.png"):
        assert (tmp_path / "report" / name).stat().st_size
    maps, regions = read_maps(tmp_path / "report")  # as figures of several measurements do
    assert list(maps["alignment"]) == list(results["alignment"])
    assert {*regions} == {"language", "auditory"}
    assert "impact, language, %" in done.stdout and "Warning: noise ceilings" in done.stdout

    # Both cards hold the numbers of the report, and have two of its figures beside them.
    copy = Path(hub.snapshot_download("ada/measured", local_dir=tmp_path / "copy"))
    for model, folder in ((other.name, other), ("measured", copy)):
        card = ModelCard.load(folder / "README.md")
        assert card.data.license == "mit" and card.text.startswith("# Another model\n")
        written = {
            evaluation.metric_args["region"]: evaluation.metric_value
            for evaluation in card.data.eval_results
            if evaluation.metric_type == "brain_alignment"
        }
        alignment = results["alignment"][model]
        assert written == {region: scores["mean"] for region, scores in alignment.items()}
        assert str(tmp_path) not in str(card) and str(pretrained) not in str(card)
        for name in figures:
            assert f"](figures/{name})" in card.text
            drawn = (tmp_path / "report" / name).read_bytes()
            assert (folder / "figures" / name).read_bytes() == drawn


@pytest.fixture
def options(settings, other, tmp_path):
    """Options of a report without low-level impact."""
    own = ("data", "participants", "train_stories", "test_story")
    given = {key: settings[key] for key in (*own, "evaluation_length", "evaluation_stride")}
    given |= {"baseline": settings["pretrained"], "checkpoints": [str(other)], "layers": [2]}
    given |= {"low_level": False, "cache_dir": str(tmp_path / "kept")}

    def make(name, **changes):
        return AlignOptions(**given | {"output_dir": str(tmp_path / name)} | changes)

    return make


def test_given_noise_ceilings_replace_computed_ones(options, recordings, tmp_path):
    participant = open_participant(recordings, "P01")
    (test,) = participant.stories(["repeated"])
    np.save(tmp_path / "published.npy", noise_ceiling(test.repeats).astype(np.float64))
    files = [str(tmp_path / "published.npy")]
    computed = align(options("computed"))["P01"]
    given = align(options("given", ceiling=files))["P01"]
    assert given["alignment"] == computed["alignment"]
    assert "published.npy" in given["notes"][0] and str(tmp_path) not in given["notes"][0]
    assert "Warning" in computed["notes"][0]

    # A story that was heard once can be scored by them, too.
    train = ["story01", "story02"]
    once = align(options("once", ceiling=files, train_stories=train, test_story="story03"))["P01"]
    assert once["n_trs"] == participant.n_trs["story03"]
    np.testing.assert_array_equal(once["per_voxel"]["voxels"], computed["per_voxel"]["voxels"])


def test_a_story_heard_once_is_measured_without_normalising(options, recordings, tmp_path):
    found = align(
        options("plain", ceiling=["none"], train_stories=["story01"], test_story="story03")
    )["P01"]
    assert found["normalisation"] == "not normalised"
    voxels = found["per_voxel"]
    for model, by_region in found["alignment"].items():
        for region, scores in by_region.items():
            inside = np.isin(voxels["voxels"], read_regions(recordings, "P01")[region])
            assert scores["n_voxels"] == inside.sum() == 12  # dead ones are in no region
            correlations = voxels["alignment"][model][inside]
            assert scores["mean"] == pytest.approx(correlations.mean())
            assert np.abs(correlations).max() <= 1
    text = (tmp_path / "plain" / "alignment.json").read_text()
    assert '"normalisation": "not normalised"' in text
    assert "ormalised" not in text.replace("not normalised", "")
    assert "not normalised" in (tmp_path / "plain" / "alignment.csv").read_text()


def test_what_cannot_be_scored_is_said_of_all_participants_before_any_is_measured(
    options, tmp_path
):
    both = {"participants": ["P01", "P02"], "ceiling_repeats": 10}
    with pytest.raises(ValueError, match="P01 heard it 10 times, P02 heard it 10 times, got 10"):
        align(options("report", **both))
    assert not (tmp_path / "report").exists() and not (tmp_path / "kept").exists()


def test_a_model_without_a_card_is_refused_before_it_is_measured(pretrained):
    with pytest.raises(FileNotFoundError, match="has no card .README.md.: write one first"):
        check_card(str(pretrained))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "float16"}, "precision must be one of float32, bfloat16, got 'float16'"),
        ({"checkpoints": ["a/x", "b/x"]}, "must differ from one another .* got a/x, b/x"),
        (
            {"checkpoints": ["runs/pretrained"]},
            "must differ from one another and from 'pretrained'",
        ),
    ],
)
def test_bad_options_are_refused(changes, message):
    given = dict(data="d", participants=["P01"], train_stories=["a"], test_story="b")
    given["checkpoints"] = ["m"]
    with pytest.raises(ValueError, match=message):
        AlignOptions(**given | changes)
