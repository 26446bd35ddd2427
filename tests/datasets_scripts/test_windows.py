import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Trainer, TrainingArguments

from datasets_scripts import (
    JointWindows,
    SharedWindows,
    Story,
    TrainingWindows,
    cut,
    evaluation_windows,
    live_voxels,
    tr_midpoints,
    training_windows,
)

RATE = 16000


def story(name="souls", n_voxels=4, seconds=30.0, raw_trs=28, tr=2.0, participant="UTS01"):
    rng = np.random.default_rng(len(name))
    tr_times = tr_midpoints(raw_trs, tr)
    return Story(
        name=name,
        participant=participant,
        audio=rng.standard_normal(round(seconds * RATE)).astype(np.float32),
        audio_file=f"{name}.wav",
        tr=tr,
        tr_times=tr_times,
        responses=rng.standard_normal((len(tr_times), n_voxels)).astype(np.float32),
    )


def test_a_window_ends_with_its_tr_and_lasts_five():
    windows = training_windows(np.array([11.0, 13.0]), tr=2.0)
    np.testing.assert_array_equal(windows, [[2 * RATE, 12 * RATE], [4 * RATE, 14 * RATE]])


@settings(deadline=None)
@given(
    n_trs=st.integers(1, 40),
    tr=st.floats(0.3, 4.0),
    n_trs_per_window=st.integers(1, 10),
    sampling_rate=st.sampled_from([8000, 16000, 22050, 44100]),
)
def test_training_windows_cover_their_trs_to_the_sample(n_trs, tr, n_trs_per_window, sampling_rate):
    tr_times = np.arange(n_trs) * tr + tr / 2
    windows = training_windows(tr_times, tr, n_trs_per_window, sampling_rate)
    length = round(n_trs_per_window * tr * sampling_rate)
    assert windows.shape == (n_trs, 2)
    for tr_time, (start, stop) in zip(tr_times, windows, strict=True):
        assert stop - start == length
        assert abs(stop / sampling_rate - (tr_time + tr / 2)) <= 0.5 / sampling_rate + 1e-9


@pytest.mark.parametrize(
    ("tr_times", "tr", "n_trs", "message"),
    [
        (np.zeros((2, 2)), 2.0, 5, r"tr_times must be of shape \(n_trs,\), got \(2, 2\)"),
        (np.zeros(2), 0.0, 5, "at least one sample, got 5 TRs of 0.0 s"),
        (np.zeros(2), 2.0, 0, "at least one sample, got 0 TRs of 2.0 s"),
    ],
)
def test_training_windows_refuse(tr_times, tr, n_trs, message):
    with pytest.raises(ValueError, match=message):
        training_windows(tr_times, tr, n_trs)


