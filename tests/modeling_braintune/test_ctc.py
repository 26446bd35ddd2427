"""Recognisers of three families, untaught, on clips of noise."""

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    BertConfig,
    HubertConfig,
    HubertModel,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WhisperConfig,
    set_seed,
)

from modeling_braintune import (
    AutoModelForBrainTuning,
    CtcArguments,
    check_family,
    ctc_batch,
    ctc_model,
    ctc_processor,
    ctc_tokenizer,
    ctc_trainer,
    frame_counter,
    tokens_of,
    transcribed,
)

SIZE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
CNN = {"conv_dim": (8, 16), "conv_kernel": (40, 16), "conv_stride": (20, 16)}
SMALL = SIZE | CNN | {"intermediate_size": 32, "num_conv_pos_embeddings": 8}
SMALL |= {"num_conv_pos_embedding_groups": 2}
TEXTS = ["aa b", "b aa b", "c"]


class Clips:
    """Clips of noise with transcripts, that note which of them are read."""

    def __init__(self, n, tokenizer):
        rng = np.random.default_rng(0)
        self.sounds = [rng.standard_normal(3200 + 160 * i).astype(np.float32) for i in range(n)]
        self.texts = [TEXTS[i % len(TEXTS)] for i in range(n)]
        self.labels = [
            tokenizer.convert_tokens_to_ids(tokens_of(text, "phones")) for text in self.texts
        ]
        self.read = []

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, index):
        self.read.append(index)
        return {"audio": self.sounds[index], "labels": self.labels[index]}


