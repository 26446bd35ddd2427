"""Means over regions, and whether to believe them."""

import dataclasses

import numpy as np
import pytest

from recipes.stages.demo.time_courses import time_courses, trust
from tests.small_brains import brain

TOLD = {"story": "repeated", "n_trs": 200, "normalisation": "normalised"}


def test_means_over_the_columns_of_each_region_the_largest_first(predicted):
    language, auditory = time_courses(predicted)  # one region has no voxels
    assert (language.region, language.n_voxels) == ("late_language", 2)
    np.testing.assert_allclose(language.values, predicted.responses[:, :2].mean(axis=1), rtol=1e-6)
    assert (auditory.region, auditory.n_voxels) == ("early_auditory", 1)
    np.testing.assert_array_equal(auditory.values, predicted.responses[:, 2])


def test_all_voxels_together_where_there_are_no_regions(predicted):
    without = dataclasses.replace(predicted, brain=brain(regions={}))
    (course,) = time_courses(without)
    assert course.n_voxels == 4
    np.testing.assert_allclose(course.values, predicted.responses.mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize(
    ("value", "low", "high", "is_trusted"),
    [
        (0.5, 0.3, 0.7, True),
        (0.11, 0.01, 0.2, True),
        (0.3, -0.1, 0.7, False),
        (0.09, 0.02, 0.15, False),
        (-0.4, -0.6, -0.2, False),
    ],
)
def test_a_region_is_trusted_from_a_tenth_on_if_its_interval_is_above_0(
    value, low, high, is_trusted
):
    measured = {"value": value, "low": low, "high": high}
    found, said = trust(
        brain(alignment={"late_language": measured}, measured_on=TOLD), "late_language"
    )
    assert found is is_trusted
    assert f"{value:.2f} of what the noise ceiling allows in story 'repeated'" in said
    assert f"[{low:.2f}, {high:.2f}]" in said
    assert ("nothing reliable" in said) is not is_trusted


def test_what_was_not_measured_is_not_known():
    found, said = trust(brain(), "late_language")
    assert found is None and "not known" in said


def test_without_a_noise_ceiling_nothing_is_said_of_one():
    measured = {"late_language": {"value": 0.3, "low": 0.2, "high": 0.4}}
    told = TOLD | {"normalisation": "not normalised"}
    _, said = trust(brain(alignment=measured, measured_on=told), "late_language")
    assert "0.30 correlation" in said and "no noise ceiling" in said
