"""Jobs on other machines, or on several GPUs of this one, through submitit."""

from pathlib import Path
from typing import Any

import torch

from recipes.stages.study.jobs import Job
from recipes.stages.study.running import Running, run_job

CLUSTERS = ("local", "slurm")
MINUTES = 7 * 24 * 60  # that submitit lets a local job take


class Cluster:
    """Submits jobs by submitit, each with a GPU of its own where there are any.

    Parameters
    ----------
    kind : str
        One of `CLUSTERS`.
    folder : Path
        That submitit keeps its files in.
    n_at_once : int
        Jobs that are submitted and not at their end; of local ones no more than there are GPUs.
    parameters : dict of {str: str}
        As `submitit.Executor.update_parameters` takes them, such as slurm_partition.

    Raises
    ------
    ImportError
        submitit is not installed.
    """

    def __init__(self, kind: str, folder: Path, n_at_once: int, parameters: dict[str, str]):
        try:
            import submitit
        except ImportError as error:
            raise ImportError(
                'jobs are submitted by submitit: pip install "braintune[cluster]"'
            ) from error
        n_gpus = torch.cuda.device_count()
        self.n_at_once = n_at_once
        self._on: list[Any] = []  # the job that each GPU of this machine has
        if kind == "local":
            self._executor = submitit.LocalExecutor(folder)
            self._executor.update_parameters(timeout_min=MINUTES)
            if n_gpus:
                self.n_at_once, self._on = min(n_at_once, n_gpus), [None] * n_gpus
        else:
            self._executor = submitit.AutoExecutor(folder, cluster=kind)
            given = {name: _as_number(value) for name, value in parameters.items()}
            self._executor.update_parameters(**{"gpus_per_node": 1} | given)

    def submit(self, job: Job) -> Running:
        """Submit a job, to the first GPU that is free where it runs on this machine."""
        if not self._on:
            return self._executor.submit(run_job, job)
        free = next(i for i, one in enumerate(self._on) if one is None or one.done())
        self._executor.update_parameters(gpus_per_node=1, visible_gpus=(free,))
        self._on[free] = self._executor.submit(run_job, job)
        return self._on[free]


def _as_number(value):
    return int(value) if value.isdecimal() else value
