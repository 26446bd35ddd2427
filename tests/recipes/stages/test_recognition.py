"""Recognition by small untaught models of a handful of the phantom's clips."""

import json
import shutil

import pytest

from datasets_scripts import make_phantom_tasks
from recipes.stages.recognition import (
    RecognitionOptions,
    expected_minutes,
    open_transcribed,
    recognise,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks") / "phantom"
    make_phantom_tasks(folder, n_train=30, n_validation=25, n_test=25)
    return folder


def opened_by(folder, checkpoint, **options):
    return open_transcribed("phantom", str(folder), "phones", [checkpoint], **options)


@pytest.fixture(scope="module")
def opened(folder, pretrained):
    """Splits, of which only some clips are validated and tested on, and tokenizer of the phones."""
    splits, tokenizer, notes = opened_by(folder, pretrained)
    assert notes == []
    for split in ("validation", "test"):
        clips = splits[split]
        clips.files, clips.texts, clips.labels = clips.files[:4], clips.texts[:4], clips.labels[:4]
    return splits, tokenizer


def options(output, **changes):
    steps = {"max_steps": 4, "eval_steps": 2, "save_steps": 2, "logging_steps": 1}
    return RecognitionOptions(
        output_dir=str(output),
        per_device_train_batch_size=4,
        use_cpu=True,
        disable_tqdm=True,
        **steps | changes,
    )


class Recording:
    """Sounds that are counted as they are read, of which only so many can be."""

    def __init__(self, sounds, most=1000):
        self.sounds, self.most, self.read = sounds, most, []

    def __getitem__(self, index):
        if len(self.read) == self.most:
            raise KeyboardInterrupt
        self.read.append(index)
        return self.sounds[index]


def test_an_interrupted_run_goes_on_from_its_last_checkpoint(
    opened, pretrained, tmp_path, monkeypatch
):
    splits, tokenizer = opened
    request = (pretrained, splits, tokenizer, "phones", options(tmp_path))
    whole = recognise(tmp_path / "whole", *request)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        # A batch of 4 is read ahead, so that this is while the third step is taken.
        patch.setattr(splits["train"], "sounds", Recording(splits["train"].sounds, most=15))
        recognise(tmp_path / "cut", *request)
    validating = Recording(splits["validation"].sounds)
    monkeypatch.setattr(splits["validation"], "sounds", validating)
    resumed = recognise(tmp_path / "cut", *request)
    assert len(validating.read) == 4  # after the fourth step, not the second
    assert resumed | {"seconds": 0} == whole | {"seconds": 0}


@pytest.fixture
def flawed(folder, tmp_path):
    """The clips with one that is too short, one silent, one with a new phone, one heard before."""
    copy = shutil.copytree(folder, tmp_path / "flawed")
    path = copy / "sentences.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    train, test = ([r for r in records if r["split"] == split] for split in ("train", "test"))
    silence = [phone for phone in test[0]["phones"] if phone["label"] == "sp"]
    test[0]["phones"] = silence
    train[1]["phones"] = 60 * train[1]["phones"]
    test[2]["phones"][1]["label"] = "QQ"
    test[3]["text"] = train[0]["text"]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return copy


def test_clips_that_tell_nothing_are_left_out_and_named(flawed, pretrained):
    splits, tokenizer, notes = opened_by(flawed, pretrained, max_unusable=0.05)
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 29,
        "validation": 25,
        "test": 23,
    }
    short, seen, silent, unknown = notes
    assert short.startswith("1 of 30 train clips cannot be used (sentences/train-00001.wav: ")
    assert seen == "1 of 25 test clips are left out: training clips speak the same sentences."
    assert silent.startswith(
        "1 of 24 test clips cannot be used (sentences/test-00000.wav: no transcript)"
    )
    assert unknown.startswith("QQ: in no training clip") and " 1 of the " in unknown
    which = splits["test"].files.index("sentences/test-00002.wav")
    assert splits["test"].labels[which][0] == tokenizer.unk_token_id
    assert splits["test"].texts[which].startswith("QQ ")


def test_a_split_of_sentences_that_were_trained_on_is_refused(folder, pretrained, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "same")
    path = copy / "sentences.jsonl"
    records = [json.loads(line) | {"text": "of sea"} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    with pytest.raises(ValueError, match="no validation clip is left; 25 of 25 validation clips"):
        opened_by(copy, pretrained)


def test_too_many_such_clips_are_an_error(flawed, pretrained):
    with pytest.raises(ValueError, match=r"train-00001\.wav: \d+ frames for \d+ labels.*0\.03"):
        opened_by(flawed, pretrained, max_unusable=0.03)


def test_a_training_that_diverges_is_stopped(opened, pretrained, tmp_path):
    splits, tokenizer = opened
    training = options(tmp_path, learning_rate=1e30)
    with pytest.raises(FloatingPointError, match="nan at step 2: lower learning_rate"):
        recognise(tmp_path / "diverged", pretrained, splits, tokenizer, "phones", training)


def test_the_time_ahead_grows_with_models_and_steps(opened, pretrained, tmp_path, monkeypatch):
    splits, tokenizer = opened
    monkeypatch.setattr("recipes.stages.recognition.seconds_of", lambda work: work() and 60 or 60)
    request = (splits, tokenizer, options(tmp_path))
    assert expected_minutes([], *request) == 0
    # 4 steps, two evaluations of 4 clips and the 4 test clips
    assert expected_minutes([pretrained], *request) == 4 + 2 * 4 + 4
    assert expected_minutes([pretrained] * 2, *request) == 2 * (4 + 2 * 4 + 4)
    epochs = {"max_steps": -1, "num_train_epochs": 2, "eval_strategy": "epoch"}
    training = options(tmp_path, save_strategy="epoch", **epochs)
    n_steps = 2 * 8  # of 30 clips, 4 at once
    assert expected_minutes([pretrained], splits, tokenizer, training) == n_steps + 2 * 4 + 4


def test_nothing_is_published_and_the_seed_is_that_of_all_commands(tmp_path):
    with pytest.raises(TypeError, match="push_to_hub"):
        options(tmp_path, push_to_hub=True)
    assert options(tmp_path).seed == 0
    assert RecognitionOptions(use_cpu=True).output_dir == "outputs/asr"


def test_only_what_changes_the_result_keeps_a_finished_run_from_being_taken(
    opened, pretrained, tmp_path
):
    splits, tokenizer = opened
    request = (tmp_path / "model", pretrained, splits, tokenizer, "phones")
    short = {"max_steps": 1, "eval_steps": 1, "save_steps": 1}
    results = recognise(*request, options(tmp_path, **short))
    taken = recognise(*request, options(tmp_path / "elsewhere", **short | {"logging_steps": 5}))
    assert taken == results
    with pytest.raises(FileExistsError, match="overwrite_output_dir"):
        recognise(*request, options(tmp_path, **short, learning_rate=1e-3))
    again = options(tmp_path, **short, learning_rate=1e-3, overwrite_output_dir=True)
    assert recognise(*request, again)["validation"] != results["validation"]
