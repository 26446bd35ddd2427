"""The process that a recipe runs in."""

import torch
from joblib import cpu_count
from transformers.utils import logging


def prepare_process(device, n_processes):
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
