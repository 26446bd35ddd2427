"""A checkpoint's life on the Hub, each step in a process of its own, as its users take it."""

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch
from huggingface_hub import HfApi
from transformers import GenerationConfig
from transformers.dynamic_module_utils import get_imports

from modeling_braintune import AutoModelForBrainTuning, Brain

# Importing torch and transformers takes seconds, so this is done once: a program runs in a fork.
PROCESSES = """
import json, os, sys, traceback
import scipy.signal, soundfile, torch
from transformers import AutoFeatureExtractor, AutoModel, Trainer, Wav2Vec2Model, WhisperModel

for line in sys.stdin:
    program, folder, missing, known = json.loads(line)
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # nobody answers a prompt
        os.dup2(2, 1)
        os.chdir(folder)
        sys.modules.update(dict.fromkeys(missing))  # Python's own mark of a missing module
        try:
            exec(program, known)
            done = {"answer": known["answer"]}
        except BaseException:
            done = {"failure": traceback.format_exc()}
        with open(writer, "w") as answers:
            json.dump(done, answers)
        os._exit(0)
    os.close(writer)
    with open(reader) as answers:
        print(answers.read(), flush=True)
    os.wait()
"""
START = """
import json, os, sys
import numpy as np
from huggingface_hub import HfApi
from transformers import AutoFeatureExtractor, AutoModel, pipeline

api = HfApi()

def error(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as error:
        return [type(error).__name__, str(error)]
"""
OURS = "from modeling_braintune import AutoModelForBrainTuning, WhisperForBrainTuning\n"
ROOMS = ["modeling_braintune", "datasets_scripts", "evaluate_metrics", "recipes"]


