"""Small speech models that know the phones of the phantom's language, but no meaning."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tqdm import trange
from transformers import (
    AutoModel,
    HubertConfig,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    WhisperConfig,
    WhisperFeatureExtractor,
    set_seed,
)

from datasets_scripts import made_by_one, made_whole
from datasets_scripts.phantom import PHONES, SAMPLING_RATE, tell
from modeling_braintune import model_inputs
from modeling_braintune.kept_arrays import follow_umask
from recipes.command.cache import cache_folder

VERSION = 3  # of the models: a change of them takes new folders
CLIP_SECONDS = 4.0  # to learn phones from; all of its chunk where a family pads to that

_SIZE = dict(hidden_size=64, num_hidden_layers=4, num_attention_heads=2, intermediate_size=128)
# Frames of 40 ms, half the published models' rate: enough for phones, at a quarter of the cost.
_CNN = dict(
    conv_dim=(32, 48, 64, 64),
    conv_kernel=(40, 8, 8, 4),
    conv_stride=(20, 4, 4, 2),
    num_conv_pos_embeddings=16,
    num_conv_pos_embedding_groups=4,
)
# Attention's dropout would take half of the time, and a minute of learning needs no more noise.
_REGULARISATION = dict(
    hidden_dropout=0.1,
    attention_dropout=0.0,
    activation_dropout=0.0,
    layerdrop=0.0,
    apply_spec_augment=False,
)


# For self-supervised training, whose loss holds a value per frame, code and dimension
_QUANTIZER = dict(
    num_codevectors_per_group=32, codevector_dim=32, proj_codevector_dim=32, num_negatives=20
)


def _waveform_family(config_class, **more):
    config = config_class(**_SIZE | _CNN | _REGULARISATION | more)
    return config, Wav2Vec2FeatureExtractor(return_attention_mask=False)


def _whisper():
    feature_extractor = WhisperFeatureExtractor(
        feature_size=40, chunk_length=16, hop_length=320, n_fft=640
    )
    config = WhisperConfig(
        vocab_size=64,
        num_mel_bins=40,
        d_model=64,
        dropout=0.1,
        encoder_layers=4,
        encoder_attention_heads=2,
        encoder_ffn_dim=128,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=128,
        max_source_positions=feature_extractor.nb_max_frames // 2,
        max_target_positions=32,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        begin_suppress_tokens=None,
    )
    return config, feature_extractor


MODELS: dict[str, Callable] = {
    "phantom-wav2vec2": lambda: _waveform_family(Wav2Vec2Config, **_QUANTIZER),
    "phantom-hubert": lambda: _waveform_family(HubertConfig),
    "phantom-whisper": _whisper,
    # As published large models are to base ones: twice as deep
    "phantom-hubert-large": lambda: _waveform_family(HubertConfig, num_hidden_layers=8),
}


def phantom_model(name: str, steps: int = 500, progress: bool = True) -> tuple[Path, bool]:
    """A small model that was taught to recognise the phones of other phantom stories.

    Parameters
    ----------
    name : str
        A key of `MODELS`.
    steps : int
        Of `teach_phones`.
    progress : bool

    Returns
    -------
    folder : Path
        An ordinary checkpoint of the backbone, with its feature extractor.
    made : bool
    """
    folder = cache_folder(f"{name}-{VERSION}")
    if folder.exists():
        return folder, False
    with made_by_one(folder):
        if folder.exists():
            return folder, False
        config, feature_extractor = MODELS[name]()
        set_seed(0)
        model = AutoModel.from_config(config)
        teach_phones(model, feature_extractor, steps, progress=progress)
        with made_whole(folder) as partial:
            model.save_pretrained(partial)
            feature_extractor.save_pretrained(partial)
            follow_umask(partial)
    return folder, True


def teach_phones(
    model,
    feature_extractor,
    steps: int = 500,
    n_stories: int = 12,
    batch_seconds: float = 64.0,
    seed: int = 0,
    progress: bool = True,
) -> float:
    """Teach a backbone to recognise which phone is spoken in each of its frames.

    Clips of stories that are in no phantom data set; cross-entropy of a linear readout of the last
    layer, which is thrown away.

    Parameters
    ----------
    model : a stock backbone, trained in place
    feature_extractor : its own
    steps : int
    n_stories : int
        Stories of a minute to cut clips from.
    batch_seconds : float
        Of sound in a step, whatever the length of the family's clips.
    seed : int
    progress : bool

    Returns
    -------
    float
        Share of the frames of a story not taught on whose phone is recognised.
    """
    rng = np.random.default_rng([seed, 9])
    *stories, held_out = (tell(60.0, rng) for _ in range(n_stories + 1))
    readout = torch.nn.Linear(model.config.hidden_size, len(PHONES))
    parameters = [*_encoder(model).parameters(), *readout.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps, pct_start=0.1)
    model.train()
    for _ in trange(steps, desc="Teaching phones", unit="step", disable=not progress):
        frames, phones = _clips(model, feature_extractor, stories, batch_seconds, rng)
        loss = torch.nn.functional.cross_entropy(readout(frames).flatten(0, 1), phones.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.inference_mode():
        frames, phones = _clips(model, feature_extractor, [held_out], batch_seconds, rng)
        return (readout(frames).argmax(-1) == phones).float().mean().item()


def _encoder(model):
    return model.get_encoder() if model.config.is_encoder_decoder else model


def _clips(model, feature_extractor, stories, batch_seconds, rng):
    """Encoder frames of random clips, and the index of the phone in the middle of each frame."""
    n_samples = getattr(feature_extractor, "n_samples", round(CLIP_SECONDS * SAMPLING_RATE))
    n_clips = round(batch_seconds * SAMPLING_RATE / n_samples)
    clips, starts, told = [], [], rng.integers(len(stories), size=n_clips)
    for story in told:
        start = rng.integers(len(stories[story].audio) - n_samples)
        clips.append(stories[story].audio[start : start + n_samples])
        starts.append(start / SAMPLING_RATE)
    inputs = model_inputs(feature_extractor, clips)
    encoder = _encoder(model)
    frames = encoder(inputs[encoder.main_input_name]).last_hidden_state
    middles = (np.arange(frames.shape[1]) + 0.5) * n_samples / SAMPLING_RATE / frames.shape[1]
    labels = list(PHONES)
    phones = []
    for start, story in zip(starts, told, strict=True):
        onsets = [phone.start for phone in stories[story].phones]
        spoken = np.searchsorted(onsets, start + middles, side="right") - 1
        phones.append([labels.index(stories[story].phones[i].label) for i in spoken])
    return frames, torch.tensor(phones)
