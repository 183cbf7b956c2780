"""Rows of the table of expected and measured values."""

from typing import Any

AGREES, DIFFERS = "agrees", "differs"


def row(
    section: str, name: str, expected: Any, measured: Any, tolerance: float, reason: str
) -> dict[str, Any]:
    """One row of the table; it agrees when |measured − expected| <= tolerance, never with NaN."""
    expected, measured, tolerance = float(expected), float(measured), float(tolerance)
    difference = abs(measured - expected)
    return {
        "section": section,
        "name": name,
        "expected": expected,
        "measured": measured,
        "difference": difference,
        "tolerance": tolerance,
        "reason": reason,
        "verdict": AGREES if difference <= tolerance else DIFFERS,
    }