@pytest.fixture(scope="module")
def tokenizer():
    return ctc_tokenizer(TEXTS, "phones")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A small checkpoint of each of three families."""
    root = tmp_path_factory.mktemp("families")
    set_seed(0)
    Wav2Vec2Model(Wav2Vec2Config(**SMALL)).save_pretrained(root / "wav2vec2")
    Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(root / "wav2vec2")
    HubertModel(HubertConfig(**SMALL)).save_pretrained(root / "hubert")
    Wav2Vec2FeatureExtractor().save_pretrained(root / "hubert")
    bert = Wav2Vec2BertConfig(**SIZE, intermediate_size=32, conv_depthwise_kernel_size=3)
    Wav2Vec2BertModel(bert).save_pretrained(root / "bert")
    SeamlessM4TFeatureExtractor().save_pretrained(root / "bert")
    return {name: root / name for name in ("wav2vec2", "hubert", "bert")}


def training(folder, **options):
    return CtcArguments(
        output_dir=str(folder),
        per_device_train_batch_size=4,
        use_cpu=True,
        disable_tqdm=True,
        **options,
    )


def no_error(references, hypotheses):
    return 0.0


def test_all_families_get_the_same_batches_in_the_same_order(tokenizer, checkpoints, tmp_path):
    orders = []
    for name, checkpoint in checkpoints.items():
        options = {"max_steps": 10, "eval_steps": 10, "save_steps": 10}
        train, validation = Clips(30, tokenizer), Clips(4, tokenizer)
        model, processor = ctc_model(checkpoint, tokenizer, 0), ctc_processor(checkpoint, tokenizer)
        asked = training(tmp_path / name, **options)
        ctc_trainer(model, processor, asked, train, validation, no_error).train()
        orders.append(train.read)
    once, again = orders[0][:30], orders[0][30:]
    assert sorted(once) == list(range(30)) != once  # shuffled
    assert again and once[: len(again)] != again
    assert orders[0] == orders[1] == orders[2]


def test_errors_are_counted_in_what_is_recognised_of_the_validation_clips(
    tokenizer, checkpoints, tmp_path
):
    counted = []

    def rate(references, hypotheses):
        counted.append((references, hypotheses))
        return 0.25

    clips, checkpoint = Clips(3, tokenizer), checkpoints["hubert"]
    model, processor = ctc_model(checkpoint, tokenizer, 0), ctc_processor(checkpoint, tokenizer)
    trainer = ctc_trainer(model, processor, training(tmp_path, max_steps=1), clips, clips, rate)
    assert trainer.evaluate()["eval_wer"] == 0.25
    ((references, hypotheses),) = counted
    assert references == TEXTS
    trainer.compute_metrics = None
    assert transcribed(trainer.predict(clips), processor) == hypotheses
    for sound, hypothesis in zip(clips.sounds, hypotheses, strict=True):
        batch = ctc_batch(processor.feature_extractor, [{"audio": sound, "labels": [0]}])
        with torch.inference_mode():
            ids = model(**batch).logits.argmax(-1)
        assert processor.tokenizer.batch_decode(ids) == [hypothesis]


def test_a_head_is_new_and_the_same_for_all_checkpoints_of_a_family(
    tokenizer, checkpoints, tmp_path
):
    plain = checkpoints["wav2vec2"]
    model = ctc_model(plain, tokenizer, 0)
    head = model.lm_head.weight.detach().clone()
    with torch.no_grad():
        model.lm_head.weight += 1
        model.base_model.masked_spec_embed += 1
    model.save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(tmp_path)
    again = ctc_model(tmp_path, tokenizer, 0)
    assert again.lm_head.weight.equal(head)
    assert again.base_model.masked_spec_embed.equal(model.base_model.masked_spec_embed)
    assert not ctc_model(plain, tokenizer, 1).lm_head.weight.equal(head)


def test_nothing_of_a_head_for_voxels_is_left(tokenizer, checkpoints, tmp_path):
    tuned = AutoModelForBrainTuning.from_pretrained(checkpoints["wav2vec2"], num_voxels=3)
    tuned.save_pretrained(tmp_path)
    model = ctc_model(tmp_path, tokenizer, 0)
    assert not {"num_voxels", "brain", "auto_map"} & set(model.config.to_dict())
    state = tuned.base_model.state_dict()
    assert all(value.equal(state[name]) for name, value in model.base_model.state_dict().items())


def test_the_loss_of_a_padded_batch_is_the_mean_over_its_clips(tokenizer, tmp_path):
    config = Wav2Vec2Config(**SMALL, feat_extract_norm="layer")
    set_seed(0)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    feature_extractor = Wav2Vec2FeatureExtractor(return_attention_mask=True)
    model = ctc_model(tmp_path, tokenizer, 0).eval()
    clips = Clips(4, tokenizer)
    items = [clips[i] for i in range(4)]
    batch = ctc_batch(feature_extractor, items)
    assert [row[row != -100].tolist() for row in batch["labels"]] == clips.labels
    with torch.inference_mode():
        together = model(**batch).loss
        alone = [model(**ctc_batch(feature_extractor, [item])).loss for item in items]
    assert together.item() == pytest.approx(np.mean(alone), rel=1e-5)


@pytest.mark.parametrize("name", ["wav2vec2", "hubert", "bert"])
def test_frames_are_counted_as_the_model_makes_them(name, tokenizer, checkpoints):
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


def test_characters_are_decoded_to_words():
    tokenizer = ctc_tokenizer(["of sea", "see"], "characters")
    assert [*tokenizer.get_vocab()] == ["a", "e", "f", "o", "s", "|", "<unk>", "<pad>"]
    ids = tokenizer.convert_tokens_to_ids(["o", "<pad>", "f", "f", "|", "s", "e", "<pad>", "e"])
    assert tokenizer.batch_decode([ids, [7, 7]]) == ["of see", ""]


def test_transcripts_are_divided_into_tokens():
    assert tokens_of("aa b", "phones") == ["aa", "b"]
    assert tokens_of("of sea", "characters") == [*"of|sea"]


@pytest.mark.parametrize("config", [WhisperConfig(), BertConfig()])
def test_a_model_that_is_not_compared_by_ctc_is_refused_by_name(config, tmp_path):
    config.save_pretrained(tmp_path / "other")
    with pytest.raises(ValueError, match=f"other is of model type '{config.model_type}'.*hubert"):
        check_family(tmp_path / "other")


def test_a_checkpoint_of_a_known_family_is_taken(checkpoints, tmp_path):
    for checkpoint in checkpoints.values():
        check_family(checkpoint)
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        check_family(tmp_path / "none")


def test_clips_are_transcribed_one_at_a_time(tmp_path):
    with pytest.raises(ValueError, match="per_device_eval_batch_size must be 1"):
        CtcArguments(output_dir=str(tmp_path), per_device_eval_batch_size=2)
