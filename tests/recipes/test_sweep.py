"""Shares of the stories, and a sweep of two short runs."""

import copy
import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig

from recipes.command.arguments import parse_arguments
from recipes.stages.backbones import n_parameters
from recipes.stages.recordings import open_recordings
from recipes.stages.tuning_options import TrainerOptions
from recipes.sweep import SweepOptions, story_shares, sweep

STORIES = [f"story{i:02d}" for i in range(1, 33)]
BOTH = STORIES[:2]  # of the three to train on; swept over


@given(
    n_stories=st.integers(1, 40),
    counts=st.sets(st.integers(1, 40), min_size=1),
    seed=st.integers(0, 2**32 - 1),
)
def test_shares_are_nested_seeded_and_of_whole_stories(n_stories, counts, seed):
    stories = [f"story{i}" for i in range(n_stories)]
    fractions = sorted({min(n, n_stories) / n_stories for n in counts})
    shares = story_shares(stories, fractions[::-1], seed)
    assert list(shares) == fractions
    smaller = set()
    for fraction, share in shares.items():
        assert share == [story for story in stories if story in share]
        assert len(share) == round(fraction * n_stories)
        assert smaller < set(share)
        smaller = set(share)
    assert shares == story_shares(stories, fractions, seed)
    assert shares[fractions[0]] == story_shares(stories, fractions[:1], seed)[fractions[0]]


def test_at_least_one_story_and_another_one_for_another_seed():
    drawn = {tuple(story_shares(STORIES, [0.001], seed)[0.001]) for seed in range(20)}
    assert len(drawn) > 5 and all(len(share) == 1 for share in drawn)
    assert story_shares(STORIES, [1.0])[1.0] == STORIES


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ([0.0, 0.5], "above 0 and at most 1, got 0"),
        ([1.5], "got 1.5"),
        ([0.5, 0.51], "fractions 0.5, 0.51 of 32 stories are 16, 16 stories"),
    ],
)
def test_fractions_that_say_nothing_are_an_error(fractions, message):
    with pytest.raises(ValueError, match=message):
        story_shares(STORIES, fractions)


@pytest.fixture(scope="module")
def classes(settings, tmp_path_factory):
    """Arguments of a sweep whose runs are as short as can be."""
    folder = tmp_path_factory.mktemp("sweep")
    config = folder / "configuration.yaml"
    short = {"max_steps": 3, "targets": ["responses"], "tuning_stories": BOTH}
    config.write_text(json.dumps(settings | short | {"evaluation_stride": 4.0}))
    words = ["--config", str(config), "--output_dir", str(folder / "output")]
    words += ["--fractions", "1", "0.4"]
    return parse_arguments((SweepOptions, TrainerOptions), arguments=words)


@pytest.fixture(scope="module")
def swept(classes):
    return sweep(*classes)


def test_every_run_has_rows_that_say_what_was_tuned_on_how_much(swept, classes, pretrained):
    assert {(row["fraction"], row["model"]) for row in swept["rows"]} == {
        (fraction, model) for fraction in (0.4, 1.0) for model in ("pretrained", "brain-tuned")
    }
    output = Path(classes[1].output_dir)
    assert json.loads((output / "sweep.json").read_text()) == swept
    trs = {row["fraction"]: row["n_trs"] for row in swept["rows"]}
    (participant,) = open_recordings(classes[0].data, classes[0])
    told = {story.name: len(story.tr_times) for story in participant.stories(BOTH)}
    assert trs[1.0] == sum(told.values()) > trs[0.4]
    (weights,) = {row["n_parameters"] for row in swept["rows"]}
    assert weights == n_parameters(AutoConfig.from_pretrained(pretrained))
    assert {row["pretrained"] for row in swept["rows"]} == {pretrained.name}
    for fraction in ("0.4", "1"):
        folder = output / pretrained.name / fraction
        results = json.loads((folder / "results.json").read_text())["participants"]["P01"]
        (row,) = [
            row
            for row in swept["rows"]
            if (row["model"], row["region"], row["layer"], row["measure"], row["fraction"])
            == ("brain-tuned", "language", "mean", "alignment", float(fraction))
        ]
        assert row["value"] == results["alignment"]["brain-tuned"]["language"]["mean"]
        settings = json.loads((folder / "settings.json").read_text())
        assert settings["train_stories"] == classes[0].train_stories == STORIES[:3]
        stories = settings["tuning_stories"]
        assert len(stories) == (1 if fraction == "0.4" else 2)
        assert row["n_trs"] == sum(told[story] for story in stories)
        brain = AutoConfig.from_pretrained(folder / "brain-tuned").brain["P01"]
        assert brain["data"]["train_stories"] == stories


def test_the_pretrained_model_scores_the_same_whatever_was_tuned_on(swept):
    scores = {model: {0.4: [], 1.0: []} for model in ("pretrained", "brain-tuned")}
    for row in swept["rows"]:
        what = (row["region"], row["layer"], row["measure"])
        scores[row["model"]][row["fraction"]].append((*what, row["value"], row["interval_low"]))
    assert scores["pretrained"][0.4] == scores["pretrained"][1.0] != []
    assert scores["brain-tuned"][0.4] != scores["brain-tuned"][1.0]


def test_finished_runs_are_reused_and_other_settings_refused(swept, classes, capsys):
    assert sweep(*classes) == swept
    said = capsys.readouterr().out
    assert said.count("  finished\n") == 2 and "to be run" not in said and "step" not in said
    arguments, training = classes
    with pytest.raises(FileExistsError, match="0.4 holds a finished run"):
        sweep(dataclasses.replace(arguments, tr=2.0045), training)


def test_a_sweep_that_cannot_be_told_apart_or_published_is_refused(classes):
    arguments, training = classes
    with pytest.raises(ValueError, match="different last parts"):
        sweep(dataclasses.replace(arguments, pretrained=["a/x", "b/x"]), training)
    pushing = copy.copy(training)
    pushing.push_to_hub = "ada/sweep"
    with pytest.raises(ValueError, match="publish one with publish.py"):
        sweep(arguments, pushing)
