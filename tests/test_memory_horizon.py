"""Horizons against closed forms and against `gradient_norms`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import cells
from rnnjac.diagnosis.horizon import horizon

LENGTH = 160
GATED = cells.lstm(0, 2)
FORGET_BIASES = (-3.0, 0.0, 1.0, 3.0, 5.0)


def scaled(params, state, x):
    return params * state


@pytest.mark.parametrize("keep", [0.01, 0.3, 0.5, 0.9, 0.99])
def test_linear_networks_have_the_horizon_of_their_gain(keep):
    """The larger of two gains, exactly -1 / log f rounded."""
    params = jnp.array([keep, keep / 2])
    found = rnnjac.memory_horizon(scaled, params, jnp.ones(2), length=LENGTH)
    assert found == round(-1 / np.log(keep))


@pytest.mark.parametrize("bias", FORGET_BIASES)
def test_cells_without_recurrent_weights_have_that_of_their_forget_gate(bias):
    params = jax.tree.map(jnp.zeros_like, GATED.init(jax.random.key(0)))
    # forget gates of the two units, the second of which keeps less
    params["b"] = params["b"].at[2:4].set(jnp.array([bias, bias - 1.0]))
    start = GATED.initial_state()._replace(c=jnp.array([0.5, -0.2]))
    found = rnnjac.memory_horizon(GATED.step, params, start, length=LENGTH)
    assert found == round(1 / np.log1p(np.exp(-bias)))


def test_a_gradient_is_followed_to_within_a_step():
    cell = cells.gru(0, 3)
    cotangent = jnp.array([1.0, -0.5, 0.2])
    for seed in range(4):
        params = cell.init(jax.random.key(seed))
        arguments = (cell.step, params, 0.3 * jnp.ones(3))
        norms = rnnjac.gradient_norms(*arguments, cotangent=cotangent, length=30)[::-1]
        for factor in (np.e, 100.0):
            first = np.flatnonzero(norms <= norms[0] - np.log(factor))
            found = rnnjac.memory_horizon(
                *arguments, cotangent=cotangent, length=30, factor=float(factor)
            )
            assert abs(found - (first[0] if first.size else 30)) <= 1


@pytest.mark.parametrize(
    ("logs", "factor", "wanted"),
    [
        (-0.4 * np.arange(9), np.e, 2),
        (-0.45 * np.arange(9), np.e, 2),
        (0.1 * np.arange(9), np.e, 8),  # it grows: the whole sequence
        (np.array([0.0, -np.inf]), np.e, 0),
        (np.array([-np.inf, -np.inf]), np.e, 0),
        (np.array([0.0, 2.0, 1.0, -1.0, 5.0]), np.e, 3),
        (np.array([3.0]), 2.0, 8),
        (np.zeros(0), 2.0, 8),
    ],
)
def test_the_first_crossing_is_found(logs, factor, wanted):
    assert horizon(logs, factor, 8) == wanted


@pytest.mark.parametrize("factor", [1, 0.5, True, "e", float("inf"), float("nan")])
def test_the_factor_is_checked(factor):
    with pytest.raises(ValueError, match="factor: expected a finite number above 1"):
        rnnjac.memory_horizon(scaled, jnp.ones(1), jnp.ones(1), length=3, factor=factor)
