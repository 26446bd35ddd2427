"""Recognition by small untaught models of a handful of the phantom's clips."""

import csv
import json
import shutil

import jiwer
import numpy as np
import pytest
import soundfile
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    AutoModel,
    AutoModelForCTC,
    AutoProcessor,
    BertConfig,
    HubertConfig,
    HubertModel,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    WhisperConfig,
    pipeline,
    set_seed,
)

from datasets_scripts import make_phantom_tasks
from datasets_scripts.speech_tasks.speech_task import INTERVALS
from modeling_braintune import AutoModelForBrainTuning
from recipes.arguments import parse_arguments
from recipes.asr import (
    DEFAULT_CONFIG,
    AsrArguments,
    AsrTrainingArguments,
    asr,
    count_errors,
    ctc_batch,
    ctc_model,
    ctc_processor,
    ctc_tokenizer,
    ctc_trainer,
    frame_counter,
    open_transcribed,
    recognise,
    table,
    transcripts,
)
from recipes.probe import COLUMNS

BASELINE, TUNED, TASK = "pretrained", "brain-tuned", "phantom/asr_phones"
SIZE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
CNN = {"conv_dim": (8, 16), "conv_kernel": (40, 16), "conv_stride": (20, 16)}
SMALL = SIZE | CNN | {"intermediate_size": 32, "num_conv_pos_embeddings": 8}
SMALL |= {"num_conv_pos_embedding_groups": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks") / "phantom"
    make_phantom_tasks(folder, n_train=30, n_validation=25, n_test=25)
    return folder


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, pretrained):
    """A checkpoint with a head for voxels and other weights than the pretrained one."""
    folder = tmp_path_factory.mktemp("models") / TUNED
    model = AutoModelForBrainTuning.from_pretrained(pretrained, num_voxels=3)
    with torch.no_grad():
        for parameter in model.base_model.encoder.parameters():
            parameter *= 1.1
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory, pretrained):
    """A small checkpoint of each of three families."""
    root = tmp_path_factory.mktemp("families")
    set_seed(0)
    HubertModel(HubertConfig(**SMALL)).save_pretrained(root / "hubert")
    Wav2Vec2FeatureExtractor().save_pretrained(root / "hubert")
    bert = Wav2Vec2BertConfig(**SIZE, intermediate_size=32, conv_depthwise_kernel_size=3)
    Wav2Vec2BertModel(bert).save_pretrained(root / "bert")
    SeamlessM4TFeatureExtractor().save_pretrained(root / "bert")
    return {"wav2vec2": pretrained, "hubert": root / "hubert", "bert": root / "bert"}


def arguments(folder, output, *models, baseline=None, units="phones", max_unusable=0.01, **changes):
    options = {"max_steps": 4, "eval_steps": 2, "save_steps": 2, "logging_steps": 1} | changes
    return (
        AsrArguments(
            model=list(map(str, models)),
            baseline=baseline and str(baseline),
            collection="phantom",
            data=str(folder),
            units=units,
            max_unusable=max_unusable,
        ),
        AsrTrainingArguments(
            output_dir=str(output),
            per_device_train_batch_size=4,
            use_cpu=True,
            disable_tqdm=True,
            **options,
        ),
    )


@pytest.fixture(scope="module")
def finished(folder, pretrained, tuned, tmp_path_factory):
    """Report of two models, and its folder."""
    output = tmp_path_factory.mktemp("asr")
    return asr(*arguments(folder, output, tuned, baseline=pretrained)), output


@pytest.fixture(scope="module")
def opened(folder, checkpoints):
    """Splits, of which only some clips are validated and tested on, and tokenizer of the phones."""
    checkpoint = checkpoints["hubert"]
    asked, _ = arguments(folder, "unused", checkpoint)
    splits, tokenizer, notes = open_transcribed(asked, [checkpoint])
    assert notes == []
    for split in ("validation", "test"):
        clips = splits[split]
        clips.files, clips.texts, clips.labels = clips.files[:4], clips.texts[:4], clips.labels[:4]
    return splits, tokenizer


def results_of(output, label):
    return json.loads((output / label / "results.json").read_text())


