"""Reference checks: how much of its tolerance a difference uses up."""

import numpy as np

from analyses.common.checks import AGREES
from analyses.reference_checks import figures


def test_a_dot_is_left_of_the_line_when_its_check_agrees(quick):
    found = quick("reference_checks")
    agrees = np.array([row["verdict"] == AGREES for row in found.words.checks])
    np.testing.assert_array_equal(figures.ratios(found.arrays) <= 1, agrees)


def test_no_difference_uses_up_nothing_of_no_tolerance():
    arrays = {
        "expected": np.array([0.0, 1.0, 0.0, 0.0]),
        "measured": np.array([0.0, 3.0, 1.0, np.nan]),
        "tolerance": np.array([0.0, 4.0, 0.0, 1.0]),
    }
    np.testing.assert_array_equal(figures.ratios(arrays), [0, 0.5, np.inf, np.nan])
