"""Jobs on other machines, or on several GPUs of this one, through submitit."""

import os
from pathlib import Path
from typing import Any

import torch

from recipes.stages.study.jobs import Job
from recipes.stages.study.running import Running, run_job

CLUSTERS = ("local", "slurm")
# That submitit lets a job take, which else are 5 minutes on a cluster
MINUTES = {"local": 7 * 24 * 60, "slurm": 24 * 60}


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
        self._on: dict[str, Any] = {}  # the job that each GPU of this machine has
        if kind == "local":
            self._executor = submitit.LocalExecutor(folder)
            self._executor.update_parameters(timeout_min=MINUTES[kind])
            if n_gpus:
                seen = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(n_gpus)))
                self._on = dict.fromkeys(seen.split(",")[:n_gpus])
                self.n_at_once = min(n_at_once, n_gpus)
        else:
            self._executor = submitit.AutoExecutor(folder, cluster=kind)
            given = {name: _as_number(value) for name, value in parameters.items()}
            by_default = {"gpus_per_node": 1, "timeout_min": MINUTES[kind]}
            self._executor.update_parameters(**by_default | given)

    def submit(self, job: Job) -> Running:
        """Submit a job, to the first GPU that is free where it runs on this machine."""
        if not self._on:
            return self._executor.submit(run_job, job)
        free = next(gpu for gpu, one in self._on.items() if one is None or one.done())
        self._on[free] = self._executor.submit(run_job, job, {"CUDA_VISIBLE_DEVICES": free})
        return self._on[free]


def _as_number(value):
    return int(value) if value.isdecimal() else value
