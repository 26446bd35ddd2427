"""Programs in processes of their own that need not import torch and transformers first.

Python's fork server imports them once; each program is a fork of it, with its own arguments,
streams and exit status. What a library reads from the environment while it is imported (the Hub's
address, HF_HOME) is that of the tests: a program that needs another is started afresh.
"""

import gc
import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["recipes.tune", "recipes.anatomy", "nilearn.surface", "matplotlib.backends.backend_agg"]
)


def start(program, *words, stdout=os.devnull, stderr=os.devnull, prepare=None):
    """Start a program, given by its path, and return its `multiprocessing.Process`.

    `prepare` is called in it first: a function of a module (or a partial one), of no arguments.
    """
    words = [*map(str, (program, *words))]
    process = PROCESSES.Process(target=_program, args=(words, str(stdout), str(stderr), prepare))
    process.start()
    return process


def start_command(name, *words, **more):
    """`start` of `recipes/<name>.py`."""
    return start(RECIPES / f"{name}.py", *words, **more)


def run(program, *words, prepare=None):
    """Run a program, given by its path, to its end; return what `subprocess.run` would, as text."""
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, stream) for stream in ("stdout", "stderr")]
        process = start(program, *words, stdout=streams[0], stderr=streams[1], prepare=prepare)
        process.join()
        texts = [stream.read_text() for stream in streams]
        return subprocess.CompletedProcess([program, *words], process.exitcode, *texts)


def run_command(name, *words, prepare=None):
    """`run` of `recipes/<name>.py`."""
    return run(RECIPES / f"{name}.py", *words, prepare=prepare)


def run_two(program, *words):
    """Run a program as two processes that work together, as `torchrun --nproc_per_node 2` does.

    Returns what both printed.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, str(rank)) for rank in (0, 1)]
        processes = [
            start(
                program, *words, stdout=stream, stderr=stream, prepare=partial(_be_one, rank, port)
            )
            for rank, stream in enumerate(streams)
        ]
        for process, stream in zip(processes, streams, strict=True):
            process.join()
            assert process.exitcode == 0, stream.read_text()
        return "".join(stream.read_text() for stream in streams)


def _be_one(rank, port):
    told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    told |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in told.items()})


def _program(words, stdout, stderr, prepare):
    for descriptor, path in ((1, stdout), (2, stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    gc.freeze()  # what is imported need not be looked through by every program
    if prepare is not None:
        prepare()
    sys.argv = words
    runpy.run_path(words[0], run_name="__main__")
