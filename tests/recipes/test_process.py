"""Threads and quiet of a recipe's process, seen from outside it."""

import json
import os
import subprocess
import sys

import pytest

CORES = sorted(os.sched_getaffinity(0))
WRONG = len(CORES) + 1  # threads that no process should compute with

COUNT_THREADS = """
import json, os, sys
import torch
from recipes.process import prepare_process

threads = []
for n_cores, device, n_processes in json.loads(sys.argv[1]):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_cores])
    prepare_process(torch.device(device), n_processes)
    threads.append(torch.get_num_threads())
print(json.dumps(threads))
"""

# The checkpoint lacks the head and shows a bar while it loads: two reasons to speak.
LOAD_A_MODEL = """
import sys
import torch
from transformers import Wav2Vec2ForCTC
from recipes.process import prepare_process

if sys.argv[2] == "prepared":
    prepare_process(torch.device("cpu"), 1)
Wav2Vec2ForCTC.from_pretrained(sys.argv[1], vocab_size=5, pad_token_id=0)
"""


def run(program, *words, **environment):
    process = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )
    assert process.returncode == 0, process.stderr
    return process


def test_cores_that_the_process_may_use_are_shared_by_the_processes():
    """Affinity is only ever narrowed, from all that is allowed here down to a single core."""
    cases = [
        (n_cores, "cpu", n_processes)
        for n_cores in range(len(CORES), 0, -1)
        for n_processes in (1, 2, 3)
    ]
    threads = run(COUNT_THREADS, json.dumps(cases), OMP_NUM_THREADS=str(WRONG)).stdout
    assert json.loads(threads) == [max(1, n_cores // n) for n_cores, _, n in cases]


def test_beside_an_accelerator_threads_stay_as_they_were():
    threads = run(COUNT_THREADS, '[[1, "cuda", 1]]', OMP_NUM_THREADS=str(WRONG)).stdout
    assert json.loads(threads) == [WRONG]


@pytest.mark.parametrize(("prepared", "quiet"), [("prepared", True), ("as it comes", False)])
def test_transformers_says_nothing_more(pretrained, prepared, quiet):
    process = run(LOAD_A_MODEL, pretrained, prepared)
    assert process.stdout == ""
    assert (process.stderr == "") is quiet
    for said in ("Loading weights", "lm_head"):
        assert (said not in process.stderr) is quiet
