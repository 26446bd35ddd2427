"""Alignment of known representations with planted responses."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import HfApi, ModelCard
from scipy.stats import zscore
from transformers import AutoFeatureExtractor, AutoModel, Wav2Vec2Model, set_seed

from datasets_scripts import low_level_features, noise_ceiling, open_participant, read_ds003020
from recipes.align import AlignArguments, align, check_card, scored_story
from recipes.encoding import layer_features

RECIPE = str(Path(__file__).resolve().parents[2] / "recipes" / "align.py")
WINDOWS = dict(length=4.0, stride=1.0)
N_REPEATS, SNR = 8, 1.0


pytestmark = pytest.mark.filterwarnings("ignore:a recording of:UserWarning")


@pytest.fixture(scope="module")
def stories(recordings):
    return list(read_ds003020(recordings, "P01"))


@pytest.fixture(scope="module")
def planted(stories, pretrained):
    """Responses that follow layer 2 of the model, two TRs later, in 20 voxels; 5 more are noise."""
    test, *stories = stories
    features = layer_features(pretrained, [*stories, test], [2], **WINDOWS)[2]
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((features[0].shape[1], 20))

    def heard(story_features, n_repeats):
        signal = np.roll(zscore(zscore(story_features) @ weights), 2, axis=0)
        signal[:2] = 0
        signal = np.concatenate([signal, np.zeros((len(signal), 5))], axis=1)
        noise = rng.standard_normal((n_repeats, *signal.shape))
        return zscore(SNR * signal + noise, axis=1).astype(np.float32)

    train = [
        dataclasses.replace(story, responses=heard(f, 1)[0], repeats=None)
        for story, f in zip(stories, features[:-1], strict=True)
    ]
    repeats = heard(features[-1], N_REPEATS)
    test = dataclasses.replace(test, responses=zscore(repeats.mean(axis=0)), repeats=repeats)
    return train, test


@pytest.fixture(scope="module")
def other(tmp_path_factory, pretrained):
    """A checkpoint of the same shape with other weights."""
    folder = tmp_path_factory.mktemp("other")
    set_seed(1)
    model = Wav2Vec2Model(AutoModel.from_pretrained(pretrained).config)
    model.save_pretrained(folder)
    AutoFeatureExtractor.from_pretrained(pretrained).save_pretrained(folder)
    return folder


def test_the_model_that_the_responses_follow_wins_and_noise_is_not_predicted(
    planted, pretrained, other
):
    train, test = planted
    ceiling = noise_ceiling(test.repeats)
    regions = {"follows": np.arange(20), "noise": np.arange(20, 25)}
    checkpoints = {"other": other, "true": pretrained}
    results = align(checkpoints, train, test, ceiling, regions, layers=[2], **WINDOWS)
    true, gain = results["alignment"]["true"]["follows"], results["gain"]["true"]["follows"]
    assert true["mean"] > 0.6
    assert gain["mean"] > 0 and gain["interval"][0] > 0
    assert gain["mean"] == pytest.approx(
        true["mean"] - results["alignment"]["other"]["follows"]["mean"]
    )
    assert true["n_voxels"] == (ceiling[:20] > 0.4).sum()
    assert results["n_trs"] == len(test.responses)


def test_pairs_of_models_are_compared_as_each_is_with_the_baseline(planted, pretrained, other):
    train, test = planted
    ceiling, regions = np.full(25, 0.9), {"follows": np.arange(20), "noise": np.arange(20, 25)}
    checkpoints = {"other": other, "true": pretrained, "same": pretrained}
    pairs = [("true", "other"), ("other", "true"), ("same", "true")]
    results = align(checkpoints, train, test, ceiling, regions, layers=[2], pairs=pairs, **WINDOWS)
    against, reverse, same = results["pairs"]
    assert (against["model"], against["other"]) == pairs[0]
    assert against["gain"] == results["gain"]["true"]
    assert against["tests"] == results["tests"]["true"]
    mirrored = reverse["gain"]["follows"]
    assert mirrored["mean"] == pytest.approx(-against["gain"]["follows"]["mean"])
    assert same["gain"]["follows"]["mean"] == 0 and same["tests"]["follows"]["p"] == 1


def test_a_region_without_a_voxel_above_the_threshold_is_empty(planted, pretrained):
    train, test = planted
    ceiling = np.where(np.arange(25) < 20, 0.9, 0.1)
    regions = {"follows": np.arange(20), "noise": np.arange(20, 25)}
    checkpoints = {"a": pretrained, "b": pretrained}
    results = align(checkpoints, train, test, ceiling, regions, layers=[2], **WINDOWS)
    empty = {"mean": None, "interval": None, "n_voxels": 0}
    assert results["alignment"]["a"]["noise"] == empty
    assert results["gain"]["b"]["noise"] == empty
    assert results["gain"]["b"]["follows"]["mean"] == 0


def test_trs_left_out_at_the_start_are_not_scored(planted, pretrained):
    train, test = planted
    spoilt = test.responses.copy()
    spoilt[:10] = np.random.default_rng(1).standard_normal(spoilt[:10].shape)
    ceiling, regions = np.full(25, 0.9), {"follows": np.arange(20)}
    scores = [
        align(
            {"model": pretrained},
            train,
            dataclasses.replace(test, responses=responses),
            ceiling,
            regions,
            layers=[2],
            test_skip_trs=10,
            **WINDOWS,
        )
        for responses in (test.responses, spoilt)
    ]
    assert scores[0]["alignment"] == scores[1]["alignment"]
    assert scores[0]["n_trs"] == len(test.responses) - 10


def test_too_little_of_the_test_story_is_an_error(planted, pretrained):
    train, test = planted
    skip = len(test.responses) - 5
    with pytest.raises(ValueError, match=f"test_skip_trs={skip} leaves 5 of the"):
        align({"m": pretrained}, train, test, np.full(25, 0.9), {}, test_skip_trs=skip)


@pytest.fixture(scope="module")
def participant(recordings):
    return open_participant(recordings, "P01")


def test_by_default_the_ceiling_comes_from_the_scored_repeats_with_a_warning(participant):
    test, ceiling, note = scored_story(participant, "repeated", skip_trs=3)
    np.testing.assert_array_equal(ceiling, noise_ceiling(test.repeats[:, 3:]))
    assert note.startswith("Warning: ") and "on which the models are scored too" in note


def test_the_ceiling_can_come_from_repeats_that_are_not_scored(participant):
    (whole,) = participant.stories(["repeated"])
    test, ceiling, note = scored_story(participant, "repeated", n_repeats=6)
    assert "come from 6 repeats of 'repeated'" in note and "Warning" not in note
    np.testing.assert_array_equal(ceiling, noise_ceiling(whole.repeats[:6], n_scored=4))
    np.testing.assert_array_equal(test.repeats, whole.repeats[6:])
    mean = zscore(whole.repeats[6:].mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(test.responses, mean, atol=1e-5)
    spoilt = whole.repeats.copy()
    spoilt[6:] = np.random.default_rng(0).standard_normal(spoilt[6:].shape)
    np.testing.assert_array_equal(noise_ceiling(spoilt[:6], n_scored=4), ceiling)


def test_the_ceiling_can_come_from_another_repeated_story(participant, monkeypatch):
    (whole,) = participant.stories(["repeated"])
    other = dataclasses.replace(whole, name="other", repeats=whole.repeats[:5])
    stories = {"repeated": whole, "other": other}
    monkeypatch.setattr(participant, "stories", lambda names: (stories[name] for name in names))
    test, ceiling, note = scored_story(participant, "repeated", ceiling_story="other")
    np.testing.assert_array_equal(ceiling, noise_ceiling(other.repeats, n_scored=10))
    assert test is whole and note.endswith("come from 'other'.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ceiling_story": "story01"}, "ceiling_story 'story01' has no repeats"),
        ({"ceiling_story": "story01", "n_repeats": 5}, "exclude each other, got both"),
        ({"n_repeats": 1}, "from 2 to 9, so that of the 10 repeats .* got 1"),
        ({"n_repeats": 10}, "from 2 to 9, .* got 10"),
    ],
)
def test_ceilings_that_cannot_be_had_are_refused(participant, options, message):
    with pytest.raises(ValueError, match=message):
        scored_story(participant, "repeated", **options)


def test_what_the_test_story_holds_changes_nothing_that_is_fitted(planted, pretrained):
    """Penalties, z-scores and inventories come from the training stories alone."""
    train, test = planted
    giveaway = dataclasses.replace(
        test,
        responses=np.roll(test.responses, 1, axis=0),
        phones=[phone._replace(label="ZH") for phone in test.phones],
    )
    fitted = [
        align(
            {"model": pretrained},
            train,
            story,
            np.full(25, 0.9),
            {"follows": np.arange(20)},
            layers=[2],
            low_level={"sound": low_level_features(train, test)["articulation"]},
            **WINDOWS,
        )
        for story in (test, giveaway)
    ]
    features = [low_level_features(train, story) for story in (test, giveaway)]
    for name in features[0]:
        for a, b in zip(features[0][name][:-1], features[1][name][:-1], strict=True):
            np.testing.assert_array_equal(a, b)
    # Scored on other responses, the same predictions score otherwise: nothing was fitted to them.
    scores = [result["alignment"]["model"]["follows"]["mean"] for result in fitted]
    assert scores[0] > 0.6 > scores[1] + 0.2


@pytest.fixture(scope="module")
def carded(other, loopback_hub, tmp_path_factory):
    """The other checkpoint with a card, in its folder and as ada/measured on a Hub."""
    (other / "README.md").write_text("---\nlicense: mit\n---\n# Another model\n")
    program = """
