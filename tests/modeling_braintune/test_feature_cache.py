import copy
import multiprocessing
import pickle
import time

import numpy as np
import pytest
import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from hypothesis import given
from hypothesis import strategies as st
from transformers import set_seed

from datasets_scripts import Story, TrainingWindows, cut, training_windows, windows
from modeling_braintune import (
    BrainTuningArguments,
    BrainTuningCollator,
    BrainTuningTrainer,
    feature_cache,
    model_inputs,
)
from modeling_braintune.feature_cache import (
    BLOCK,
    FeatureWindows,
    StateWindows,
    _clips,
    _obstacle,
    cached_features,
    cached_states,
)
from modeling_braintune.retention import STATES

N_VOXELS = 5
BATCH = 4
N_FIRST, N_SECOND = 3 * BLOCK - 8, 12  # windows of two recordings: three blocks and one
PASSES = [BLOCK // BATCH, BLOCK // BATCH, (BLOCK - 8) // BATCH, N_SECOND // BATCH]  # of each block


def noise(n_samples, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(n_samples).astype(np.float32)


def make_story(name, n_trs, seed):
    """Sound of 0.1 s TRs, with responses that are noise."""
    rng = np.random.default_rng(seed)
    return Story(
        name=name,
        participant="P01",
        audio=noise(1600 * n_trs, seed),
        audio_file="none.wav",
        tr=0.1,
        tr_times=0.05 + 0.1 * np.arange(n_trs),
        responses=rng.standard_normal((n_trs, N_VOXELS)).astype(np.float32),
    )


@pytest.fixture
def stories():
    return [make_story("first", 8, 0), make_story("second", 4, 1)]


def recordings_of(stories):
    return [(story.audio, training_windows(story.tr_times, story.tr, 3)) for story in stories]


@pytest.fixture
def pairs(stories):
    return TrainingWindows(stories, n_trs_per_window=3)


@pytest.fixture
def recordings():
    """Short windows, many to a block, some of them beyond the sound."""
    return [
        (noise(20 * n, seed), np.array([(20 * i - 400, 20 * i + 400) for i in range(n)]))
        for seed, n in enumerate((N_FIRST, N_SECOND))
    ]


@pytest.fixture
def make_frozen(make_model):
    def make(family="wav2vec2", **fields):
        model = make_model(family, N_VOXELS, **fields)
        model.freeze_feature_encoder()
        return model

    return make


@pytest.fixture
def ask(make_extractor, tmp_path):
    """Function that asks for features in a folder of the test's own."""

    def ask(model, recordings, family="wav2vec2", **options):
        return cached_features(
            model,
            make_extractor(family),
            recordings,
            **{"cache_dir": tmp_path / "cache", "batch_size": BATCH, **options},
        )

    return ask


def passes_of(model):
    """A list that grows by one whenever the feature encoder runs."""
    passes = []
    model.base_model.feature_extractor.register_forward_hook(lambda *_: passes.append(1))
    return passes


def learnt(model, batch, dtype):
    """What a training step computes: logits, loss, and the gradient of every parameter."""
    model.train().zero_grad()
    set_seed(0)
    with torch.autocast("cpu", dtype, enabled=dtype is not None):
        output = model(**batch)
    output.loss.backward()
    gradients = {
        name: parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    return {"logits": output.logits, "loss": output.loss, **gradients}


class TestEquality:
    @pytest.mark.parametrize("dtype", [None, torch.bfloat16])
    def test_a_step_is_that_on_sound_to_the_last_bit(
        self, dtype, family, make_frozen, make_extractor, ask, stories, pairs
    ):
        """In train mode, masking and dropout included, and in batches of other windows."""
        model = make_frozen(family)
        features = ask(model, recordings_of(stories), family, dtype=dtype)
        on_features = FeatureWindows(pairs, features)
        collate = BrainTuningCollator(make_extractor(family))
        for chosen in ([0, 11, 5, 7], [3, 8, 2, 9]):
            expected = learnt(model, collate([pairs[i] for i in chosen]), dtype)
            found = learnt(model, collate([on_features[i] for i in chosen]), dtype)
            assert found.keys() == expected.keys() and len(found) > 10
            for name, values in found.items():
                assert values.dtype == expected[name].dtype
                assert torch.equal(values, expected[name]), name

    def test_a_hook_of_accelerate_stays_in_place(self, family, make_frozen, make_extractor):
        """As offloading to the CPU puts one on every module."""
        model = make_frozen(family)
        inputs = model_inputs(make_extractor(family), [noise(8000)])
        expected, features = model(**inputs).logits, model.frozen_features(inputs)
        for part in model.feature_encoder_parts():
            add_hook_to_module(part, ModelHook())
        hooked = [part.forward for part in model.feature_encoder_parts()]
        for batch in (features, inputs, features):
            assert torch.equal(model(**batch).logits, expected)
        assert hooked == [part.forward for part in model.feature_encoder_parts()]

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
    def test_a_copy_takes_features_itself(self, copied, make_frozen, make_extractor):
        model = make_frozen("whisper")
        inputs = model_inputs(make_extractor("whisper"), [noise(8000)])
        features, other = model.frozen_features(inputs), copied(model)
        with torch.no_grad():
            other.model.encoder.conv1.weight += 1
        assert torch.equal(other(**features).logits, model(**features).logits)
        assert not torch.equal(other(**inputs).logits, model(**inputs).logits)

    @pytest.mark.filterwarnings("ignore:Dynamo detected a call to")  # of the stock classes
    def test_a_compiled_model_takes_features(self, make_frozen):
        model = make_frozen()
        compiled = torch.compile(model, backend="eager", fullgraph=True)
        n_graphs = set()
        for _ in range(3):
            features = model.frozen_features({"input_values": torch.randn(BATCH, 3200)})
            assert torch.equal(compiled(**features).logits, model(**features).logits)
            n_graphs.add(torch._dynamo.utils.counters["stats"]["unique_graphs"])
        assert len(n_graphs) == 1  # other batches are not compiled anew

    def test_a_mask_goes_along(self, make_frozen, make_extractor, stories, pairs, tmp_path):
        model = make_frozen(feat_extract_norm="layer")
        extractor = make_extractor("wav2vec2", return_attention_mask=True)
        features = cached_features(
            model, extractor, recordings_of(stories), cache_dir=tmp_path, batch_size=BATCH
        )
        on_features = FeatureWindows(pairs, features)
        collate = BrainTuningCollator(extractor)
        expected, found = (collate([data[i] for i in range(4)]) for data in (pairs, on_features))
        assert torch.equal(found["attention_mask"], expected["attention_mask"])
        assert torch.equal(model(**found).logits, model(**expected).logits)

    def test_no_sound_is_cut_for_cached_features(
        self, make_frozen, ask, stories, pairs, monkeypatch
    ):
        on_features = FeatureWindows(pairs, ask(make_frozen(), recordings_of(stories)))
        expected = pairs[3]["labels"]
        monkeypatch.setattr(windows, "cut", None)
        np.testing.assert_array_equal(on_features[3]["labels"], expected)

    def test_windows_of_all_recordings_are_in_order(self, make_frozen, ask, recordings):
        model = make_frozen()
        features = ask(model, recordings)
        assert len(features) == N_FIRST + N_SECOND
        for i, (k, row) in {0: (0, 0), BLOCK: (0, BLOCK), N_FIRST + 1: (1, 1), -1: (1, -1)}.items():
            audio, windows = recordings[k]
            (alone,) = ask(model, [(audio, windows[row : range(len(windows))[row] + 1])])
            torch.testing.assert_close(features[i], alone)

    def test_trainer_ends_with_the_same_weights(
        self, make_frozen, make_extractor, ask, stories, pairs, tmp_path
    ):
        features = ask(make_frozen(), recordings_of(stories))
        ends = []
        for data in (pairs, FeatureWindows(pairs, features)):
            model = make_frozen()
            arguments = BrainTuningArguments(
                output_dir=str(tmp_path / "run"),
                use_cpu=True,
                disable_tqdm=True,
                save_strategy="no",
                per_device_train_batch_size=BATCH,
                max_steps=3,
            )
            collate = BrainTuningCollator(make_extractor("wav2vec2"))
            BrainTuningTrainer(model, arguments, train_dataset=data, data_collator=collate).train()
            ends.append(model.state_dict())
        start = make_frozen().state_dict()
        assert not torch.equal(ends[0]["head.weight"], start["head.weight"])
        for name, weights in ends[0].items():
            assert torch.equal(weights, ends[1][name]), name


def layers_of(family, n_layers):
    return {"encoder_layers" if family == "whisper" else "num_hidden_layers": n_layers}


class TestFrozenLayers:
    @pytest.mark.parametrize("dtype", [None, torch.bfloat16])
    def test_a_step_on_the_last_frozen_layers_output_is_that_on_sound_to_the_last_bit(
        self, dtype, family, make_frozen, make_extractor, ask, stories, pairs
    ):
        """In train mode: masks and LayerDrop are off, dropout acts in the tuned layer alone."""
        model = make_frozen(family, **layers_of(family, 4))
        model.freeze_other_layers(3, 3)
        features = ask(model, recordings_of(stories), family, dtype=dtype)
        width = features[0][model.main_input_name].shape
        assert width[0] == 1 and width[2] == 16
        on_features = FeatureWindows(pairs, features)
        collate = BrainTuningCollator(make_extractor(family))
        for chosen in ([0, 11, 5, 7], [3, 8, 2, 9]):
            expected = learnt(model, collate([pairs[i] for i in chosen]), dtype)
            found = learnt(model, collate([on_features[i] for i in chosen]), dtype)
            assert found.keys() == expected.keys() and len(found) > 10
            for name, values in found.items():
                assert torch.equal(values, expected[name]), name

    def test_frozen_layers_do_not_run_again(self, make_frozen, ask, stories, pairs):
        model = make_frozen(num_hidden_layers=4)
        model.freeze_other_layers(4, 4)
        features = FeatureWindows(pairs, ask(model, recordings_of(stories)))
        ran = []
        for number, layer in enumerate(model.wav2vec2.encoder.layers, start=1):
            layer.attention.register_forward_hook(lambda *_, number=number: ran.append(number))
        model(**BrainTuningCollator(None)([features[0], features[5]]))
        assert ran == [4]

    def test_other_frozen_weights_layers_or_heads_of_attention_have_other_files(
        self, make_frozen, ask, stories, tmp_path
    ):
        def files(model):
            ask(model, recordings_of(stories)[:1])
            return len(list((tmp_path / "cache").glob("*.safetensors")))

        def frozen(first=3, last=4, **fields):
            model = make_frozen(num_hidden_layers=4, **fields)
            model.freeze_other_layers(first, last)
            return model

        assert files(frozen()) == 1
        tuned = frozen()
        with torch.no_grad():
            tuned.wav2vec2.encoder.layers[2].final_layer_norm.weight += 1
        assert files(tuned) == files(frozen(last=3)) == 1
        assert files(frozen(first=2)) == 2
        assert files(frozen(num_attention_heads=4)) == 3
        with torch.no_grad():
            tuned.wav2vec2.encoder.layers[1].final_layer_norm.weight += 1
        assert files(tuned) == 4

    def test_a_gradient_checkpointed_step_is_the_same(self, make_frozen, ask, stories, pairs):
        model = make_frozen(num_hidden_layers=4)
        model.freeze_other_layers(3, 4)
        model.set_training_switches(dropout=0)
        features = FeatureWindows(pairs, ask(model, recordings_of(stories)))
        batch = BrainTuningCollator(None)([features[i] for i in range(4)])
        expected = learnt(model, batch, None)
        model.activation_checkpointing_enable()
        found = learnt(model, batch, None)
        assert found.keys() == expected.keys()
        assert all(torch.equal(values, expected[name]) for name, values in found.items())


class TestStates:
    def test_they_are_what_the_model_gives_before_it_is_tuned(
        self, make_frozen, make_extractor, stories, pairs, tmp_path
    ):
        model, extractor = make_frozen(), make_extractor("wav2vec2")
        states = cached_states(
            model, extractor, recordings_of(stories), cache_dir=tmp_path, batch_size=BATCH
        )
        both = StateWindows(pairs, states)
        batch = BrainTuningCollator(extractor)([both[i] for i in (9, 2)])
        expected = model(batch["input_values"], output_hidden_states=True).hidden_states[1:]
        torch.testing.assert_close(batch[STATES], torch.stack(expected, dim=1))
        assert batch["labels"].shape == (2, N_VOXELS)

    def test_a_file_holds_fewer_windows_where_each_takes_much(
        self, make_frozen, make_extractor, recordings, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(feature_cache, "BLOCK_BYTES", 2 * 4 * 2 * 16 * 50)
        states = cached_states(
            make_frozen(),
            make_extractor("wav2vec2"),
            [(audio, windows[:60]) for audio, windows in recordings[:1]],
            cache_dir=tmp_path,
            batch_size=BATCH,
        )
        n_bytes = states[0][STATES].nbytes
        n_files = len(list(tmp_path.glob("*.safetensors")))
        assert n_files == np.ceil(60 / (2 * 4 * 2 * 16 * 50 // n_bytes)) > 1
        assert len(states) == 60

    def test_states_of_other_windows_are_refused(self, pairs, make_frozen, ask, recordings):
        with pytest.raises(ValueError, match=r"got states of \d+ windows for 12 pairs"):
            StateWindows(pairs, ask(make_frozen(), recordings))


class TestSharing:
    def test_one_participants_features_serve_another(self, make_frozen, ask, recordings):
        """And every other order of the recordings, tuned transformer and head."""
        model = make_frozen()
        features = ask(model, recordings)
        with torch.no_grad():
            model.head.weight += 1
            model.wav2vec2.encoder.layers[0].attention.k_proj.weight += 1
        passes = passes_of(model)
        again = ask(model, [*recordings[::-1], recordings[1]])
        assert len(passes) == 1  # to learn the size
        assert len(again) == N_FIRST + 2 * N_SECOND
        for i, j in ((N_SECOND, 0), (N_SECOND - 1, -1), (-1, -1)):
            assert torch.equal(again[i]["input_values"], features[j]["input_values"])

    def test_other_weights_precision_sound_or_extractor_have_other_features(
        self, make_frozen, make_extractor, ask, stories, tmp_path
    ):
        model, recordings = make_frozen(), recordings_of(stories)[:1]

        def files():
            return set((tmp_path / "cache").glob("*.safetensors"))

        ask(model, recordings)
        assert len(files()) == 1
        ask(model, recordings, dtype=torch.bfloat16)
        assert len(files()) == 2
        ask(model, [(0.9 * recordings[0][0], recordings[0][1])])
        assert len(files()) == 3
        cached_features(
            model,
            make_extractor("wav2vec2", do_normalize=False),
            recordings,
            cache_dir=tmp_path / "cache",
        )
        assert len(files()) == 4
        with torch.no_grad():
            model.wav2vec2.feature_extractor.conv_layers[6].conv.weight[0, 0, 0] += 1
        ask(model, recordings)
        assert len(files()) == 5

    def test_a_killed_process_leaves_what_is_complete_and_others_do_the_rest(
        self, make_frozen, ask, recordings, tmp_path
    ):
        model = make_frozen()
        expected = ask(model, recordings, cache_dir=tmp_path / "elsewhere")
        passes, encoder = passes_of(model), model.base_model.feature_extractor
        here, there = multiprocessing.Pipe()

        def stop_in_the_second_block():
            def stop(*_):
                if len(passes) == 1 + PASSES[0] + 3:
                    there.send("stopped")
                    time.sleep(600)

            encoder.register_forward_hook(stop)
            ask(model, recordings)

        other = multiprocessing.get_context("fork").Process(target=stop_in_the_second_block)
        other.start()
        try:
            assert here.poll(60) and here.recv() == "stopped"
            assert len(list((tmp_path / "cache").glob("*.safetensors"))) == 1
            # This process does the other blocks, and then waits for the second.
            encoder.register_forward_hook(
                lambda *_: other.kill() if len(passes) == 1 + sum(PASSES[2:]) else None
            )
            features = ask(model, recordings)
        finally:
            other.kill()
            other.join()
        assert len(passes) == 1 + sum(PASSES[1:])
        for i in range(len(expected)):
            assert torch.equal(features[i]["input_values"], expected[i]["input_values"])

    def test_a_file_that_was_cut_off_is_made_again(self, make_frozen, ask, recordings, tmp_path):
        model = make_frozen()
        expected = ask(model, recordings)[0]["input_values"].clone()
        for path in (tmp_path / "cache").glob("*.safetensors"):
            if path.stat().st_size > 200_000:
                path.write_bytes(path.read_bytes()[:-1])
        assert torch.equal(ask(model, recordings)[0]["input_values"], expected)

    @pytest.mark.parametrize("place", [8, 60, 300, 0.3, 0.6, -1])
    def test_a_flipped_bit_is_not_trained_on(self, place, make_frozen, ask, stories, tmp_path):
        model, recordings = make_frozen(), recordings_of(stories)[:1]
        expected = [window["input_values"].clone() for window in ask(model, recordings)]
        (path,) = (tmp_path / "cache").glob("*.safetensors")
        sound = path.read_bytes()
        flipped = bytearray(sound)
        flipped[int(place * len(sound)) if 0 < place < 1 else place] ^= 1
        path.write_bytes(flipped)
        try:
            found = list(ask(model, recordings))  # what cannot be opened is made again
        except ValueError as error:
            assert str(error).startswith(f"{path} is damaged, and removed")
            assert not path.exists()
            found = list(ask(model, recordings))
        assert path.read_bytes() == sound
        for window, values in zip(found, expected, strict=True):
            assert torch.equal(window["input_values"], values)


class TestLimits:
    def test_features_that_are_too_large_are_not_made(self, make_frozen, ask, recordings):
        model = make_frozen()
        n_bytes = 4 * sum(
            values.numel() * len(windows)
            for _, windows in recordings
            for values in [
                model.frozen_features({"input_values": torch.zeros(1, 800)})["input_values"]
            ]
        )
        reason = f"take {n_bytes:,} bytes, more than max_bytes={n_bytes - 1:,}.*at every step"
        with pytest.warns(UserWarning, match=reason):
            assert ask(model, recordings, max_bytes=n_bytes - 1) is None
        assert ask(model, recordings, max_bytes=n_bytes) is not None

    def test_the_disk_is_not_filled(self, tmp_path):
        missing = {tmp_path / "block": (None, np.zeros((10, 2)))}
        assert _obstacle(missing, 10, tmp_path, None) is None
        reason = _obstacle(missing, 10**17, tmp_path, None)
        assert reason.startswith(f"features take {10**18:,} more bytes, but {tmp_path} has ")


class TestErrors:
    def test_a_feature_encoder_that_learns(self, make_model, ask, recordings):
        with pytest.raises(ValueError, match="freeze_feature_encoder"):
            ask(make_model("wav2vec2"), recordings)

    def test_mel_frames_that_are_masked_anew_each_time(self, make_frozen, ask, stories):
        with pytest.raises(ValueError, match="apply_spec_augment"):
            ask(make_frozen("whisper", apply_spec_augment=True), recordings_of(stories), "whisper")

    def test_windows_of_several_lengths(self, make_frozen, ask):
        windows = [np.array([(0, 800)]), np.array([(0, 800), (0, 900)])]
        with pytest.raises(ValueError, match="of one length, got 800 to 900 samples"):
            ask(make_frozen(), [(noise(1000), w) for w in windows])

    @pytest.mark.parametrize("shape", [(0, 2), (3,), (3, 3)])
    def test_windows_that_are_no_bounds(self, shape, make_frozen, ask):
        with pytest.raises(ValueError, match=r"\(n_windows, 2\), got \(1000,\) with \("):
            ask(make_frozen(), [(noise(1000), np.zeros(shape, int))])

    def test_no_recordings(self, make_frozen, ask):
        with pytest.raises(ValueError, match="got none"):
            ask(make_frozen(), [])

    def test_features_of_other_windows(self, make_frozen, ask, stories, pairs):
        features = ask(make_frozen(), recordings_of(stories[:1]))
        with pytest.raises(ValueError, match="features of 8 windows for 12 pairs"):
            FeatureWindows(pairs, features)


@given(st.data())
def test_clips_are_cut_as_training_windows_are(data):
    """Though those that overlap share the memory."""
    audio = noise(data.draw(st.integers(1, 50)))
    length = data.draw(st.integers(1, 60))
    starts = np.array(data.draw(st.lists(st.integers(-100, 100), min_size=1, max_size=5)))
    windows = np.stack([starts, starts + length], axis=1)
    for clip, (start, stop) in zip(_clips(audio, windows), windows, strict=True):
        np.testing.assert_array_equal(clip, cut(audio, start, stop))
