"""Commands in processes of their own that need not import torch and transformers first.

Python's fork server imports them once; each command is a fork of it, with its own arguments,
streams and exit status. What a library reads from the environment while it is imported (a Hub's
address, HF_HOME) is that of the tests: a command that needs another is started afresh.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["recipes.tune", "recipes.anatomy", "nilearn.surface"])


def start_command(name, *words, stdout=os.devnull, stderr=os.devnull, prepare=None):
    """Start `recipes/<name>.py` and return its `multiprocessing.Process`.

    `prepare` is called in it first: a function of a module, of no arguments.
    """
    words = [str(RECIPES / f"{name}.py"), *map(str, words)]
    process = PROCESSES.Process(target=_command, args=(words, str(stdout), str(stderr), prepare))
    process.start()
    return process


def run_command(name, *words, prepare=None):
    """Run `recipes/<name>.py` to its end; return what `subprocess.run` would, with its text."""
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, stream) for stream in ("stdout", "stderr")]
        process = start_command(name, *words, stdout=streams[0], stderr=streams[1], prepare=prepare)
        process.join()
        texts = [stream.read_text() for stream in streams]
        return subprocess.CompletedProcess([name, *words], process.exitcode, *texts)


def _command(words, stdout, stderr, prepare):
    for descriptor, path in ((1, stdout), (2, stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    if prepare is not None:
        prepare()
    sys.argv = words
    runpy.run_path(words[0], run_name="__main__")
