"""The process that a command runs in, and how it ends."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from huggingface_hub.errors import HTTPError
from joblib import cpu_count
from safetensors import SafetensorError
from transformers.utils import logging

from modeling_braintune.hub import limit_waiting

NO_MEMORY = (
    "out of memory: lower --per_device_train_batch_size and raise --gradient_accumulation_steps by "
    "the same factor; --activation_checkpointing true saves memory too"
)
NO_SPACE = "the disk is full: free some space and start the same command again, which goes on"
INTERRUPTED = "interrupted: what is done is kept, and the same command goes on with it"
# What libraries say of the machine in errors of no particular class.
REMEDIES = {
    "out of memory": NO_MEMORY,
    "can't allocate memory": NO_MEMORY,
    "No space left": NO_SPACE,
    "File too large": NO_SPACE,
    "PytorchStreamWriter failed": NO_SPACE,
}
# Of the launcher: what follows on the script's name is the script's.
ASKED_FOR = re.compile(r"\blaunch\n(?:(?!.*\.py\n).*\n)*?--num[_-]processes[=\n](\d+)\n")


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the process with one line where the input, the machine or an interruption is at fault."""
    limit_waiting()
    try:
        yield
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        sys.exit(130)  # as shells have it
    except MemoryError:
        sys.exit(NO_MEMORY)
    except (OSError, RuntimeError, SafetensorError) as error:
        remedy = next((remedy for said, remedy in REMEDIES.items() if said in str(error)), None)
        if remedy is None and not isinstance(error, OSError):
            raise
        sys.exit(remedy or f"{type(error).__name__}: {error}")
    except (ImportError, ValueError, FloatingPointError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except HTTPError as error:  # those of the Hub's answers are OSErrors
        sys.exit(f"the Hub does not answer ({error}): run the same command again")


def prepare_process(device: torch.device, n_processes: int) -> None:
    """Keep libraries quiet, and compute with every core that the process may use.

    `OMP_NUM_THREADS` says how many threads a process has where a user has set it.

    Parameters
    ----------
    device : torch.device
    n_processes : int
        That share the machine.

    Raises
    ------
    ValueError
        Several processes were started, and each works as if it were alone.
    """
    _check_number(n_processes)
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    if device.type == "cpu":
        torch.set_num_threads(_told_threads() or max(1, cpu_count() // n_processes))


def _check_number(n_processes):
    """Stop processes that do not know of one another; say that a launcher has started only one."""
    started = int(os.environ.get("WORLD_SIZE") or 1)
    if started > n_processes:
        raise ValueError(
            f"{started} processes were started, and each would do all of the work by itself: give "
            "--use_cpu true if there is no GPU, or start this command in one process"
        )
    asked = ASKED_FOR.search(_command_of(os.getppid()))
    if asked and int(asked[1]) > n_processes == 1:
        print(
            f"accelerate launch has started one process, not {asked[1]}: on CPUs, torchrun "
            f"--nproc_per_node {asked[1]} and --use_cpu true start several",
            file=sys.stderr,
        )


def _command_of(process):
    """The words that a process was started with, one a line; none where the system is silent."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return ""
    return words.decode(errors="replace").replace("\0", "\n")


def _told_threads():
    """What a user has set `OMP_NUM_THREADS` to; launchers give one thread to who sets nothing."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    launched = "ACCELERATE_MIXED_PRECISION" in os.environ or "LOCAL_RANK" in os.environ
    if launched and told == "1":
        told = _environment_of(os.getppid()).get("OMP_NUM_THREADS", "")
    return int(told) if told.isdecimal() else 0


def _environment_of(process):
    """What a process was started with; nothing where the system does not say."""
    try:
        listed = Path(f"/proc/{process}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return {}
    return dict(variable.partition("=")[::2] for variable in listed.split("\0"))


@contextmanager
def progress_bars() -> Iterator[None]:
    """Show those of the models' library, which are hidden while checkpoints are loaded."""
    shown = logging.is_progress_bar_enabled()
    logging.enable_progress_bar()
    try:
        yield
    finally:
        if not shown:
            logging.disable_progress_bar()