@contextmanager
def processes_of(hub, home):
    """Give a function that runs a program as a client of a Hub and returns its `answer`.

    Without the package, importing any of its rooms fails.
    """
    with subprocess.Popen(
        [sys.executable, "-c", PROCESSES],
        env=hub.environment(home) | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:

        def run(program, folder, package=True, **known):
            program = START + OURS * package + dedent(program)
            task = program, str(folder), [] if package else ROOMS, known
            print(json.dumps(task), file=running.stdin, flush=True)
            done = json.loads(running.stdout.readline())
            assert "answer" in done, done["failure"]
            return done["answer"]

        yield run


@pytest.fixture(scope="module")
def processes(loopback_hub, tmp_path_factory):
    with processes_of(loopback_hub, tmp_path_factory.mktemp("home")) as run:
        yield run


@pytest.fixture
def run(processes, tmp_path):
    """Function that runs a program in the test's folder."""
    return partial(processes, folder=tmp_path)


@pytest.fixture
def upload(run):
    """Function that uploads a folder, as it is, to a repository."""

    def upload(folder, name, private=False, **kwargs):
        program = """
            api.create_repo(name, private=private, exist_ok=True)  # if asked twice
            api.upload_folder(repo_id=name, folder_path=source, **kwargs)
            answer = None
            """
        known = {"source": str(folder), "name": name, "private": private, "kwargs": kwargs}
        run(program, package=False, **known)

    return upload


@pytest.fixture
def hub(loopback_hub):
    """The Hub as its user ada sees it."""
    return HfApi(loopback_hub.url, loopback_hub.token)


@pytest.fixture
def make_checkpoint(make_model, make_extractor, tmp_path):
    """Function that saves a model with its brain and feature extractor; returns it and these."""

    def make(family="wav2vec2", folder="checkpoint", num_voxels=5):
        model, extractor = make_model(family, num_voxels), make_extractor(family)
        if family == "whisper":
            model.generation_config = GenerationConfig(max_length=7)
        columns = np.arange(num_voxels)
        brain = Brain(
            participant="P01",
            tr=0.7,
            n_trs_per_window=2,
            n_recorded_voxels=20,
            voxels=3 * columns,
            noise_ceiling=1 / (1 + columns),
            regions={"language": columns[::2]},
        )
        model.set_brains(brain)
        model.save_pretrained(tmp_path / folder)
        extractor.save_pretrained(tmp_path / folder)
        return model, extractor, brain

    return make


def files_below(folder):
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


CODE = {"modeling_braintune.py", "configuration_braintune.py", "brain.py", "pooling.py"}


@pytest.mark.parametrize("family", ["wav2vec2", "whisper"])
def test_a_pushed_checkpoint_needs_no_package(family, make_checkpoint, run, hub, tmp_path):
    model, extractor, brain = make_checkpoint(family)
    sound = np.random.default_rng(0).standard_normal(40_000).astype(np.float32)
    np.save(tmp_path / "sound.npy", sound)
    names = [f"ada/{family}-pushed", f"ada/{family}-saved"]
    run(
        """
        model = AutoModelForBrainTuning.from_pretrained("checkpoint")
        extractor = AutoFeatureExtractor.from_pretrained("checkpoint")
        model.push_to_hub(names[0])
        model.save_pretrained("saved")  # now all files are there already
        model.save_pretrained("saved", push_to_hub=True, repo_id=names[1])
        for name in names:
            extractor.push_to_hub(name)
        answer = None
        """,
        names=names,
    )
    expected = {"brain.safetensors", "config.json", "model.safetensors", "preprocessor_config.json"}
    expected |= CODE | ({"generation_config.json"} if family == "whisper" else set())
    for name in names:
        assert expected <= set(hub.list_repo_files(name))

    answers = run(
        """
        sound, answer = np.load("sound.npy"), []
        for name in names:
            plain, info = AutoModel.from_pretrained(name, output_loading_info=True)
            extractor = AutoFeatureExtractor.from_pretrained(name)
            full = AutoModel.from_pretrained(name, trust_remote_code=True)
            full.save_pretrained("again")
            again = AutoModel.from_pretrained("again", trust_remote_code=True)
            weights = full.base_model.state_dict()
            answer.append(dict(
                plain=[type(plain).__module__.split(".")[0], sorted(info["missing_keys"])],
                full=type(full).__module__.split(".")[0],
                backbone=all(v.equal(weights[k]) for k, v in plain.state_dict().items()),
                voxels=full.brain_of("P01").voxels.tolist(),
                regions={k: v.tolist() for k, v in full.brain_of("P01").regions.items()},
                responses=full.predict_responses(sound, extractor).tolist(),
                again=again.predict_responses(sound, extractor).tolist(),
            ))
        """,
        package=False,
        names=names,
    )
    responses = model.predict_responses(sound, extractor).tolist()
    assert len(responses) == 4
    for answer in answers:
        assert answer == {
            "plain": ["transformers", []],
            "full": "transformers_modules",
            "backbone": True,
            "voxels": brain.voxels.tolist(),
            "regions": {"language": brain.regions["language"].tolist()},
            "responses": responses,
            "again": responses,
        }


def test_the_code_of_a_checkpoint_needs_what_transformers_needs(make_checkpoint, tmp_path):
    make_checkpoint()
    files = list((tmp_path / "checkpoint").glob("*.py"))
    imported = {name.split(".")[0] for file in files for name in get_imports(file)}
    needed = {"numpy", "safetensors", "torch", "transformers"}
    assert imported - set(sys.stdlib_module_names) <= needed


def test_a_family_of_ones_own_is_saved_with_its_code(make_config, run, hub, tmp_path):
    make_config("unispeech", num_voxels=5).save_pretrained(tmp_path / "unispeech")
    (tmp_path / "laboratory.py").write_text(
        dedent("""
        from transformers import UniSpeechConfig, UniSpeechModel, UniSpeechPreTrainedModel

        from modeling_braintune import AutoModelForBrainTuning, BrainTuningMixin


        class UniSpeechForBrainTuning(BrainTuningMixin, UniSpeechPreTrainedModel):
            backbone_class = UniSpeechModel


        AutoModelForBrainTuning.register(UniSpeechConfig, UniSpeechForBrainTuning)
        """)
    )
    weights = run("""
        sys.path.insert(0, os.getcwd())
        import laboratory
        from transformers import AutoConfig
        config = AutoConfig.from_pretrained("unispeech")
        model = AutoModelForBrainTuning.from_config(config)
        model.push_to_hub("ada/unispeech")
        answer = model.head.weight.tolist()
        """)
    assert "laboratory.py" in hub.list_repo_files("ada/unispeech")
    assert weights == run("""
        model = AutoModel.from_pretrained("ada/unispeech", trust_remote_code=True)
        assert type(model).__name__ == "UniSpeechForBrainTuning"
        answer = model.head.weight.tolist()
        """)


def test_without_trust_nothing_in_a_repository_is_executed(make_checkpoint, run, upload, tmp_path):
    make_checkpoint(folder="trap")
    folder, marker = tmp_path / "trap", tmp_path / "executed"
    (folder / "sprung.py").write_text(
        "from transformers import Wav2Vec2Config as Settings, Wav2Vec2FeatureExtractor as Ear\n"
    )
    code = list(folder.glob("*.py"))
    for file in code:
        note = f"with open({str(marker)!r}, 'a') as file:\n    file.write('{file.name} ')\n"
        file.write_text(note + file.read_text())

    def add(name, **fields):
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(content | fields))

    model = "modeling_braintune.Wav2Vec2ForBrainTuning"
    classes = {
        "AutoModel": model,
        "AutoModelForBrainTuning": model,
        "AutoConfig": "sprung.Settings",
    }
    add("config.json", auto_map=classes)
    add("preprocessor_config.json", auto_map={"AutoFeatureExtractor": "sprung.Ear"})
    upload(folder, "ada/trap")
    load = """
        loaded = [
            AutoModel.from_pretrained(name, trust_remote_code=trust),
            AutoFeatureExtractor.from_pretrained(name, trust_remote_code=trust),
            AutoModelForBrainTuning.from_pretrained(name, trust_remote_code=trust),
        ]
        if not trust:
            loaded.append(pipeline("brain-encoding", name, trust_remote_code=trust))
        answer = [type(one).__module__.split(".")[0] for one in loaded]
        """
    places = ["transformers"] * 2 + ["modeling_braintune"] * 2
    for name in ("ada/trap", "trap"):
        for trust in (None, False):
            assert run(load, name=name, trust=trust) == places

    task = {"impl": "sprung.Pipeline", "pt": ["AutoModel"], "type": "audio"}
    add("config.json", custom_pipelines={"brain-encoding": task})
    upload(folder, "ada/trap-in-pipeline")
    pipe = "answer = error(pipeline, 'brain-encoding', 'ada/trap-in-pipeline')"
    kind, message = run(pipe)
    assert kind == "ValueError" and "trust_remote_code=True" in message

    assert not marker.exists()
    run(load, name="ada/trap", trust=True)
    assert set(marker.read_text().split()) == {file.name for file in code}


