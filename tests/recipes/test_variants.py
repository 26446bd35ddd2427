"""Variants of a configuration are options of tune.py; runs are the commands' own, tested there."""

import pytest

from recipes.command.arguments import CONFIGS, parse_arguments, read_config
from recipes.stages.tuning_options import TrainerOptions, TuningOptions
from recipes.variants import DEFAULT_CONFIG, VariantsOptions, compare, words

VARIANTS = read_config(DEFAULT_CONFIG)["variants"]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_of_the_phantoms_is_accepted(name):
    line = words(VARIANTS[name])
    given, _ = parse_arguments((TuningOptions, TrainerOptions), CONFIGS / "phantom.yaml", line)
    plain, _ = parse_arguments((TuningOptions, TrainerOptions), CONFIGS / "phantom.yaml", [])
    assert all(getattr(given, option) == value for option, value in VARIANTS[name].items())
    assert (given == plain) == (name == "today")


def test_options_stand_as_on_a_command_line():
    options = {"refit": True, "seeds": [0, 1], "objective": "mse", "retention_weight": 0.1}
    expected = "--refit true --seeds 0 1 --objective mse --retention_weight 0.1"
    assert " ".join(words(options)) == expected


def test_an_unknown_variant_is_named_before_anything_is_tuned(tmp_path):
    options = VariantsOptions(
        seeds=[0], tasks=["phantom/topic"], only=["tody"], output_dir=str(tmp_path / "output")
    )
    with pytest.raises(ValueError, match="unknown variant: got 'tody'.*'today'"):
        compare(options, VARIANTS)
    assert not (tmp_path / "output").exists()


def test_without_seeds_nothing_is_compared():
    with pytest.raises(ValueError, match="seeds: give at least one"):
        VariantsOptions(seeds=[], tasks=["phantom/topic"], output_dir="output")
