"""How long a piece of work takes on this machine."""

import time
from collections.abc import Callable

import torch


def seconds_of(work: Callable[[], object]) -> float:
    """Time a function without arguments.

    Parameters
    ----------
    work : callable

    Returns
    -------
    float
        Seconds of its second call.
    """
    work()  # the first time also pays for what is made once
    start = time.perf_counter()
    work()
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
    return time.perf_counter() - start