NAMES = ["..", "ada/..", "../ada", "../../ada/tuned", "/ada/tuned", "ada\\..\\tuned", "ada/a\0", ""]


def test_no_name_in_or_of_a_repository_leads_out(make_checkpoint, run, upload, tmp_path):
    make_checkpoint()
    # Its weights are said to lie elsewhere.
    outward = shutil.copytree(tmp_path / "checkpoint", tmp_path / "outward")
    (outward / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": {"head.weight": "../../../../escaped.safetensors"}}
    (outward / "model.safetensors.index.json").write_text(json.dumps(index))
    upload(outward, "ada/outward")
    before = files_below(tmp_path)
    answer = run(
        """
        model = AutoModelForBrainTuning.from_pretrained("checkpoint")
        load = AutoModelForBrainTuning.from_pretrained
        answer = {
            name: [
                error(load, name),
                error(model.push_to_hub, name),
                error(model.save_pretrained, "checkpoint", push_to_hub=True, repo_id=name),
            ]
            for name in names
        }
        answer["escaped.safetensors"] = [error(load, "ada/outward")]
        """,
        names=NAMES,
    )
    for name, errors in answer.items():
        for kind, message in errors:
            assert kind in ("FileNotFoundError", "HFValidationError", "OSError", "ValueError")
            assert name in message
    assert files_below(tmp_path) == before


def test_every_fault_has_a_message_that_says_what_it_is(make_checkpoint, run, upload, tmp_path):
    make_checkpoint()
    checkpoint = tmp_path / "checkpoint"
    upload(checkpoint, "ada/faultless")
    upload(checkpoint, "ada/secret", private=True)
    upload(checkpoint, "ada/brainless", ignore_patterns="brain.safetensors")
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    upload(checkpoint, "ada/truncated")
    make_checkpoint(folder="other", num_voxels=7)
    before = files_below(checkpoint)
    answer = run("""
        load = AutoModelForBrainTuning.from_pretrained
        model = load("other")

        def push(folder, token):
            repository = dict(push_to_hub=True, repo_id="ada/faultless", token=token)
            model.save_pretrained(folder, **repository)

        answer = dict(
            stranger=error(load, "ada/secret", token="hf_grace"),
            nobody=error(load, "ada/secret", token=False),
            wrong=error(load, "ada/faultless", token="hf_wrong", cache_dir="elsewhere"),
            absent=error(load, "ada/absent"),
            revision=error(load, "ada/faultless", revision="absent"),
            family=error(WhisperForBrainTuning.from_pretrained, "ada/faultless"),
            voxels=error(load, "ada/faultless", num_voxels=6),
            truncated=error(load, "ada/truncated"),
            brainless=error(load, "ada/brainless"),
            push_with_wrong_token=error(push, "checkpoint", "hf_wrong"),
            push_as_stranger=error(push, "kept", "hf_grace"),
            kept=error(load, "kept", num_voxels=7),
            untouched=error(load, "ada/faultless", num_voxels=5),
        )
        """)
    private = "If this is a private repository, make sure to pass a token having permission"
    assert answer.pop("kept") is None and answer.pop("untouched") is None
    for name, kind, *parts in (
        ("stranger", "OSError", "ada/secret", private),
        ("nobody", "OSError", "ada/secret", private),
        ("wrong", "OSError", "ada/faultless", "Invalid credentials"),
        ("absent", "OSError", "ada/absent", private),
        ("revision", "OSError", "ada/faultless", "absent is not a valid git identifier"),
        ("family", "ValueError", "'ada/faultless' is 'wav2vec2'", "use AutoModelForBrainTuning"),
        ("voxels", "ValueError", "got num_voxels=6", "leave num_voxels out to keep that head"),
        ("truncated", "ValueError", "'ada/truncated' cannot be read", "download it again"),
        ("brainless", "ValueError", "'ada/brainless'", "download the whole checkpoint"),
        ("push_as_stranger", "HfHubHTTPError", "grace may not write to 'ada'"),
        ("push_with_wrong_token", "HfHubHTTPError", "Invalid credentials"),
    ):
        found, message = answer.pop(name)
        assert found == kind and all(part in message for part in parts), message
        assert kind != "ValueError" or "\n" not in message
    assert not answer
    assert files_below(checkpoint) == before


@pytest.mark.parametrize(
    ("fail_after", "message"),
    [(1, "Error while uploading"), (2, "507")],  # file, commit
)
def test_an_upload_that_broke_is_completed_by_running_it_again(
    fail_after, message, make_checkpoint, start_loopback_hub, tmp_path
):
    model, _, brain = make_checkpoint()
    before = files_below(tmp_path / "checkpoint")
    hub = start_loopback_hub("--fail-after", str(fail_after))
    api = HfApi(hub.url, hub.token)
    push = """
        model = AutoModelForBrainTuning.from_pretrained("checkpoint")
        answer = error(model.push_to_hub, "ada/tuned")
        """
    with processes_of(hub, tmp_path / "home") as run:
        assert message in run(push, tmp_path)[1]
        assert api.list_repo_files("ada/tuned") == []
        assert run(push, tmp_path) is None
    assert files_below(tmp_path / "checkpoint") == before
    copy = api.snapshot_download("ada/tuned", local_dir=tmp_path / "copy")
    reloaded = AutoModelForBrainTuning.from_pretrained(copy)
    weights = model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in reloaded.state_dict().items())
    np.testing.assert_equal(vars(reloaded.brain_of("P01")), vars(brain))
