import numpy as np
import pytest
import torch
from transformers import AutoModel

from modeling_braintune import model_inputs
from modeling_braintune.clip_representations import clip_representations
from modeling_braintune.layer_representations import encoder_of

SECONDS = (0.3, 0.8, 0.3, 0.5, 0.3)


@pytest.fixture
def clips(make_clips):
    return make_clips(*SECONDS)


@pytest.fixture
def cache_dir(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def counted(make_model, make_extractor):
    """Function from a family, clips and options to representations and the forwards they took."""

    def call(family, clips, **options):
        model, forwards = make_model(family), []
        encoder_of(model).register_forward_pre_hook(lambda *_: forwards.append(1))
        found = clip_representations(model, make_extractor(family), clips, **options)
        return found, len(forwards)

    return call


def one_by_one(model, extractor, clips):
    """The definition: run each clip alone and average every layer over its real frames."""
    backbone = model.base_model
    if hasattr(backbone, "decoder"):
        backbone = backbone.encoder
    found = []
    for clip in clips:
        inputs = model_inputs(extractor, [clip])
        inputs.pop("attention_mask", None)
        with torch.no_grad():
            states = backbone(**inputs, output_hidden_states=True).hidden_states
        # Whisper's encoder frames are 20 ms apart; the last one may be real in part.
        n_frames = -(-clip.size // 320) if hasattr(extractor, "n_samples") else None
        found.append(torch.stack([state[0, :n_frames].mean(dim=0) for state in states]))
    return torch.stack(found, dim=1).numpy()


@pytest.mark.parametrize("batch_size", [1, 2])
def test_it_is_every_layers_mean_over_real_frames(
    batch_size, family, make_model, make_extractor, clips
):
    model, extractor = make_model(family), make_extractor(family)
    found = clip_representations(model, extractor, clips, batch_size=batch_size)
    assert found.shape == (3, 5, 16) and found.dtype == np.float32
    np.testing.assert_allclose(found, one_by_one(model, extractor, clips), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("family", "n_batches"), [("wav2vec2", 4), ("whisper", 3)])
def test_clips_of_other_lengths_share_a_batch_only_if_all_are_padded_to_one(
    family, n_batches, counted, clips
):
    assert counted(family, clips, batch_size=2)[1] == n_batches


def test_layers_come_in_the_order_asked_for(make_model, make_extractor, clips):
    model, extractor = make_model("wav2vec2"), make_extractor("wav2vec2")
    everything = clip_representations(model, extractor, clips)
    chosen = clip_representations(model, extractor, clips, [2, 0])
    np.testing.assert_array_equal(chosen, everything[[2, 0]])


def test_a_stock_model_gives_the_same(make_model, make_extractor, clips, tmp_path):
    model, extractor = make_model("hubert"), make_extractor("hubert")
    model.save_pretrained(tmp_path)
    expected = clip_representations(model, extractor, clips)
    stock = AutoModel.from_pretrained(tmp_path)
    np.testing.assert_array_equal(clip_representations(stock, extractor, clips), expected)


def test_bfloat16_rounds_frames_but_not_their_mean(make_model, make_extractor, clips):
    model, extractor = make_model("wav2vec2"), make_extractor("wav2vec2")
    expected = clip_representations(model, extractor, clips)
    found = clip_representations(model, extractor, clips, dtype=torch.bfloat16)
    assert 0 < np.linalg.norm(found - expected) < 0.02 * np.linalg.norm(expected)
    assert (torch.from_numpy(found).bfloat16().float().numpy() != found).any()


@pytest.mark.parametrize("family", ["wav2vec2", "whisper"])
def test_the_second_time_nothing_is_computed(family, counted, clips, cache_dir):
    plain, n_plain = counted(family, clips)
    first, n_first = counted(family, clips, cache_dir=cache_dir)
    second, n_second = counted(family, clips, cache_dir=cache_dir)
    np.testing.assert_array_equal(first, plain)
    np.testing.assert_array_equal(second, plain)
    assert (n_first, n_second) == (n_plain, 0)


def moved_boundary(clips):
    joined = np.concatenate(clips[:2])
    return [joined[:6000], joined[6000:], *clips[2:]]


def another_sample(clips):
    changed = clips[3].copy()
    changed[1234] = np.nextafter(changed[1234], np.float32(np.inf))
    return [*clips[:3], changed, *clips[4:]]


@pytest.mark.parametrize("change", [moved_boundary, another_sample, lambda clips: clips[::-1]])
def test_other_clips_are_another_entry(change, counted, clips, cache_dir):
    counted("wav2vec2", clips, cache_dir=cache_dir)
    expected, n_forwards = counted("wav2vec2", change(clips))
    found, n_computed = counted("wav2vec2", change(clips), cache_dir=cache_dir)
    np.testing.assert_array_equal(found, expected)
    assert n_computed == n_forwards and len(list(cache_dir.iterdir())) == 2


def test_no_clips_have_no_representations(counted):
    assert counted("wav2vec2", [])[0].shape == (3, 0, 16)


def test_progress_is_shown_on_request(counted, clips, capsys):
    counted("wav2vec2", clips)
    assert "clip" not in capsys.readouterr().err
    counted("wav2vec2", clips, progress=True)
    assert capsys.readouterr().err.count("5/5") == 2


@pytest.mark.parametrize(
    ("family", "clip", "message"),
    [
        ("wav2vec2", np.ones(399), "clip 2 has 399 samples, shorter .* receptive field of 400"),
        ("wav2vec2-bert", np.ones(559), "clip 2 has 559 samples, shorter .* of 560"),
        ("whisper", np.ones(0), "clip 2 has 0 samples, shorter .* of 1: leave it out"),
        ("whisper", np.ones(32001), "clip 2 has 32001 samples, longer than the 32000"),
        ("hubert", np.full(800, np.nan), r"clip 2 must be finite mono .* with NaN"),
        ("hubert", np.ones((2, 800)), r"clip 2 must be .* got shape \(2, 800\)"),
    ],
)
def test_a_clip_that_no_model_can_hear_is_named(family, clip, message, counted, clips):
    with pytest.raises(ValueError, match=message):
        counted(family, [*clips[:2], clip])


def test_errors_call_clips_as_they_are_told_to(counted, clips):
    with pytest.raises(ValueError, match="clip b.wav has 3 samples"):
        counted("wav2vec2", [clips[0], clips[1][:3]], names=["a.wav", "b.wav"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": [3]}, r"to 2, got \[3\]"),
        ({"batch_size": 0}, "at least 1, got 0"),
        ({"dtype": torch.float16}, "got torch.float16"),
    ],
)
def test_wrong_settings_are_an_error(options, message, counted, clips):
    with pytest.raises(ValueError, match=message):
        counted("wav2vec2", clips, **options)
