"""Alignment of known representations with planted responses."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import zscore
from transformers import AutoFeatureExtractor, AutoModel, Wav2Vec2Model, set_seed

from datasets_scripts import Interval, Story, low_level_features, noise_ceiling, read_ds003020
from evaluate_metrics.reports import notes
from recipes.stages import measuring
from recipes.stages.encoding import Extraction, layer_features
from recipes.stages.measuring import align, head_alignment, measure

LAYER_2 = Extraction(layers=[2], length=4.0, stride=1.0)
N_REPEATS, SNR = 8, 1.0


pytestmark = pytest.mark.filterwarnings("ignore:a recording of:UserWarning")


@pytest.fixture(scope="module")
def stories(recordings):
    return list(read_ds003020(recordings, "P01"))


@pytest.fixture(scope="module")
def planted(stories, pretrained):
    """Responses that follow layer 2 of the model, two TRs later, in 20 voxels; 5 more are noise."""
    test, *stories = stories
    features = layer_features(*LAYER_2.load(pretrained), [*stories, test], LAYER_2)[2]
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
    results = align(checkpoints, train, test, ceiling, regions, LAYER_2)
    true, gain = results["alignment"]["true"]["follows"], results["gain"]["true"]["follows"]
    assert true["mean"] > 0.6
    assert gain["mean"] > 0 and gain["interval"][0] > 0
    assert gain["mean"] == pytest.approx(
        true["mean"] - results["alignment"]["other"]["follows"]["mean"]
    )
    assert true["n_voxels"] == (ceiling[:20] > 0.4).sum()
    assert results["n_trs"] == len(test.responses)
    assert (
        results["evaluation_stride"] == results["evaluation_chunk"] == 1.0
    )  # of the extraction, as everything that follows says


def test_pairs_of_models_are_compared_as_each_is_with_the_baseline(planted, pretrained, other):
    train, test = planted
    ceiling, regions = np.full(25, 0.9), {"follows": np.arange(20), "noise": np.arange(20, 25)}
    checkpoints = {"other": other, "true": pretrained, "same": pretrained}
    pairs = [("true", "other"), ("other", "true"), ("same", "true")]
    results = align(checkpoints, train, test, ceiling, regions, LAYER_2, pairs=pairs)
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
    results = align(checkpoints, train, test, ceiling, regions, LAYER_2)
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
            LAYER_2,
            test_skip_trs=10,
        )
        for responses in (test.responses, spoilt)
    ]
    assert scores[0]["alignment"] == scores[1]["alignment"]
    assert scores[0]["n_trs"] == len(test.responses) - 10


def test_too_little_of_the_test_story_is_an_error(planted, pretrained):
    train, test = planted
    skip = len(test.responses) - 5
    with pytest.raises(ValueError, match=f"test_skip_trs={skip} leaves 5 of the"):
        align({"m": pretrained}, train, test, np.full(25, 0.9), {}, LAYER_2, test_skip_trs=skip)


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
            LAYER_2,
            low_level={"sound": low_level_features(train, test)["articulation"]},
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
        LAYER_2,
    )
    assert results["n_excluded"] == 2
    assert results["alignment"]["b"]["follows"]["n_voxels"] == 18
    assert not {3, 4} & set(results["per_voxel"]["voxels"].tolist())


def test_maps_need_voxels_outside_the_regions_too(planted, pretrained):
    train, test = planted
    ceiling = np.full(25, 0.9)
    ceiling[3] = 0.1
    regions = {"follows": np.arange(10)}
    checkpoints = {"a": pretrained, "b": pretrained}
    alone = align(checkpoints, train, test, ceiling, regions, LAYER_2)
    everywhere = align(checkpoints, train, test, ceiling, regions, LAYER_2, everywhere=True)
    live = np.setdiff1d(np.arange(25), 3)
    np.testing.assert_array_equal(alone["per_voxel"]["voxels"], live[live < 10])
    np.testing.assert_array_equal(everywhere["per_voxel"]["voxels"], live)
    found, expected = (r["alignment"]["a"]["follows"] for r in (everywhere, alone))
    assert found["n_voxels"] == expected["n_voxels"] == 9
    assert found["mean"] == pytest.approx(expected["mean"], rel=1e-4)
    assert found["interval"] == pytest.approx(expected["interval"], rel=1e-2)


def test_a_voxel_that_is_dead_in_a_training_story_is_left_out(planted, pretrained):
    train, test = planted
    holed = train[1].responses.copy()
    holed[4, 7] = np.nan
    train = [train[0], dataclasses.replace(train[1], responses=holed), *train[2:]]
    regions = {"follows": np.arange(20)}
    results = align({"a": pretrained}, train, test, np.full(25, 0.9), regions, LAYER_2)
    assert results["n_excluded"] == 1 and 7 not in results["per_voxel"]["voxels"]


def test_a_story_of_few_trs_is_resampled_in_shorter_blocks(planted, pretrained):
    train, test = planted
    short = dataclasses.replace(
        test, responses=test.responses[:17], tr_times=test.tr_times[:17], repeats=None
    )
    regions = {"follows": np.arange(20)}
    checkpoints = {"a": pretrained, "b": pretrained}
    results = align(checkpoints, train, short, np.full(25, 0.9), regions, LAYER_2)
    assert results["tests"]["b"]["follows"]["n"] == 3  # blocks of 8 TRs, and what is left
    assert "blocks of 8, not 10" in notes(results, regions)[-1]


def test_a_head_hears_the_trs_up_to_and_including_the_one_that_it_is_scored_on(monkeypatch):
    """Responses tell the loudness of their own TR alone: a window off by one tells another's."""
    rng, tr, n_trs, rate = np.random.default_rng(0), 2.0, 60, Story.sampling_rate
    loudness = rng.uniform(0.1, 1, n_trs).astype(np.float32)
    responses = np.stack([zscore(loudness), -zscore(loudness)], axis=1)
    responses[:10] = rng.standard_normal((10, 2))  # skipped
    story = Story(
        name="loud",
        participant="P01",
        audio=np.repeat(loudness, round(tr * rate)),
        audio_file="",
        tr=tr,
        tr_times=(np.arange(n_trs) + 0.5) * tr,
        responses=responses,
        repeats=None,
        words=[],
        phones=[],
    )

    class Head:
        """Predicts the loudness of the last second that it hears."""

        brains = {"P01": None}  # noqa: RUF012

        def to(self, device):
            return self

        def predict_responses(self, audio, feature_extractor, windows, **options):
            heard = np.array([audio[stop - rate : stop].mean() for _, stop in windows])
            return np.stack([heard, -heard], axis=1)

    monkeypatch.setattr(
        measuring, "AutoModelForBrainTuning", SimpleNamespace(from_pretrained=lambda _: Head())
    )
    monkeypatch.setattr(measuring, "load_feature_extractor", lambda _: None)
    one = SimpleNamespace(
        test=story,
        voxels=np.arange(2),
        ceiling=np.ones(2),
        measured_regions={"all": np.arange(2)},
        name="P01",
    )
    options = SimpleNamespace(test_skip_trs=10, n_trs_per_window=5)
    scores = head_alignment("brain-tuned", one, options, "cpu", 8)["all"]
    assert scores["mean"] == pytest.approx(1, abs=1e-6)
    assert scores["n_voxels"] == 2


