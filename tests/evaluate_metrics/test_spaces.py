"""Metrics as Spaces: pushed to a Hub, and loaded where the package does not exist."""

import json
import subprocess
import sys

import numpy as np
import pytest
from huggingface_hub import HfApi

from evaluate_metrics.brain_alignment.alignment import alignment_scores
from evaluate_metrics.low_level_impact.impact import impact_scores
from evaluate_metrics.spaces import METRICS, space_files

CLIENT = """
import json, sys
sys.modules["evaluate_metrics"] = None  # Python's own mark of a missing module
import evaluate
for name, inputs in json.load(sys.stdin).items():
    print(json.dumps(evaluate.load(f"ada/{name}").compute(**inputs)))
"""


def test_published_metrics_score_without_the_package(loopback_hub, tmp_path):
    hub = HfApi(loopback_hub.url, loopback_hub.token)
    for name in METRICS:
        (tmp_path / name).mkdir()
        for path, content in space_files(name).items():
            (tmp_path / name / path).write_bytes(content)
        hub.create_repo(f"ada/{name}", repo_type="space", space_sdk="gradio")
        hub.upload_folder(repo_id=f"ada/{name}", repo_type="space", folder_path=tmp_path / name)

    predictions, residual, references = np.random.default_rng(0).standard_normal((3, 30, 4))
    settings = {"noise_ceiling": [0.5, 0.6, 0.7, 0.3], "regions": {"language": [0, 1]}}
    inputs = {
        "predictions": predictions.tolist(),
        "references": references.tolist(),
        **settings,
    }
    process = subprocess.run(
        [sys.executable, "-c", CLIENT],
        input=json.dumps(
            {
                "brain_alignment": inputs,
                "low_level_impact": inputs | {"residual_predictions": residual.tolist()},
            }
        ),
        env=loopback_hub.environment(tmp_path / "home"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    original, left = (
        alignment_scores(responses, references, **settings) for responses in (predictions, residual)
    )
    found = [json.loads(line) for line in process.stdout.splitlines()]
    assert found == [original, impact_scores(original, left)]


def test_space_holds_one_copy_of_the_shared_arithmetic_and_nothing_of_ours_by_name():
    files = space_files("low_level_impact")
    assert files["alignment.py"] == space_files("brain_alignment")["alignment.py"]
    modules = [content for path, content in files.items() if path.endswith(".py")]
    assert not any(b"evaluate_metrics." in content for content in modules)
    assert {"README.md", "app.py", "requirements.txt"} < set(files)


def test_unknown_metric_is_refused_with_a_suggestion():
    with pytest.raises(ValueError, match="got 'brain_alinment'. Did you mean 'brain_al"):
        space_files("brain_alinment")
