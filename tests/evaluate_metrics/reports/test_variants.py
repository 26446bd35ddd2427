"""A line for each way of tuning, over seeds."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from evaluate_metrics.reports.variants import variants_table


def rows_of(variant, model, measure, values):
    return [
        {"variant": variant, "seed": seed, "model": model, "measure": measure, "value": value}
        for seed, value in enumerate(values)
    ]


def cells(table):
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.split("\n")]
    return lines[0], {name: rest for name, *rest in lines[2:]}


def test_a_line_holds_means_over_seeds_with_students_interval():
    values = [0.5, 0.6, 0.64]
    rows = rows_of("today", "pretrained", "phones", [0.7] * 3)
    rows += rows_of("today", "tuned", "phones", values)
    header, lines = cells(variants_table(rows, "tuned", "pretrained"))
    low, high = ttest_1samp(values, 0).confidence_interval(0.95)
    assert header == ["", "phones"] and [*lines] == ["pretrained", "today"]
    assert lines["today"] == [f"{np.mean(values):.3f} [{low:.3f}, {high:.3f}]"]
    assert lines["pretrained"] == ["0.700 [0.700, 0.700]"]


def test_one_seed_has_no_interval_and_what_is_not_measured_is_blank():
    rows = rows_of("a", "tuned", "phones", [0.5]) + rows_of("b", "tuned", "topic", [0.25])
    rows += rows_of("b", "tuned", "language", [None]) + rows_of("b", "permuted", "topic", [0.1])
    header, lines = cells(variants_table(rows, "tuned", "pretrained"))
    assert header == ["", "phones", "topic"]
    assert lines == {"pretrained": ["", ""], "a": ["0.500", ""], "b": ["", "0.250"]}


@pytest.mark.parametrize("name", ["a|b", "<b>"])
def test_names_are_escaped(name):
    table = variants_table(rows_of(name, "tuned", "x", [1.0]), "tuned", "pretrained")
    assert name not in table
