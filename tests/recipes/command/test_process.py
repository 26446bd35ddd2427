"""Threads and quiet of a recipe's process, seen from outside it."""

import importlib
import json
import os
import subprocess
import sys

import recipes.command.process as process_module
from recipes.command.process import one_line_errors, prepare_process

import pytest
import torch
from huggingface_hub.errors import HTTPError
from safetensors import SafetensorError

import recipes
from tests.command_process import run

CORES = len(os.sched_getaffinity(0))
UNTOLD = CORES + 1  # threads that torch is left with, and that no process should compute with

# The checkpoint lacks the head and shows a bar while it loads: two reasons to speak.
PROGRAM = """
import json, os, sys
import torch
from transformers import Wav2Vec2ForCTC
from recipes.command.process import prepare_process

checkpoint, untold, cases = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
Wav2Vec2ForCTC.from_pretrained(checkpoint)
print("prepared", file=sys.stderr)
threads = []
for n_cores, device, n_processes in cases:
    torch.set_num_threads(untold)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_cores])
    prepare_process(torch.device(device), n_processes)
    threads.append(torch.get_num_threads())
Wav2Vec2ForCTC.from_pretrained(checkpoint)
print(json.dumps(threads))
"""

# Cores are only ever given up, from all that are allowed here down to a single one.
ON_CPU = [(n, "cpu", n_processes) for n in range(CORES, 0, -1) for n_processes in (1, 2, 3)]


def tell_no_threads():
    del os.environ["OMP_NUM_THREADS"]


@pytest.fixture(scope="module")
def process(pretrained, tmp_path_factory):
    program = tmp_path_factory.mktemp("process") / "program.py"
    program.write_text(PROGRAM)
    cases = json.dumps([(CORES, "cuda", 1), *ON_CPU])
    done = run(program, pretrained, UNTOLD, cases, prepare=tell_no_threads)
    assert done.returncode == 0, done.stderr
    return done


def test_processes_share_the_cores_that_they_may_use(process):
    _, *threads = json.loads(process.stdout)
    assert threads == [max(1, n_cores // n_processes) for n_cores, _, n_processes in ON_CPU]


def test_threads_beside_an_accelerator_stay_as_they_were(process):
    assert json.loads(process.stdout)[0] == UNTOLD


def test_transformers_falls_silent(process):
    before, after = process.stderr.split("prepared\n")
    assert "Loading weights" in before and "lm_head" in before
    assert after == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("layers must be"), "ValueError: layers must be"),
        (FileNotFoundError("no.wav: there is"), "FileNotFoundError: no.wav: there is"),
        (ImportError("words need nltk"), "ImportError: words need nltk"),
        (FloatingPointError("at step 3"), "FloatingPointError: at step 3"),
        (HTTPError("timed out"), "the Hub does not answer (timed out): run the same"),
        (MemoryError(), "out of memory: lower --per_device"),
        (torch.OutOfMemoryError("CUDA out of memory."), "out of memory: lower --per_device"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out of memory: lower"),
        (OSError(28, "No space left on device"), "the disk is full"),
        (SafetensorError("I/O error: No space left on device (os error 28)"), "the disk is full"),
        (
            RuntimeError("[enforce fail] PytorchStreamWriter failed writing file"),
            "the disk is full",
        ),
    ],
)
def test_faults_of_input_and_machine_end_in_one_line(error, said):
    with pytest.raises(SystemExit) as stopped, one_line_errors():
        raise error
    assert stopped.value.code.startswith(said)


def test_an_interruption_ends_in_one_line_that_says_how_to_go_on(capsys):
    with pytest.raises(SystemExit) as stopped, one_line_errors():
        raise KeyboardInterrupt
    assert stopped.value.code == 130
    assert capsys.readouterr().err == (
        "interrupted: what is done is kept, and the same command goes on with it\n"
    )


@pytest.mark.parametrize(
    ("own", "launcher", "threads"),
    [
        ({"OMP_NUM_THREADS": "3"}, {}, 3),
        ({"OMP_NUM_THREADS": "1"}, {}, 1),
        ({}, {}, UNTOLD),
        ({"OMP_NUM_THREADS": "many"}, {}, UNTOLD),
        ({"OMP_NUM_THREADS": "1", "ACCELERATE_MIXED_PRECISION": "no"}, {}, UNTOLD),
        ({"OMP_NUM_THREADS": "1", "LOCAL_RANK": "0"}, {"OMP_NUM_THREADS": "1"}, 1),
    ],
)
def test_threads_are_those_that_a_user_has_set(own, launcher, threads, monkeypatch):
    for name in ("OMP_NUM_THREADS", "ACCELERATE_MIXED_PRECISION", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    chosen = []
    monkeypatch.setattr(process_module, "_environment_of", lambda _: launcher)
    monkeypatch.setattr(process_module, "cpu_count", lambda: UNTOLD)
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    prepare_process(torch.device("cpu"), 1)
    assert chosen == [threads]


@pytest.mark.parametrize(("own", "waiting"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_sleep_while_they_wait_unless_a_user_has_said_how(own, waiting, monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", own or "")
    if own is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    importlib.reload(recipes)
    assert os.environ["OMP_WAIT_POLICY"] == waiting


def test_the_environment_of_a_process_is_what_it_was_started_with():
    words = [sys.executable, "-c", "print('started', flush=True); input()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    environment = os.environ | {"OMP_NUM_THREADS": "7"}
    with subprocess.Popen(words, env=environment, **pipes) as child:
        child.stdout.readline()
        told = process_module._environment_of(child.pid)
        child.kill()
    assert told["OMP_NUM_THREADS"] == "7"
    assert process_module._environment_of(child.pid) == {}


def test_faults_of_the_program_keep_their_traceback():
    for error in (RuntimeError("shapes cannot be multiplied"), KeyError("x"), TypeError("y")):
        with pytest.raises(type(error)), one_line_errors():
            raise error


def test_processes_that_do_not_know_of_one_another_stop(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="^2 processes were started, .* --use_cpu true"):
        process_module._check_number(1)
    process_module._check_number(2)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("accelerate launch --num_processes 2 --cpu recipes/tune.py", "one process, not 2"),
        ("python -m accelerate.commands.launch --cpu --num-processes=3 tune.py", "not 3"),
        ("/bin/accelerate launch --cpu --num-processes=3 tune.py", "one process, not 3"),
        ("accelerate launch --num_processes 1 recipes/tune.py", None),
        ("accelerate launch recipes/tune.py --num_processes 2", None),
        ("bash", None),
    ],
)
def test_a_launcher_that_started_one_process_is_spoken_of(command, said, monkeypatch, capsys):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setattr(
        process_module, "_command_of", lambda _: "".join(f"{word}\n" for word in command.split())
    )
    process_module._check_number(1)
    shown = capsys.readouterr().err
    assert said in shown if said else not shown


def test_the_command_of_a_process_is_read():
    assert "python" in process_module._command_of(os.getpid()).partition("\n")[0]
    assert process_module._command_of(2**30) == ""