def test_division_by_a_noise_ceiling_near_zero_is_warned_of(monkeypatch):
    found = {"per_voxel": {"voxels": np.array([0, 1, 3])}, "n_trs": 300, "n_excluded": 0}
    found |= {"evaluation_stride": 0.1, "evaluation_chunk": 0.1}
    found |= {"penalty_edges": {"pretrained": {"smallest": 0, "largest": 0}}, "by_words": None}
    monkeypatch.setattr(measuring, "align", lambda *_, **__: found)
    one = SimpleNamespace(
        name="P01",
        train=[],
        penalties=[],
        test=SimpleNamespace(name="repeated"),
        ceiling=np.array([0.1, 0.6, 0.1, 0.15]),
        ceiling_note="Given.",
        normalisation="normalised",
        measured_regions={},
        participant=SimpleNamespace(regions={"language": [0]}),
    )
    options = SimpleNamespace(lowest_ceiling=0.0, test_skip_trs=0, delays=[1, 2, 3, 4])
    said = measure(one, {}, options, LAYER_2)["notes"]
    assert said[0] == "Given." and len(said) == 3
    assert said[1].startswith("Warning: 2 voxels have a noise ceiling below 0.2")
    one.ceiling += 0.2
    assert measure(one, {}, options, LAYER_2)["notes"] == ["Given.", said[2]]
    one.penalties, options.delays = [SimpleNamespace(name="story33")], [0, 1]
    assert measure(one, {}, options, LAYER_2)["notes"][1:3] == [
        "Encoding models have delays of 0, 1 TRs.",
        "Penalties of encoding models were chosen on story33.",
    ]


def test_trs_that_follow_new_words_are_scored_apart(planted, pretrained, other, monkeypatch):
    train, test = planted
    late = dataclasses.replace(test, words=[Interval(20.0, 20.5, "lighthouse")])
    ceiling, regions = np.full(25, 0.9), {"follows": np.arange(20)}

    def measured(test, skipped=0):
        checkpoints = {"other": other, "true": pretrained}
        return align(checkpoints, train, test, ceiling, regions, LAYER_2, test_skip_trs=skipped)[
            "by_words"
        ]

    first = int(np.argmax(test.tr_times > 20.25 + test.tr / 2))
    monkeypatch.setattr(measuring, "FEW", 2)
    found = measured(late)
    assert (found["n_new"], found["n_words"], found["new"]["n_trs"]) == (1, 1, 4)
    n_trs = len(test.responses)
    assert found["known"]["n_trs"] == n_trs - 4
    gain, alignment = (found["known"][what] for what in ("gain", "alignment"))
    assert gain["true"]["follows"]["mean"] == pytest.approx(
        alignment["true"]["follows"]["mean"] - alignment["other"]["follows"]["mean"]
    )
    # of the four TRs that follow it, the last two are left when all before them are not scored
    assert measured(late, skipped=first + 2)["new"]["n_trs"] == 2
    monkeypatch.setattr(measuring, "FEW", 20)
    assert measured(late)["new"] == {"n_trs": 4}
    assert measured(dataclasses.replace(test, words=[])) is None


def test_penalties_can_be_chosen_on_other_stories_and_delays_be_others(planted, pretrained):
    train, test = planted
    regions = {"follows": np.arange(20)}
    results = align(
        {"a": pretrained},
        train[:-1],
        test,
        np.full(25, 0.9),
        regions,
        LAYER_2,
        low_level={"sound": low_level_features(train[:-1], train[-1], test)["articulation"]},
        delays=[2],
        penalty_stories=train[-1:],
    )
    assert results["alignment"]["a"]["follows"]["mean"] > 0.6
    shares = results["penalty_edges"]["a"]
    assert set(shares) == {"smallest", "largest"} and 0 <= min(shares.values()) <= 100
    follows = [
        align({"a": pretrained}, train, test, np.full(25, 0.9), regions, LAYER_2, delays=delays)
        for delays in ([2], [3])
    ]
    good, wrong = (found["alignment"]["a"]["follows"]["mean"] for found in follows)
    assert good > 0.6 > wrong + 0.2