def test_a_window_can_stand_for_several_moments_and_the_last_one_for_those_that_are_left():
    windows = evaluation_windows(round(2.46 * RATE), stride=0.1, n_each=10)
    np.testing.assert_array_equal(windows, np.array([[0, 1.0], [0, 2.0], [0, 2.4]]) * RATE)
    np.testing.assert_array_equal(evaluation_windows(RATE // 2, n_each=10), [[0, RATE // 2]])
    np.testing.assert_array_equal(
        evaluation_windows(20 * RATE, n_each=10)[-1], [4 * RATE, 20 * RATE]
    )


def test_evaluation_windows_grow_to_their_length_and_then_move():
    windows = evaluation_windows(20 * RATE)
    assert windows.shape == (200, 2)
    np.testing.assert_array_equal(windows[0], [0, 1600])
    np.testing.assert_array_equal(windows[159], [0, 16 * RATE])
    np.testing.assert_array_equal(windows[160], [1600, 16 * RATE + 1600])
    np.testing.assert_array_equal(windows[-1], [4 * RATE, 20 * RATE])


@settings(deadline=None)
@given(
    n_samples=st.integers(800, 100_000),
    sampling_rate=st.sampled_from([8000, 16000, 22050]),
    length=st.floats(0.01, 3.0),
    stride=st.floats(0.01, 0.03),
)
def test_evaluation_windows_are_causal_and_leave_no_stride_out(
    n_samples, sampling_rate, length, stride
):
    windows = evaluation_windows(n_samples, sampling_rate, length, stride)
    starts, stops = windows.T
    step = stride * sampling_rate
    np.testing.assert_array_equal(stops, [round(k * step) for k in range(1, len(windows) + 1)])
    assert n_samples - 0.5 - step <= stops[-1] <= n_samples
    np.testing.assert_array_equal(stops - starts, np.minimum(stops, round(length * sampling_rate)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_samples": 1000}, "a sound of 0.0625 s is shorter than the stride of 0.1 s"),
        ({"n_samples": RATE, "stride": 0.0}, "at least one sample"),
        ({"n_samples": RATE, "length": -1.0}, "at least one sample"),
    ],
)
def test_evaluation_windows_refuse(options, message):
    with pytest.raises(ValueError, match=message):
        evaluation_windows(**options)


@settings(deadline=None)
@given(n=st.integers(1, 30), start=st.integers(-40, 40), length=st.integers(0, 50))
def test_cut_is_the_sound_between_two_silences(n, start, length):
    audio = np.arange(1, n + 1, dtype=np.float32)
    silence = np.zeros(100, np.float32)
    surrounded = np.concatenate([silence, audio, silence])
    clip = cut(audio, start, start + length)
    assert clip.dtype == np.float32
    np.testing.assert_array_equal(clip, surrounded[100 + start : 100 + start + length])


@pytest.mark.parametrize("tr", [2.0, 2.0045])
def test_every_pair_holds_the_sound_of_its_own_trs(tr):
    stories = [story("souls", tr=tr), story("avatar", seconds=24.0, raw_trs=32, tr=tr)]
    pairs = TrainingWindows(stories, voxels=np.array([3, 1]))
    i = 0
    for told in stories:
        for row, midpoint in enumerate(told.tr_times):
            stop = round((midpoint + tr / 2) * RATE)
            expected = [
                told.audio[sample] if 0 <= sample < len(told.audio) else 0.0
                for sample in range(stop - round(5 * tr * RATE), stop)
            ]
            np.testing.assert_array_equal(pairs[i]["audio"], expected)
            np.testing.assert_array_equal(pairs[i]["labels"], told.responses[row, [3, 1]])
            i += 1
    assert len(pairs) == i


@pytest.mark.parametrize("sample", [2 * RATE - 1, 2 * RATE, 12 * RATE - 1, 12 * RATE, 17 * RATE])
def test_a_click_is_in_the_windows_that_should_have_it_and_in_no_other(sample):
    told = story(raw_trs=30)
    told.audio[:] = 0
    told.audio[sample] = 1
    pairs = TrainingWindows([told])
    heard = [i for i in range(len(pairs)) if pairs[i]["audio"].any()]
    click = sample / RATE
    assert heard == [
        i for i, midpoint in enumerate(told.tr_times) if midpoint - 9 <= click < midpoint + 1
    ]


def test_pairs_are_indexed_like_a_sequence():
    pairs = TrainingWindows(iter([story(), story("avatar")]))
    assert len(pairs) == 16
    assert len(list(pairs)) == 16
    np.testing.assert_array_equal(pairs[-1]["audio"], pairs[np.int64(15)]["audio"])
    with pytest.raises(IndexError):
        pairs[16]


def test_neither_sound_nor_responses_are_copied():
    told = story()
    pairs = TrainingWindows([told], voxels=[2, 0])
    told.audio[:] = 7
    told.responses[0] = [5, 6, 7, 8]
    assert (pairs[0]["audio"] == 7).all()
    assert pairs[0]["labels"].tolist() == [7, 5]
    assert pairs.voxels.tolist() == [2, 0]


def test_responses_stored_as_float16_come_as_float32():
    told = dataclasses.replace(story(), responses=story().responses.astype(np.float16))
    labels = TrainingWindows([told])[2]["labels"]
    assert labels.dtype == np.float32
    np.testing.assert_array_equal(labels, told.responses[2].astype(np.float32))


def test_an_order_gives_each_sound_the_response_of_another_tr():
    told, order = story(), [3, 4, 5, 6, 7, 0, 1, 2]
    plain, ordered = TrainingWindows([told]), TrainingWindows([told], order=order)
    for i in range(8):
        np.testing.assert_array_equal(ordered[i]["audio"], plain[i]["audio"])
        np.testing.assert_array_equal(ordered[i]["labels"], plain[order[i]]["labels"])


def test_an_order_reaches_over_the_borders_of_stories():
    two = [story(), story("avatar")]
    plain, ordered = TrainingWindows(two), TrainingWindows(two, order=np.roll(np.arange(16), 5))
    for i in range(16):
        np.testing.assert_array_equal(ordered.labels(i), plain.labels((i - 5) % 16))


def test_trs_that_differ_by_less_than_a_millisecond_give_windows_of_one_length():
    pairs = TrainingWindows([story(tr=2.0045), story("avatar", tr=2.0048)])
    assert len({len(pair["audio"]) for pair in pairs}) == 1


def two_participants():
    first = TrainingWindows([story(), story("avatar")], voxels=[2, 0])
    second = TrainingWindows([story(n_voxels=5, participant="UTS02")], voxels=[4, 3, 1])
    return first, second


def test_joint_windows_hold_each_participants_pairs_in_turn():
    first, second = two_participants()
    joint = JointWindows({"UTS01": first, "UTS02": second})
    assert len(joint) == len(first) + len(second) == 24
    for i, pair in enumerate(joint):
        own = first[i] if i < 16 else second[i - 16]
        columns, others = (slice(0, 2), slice(2, 5)) if i < 16 else (slice(2, 5), slice(0, 2))
        np.testing.assert_array_equal(pair["audio"], own["audio"])
        np.testing.assert_array_equal(pair["labels"][columns], own["labels"])
        assert pair["labels"].dtype == np.float32 and pair["labels"].shape == (5,)
        assert np.isnan(pair["labels"][others]).all()


def test_joint_windows_come_in_the_order_of_names():
    first, second = two_participants()
    joint = JointWindows({"UTS02": second, "UTS01": first})
    assert [(name, voxels.tolist()) for name, voxels in joint.voxels.items()] == [
        ("UTS01", [2, 0]),
        ("UTS02", [4, 3, 1]),
    ]
    np.testing.assert_array_equal(joint[0]["labels"][:2], first[0]["labels"])


def test_joint_windows_are_indexed_like_a_sequence():
    first, second = two_participants()
    joint = JointWindows({"UTS01": first, "UTS02": second})
    np.testing.assert_array_equal(joint[-1]["audio"], second[7]["audio"])
    np.testing.assert_array_equal(joint[np.int64(16)]["labels"], joint[-8]["labels"])
    with pytest.raises(IndexError):
        joint[24]


def test_a_participant_alone_is_joint_too():
    first, _ = two_participants()
    joint = JointWindows({"UTS01": first})
    for one, other in zip(joint, first, strict=True):
        np.testing.assert_array_equal(one["labels"], other["labels"])


def test_windows_that_cannot_be_mixed_are_refused():
    first, _ = two_participants()
    second = TrainingWindows([story(tr=1.5, participant="UTS02")])
    with pytest.raises(ValueError, match="{'UTS01': 160000, 'UTS02': 120000}.*give them one TR"):
        JointWindows({"UTS01": first, "UTS02": second})
    with pytest.raises(ValueError, match="got none"):
        JointWindows({})


def on_six_vertices(vertices=None):
    """UTS01 tunes on voxels 2 and 0, UTS02 on 4, 3 and 1; 0 and 5 lie in none of theirs."""
    first, second = two_participants()
    cortex = {
        "UTS01": np.array([-1, 0, 0, 2, 3, 1]),
        "UTS02": np.array([0, -1, 4, 1, 1, 2]),
    }
    return first, second, SharedWindows({"UTS01": first, "UTS02": second}, cortex, vertices)


def test_shared_windows_hold_the_response_of_the_voxel_that_a_vertex_lies_in():
    first, second, shared = on_six_vertices()
    np.testing.assert_array_equal(shared.voxels, [1, 2, 3, 4])
    assert len(shared) == 24 and shared.n_samples == first.n_samples
    for i, pair in enumerate(shared):
        own = first[i] if i < 16 else second[i - 16]
        np.testing.assert_array_equal(pair["audio"], own["audio"])
        labels = dict(zip((2, 0) if i < 16 else (4, 3, 1), own["labels"], strict=True))
        voxels = (0, 0, 2, None) if i < 16 else (None, 4, 1, 1)
        expected = [labels.get(voxel, np.nan) for voxel in voxels]
        np.testing.assert_array_equal(pair["labels"], expected)
        np.testing.assert_array_equal(shared.labels(i), expected)
        assert pair["labels"].dtype == np.float32


def test_shared_windows_take_the_vertices_of_a_head_that_there_is():
    _, _, shared = on_six_vertices(np.array([5, 4, 1]))
    np.testing.assert_array_equal(shared.voxels, [5, 4, 1])
    for i in range(len(shared)):
        assert list(np.isfinite(shared.labels(i))) == [False, i >= 16, i < 16]


def test_participants_of_different_cortices_or_of_none_of_the_vertices_share_nothing():
    first, second = two_participants()
    windows = {"UTS01": first, "UTS02": second}
    cortex = {"UTS01": np.array([0, 2]), "UTS02": np.array([1, 3, 4])}
    with pytest.raises(ValueError, match="share one cortex, got {'UTS01': 2, 'UTS02': 3} vertices"):
        SharedWindows(windows, cortex)
    with pytest.raises(ValueError, match="UTS02: no vertex of the 1 to predict lies in a voxel"):
        on_six_vertices(np.array([1]))


def test_labels_come_without_cutting_sound(monkeypatch):
    first, second = two_participants()
    joint = JointWindows({"UTS01": first, "UTS02": second})
    pairs = {windows: list(windows) for windows in (first, second, joint)}

    def cut(*_):
        raise AssertionError("sound was cut")

    monkeypatch.setattr("datasets_scripts.windows.cut", cut)
    for windows, expected in pairs.items():
        assert windows.n_samples == len(expected[0]["audio"])
        for i, pair in enumerate(expected):
            labels = windows.labels(i)
            np.testing.assert_array_equal(labels, pair["labels"])
            assert labels.dtype == np.float32
        np.testing.assert_array_equal(windows.labels(-1), expected[-1]["labels"])
        with pytest.raises(IndexError):
            windows.labels(len(windows))


def test_every_voxel_is_predicted_by_default():
    told = story()
    np.testing.assert_array_equal(TrainingWindows([told])[0]["labels"], told.responses[0])


def with_nan(told):
    told.responses[3, [1, 2]] = np.nan
    return told


@pytest.mark.parametrize(
    ("stories", "options", "message"),
    [
        ([], {}, "at least one Story, got none"),
        ([with_nan(story())], {"voxels": [2, 1]}, "2 of 2 selected voxels are dead.* none is left"),
        ([story(seconds=8.0)], {}, "souls: a window of 10 s is longer than its sound of 8 s"),
        ([story()], {"n_trs_per_window": 16}, "a window of 32 s is longer than its sound of 30 s"),
        ([story()], {"voxels": []}, "at least one index"),
        ([story()], {"voxels": [0, 4, -1]}, r"0 to 3, got 2 outside: \[ 4 -1\]"),
        ([story()], {"voxels": np.ones(4, bool)}, "whole-number indices, got bool"),
        ([story(), story("avatar", n_voxels=5)], {}, r"agree in .*4\) for souls .*5\) for avatar"),
        ([story(), story("avatar", tr=1.5)], {}, "agree in participant, TR and number of voxels"),
        ([story(), story("avatar", participant="UTS02")], {}, "UTS01.*souls.*UTS02.*avatar"),
        ([story()], {"order": [0, 1]}, r"an order must hold 8 TRs.*shape \(2,\)"),
        ([story()], {"order": np.arange(1, 9)}, "an order must hold 8 TRs from 0 to 7"),
    ],
)
def test_stories_and_voxels_that_cannot_train_are_refused(stories, options, message):
    with pytest.raises(ValueError, match=message):
        TrainingWindows(stories, **options)


def test_a_voxel_that_is_dead_in_one_story_leaves_all_with_a_warning():
    stories = [story("avatar"), with_nan(story())]
    with pytest.warns(UserWarning, match=r"2 of 4 selected voxels are dead \(NaN\).*\[1 2\]"):
        pairs = TrainingWindows(stories, voxels=[3, 2, 1, 0])
    np.testing.assert_array_equal(pairs.voxels, [3, 0])
    for pair, expected in zip(pairs, np.concatenate([s.responses for s in stories]), strict=True):
        np.testing.assert_array_equal(pair["labels"], expected[[3, 0]])


def test_live_voxels_are_finite_in_every_story_and_keep_their_order():
    other = story("avatar")
    other.responses[0, 3] = np.inf
    voxels = np.array([3, 2, 0])
    np.testing.assert_array_equal(live_voxels([story()], voxels), voxels)
    np.testing.assert_array_equal(live_voxels([with_nan(story()), other], voxels), [0])


def test_dead_voxels_do_no_harm_where_they_are_not_selected():
    labels = TrainingWindows([with_nan(story())], voxels=[0, 3])[3]["labels"]
    assert np.isfinite(labels).all()


class Loudness(torch.nn.Module):
    """Predicts every voxel from the loudness of the window."""

    def __init__(self, n_voxels):
        super().__init__()
        self.head = torch.nn.Linear(1, n_voxels)

    def forward(self, audio, labels):
        predicted = self.head(audio.square().mean(1, keepdim=True))
        return {"loss": (predicted - labels).square().mean(), "logits": predicted}


def test_a_trainer_takes_the_pairs_as_they_are(tmp_path):
    arguments = TrainingArguments(
        output_dir=tmp_path,
        max_steps=2,
        per_device_train_batch_size=4,
        remove_unused_columns=False,
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )
    pairs = TrainingWindows([story()])
    trained = Trainer(Loudness(4), arguments, train_dataset=pairs, eval_dataset=pairs)
    assert np.isfinite(trained.train().training_loss)
    np.testing.assert_array_equal(trained.predict(pairs).label_ids, story().responses)