def test_rows_hold_the_error_rate_of_jiwer_and_what_is_left_of_one(finished):
    report, output = finished
    assert [(row["model"], row["measure"]) for row in report["rows"]] == [
        (model, measure) for model in (BASELINE, TUNED) for measure in ("wer", "1-wer")
    ]
    for wrong, right in zip(report["rows"][::2], report["rows"][1::2], strict=True):
        clips = results_of(output, wrong["model"])["clips"]
        said, heard = ([clip[name] for clip in clips] for name in ("reference", "hypothesis"))
        assert wrong["value"] == pytest.approx(jiwer.wer(said, heard))
        assert report["n_words"] == sum(len(text.split()) for text in said)
        assert wrong["interval_low"] < wrong["value"] < wrong["interval_high"]
        for name, other in (("value",) * 2, ("interval_low", "interval_high")):
            assert right[name] == pytest.approx(1 - wrong[other])
        for row in (wrong, right):
            assert tuple(row) == COLUMNS
            assert (row["task"], row["layer"], row["feature"]) == (TASK, "all", None)
            assert (row["n"], row["unit"], row["participant"]) == (25, "clips", None)


def test_the_difference_is_paired_over_clips(finished):
    report, output = finished
    of_baseline, of_tuned = (results_of(output, label)["clips"] for label in (BASELINE, TUNED))
    words = np.array([clip["words"] for clip in of_baseline])
    pairs = zip(of_baseline, of_tuned, strict=True)
    fewer = np.array([a["errors"] - b["errors"] for a, b in pairs])
    difference = report["differences"][TUNED]
    assert difference["value"] == pytest.approx(fewer.sum() / words.sum())
    rng = np.random.default_rng(1)
    drawn = rng.integers(25, size=(4000, 25))
    expected = np.percentile(fewer[drawn].sum(1) / words[drawn].sum(1), [2.5, 97.5])
    assert difference["interval"] == pytest.approx(expected, abs=0.1 * np.ptp(expected))


def test_the_step_with_the_fewest_validation_errors_is_chosen(finished):
    report, output = finished
    for label, step in report["chosen_step"].items():
        rates = dict(map(tuple, results_of(output, label)["wer"]))
        assert set(rates) == {2, 4} and rates[step] == min(rates.values())