import sys
from huggingface_hub import HfApi
HfApi().create_repo("ada/measured")
HfApi().upload_folder(repo_id="ada/measured", folder_path=sys.argv[1])
"""
    environment = loopback_hub.environment(tmp_path_factory.mktemp("home"))
    subprocess.run([sys.executable, "-c", program, other], env=environment, check=True)
    return HfApi(loopback_hub.url, loopback_hub.token)


def test_the_recipe_reports_models_against_the_configurations_own(
    configuration, pretrained, other, carded, loopback_hub, tmp_path
):
    words = ["--config", configuration(), "--model", other, "ada/measured"]
    words += ["--report_dir", tmp_path / "report", "--cache_dir", tmp_path / "kept"]
    words += ["--update_card", "true"]
    command = [sys.executable, "-m", "accelerate.commands.launch", RECIPE, *words]
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        env=loopback_hub.environment(tmp_path / "home"),
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "report" / "alignment.json").read_text())
    assert list(results["alignment"]) == ["pretrained", other.name, "measured"]
    assert results["settings"]["baseline"] == str(pretrained)
    features = ["power_spectrum", "diphones", "triphones", "articulation", "all"]
    assert list(results["impact"]["pretrained"]) == [*features, "mean of the four"]
    figures = ("alignment.png", "layers.png")
    for name in ("alignment.csv", *figures, f"change-{other.name}.png"):
        assert (tmp_path / "report" / name).stat().st_size
    assert "impact, language, %" in done.stdout and "Warning: noise ceilings" in done.stdout

    # Both cards hold the numbers of the report, and have two of its figures beside them.
    copy = Path(carded.snapshot_download("ada/measured", local_dir=tmp_path / "copy"))
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


def test_a_model_without_a_card_is_refused_before_it_is_measured(pretrained):
    with pytest.raises(FileNotFoundError, match="has no card .README.md.: write one first"):
        check_card(str(pretrained))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "float16"}, "precision must be float32 or bfloat16, got 'float16'"),
        ({"model": ["a/x", "b/x"]}, "must differ from one another .* got a/x, b/x"),
        ({"model": ["runs/pretrained"]}, "must differ from one another and from 'pretrained'"),
    ],
)
def test_bad_arguments_are_refused(changes, message):
    given = dict(data="d", participant="P01", train_stories=["a"], test_story="b", model=["m"])
    with pytest.raises(ValueError, match=message):
        AlignArguments(**given | changes)


def test_voxels_whose_scored_responses_are_dead_are_left_out_for_all_models(planted, pretrained):
    train, test = planted
    responses = test.responses.copy()
    responses[:, 3], responses[5, 4] = 1.0, np.nan
    results = align(
        {"a": pretrained, "b": pretrained},
        train,
        dataclasses.replace(test, responses=responses),
        np.full(25, 0.9),
        {"follows": np.arange(20)},
        layers=[2],
        **WINDOWS,
    )
    assert results["n_excluded"] == 2
    assert results["alignment"]["b"]["follows"]["n_voxels"] == 18
    assert not {3, 4} & set(results["per_voxel"]["voxels"].tolist())
