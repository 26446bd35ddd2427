import signal

import numpy as np
import pytest
import torch
from transformers import AutoModel, Wav2Vec2ForCTC

from modeling_braintune import layer_representations, model_facts, representation_cache
from modeling_braintune.representation_cache import cached_representations
from tests.command_process import run_two, start

BATCH = 8
# Three blocks: 20 windows of as many lengths and 128 of the common one, 128 of that, and 44.
WINDOWS = np.array([(0, 400 + i) for i in range(20)] + [(i, 800 + i) for i in range(300)])
N_BATCHES = 20 + -(-300 // BATCH)
FIRST_BLOCK = 20 + 128 // BATCH

# Asks for an entry like the tests do, and calls before_forward(number) before every forward.
PROGRAM = f"""
import sys
import numpy as np
import torch
from accelerate import PartialState
from transformers import AutoModel, Wav2Vec2FeatureExtractor
from modeling_braintune.representation_cache import cached_representations

checkpoint, request, cache_dir, output = sys.argv[1:]
torch.set_num_threads(1)
model = AutoModel.from_pretrained(checkpoint)
n_forwards = 0

def count(*_):
    global n_forwards
    before_forward(n_forwards)
    n_forwards += 1

model.register_forward_pre_hook(count)
arrays = np.load(request)
found = cached_representations(
    model, Wav2Vec2FeatureExtractor(), arrays["audio"], arrays["windows"],
    cache_dir=cache_dir, batch_size={BATCH},
)
np.savez(output, found=found, n_forwards=n_forwards)
"""
KILLED = f"""
import os, signal

def before_forward(number):
    if number == {FIRST_BLOCK + 3}:
        os.kill(os.getpid(), signal.SIGKILL)
"""
SIDE_BY_SIDE = """
def before_forward(number):
    if number == 0:  # so that neither does all before the other begins
        PartialState().wait_for_everyone()

PartialState(cpu=True)
sys.argv[-1] += f".{PartialState().process_index}.npz"
"""


@pytest.fixture
def audio():
    return np.random.default_rng(0).standard_normal(2000).astype(np.float32)


@pytest.fixture
def checkpoint(make_model, tmp_path):
    make_model("wav2vec2").save_pretrained(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


@pytest.fixture
def cache_dir(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def cached(make_extractor, audio, cache_dir):
    """Function from a model, and changes to the request, to representations and forwards run."""

    def call(model, **changes):
        forwards = []
        handle = model.base_model.register_forward_pre_hook(lambda *_: forwards.append(1))
        request = {
            "feature_extractor": make_extractor("wav2vec2"),
            "audio": audio,
            "windows": WINDOWS,
            "cache_dir": cache_dir,
            "batch_size": BATCH,
        }
        found = cached_representations(model, **{**request, **changes})
        handle.remove()
        return found, len(forwards)

    return call


def entries(cache_dir):
    return sorted(path.name for path in cache_dir.iterdir())


def block_files(cache_dir):
    return sorted(path.name for path in cache_dir.glob("*/*.safetensors"))


@pytest.mark.parametrize("batch_size", [1, 8, 64])
def test_it_is_layer_representations_to_the_bit(
    batch_size, cached, make_model, make_extractor, audio
):
    model = make_model("wav2vec2")
    expected = layer_representations(
        model, make_extractor("wav2vec2"), audio, WINDOWS, [2, 0], batch_size
    )
    found, _ = cached(model, layers=np.array([2, 0]), batch_size=batch_size)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32


def test_the_second_time_nothing_is_computed(cached, make_model, cache_dir):
    model = make_model("wav2vec2")
    first, n_first = cached(model)
    second, n_second = cached(model)
    np.testing.assert_array_equal(first, second)
    assert (n_first, n_second) == (N_BATCHES, 0)
    assert block_files(cache_dir) == [f"{number:05d}.safetensors" for number in range(3)]


def test_weights_are_read_once_for_many_recordings(
    cached, make_model, make_extractor, audio, monkeypatch
):
    model = make_model("wav2vec2")
    expected, _ = cached(model)
    facts = model_facts(model, make_extractor("wav2vec2"), [0, 1, 2], None)
    monkeypatch.setattr(representation_cache, "weights_fingerprint", None)
    found, n_forwards = cached(model, facts=facts)
    np.testing.assert_array_equal(found, expected)
    assert n_forwards == 0
    assert cached(model, facts=facts, audio=audio[::-1].copy())[1] == N_BATCHES


def test_whisper_is_cached_too(cached, make_model, make_extractor):
    model, extractor = make_model("whisper"), make_extractor("whisper")
    forwards = []
    model.model.encoder.register_forward_pre_hook(lambda *_: forwards.append(1))
    first, _ = cached(model, feature_extractor=extractor, windows=WINDOWS[-8:])
    second, _ = cached(model, feature_extractor=extractor, windows=WINDOWS[-8:])
    np.testing.assert_array_equal(first, second)
    assert len(forwards) == 1


def test_no_windows_have_no_blocks(cached, make_model, cache_dir):
    found, n_forwards = cached(make_model("wav2vec2"), windows=np.empty((0, 2), int))
    assert found.shape == (3, 0, 16) and n_forwards == 0
    assert block_files(cache_dir) == []


def another_sample(audio):
    audio = audio.copy()
    audio[1234] = np.nextafter(audio[1234], np.float32(np.inf))
    return audio


@pytest.mark.parametrize(
    "change",
    [
        lambda audio, _: {"audio": another_sample(audio)},
        lambda audio, _: {"audio": audio[:-1]},
        lambda *_: {"windows": WINDOWS[:4] + [[0, 0], [0, 0], [0, 0], [0, 1]]},
        lambda *_: {"windows": WINDOWS[[1, 0, 2, 3]]},
        lambda *_: {"layers": [0, 1]},
        lambda *_: {"layers": [2, 1, 0]},
        lambda *_: {"dtype": torch.bfloat16},
        lambda _, make_extractor: {
            "feature_extractor": make_extractor("wav2vec2", do_normalize=False)
        },
    ],
    ids="sample audio window order layers order_of_layers precision extractor".split(),
)
def test_a_changed_request_is_another_entry(
    change, cached, make_model, make_extractor, audio, cache_dir
):
    model = make_model("wav2vec2")
    cached(model, windows=WINDOWS[:4])
    _, n_forwards = cached(model, **{"windows": WINDOWS[:4], **change(audio, make_extractor)})
    assert n_forwards == 4 and len(entries(cache_dir)) == 2


@pytest.mark.parametrize(
    "name", ["encoder.layers.1.final_layer_norm.bias", "feature_projection.projection.weight"]
)
def test_one_changed_weight_is_another_entry(name, cached, make_model, cache_dir):
    model = make_model("wav2vec2")
    cached(model, windows=WINDOWS[:4])
    weight = model.base_model.get_parameter(name).data.view(-1)
    weight[3] = torch.nextafter(weight[3], torch.tensor(np.inf))
    cached(model, windows=WINDOWS[:4])
    assert len(entries(cache_dir)) == 2


def test_weights_of_another_type_are_another_entry(cached, make_model, cache_dir):
    model = make_model("wav2vec2").bfloat16().float()
    cached(model, windows=WINDOWS[:4])
    cached(model.bfloat16(), windows=WINDOWS[:4])
    assert len(entries(cache_dir)) == 2


def test_a_changed_configuration_is_another_entry(cached, make_model, cache_dir):
    models = [make_model("wav2vec2", hidden_act=name) for name in ("gelu", "relu")]
    for one, other in zip(*(model.state_dict().values() for model in models), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    found = [cached(model, windows=WINDOWS[:4])[0] for model in models]
    assert not np.array_equal(*found) and len(entries(cache_dir)) == 2


def test_one_checkpoint_is_one_entry_whatever_it_is_loaded_as(
    cached, checkpoint, make_model, cache_dir
):
    cached(make_model("wav2vec2", num_voxels=7), windows=WINDOWS[:4])
    for stock_class in (AutoModel, AutoModel, Wav2Vec2ForCTC):
        stock = stock_class.from_pretrained(checkpoint)
        assert cached(stock, windows=WINDOWS[:4])[1] == 0
    assert len(entries(cache_dir)) == 1


def test_the_size_of_batches_is_no_part_of_the_entry(cached, make_model):
    model = make_model("wav2vec2")
    cached(model, batch_size=4)
    assert cached(model, batch_size=64)[1] == 0


def cut(content):
    return content[:-1]


def flip(content):
    return content[:-50] + bytes([content[-50] ^ 1]) + content[-49:]


def swap_header(content):
    return content.replace(b"F32", b"I32")


@pytest.mark.parametrize("damage", [cut, flip, swap_header, lambda _: b"", lambda c: c[:4]])
def test_a_damaged_block_is_computed_again(damage, cached, make_model, cache_dir):
    model = make_model("wav2vec2")
    expected, _ = cached(model)
    (path,) = cache_dir.glob("*/00001.safetensors")
    sound = path.read_bytes()
    path.write_bytes(damage(sound))
    found, n_forwards = cached(model)
    np.testing.assert_array_equal(found, expected)
    assert n_forwards == 128 // BATCH
    assert path.read_bytes() == sound


def test_an_error_leaves_blocks_free(cached, make_model):
    model = make_model("wav2vec2")

    def fail(*_):
        raise MemoryError

    handle = model.base_model.register_forward_pre_hook(fail)
    with pytest.raises(MemoryError):
        cached(model)
    handle.remove()
    assert cached(model)[1] == N_BATCHES


def test_a_killed_run_goes_on_where_it_was(cached, checkpoint, audio, cache_dir, tmp_path):
    np.savez(tmp_path / "request.npz", audio=audio, windows=WINDOWS)
    (tmp_path / "program.py").write_text(KILLED + PROGRAM)
    process = start(
        tmp_path / "program.py", checkpoint, tmp_path / "request.npz", cache_dir, tmp_path / "out"
    )
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert block_files(cache_dir) == ["00000.safetensors"]
    model = AutoModel.from_pretrained(checkpoint)
    found, n_forwards = cached(model)
    assert n_forwards == N_BATCHES - FIRST_BLOCK
    expected, _ = cached(model, cache_dir=tmp_path / "another")
    np.testing.assert_array_equal(found, expected)


def test_processes_share_the_work(cached, checkpoint, audio, cache_dir, tmp_path):
    np.savez(tmp_path / "request.npz", audio=audio, windows=WINDOWS)
    program = PROGRAM.replace("checkpoint, request", SIDE_BY_SIDE + "checkpoint, request")
    (tmp_path / "program.py").write_text(program)
    words = (checkpoint, tmp_path / "request.npz", cache_dir, tmp_path / "out")
    run_two(tmp_path / "program.py", *words)
    expected, _ = cached(AutoModel.from_pretrained(checkpoint), cache_dir=tmp_path / "another")
    n_forwards = []
    for index in (0, 1):
        with np.load(tmp_path / f"out.{index}.npz") as output:
            np.testing.assert_array_equal(output["found"], expected)
            n_forwards.append(int(output["n_forwards"]))
    assert min(n_forwards) > 0 and sum(n_forwards) == N_BATCHES