def test_the_report_is_written_and_printed(finished):
    report, output = finished
    assert json.loads((output / "asr.json").read_text()) == json.loads(json.dumps(report))
    with open(output / "asr.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["value"]) for row in rows] == [row["value"] for row in report["rows"]]
    text = table(report)
    assert f"25 test clips, {report['n_words']} phones" in text and "phone error rate" in text
    assert f"{report['differences'][TUNED]['value']:+.3f}" in text


@pytest.mark.parametrize("label", [BASELINE, TUNED])
def test_a_tuned_model_is_an_ordinary_recogniser(label, finished, folder):
    _, output = finished
    _, info = AutoModelForCTC.from_pretrained(output / label, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    config = json.loads((output / label / "config.json").read_text())
    assert not {"num_voxels", "brain", "auto_map"} & set(config)
    vocabulary = json.loads((output / label / "vocab.json").read_text())
    *tokens, unknown, blank = sorted(vocabulary, key=vocabulary.get)
    assert tokens == sorted(tokens) and (unknown, blank) == ("<unk>", "<pad>")
    processor = AutoProcessor.from_pretrained(output / label)
    assert processor.tokenizer.get_vocab() == vocabulary
    transcribe = pipeline("automatic-speech-recognition", model=str(output / label))
    for clip in results_of(output, label)["clips"][:5]:
        sound, rate = soundfile.read(folder / clip["file"], dtype="float32")
        assert rate == 16000 and transcribe(sound)["text"] == clip["hypothesis"]


def test_all_but_the_feature_encoder_is_tuned(finished, tuned):
    _, output = finished
    before = AutoModel.from_pretrained(tuned).state_dict()
    after = AutoModelForCTC.from_pretrained(output / TUNED).base_model.state_dict()
    moved = {name for name, value in before.items() if not after[name].equal(value)}
    assert moved and not any(name.startswith("feature_extractor") for name in moved)
    assert any(name.startswith("feature_projection") for name in moved)


def test_a_finished_model_is_not_tuned_again_and_one_with_other_settings_not_replaced(
    finished, folder, pretrained, tuned, tmp_path
):
    report, output = finished
    copy = shutil.copytree(output, tmp_path / "asr")
    weights = [copy / label / "model.safetensors" for label in (BASELINE, TUNED)]
    before = [path.stat().st_mtime_ns for path in weights]
    again = asr(*arguments(folder, copy, tuned, baseline=pretrained))
    assert again["rows"] == report["rows"]
    assert [path.stat().st_mtime_ns for path in weights] == before
    with pytest.raises(FileExistsError, match="overwrite_output_dir"):
        asr(*arguments(folder, copy, tuned, baseline=pretrained, learning_rate=1e-3))


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
    opened, folder, pretrained, tmp_path, monkeypatch
):
    splits, tokenizer = opened
    asked, training = arguments(folder, tmp_path, pretrained)
    request = (pretrained, splits, tokenizer, asked, training)
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


def test_all_families_get_the_same_batches_in_the_same_order(
    opened, checkpoints, tmp_path, monkeypatch
):
    splits, tokenizer = opened
    sounds, orders = splits["train"].sounds, []
    for name, checkpoint in checkpoints.items():
        options = {"max_steps": 10, "eval_steps": 10, "save_steps": 10}
        _, training = arguments("unused", tmp_path / name, **options)
        recording = Recording(sounds)
        monkeypatch.setattr(splits["train"], "sounds", recording)
        model, processor = ctc_model(checkpoint, tokenizer, 0), ctc_processor(checkpoint, tokenizer)
        ctc_trainer(model, processor, training, splits["train"], splits["validation"]).train()
        orders.append(recording.read)
    once, again = orders[0][:30], orders[0][30:]
    assert sorted(once) == list(range(30)) != once  # shuffled
    assert again and once[: len(again)] != again
    assert orders[0] == orders[1] == orders[2]


def test_a_head_is_new_and_the_same_for_all_checkpoints_of_a_family(opened, pretrained, tmp_path):
    _, tokenizer = opened
    model = ctc_model(pretrained, tokenizer, 0)
    head = model.lm_head.weight.detach().clone()
    with torch.no_grad():
        model.lm_head.weight += 1
        model.base_model.masked_spec_embed += 1
    model.save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(tmp_path)
    again = ctc_model(tmp_path, tokenizer, 0)
    assert again.lm_head.weight.equal(head)
    assert again.base_model.masked_spec_embed.equal(model.base_model.masked_spec_embed)
    assert not ctc_model(pretrained, tokenizer, 1).lm_head.weight.equal(head)


def test_the_loss_of_a_padded_batch_is_the_mean_over_its_clips(opened, tmp_path):
    splits, tokenizer = opened
    config = Wav2Vec2Config(**SMALL, feat_extract_norm="layer")
    set_seed(0)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    feature_extractor = Wav2Vec2FeatureExtractor(return_attention_mask=True)
    model = ctc_model(tmp_path, tokenizer, 0).eval()
    items = [splits["train"][i] for i in range(4)]
    batch = ctc_batch(feature_extractor, items)
    assert [row[row != -100].tolist() for row in batch["labels"]] == splits["train"].labels[:4]
    with torch.inference_mode():
        together = model(**batch).loss
        alone = [model(**ctc_batch(feature_extractor, [item])).loss for item in items]
    assert together.item() == pytest.approx(np.mean(alone), rel=1e-5)


@pytest.mark.parametrize("name", ["wav2vec2", "hubert", "bert"])
def test_frames_are_counted_as_the_model_makes_them(name, opened, checkpoints):
    _, tokenizer = opened
    count = frame_counter(checkpoints[name], tokenizer)
    model = ctc_model(checkpoints[name], tokenizer, 0).eval()
    extractor = ctc_processor(checkpoints[name], tokenizer).feature_extractor
    rng = np.random.default_rng(0)
    for n_samples in (1000, 1001, 15999, 16320):
        item = {"audio": rng.standard_normal(n_samples).astype(np.float32), "labels": [0]}
        with torch.inference_mode():
            (frames,) = model(**ctc_batch(extractor, [item])).logits
        assert count(item["audio"]) == len(frames)
    assert count(np.zeros(100, np.float32)) == 0


texts = st.lists(st.sampled_from("a b c".split()), min_size=1, max_size=6).map(" ".join)


@given(st.lists(st.tuples(texts, texts | st.just("")), min_size=1, max_size=5))
def test_counts_add_up_to_the_error_rate_of_jiwer(pairs):
    references, hypotheses = map(list, zip(*pairs, strict=True))
    errors, words = count_errors(references, hypotheses)
    assert errors.sum() / words.sum() == pytest.approx(jiwer.wer(references, hypotheses))
    assert words.tolist() == [len(reference.split()) for reference in references]


def test_phones_are_told_without_silences():
    labels = ["sil", "sh", "iy", "SP", "", "hh"]
    row = [{"start": 0.0, "end": 1.0, "label": label} for label in labels if label]
    clips = Dataset.from_dict({"phones": [row]})
    assert clips.cast_column("phones", INTERVALS) and transcripts(clips, "phones") == ["sh iy hh"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("She had your suit in wash-water.", "she had your suit in wash water"),
        ('"Don’t  ask me," he said -- 2 times!', "don't ask me he said 2 times"),
        ("Étude_no. 3/4", "étudeno 3 4"),
        ("...", ""),
    ],
)
def test_characters_are_those_of_words(text, words):
    assert transcripts(Dataset.from_dict({"text": [text]}), "characters") == [words]


