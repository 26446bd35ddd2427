import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForCTC,
    Wav2Vec2ForPreTraining,
    WhisperForConditionalGeneration,
)

from modeling_braintune import frame_step, layer_representations, model_inputs

N_SAMPLES = 24000
WINDOWS = np.array([[0, 4800], [0, 9600], [4800, 14400], [9600, 19200], [14400, 24000], [7, 4807]])


@pytest.fixture
def audio():
    rng = np.random.default_rng(0)
    loudness = np.linspace(0.01, 1.0, N_SAMPLES)
    return (loudness * rng.standard_normal(N_SAMPLES)).astype(np.float32)


def one_by_one(model, extractor, audio, windows):
    """The definition: run each window alone and take each layer's last real frame."""
    backbone = model.base_model
    if hasattr(backbone, "decoder"):
        backbone = backbone.encoder
    found = []
    for start, end in windows:
        inputs = model_inputs(extractor, [audio[start:end]])
        inputs.pop("attention_mask", None)
        with torch.no_grad():
            states = backbone(**inputs, output_hidden_states=True).hidden_states
        n_frames = states[0].shape[1]
        if hasattr(extractor, "n_samples"):
            # Whisper's encoder frames are 20 ms apart; the last one may be real in part.
            n_frames = -(-(end - start) // 320)
        found.append(torch.stack([state[0, n_frames - 1] for state in states]))
    return torch.stack(found, dim=1).numpy()


def test_it_is_every_layers_last_real_frame(family, make_model, make_extractor, audio):
    model, extractor = make_model(family), make_extractor(family)
    found = layer_representations(model, extractor, audio, WINDOWS, batch_size=2)
    assert found.shape == (3, 6, 16) and found.dtype == np.float32
    expected = one_by_one(model, extractor, audio, WINDOWS)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_whisper_pads_to_30_seconds(make_model, make_extractor, audio):
    model = make_model("whisper", max_source_positions=1500)
    extractor = make_extractor("whisper", chunk_length=30)
    found = layer_representations(model, extractor, audio, WINDOWS[:2])
    expected = one_by_one(model, extractor, audio, WINDOWS[:2])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_each_window_is_normalised_by_itself(make_model, make_extractor, audio):
    model, extractor = make_model("wav2vec2"), make_extractor("wav2vec2")
    first = layer_representations(model, extractor, audio, WINDOWS)
    louder = audio.copy()
    louder[14400:] *= 5
    second = layer_representations(model, extractor, louder, WINDOWS)
    np.testing.assert_array_equal(first[:, [0, 1, 2, 5]], second[:, [0, 1, 2, 5]])
    np.testing.assert_allclose(first[:, 4], second[:, 4], rtol=1e-2, atol=1e-3)


def test_batches_do_not_matter(family, make_model, make_extractor, audio):
    model, extractor = make_model(family), make_extractor(family)
    found = [
        layer_representations(model, extractor, audio, WINDOWS, batch_size=size) for size in (1, 8)
    ]
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5)


def test_layers_come_in_the_order_asked_for(family, make_model, make_extractor, audio):
    model, extractor = make_model(family), make_extractor(family)
    everything = layer_representations(model, extractor, audio, WINDOWS)
    chosen = layer_representations(model, extractor, audio, WINDOWS, layers=[2, 0])
    np.testing.assert_array_equal(chosen, everything[[2, 0]])


def test_stock_models_give_the_same(family, make_model, make_extractor, audio, tmp_path):
    model, extractor = make_model(family), make_extractor(family)
    model.save_pretrained(tmp_path)
    task_class = {
        "wav2vec2": Wav2Vec2ForPreTraining,
        "whisper": WhisperForConditionalGeneration,
    }.get(family, AutoModelForCTC)
    expected = layer_representations(model, extractor, audio, WINDOWS)
    for stock_class in (AutoModel, task_class):
        stock = stock_class.from_pretrained(tmp_path)
        found = layer_representations(stock, extractor, audio, WINDOWS)
        np.testing.assert_array_equal(found, expected)


def test_training_mode_has_no_influence_and_is_restored(family, make_model, make_extractor, audio):
    model, extractor = make_model(family), make_extractor(family)
    expected = layer_representations(model, extractor, audio, WINDOWS)
    model.train()
    model.head.eval()
    modes = [module.training for module in model.modules()]
    found = layer_representations(model, extractor, audio, WINDOWS)
    np.testing.assert_array_equal(found, expected)
    assert [module.training for module in model.modules()] == modes


