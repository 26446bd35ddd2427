"""What jobs cost: counts of work, at rates that are given or timed."""

import dataclasses
from pathlib import Path

import pytest
from transformers import HubertConfig, Wav2Vec2FeatureExtractor

from recipes.stages.study.costs import (
    START,
    Costs,
    Heard,
    Rates,
    operations_a_second,
    summary,
    time_backbones,
)
from recipes.stages.study.jobs import for_figures
from recipes.stages.study.planning import Backbone, Study, plan

HEARD = Heard(train_trs=1000, test_trs=200, n_voxels=50)
SOUND = 2.0 * 1200


@pytest.fixture
def study(tmp_path):
    shape = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
    config = HubertConfig(
        **shape,
        num_hidden_layers=2,
        conv_dim=(8, 16),
        conv_kernel=(40, 32),
        conv_stride=(20, 32),
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )
    deep = HubertConfig(**shape | {"hidden_size": 32}, num_hidden_layers=4)
    extractor = Wav2Vec2FeatureExtractor()
    return Study(
        folder=Path(tmp_path),
        participants=["P01", "P02"],
        families={"hubert": Backbone(name="small", config=config, feature_extractor=extractor)},
        larger={"hubert": Backbone(name="deep", config=deep, feature_extractor=extractor)},
        recordings={"data": "phantom"},
        kinds={
            "all": {"config": "phantom.yaml", "num_train_epochs": 3},
            "text_model": {"num_train_epochs": 30},
            "probe": {"tasks": ["phantom"]},
        },
        collections=["phantom"],
        evaluation_chunk=1.0,
    )


def costs(study, **rates):
    """Hours of jobs by name, with rates of 0 but for those given."""
    none = dict(window=0.0, frozen=0.0, representation=0.0)
    one = Rates(**none | rates, hidden_size=16, n_layers=2)
    counted = Costs(
        study, dict.fromkeys(study.participants, HEARD), {"small": one, "deep": one}, 1e30
    )
    return {job.name: 3600 * job.hours - START for job in counted.of(plan(study))}


def test_tuning_costs_a_step_for_every_window_and_epoch(study):
    seconds = costs(study, window=2.0)
    assert seconds["tune-hubert-P01"] == seconds["permuted-hubert-P01"] == 2 * 3 * 1000
    assert seconds["text-model-hubert"] == 2 * 30 * 1000
    assert seconds["align-hubert-P01"] == pytest.approx(0)
    assert costs(study, frozen=2.0)["tune-hubert-P02"] == 2 * 1000


def test_representations_are_computed_once_and_more_rarely_with_a_larger_chunk(study):
    seconds = costs(study, representation=1.0)
    shared = seconds["text-model-hubert"]  # the first to measure the pretrained model
    assert shared == pytest.approx(2 * SOUND)
    assert seconds["tune-hubert-P01"] == pytest.approx(SOUND)  # of the tuned model alone
    assert seconds["align-hubert-P01"] == pytest.approx(0)
    every = costs(dataclasses.replace(study, evaluation_chunk=0.1), representation=1.0)
    assert every["tune-hubert-P01"] == pytest.approx(10 * SOUND)


def test_rates_are_timed_and_larger_models_are_taken_to_be_slower(study):
    rates = time_backbones(study)
    small, deep = rates["small"], rates["deep"]
    assert min(small.window, small.frozen, small.representation) > 0
    assert deep.window == pytest.approx(8 * small.window)  # twice as deep and as wide
    assert (deep.hidden_size, deep.n_layers) == (32, 4)
    assert operations_a_second() > 1e8


def test_a_summary_adds_up(study):
    jobs = for_figures(plan(study), ["2a"])
    jobs = [dataclasses.replace(job, hours=0.5, gigabytes=1.0) for job in jobs]
    assert summary(jobs) == "4 jobs: 2.0 hours one after the other, 4 GB"
