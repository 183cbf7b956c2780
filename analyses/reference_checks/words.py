"""What the page says about the reference checks."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.common.checks import AGREES, row
from analyses.common.words import Words


def words(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Words:
    """Title, summary, caption and rows of the table of checks."""
    checks = [row(*entry) for entry in _entries(arrays, facts)]
    agreeing = sum(check["verdict"] == AGREES for check in checks)
    return Words(
        title="How close the checks come",
        summary="Every closed form and published figure of the table above, as one picture: how "
        "much of its tolerance each difference uses up.",
        figures=[
            {
                "file": "reference_checks.svg",
                "caption": f"Difference from the expected value in units of the tolerance, for "
                f"{len(checks)} checks; {agreeing} lie within it (left of the line). Differences "
                f"below 1e-6 of the tolerance, zero included, stand at the left edge.",
                "alt": f"Dots in {len(set(facts['sections']))} rows, one for each group of checks, "
                f"on a logarithmic axis; {agreeing} of {len(checks)} lie left of the line at 1.",
            }
        ],
        checks=checks,
        place=10,
    )


def _entries(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Any:
    """Section, name, expected, measured, tolerance and reason of every check."""
    columns = (arrays[name] for name in ("expected", "measured", "tolerance"))
    return zip(facts["sections"], facts["names"], *columns, facts["reasons"], strict=True)
