"""The process that a command runs in, and how it ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from joblib import cpu_count
from safetensors import SafetensorError
from transformers.utils import logging

NO_MEMORY = (
    "out of memory: lower --per_device_train_batch_size and raise --gradient_accumulation_steps by "
    "the same factor; --activation_checkpointing true saves memory too"
)
NO_SPACE = "the disk is full: free some space and start the same command again, which goes on"
# What libraries say of the machine in errors of no particular class.
REMEDIES = {
    "out of memory": NO_MEMORY,
    "can't allocate memory": NO_MEMORY,
    "No space left": NO_SPACE,
    "File too large": NO_SPACE,
    "PytorchStreamWriter failed": NO_SPACE,
}


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the process with one line where the input or the machine is at fault."""
    try:
        yield
    except MemoryError:
        sys.exit(NO_MEMORY)
    except (OSError, RuntimeError, SafetensorError) as error:
        remedy = next((remedy for said, remedy in REMEDIES.items() if said in str(error)), None)
        if remedy is None and not isinstance(error, OSError):
            raise
        sys.exit(remedy or f"{type(error).__name__}: {error}")
    except (ImportError, ValueError, FloatingPointError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


def prepare_process(device: torch.device, n_processes: int) -> None:
    """Keep libraries quiet, and compute with every core that the process may use.

    Parameters
    ----------
    device : torch.device
    n_processes : int
        That share the machine.
    """
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    if device.type == "cpu":
        # `accelerate launch` gives a process one thread unless told otherwise.
        torch.set_num_threads(max(1, cpu_count() // n_processes))


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
