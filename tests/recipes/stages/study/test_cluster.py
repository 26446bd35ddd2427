"""Jobs through submitit's local executor."""

import pytest
import torch

from recipes.stages.study.cluster import Cluster
from recipes.stages.study.jobs import done
from recipes.stages.study.running import run_all
from tests.recipes.stages.study.conftest import times_begun

pytest.importorskip("submitit")


def test_dependencies_are_kept_and_failures_are_named(job, tmp_path):
    one = job("one")
    two = job("two", "assert (folder.parent / 'one/result').exists()", needs=("one",))
    broken = job("broken", "raise ValueError('too bad')")
    after = job("after", needs=("broken",))
    told = []
    cluster = Cluster("local", tmp_path / "submitit", 3, {})
    failed = run_all([one, two, broken, after], cluster, told.append, pause=0.05)
    assert failed.keys() == {"broken", "after"} and "ValueError: too bad" in failed["broken"]
    assert done(one) and done(two) and times_begun(after) == 0


@pytest.mark.parametrize(("given", "used"), [(None, {"0", "1"}), ("3,GPU-5f", {"3", "GPU-5f"})])
def test_each_job_has_a_gpu_of_its_own(job, tmp_path, monkeypatch, given, used):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    seen = "import os, time; time.sleep(0.5); text = os.environ['CUDA_VISIBLE_DEVICES']"
    jobs = [job(name, seen) for name in "abc"]
    cluster = Cluster("local", tmp_path / "submitit", 9, {})
    assert cluster.n_at_once == 2
    assert run_all(jobs, cluster, lambda _: None, pause=0.05) == {}
    assert {(one.folder / "result").read_text() for one in jobs[:2]} == used
    assert {(one.folder / "result").read_text() for one in jobs} == used
