"""File operations of a run, counted, and the death of its process at one of them."""

import json
import os
import signal
import sys
from pathlib import Path

import datasets
import safetensors.numpy
import safetensors.torch
import torch
from huggingface_hub import constants

import evaluate_metrics

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
# Audit events by the place of the path, and of the descriptor of its folder, in their arguments
CHANGES = {
    "os.rename": (0, 2),
    "os.remove": (0, 1),
    "os.mkdir": (0, 2),
    "os.rmdir": (0, 1),
    "os.truncate": (0, None),
    "os.symlink": (1, 2),
}
# Of no effect: a folder that is there already, or a file that is not
VAIN = {"os.mkdir": True, "os.remove": False, "os.rmdir": False}


def prepare(home, watched=(), die_at=None, listing=None):
    """Prepare a process of `tests.command_process` for a run whose operations count.

    Parameters
    ----------
    home : path-like
        In place of HF_HOME.
    watched : list of path-like
        Folders in which file operations are counted.
    die_at : int, optional
        The operation at which the process is killed; a file that is being written is cut off.
    listing : path-like, optional
        File to list operations in, [event, path] a line.
    """
    constants.HF_HOME = str(home)
    datasets.config.HF_DATASETS_CACHE = Path(home) / "datasets"
    # Drawing takes longest, and no later start looks at it.
    evaluate_metrics.tuning_figure = _drawn
    evaluate_metrics.loss_figure = _drawn
    _Operations([os.path.realpath(folder) for folder in watched], die_at, listing)


def _drawn(*told, **_):
    next(path for path in told if isinstance(path, Path)).write_bytes(b"drawn")


class _Operations:
    def __init__(self, watched, die_at, listing):
        self._watched, self._die_at, self._listing = watched, die_at, listing
        self._n, self._inside = 0, False
        sys.addaudithook(self._heard)
        # These write from outside Python.
        for module in (safetensors.torch, safetensors.numpy):
            module.serialize_file = self._cutting(module.serialize_file)
        torch.save = self._cutting(torch.save)

    def _heard(self, event, arguments):
        if self._inside:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, (str, bytes)) and flags & WRITING:
                self._count(event, path, lambda: os.open(path, os.O_CREAT | os.O_TRUNC, 0o666))
        elif event in CHANGES:
            place, folder = CHANGES[event]
            folder = -1 if folder is None else arguments[folder]
            self._count(event, arguments[place], lambda: None, folder)

    def _cutting(self, write):
        def written(content, path, *rest, **options):
            def cut_off():
                write(content, path, *rest, **options)
                os.truncate(path, os.path.getsize(path) // 2)

            self._count("write", path, cut_off)
            return write(content, path, *rest, **options)

        return written

    def _count(self, event, path, last_deed, folder=-1):
        self._inside = True
        try:
            path = os.fsdecode(path)
            if folder >= 0:
                path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)
            path = os.path.abspath(path)
            vain = event in VAIN and os.path.lexists(path) == VAIN[event]
            within = any(os.path.commonpath([path, one]) == one for one in self._watched)
            if within and not vain:
                if self._listing is not None:
                    with open(self._listing, "a", encoding="utf-8") as listing:
                        listing.write(json.dumps([event, path]) + "\n")
                if self._n == self._die_at:
                    last_deed()
                    os.kill(os.getpid(), signal.SIGKILL)
                self._n += 1
        finally:
            self._inside = False
