"""Fixed points of one unit, x = w phi(x) + b, against its bias, and where they meet and vanish.

The saddle-nodes in closed form, and as a continuation of the curve of fixed points finds them
that knows nothing of the closed form.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

WEIGHT = 5.0
STEP = 0.05  # along the curve
LIMIT = 10.0  # distance in b from the middle at which the curve begins and ends


class Unit(NamedTuple):
    """An activation with its slope, and the middle of its bistable range at the weight."""

    phi: Callable[[float], float]
    slope: Callable[[float], float]
    middle: float


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


UNITS = {
    "logistic": Unit(_logistic, lambda x: _logistic(x) * _logistic(-x), -WEIGHT / 2),
    "tanh": Unit(math.tanh, lambda x: math.cosh(x) ** -2, 0.0),
}


def saddle_nodes(name: str, w: float = WEIGHT) -> np.ndarray:
    """Rows (x, b) in ascending b where w phi'(x) = 1 and b = x - w phi(x).

    logistic: y (1 - y) = 1 / w, y = (1 + root) / 2 with root^2 = 1 - 4 / w, x = log(y / (1 - y));
    tanh: 1 - y^2 = 1 / w, x = artanh(y). Both have -x as the other solution.
    """
    cusp = 1 / UNITS[name].slope(0.0)
    if w <= cusp:
        raise ValueError(f"w: expected a weight > {cusp:g}; got {w:g}")
    if name == "logistic":
        root = math.sqrt(1 - 4 / w)
        x = math.log((1 + root) / (1 - root))
    else:
        x = math.atanh(math.sqrt(1 - 1 / w))
    return np.array([(s, s - w * UNITS[name].phi(s)) for s in (x, -x)])


def continuation(name: str, w: float = WEIGHT) -> tuple[np.ndarray, np.ndarray]:
    """Curve of fixed points (x, b) by pseudo-arclength continuation, and its turning points in b.

    From a fixed point at low b: a step along the tangent, then Newton's method on the equation
    and on keeping the step. Where the tangent's b-part changes sign, the step is bisected.
    """
    unit = UNITS[name]
    low, high = unit.middle - LIMIT, unit.middle + LIMIT
    x = low
    for _ in range(200):  # the map itself converges to the only fixed point there
        x = w * unit.phi(x) + low
    point = np.array([x, low])
    ahead = _tangent(unit, w, point, np.array([0.0, 1.0]))
    curve, turns = [point], []
    while point[1] <= high:
        following = _advance(unit, w, point, ahead, STEP)
        after = _tangent(unit, w, following, ahead)
        if after[1] * ahead[1] < 0:
            turns.append(_turn(unit, w, point, ahead))
        point, ahead = following, after
        curve.append(point)
    return np.array(curve), np.array(sorted(turns, key=lambda turn: turn[1]))


def _tangent(unit: Unit, w: float, point: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Unit vector along w phi(x) + b - x = 0, on the side of ``before``."""
    along = np.array([1.0, 1 - w * unit.slope(point[0])])
    return along * np.sign(along @ before) / np.linalg.norm(along)


def _advance(unit: Unit, w: float, point: np.ndarray, ahead: np.ndarray, by: float) -> np.ndarray:
    """The point of the curve whose projection on the tangent ``ahead`` lies ``by`` further on."""
    guess = point + by * ahead
    for _ in range(50):
        x, b = guess
        wrong = np.array([w * unit.phi(x) + b - x, ahead @ (guess - point) - by])
        change = np.linalg.solve(np.array([[w * unit.slope(x) - 1, 1.0], ahead]), wrong)
        guess = guess - change
        if np.abs(change).max() < 1e-14:
            break
    return guess


def _turn(unit: Unit, w: float, point: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """The turning point between ``point`` and one step on, by bisection of the step."""
    low, high = 0.0, STEP
    for _ in range(60):
        middle = (low + high) / 2
        there = _advance(unit, w, point, ahead, middle)
        if _tangent(unit, w, there, ahead)[1] * ahead[1] < 0:
            high = middle
        else:
            low = middle
    return _advance(unit, w, point, ahead, (low + high) / 2)