def test_the_future_has_no_influence(make_model, make_extractor, audio):
    model, extractor = make_model("hubert"), make_extractor("hubert")
    cut = layer_representations(model, extractor, audio[:14400], WINDOWS[:3])
    whole = layer_representations(model, extractor, audio, WINDOWS[:3])
    np.testing.assert_array_equal(cut, whole)


def test_bfloat16_models_give_float32(family, make_model, make_extractor, audio):
    model, extractor = make_model(family), make_extractor(family)
    expected = layer_representations(model, extractor, audio, WINDOWS)
    found = layer_representations(model.bfloat16(), extractor, audio, WINDOWS)
    assert found.dtype == np.float32
    assert np.linalg.norm(found - expected) < 0.03 * np.linalg.norm(expected)


def test_bfloat16_on_request_is_close_and_leaves_the_model_as_it_was(
    family, make_model, make_extractor, audio
):
    model, extractor = make_model(family), make_extractor(family)
    expected = layer_representations(model, extractor, audio, WINDOWS)
    found = layer_representations(model, extractor, audio, WINDOWS, dtype=torch.bfloat16)
    assert found.dtype == np.float32
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert 0 < error < 0.03
    after = layer_representations(model, extractor, audio, WINDOWS)
    np.testing.assert_array_equal(after, expected)


def test_autocast_around_it_has_no_influence(make_model, make_extractor, audio):
    model, extractor = make_model("wav2vec2"), make_extractor("wav2vec2")
    expected = layer_representations(model, extractor, audio, WINDOWS)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer_representations(model, extractor, audio, WINDOWS)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("chosen", ["tf32", "ieee", "none"])
def test_convolutions_are_of_full_precision_meanwhile(chosen, make_model, make_extractor, audio):
    model, extractor = make_model("wav2vec2"), make_extractor("wav2vec2")
    convolutions, meanwhile = torch.backends.cudnn.conv, []
    model.base_model.register_forward_pre_hook(
        lambda *_: meanwhile.append(convolutions.fp32_precision)
    )
    default = convolutions.fp32_precision
    try:
        convolutions.fp32_precision = chosen
        layer_representations(model, extractor, audio, WINDOWS[:1])
        assert (convolutions.fp32_precision, meanwhile) == (chosen, ["ieee"])
        with pytest.raises(ValueError, match="gives input_features"):
            layer_representations(model, make_extractor("whisper"), audio, WINDOWS[:1])
        assert convolutions.fp32_precision == chosen
    finally:
        convolutions.fp32_precision = default
    assert torch.backends.cudnn.allow_tf32  # can be read, as before


def test_no_windows_give_no_representations(make_model, make_extractor, audio):
    found = layer_representations(
        make_model("wav2vec2"), make_extractor("wav2vec2"), audio, np.empty((0, 2), int)
    )
    assert found.shape == (3, 0, 16)


def test_progress_is_shown_on_request(make_model, make_extractor, audio, capsys):
    model, extractor = make_model("wav2vec2"), make_extractor("wav2vec2")
    layer_representations(model, extractor, audio, WINDOWS)
    assert "window" not in capsys.readouterr().err
    layer_representations(model, extractor, audio, WINDOWS, progress=True)
    assert "6/6" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": [0, 3]}, r"0 \(the transformer's input\) to 2, got \[0, 3\]"),
        ({"layers": [-1]}, r"to 2, got \[-1\]"),
        ({"layers": []}, r"to 2, got \[\]"),
        ({"windows": [[0, 800], [0, N_SAMPLES + 1]]}, r"window 1, \[0, 24001\).*outside the audio"),
        ({"windows": [[-1, 800]]}, r"window 0, \[-1, 800\).*outside the audio of 24000 samples"),
        ({"windows": [[0, 400], [5, 404]]}, r"window 1, \[5, 404\).*receptive field of 400"),
        ({"windows": [[0.0, 800.0]]}, r"int array .* got float64 of shape \(1, 2\)"),
        ({"windows": [0, 800]}, r"got int64 of shape \(2,\)"),
        ({"audio": np.ones((2, N_SAMPLES))}, r"mono samples .* got shape \(2, 24000\)"),
        ({"audio": np.full(N_SAMPLES, np.nan)}, "with NaN or infinity"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"dtype": torch.float16}, "dtype must be torch.bfloat16, or None .* got torch.float16"),
    ],
)
def test_wrong_arguments_are_an_error(arguments, message, make_model, make_extractor, audio):
    arguments = {"audio": audio, "windows": WINDOWS, **arguments}
    with pytest.raises(ValueError, match=message):
        layer_representations(make_model("wav2vec2"), make_extractor("wav2vec2"), **arguments)


