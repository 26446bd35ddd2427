"""A Hub of its own for tests that push and load: to them and their processes, the only one."""

import atexit
import gc
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

WHOLE_RUNS = Path(__file__).with_name("recipes")

# Two processes run the tests: a thread each, or they would be in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@dataclass(frozen=True)
class LoopbackHub:
    """A running Hub: its address, its user's token, and the folder that it keeps things in."""

    url: str
    folder: Path
    user: str = "ada"
    token: str = "hf_ada"

    def variables(self, home):
        """Return the variables by which a process knows this Hub.

        Parameters
        ----------
        home : path-like
            What the process caches in.
        """
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_TOKEN": self.token,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # evaluate would count on a server of its own
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def environment(self, home):
        """Return the whole environment of a client process that knows this Hub and no other."""
        ours = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGINGFACE_"))}
        return ours | self.variables(home) | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}


@contextmanager
def running_hub(folder, *options):
    """Run `loopback_hub.py` in a process of its own, for user ada and a stranger, grace."""
    program = Path(__file__).with_name("loopback_hub.py")
    tokens = ["--token", "hf_ada=ada", "--token", "hf_grace=grace"]
    command = [sys.executable, program, "--folder", folder, *tokens, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield LoopbackHub(process.stdout.readline().strip(), Path(folder))
        finally:
            process.terminate()


# Before any client is imported, here and in processes that are started from here: what tests cache
# is theirs and goes with them, and the Hub that they know is theirs.
OURS, SERVED = tempfile.mkdtemp(prefix="braintune-tests-"), ExitStack()
atexit.register(shutil.rmtree, OURS, ignore_errors=True)
HUB = SERVED.enter_context(running_hub(Path(OURS, "served", "hub")))
atexit.register(SERVED.close)
os.environ |= HUB.variables(Path(OURS, "home"))


def pytest_collection_modifyitems(items):
    """Whole runs first: what takes longest must not be left to one of two processes at the end."""
    items.sort(key=lambda item: item.path.parent != WHOLE_RUNS)


def pytest_collection_finish():
    """What is imported need not be looked through for garbage again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def start_loopback_hub(tmp_path_factory):
    """Function that starts one more Hub, with further options of its command line."""
    with ExitStack() as running:

        def start(*options, folder=None):
            folder = folder or tmp_path_factory.mktemp("loopback") / "hub"
            return running.enter_context(running_hub(folder, *options))

        yield start


@pytest.fixture(scope="session")
def loopback_hub():
    """The Hub of all tests, as user ada; they take names of their own for their repositories."""
    return HUB


@pytest.fixture(scope="session")
def unfetch():
    """Function that leaves of a file what git-annex leaves before it is fetched."""

    def leave(path, n_bytes=1_000_000, unlocked=False):
        key = f"MD5E-s{n_bytes}--{path.stem:0>32}{path.suffix}"
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        if unlocked:
            path.write_text(f"/annex/objects/{key}\n")
        else:
            path.symlink_to(f"../../.git/annex/objects/Xq/Pm/{key}/{key}")

    return leave
