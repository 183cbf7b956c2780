"""The cliff of one unit: closed forms on the wall, folds, descent, and a whole run in small."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from analyses.cliff import checks, folds, surface
from tests import tolerances


def test_autodiff_on_the_wall_is_the_geometric_sum(quick, eps):
    arrays = quick("cliff").arrays
    assert (arrays["wall_drift"] == 0).all(), "the state left 1/2"
    weights = arrays["wall_point"][:, 0].astype(np.float64)
    np.testing.assert_array_less(np.abs(weights / surface.WEIGHTS - 1), 100 * eps)
    level = 1 / (1 + math.exp(-0.5))
    for weight, (by_w, by_b), whole in zip(
        weights, arrays["wall_last_gradient"], arrays["wall_gradient"], strict=True
    ):
        m = weight * level * (1 - level)
        exact = math.fsum(m**k for k in range(50))
        wide = tolerances.CLIFF_SUM * eps
        assert abs(by_b / exact - 1) <= wide
        assert abs(by_w / (level * exact) - 1) <= wide
        # E = (sigma(x) - 0.7)^2 at x = 1/2
        outer = 2 * (level - 0.7) * level * (1 - level)
        np.testing.assert_allclose(whole, outer * exact * np.array([level, 1]), rtol=2 * wide)


def test_no_float_near_is_an_error():
    def never(points):
        return {"drift": jnp.ones(len(points))}

    with pytest.raises(ValueError, match=r"no float near w = 5\.0 keeps the state at 1/2"):
        surface._nearest(never, 5.0)


@pytest.mark.parametrize("point", [(5.0, -1.5), (4.2, -3.5), (6.5, -2.5)])
def test_error_and_gradient_follow_the_recursion(point, eps):
    w, b = point
    x, by_w, by_b = 0.5, 0.0, 0.0
    for _ in range(50):
        y = 1 / (1 + math.exp(-x))
        slope = w * y * (1 - y)
        x, by_w, by_b = w * y + b, y + slope * by_w, 1 + slope * by_b
    y = 1 / (1 + math.exp(-x))
    outer = 2 * (y - 0.7) * y * (1 - y)
    (value, states), gradient = surface.values(jnp.array([point]))
    wide = tolerances.CLIFF_RUN * eps
    assert states.shape == (1, 51)
    np.testing.assert_allclose(value[0], (y - 0.7) ** 2, rtol=wide)
    np.testing.assert_allclose(gradient[0], [outer * by_w, outer * by_b], rtol=wide)


@pytest.mark.parametrize("name", folds.UNITS)
def test_saddle_nodes_and_continuation_agree(name):
    unit, w = folds.UNITS[name], folds.WEIGHT
    nodes = folds.saddle_nodes(name)
    curve, turns = folds.continuation(name)
    few = tolerances.ORACLE_BACKWARD * np.finfo(float).eps
    for x, b in nodes:
        assert abs(w * unit.slope(x) - 1) <= few * w
        assert abs(w * unit.phi(x) + b - x) <= few * w
    np.testing.assert_allclose(turns, nodes, atol=tolerances.SADDLE_NODE, rtol=0)
    left = [w * unit.phi(x) + b - x for x, b in curve]
    assert np.abs(left).max() <= tolerances.SADDLE_NODE
    assert np.abs(np.diff(curve, axis=0)).max() <= folds.STEP * 2
    assert (np.diff(curve[:, 0]) > 0).all()  # all the way through both turns


def test_saddle_nodes_are_as_printed():
    for name, printed in checks.NODES.items():
        found = [f"{b:.6f}" for _, b in folds.saddle_nodes(name)]
        assert [
            abs(float(a) - b) <= tolerances.SADDLE_NODE for a, b in zip(found, printed, strict=True)
        ]


def test_no_saddle_node_below_the_cusp():
    for name, cusp in (("logistic", 4), ("tanh", 1)):
        with pytest.raises(ValueError, match=f"w: expected a weight > {cusp}; got 0.9"):
            folds.saddle_nodes(name, 0.9)


def test_steps_of_descent_are_the_gradient_clipped(quick, eps):
    arrays = quick("cliff").arrays
    step = np.linalg.norm(np.diff(arrays["path"].astype(np.float64), axis=2), axis=-1)
    slope = arrays["path_slope"][:, :, :-1]
    assert slope.max() > 1, "the wall was not met"
    for k, threshold in enumerate(surface.THRESHOLDS):
        expected = surface.RATE * np.minimum(slope[k], threshold)
        near = 8 * eps * (1 + expected)  # differences of numbers up to 8
        assert (np.abs(step[k] - expected) <= near).all()


def test_what_is_below_the_wall_comes_first(quick, eps):
    arrays = quick("cliff").arrays
    w, b = arrays["wall_point"][surface.WEIGHTS.index(surface.PROFILES[-1])]
    far = arrays["profile_distance"][-1, :, -1]
    close_w, close_far = arrays["grid_w"][-1], arrays["close_distance"][-1]
    for side, sign in enumerate((-1, 1)):
        points = [(w, b + sign * far[side])]
        points += [(close_w, surface.wall(close_w) + sign * close_far)]
        _, slopes = surface.values(jnp.array(points))
        found = [arrays["profile_slope"][-1, side, -1], arrays["close_slope"][side, -1, -1]]
        wide = tolerances.CLIFF_RUN * eps
        np.testing.assert_allclose(found, [abs(slopes[0, 1]), np.hypot(*slopes[1])], rtol=wide)


def test_a_diverged_descent_does_not_count():
    arrays = {
        "ends": np.array([[[1e-9, np.nan, 1.0]], [[1e-9, 1e-9, 0.5]]]),
        "rates": np.array([surface.RATE]),
        "path_slope": np.array([[[1.0, np.nan]], [[3.0, 2.0]]]),
    }
    facts = surface.descent_facts(arrays)
    assert facts["descent_solved"] == [1, 2] and facts["descent_largest_slope"] == [1, 3]