def test_the_shortest_window_is_the_receptive_field(make_model, make_extractor, audio):
    model, extractor = make_model("wav2vec2"), make_extractor("wav2vec2")
    assert layer_representations(model, extractor, audio, [[0, 400]]).shape == (3, 1, 16)


def test_a_mel_frame_left_over_has_no_influence(make_model, make_extractor, audio):
    model, extractor = make_model("wav2vec2-bert"), make_extractor("wav2vec2-bert")
    # 29 mel frames make 14 pairs; the extractor fills up the 15th.
    found = layer_representations(model, extractor, audio, [[0, 4960]])
    features = model_inputs(extractor, [audio[:4960]])["input_features"]
    assert features.shape[1] == 15
    with torch.no_grad():
        states = model.base_model(features[:, :14], output_hidden_states=True).hidden_states
    expected = torch.stack([state[:, 13] for state in states]).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_shortest_window_is_a_pair_of_mel_frames(make_model, make_extractor, audio):
    model, extractor = make_model("wav2vec2-bert"), make_extractor("wav2vec2-bert")
    assert np.isfinite(layer_representations(model, extractor, audio, [[0, 560]])).all()
    with pytest.raises(ValueError, match="receptive field of 560 samples"):
        layer_representations(model, extractor, audio, [[0, 559]])


def test_whisper_windows_fit_the_chunk(make_model, make_extractor):
    with pytest.raises(ValueError, match=r"at most 32000 \(2 s\)"):
        layer_representations(
            make_model("whisper"), make_extractor("whisper"), np.ones(40000), [[0, 32001]]
        )


def test_whisper_windows_hold_a_sample(make_model, make_extractor, audio):
    with pytest.raises(ValueError, match=r"window 0, \[5, 5\)"):
        layer_representations(make_model("whisper"), make_extractor("whisper"), audio, [[5, 5]])


def test_another_familys_feature_extractor_is_an_error(make_model, make_extractor, audio):
    with pytest.raises(ValueError, match="takes input_values, but .* gives input_features"):
        layer_representations(make_model("wav2vec2"), make_extractor("whisper"), audio, WINDOWS)


def test_integers_are_no_audio(make_model, make_extractor):
    audio = np.ones(1600, np.int16)
    with pytest.raises(ValueError, match="audio must be float samples .* got int16: divide"):
        layer_representations(make_model("wav2vec2"), make_extractor("wav2vec2"), audio, [[0, 800]])


def test_frames_before_the_last_one_are_those_of_the_same_window(
    family, make_model, make_extractor, audio
):
    model, extractor = make_model(family), make_extractor(family)
    several = layer_representations(model, extractor, audio, WINDOWS, frames_back=[2, 0, 10**6])
    last = layer_representations(model, extractor, audio, WINDOWS)
    assert several.shape == (3, 6, 3, 16)
    np.testing.assert_allclose(several[:, :, 1], last, rtol=1e-4, atol=1e-5)
    backbone = model.base_model
    backbone = backbone.encoder if hasattr(backbone, "decoder") else backbone
    inputs = model_inputs(extractor, [audio[slice(*WINDOWS[1])]])
    inputs.pop("attention_mask", None)
    with torch.no_grad():
        states = backbone(**inputs, output_hidden_states=True).hidden_states
    whole = torch.stack(states)[:, 0].numpy()
    index = [int(np.abs(whole[2] - several[2, 1, i]).sum(axis=1).argmin()) for i in range(3)]
    assert index[0] == index[1] - 2 and index[2] == 0
    np.testing.assert_allclose(several[:, 1], whole[:, index], rtol=1e-4, atol=1e-5)


def test_frames_are_a_step_apart(family, make_model, make_extractor, audio):
    model, extractor = make_model(family), make_extractor(family)
    step = frame_step(model, extractor)
    windows = np.array([[0, 9600], [0, 9600 + 3 * step]])
    if family == "whisper":
        assert step == 320  # 20 ms
        return
    frames = [
        layer_representations(model, extractor, audio, w[None], [0], frames_back=range(2000))
        for w in windows
    ]
    counts = [len(np.unique(f[0, 0], axis=0)) for f in frames]
    assert counts[1] == counts[0] + 3