@given(st.text())
def test_characters_do_not_change_when_taken_again(text):
    (once,) = transcripts({"text": [text]}, "characters")
    assert transcripts({"text": [once]}, "characters") == [once]
    assert once == " ".join(once.split())


def test_characters_are_decoded_to_words():
    tokenizer = ctc_tokenizer(["of sea", "see"], "characters")
    assert [*tokenizer.get_vocab()] == ["a", "e", "f", "o", "s", "|", "<unk>", "<pad>"]
    ids = tokenizer.convert_tokens_to_ids(["o", "<pad>", "f", "f", "|", "s", "e", "<pad>", "e"])
    assert tokenizer.batch_decode([ids, [7, 7]]) == ["of see", ""]


def test_words_are_recognised_by_characters(folder, pretrained, tmp_path):
    report = asr(*arguments(folder, tmp_path, pretrained, units="characters", max_steps=2))
    assert {row["task"] for row in report["rows"]} == {"phantom/asr_characters"}
    assert report["n_words"] == 25 * 7 and report["differences"] == {}
    assert "word error rate" in table(report)


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


def test_clips_that_tell_nothing_are_left_out_and_named(flawed, pretrained, tmp_path):
    asked, _ = arguments(flawed, tmp_path, pretrained, max_unusable=0.05)
    splits, tokenizer, notes = open_transcribed(asked, [pretrained])
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
    asked, _ = arguments(copy, tmp_path, pretrained)
    with pytest.raises(ValueError, match="no validation clip is left; 25 of 25 validation clips"):
        open_transcribed(asked, [pretrained])


def test_too_many_such_clips_are_an_error(flawed, pretrained, tmp_path):
    asked, _ = arguments(flawed, tmp_path, pretrained, max_unusable=0.03)
    with pytest.raises(ValueError, match=r"train-00001\.wav: \d+ frames for \d+ labels.*0\.03"):
        open_transcribed(asked, [pretrained])


@pytest.mark.parametrize("config", [WhisperConfig(), BertConfig()])
def test_a_model_that_is_not_compared_by_ctc_is_refused_by_name(config, folder, tmp_path):
    config.save_pretrained(tmp_path / "other")
    with pytest.raises(ValueError, match=f"other is of model type '{config.model_type}'.*hubert"):
        asr(*arguments(folder, tmp_path, tmp_path / "other"))


def test_bad_arguments_are_refused(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        asr(*arguments(folder, tmp_path, tmp_path / "none"))
    with pytest.raises(ValueError, match="Did you mean 'phones'"):
        arguments(folder, tmp_path, "a", units="phone")
    with pytest.raises(ValueError, match="last part of their names"):
        arguments(folder, tmp_path, "a/x", "b/x")
    with pytest.raises(ValueError, match="per_device_eval_batch_size must be 1"):
        AsrTrainingArguments(output_dir=str(tmp_path), per_device_eval_batch_size=2)


def test_a_training_that_diverges_is_stopped(opened, folder, pretrained, tmp_path):
    splits, tokenizer = opened
    asked, training = arguments(folder, tmp_path, pretrained, learning_rate=1e30)
    with pytest.raises(FloatingPointError, match="nan at step 2: lower learning_rate"):
        recognise(tmp_path / "diverged", pretrained, splits, tokenizer, asked, training)


@pytest.mark.parametrize("name", ["phantom-asr.yaml", "asr.yaml"])
def test_the_configurations_are_complete_but_for_the_data(name, tmp_path):
    words = ["--config", str(DEFAULT_CONFIG.with_name(name)), "--data", "folder"]
    asked, training = parse_arguments(
        (AsrArguments, AsrTrainingArguments), DEFAULT_CONFIG, [*words, "--model", "a/b"]
    )
    assert list(asked.names) == ["pretrained", "b"] and asked.data == "folder"
    assert training.load_best_model_at_end and training.metric_for_best_model == "wer"
