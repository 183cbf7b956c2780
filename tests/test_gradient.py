"""Gradients carried back to every time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import cells
from tests.cells_numpy import normal
from tests.tolerances import FEW_STEPS


@pytest.fixture
def net():
    cell = cells.elman(2, 5)
    params = cell.init(jax.random.key(0))
    return cell, params, cell.initial_state(), normal(1, (12, 2))


def tolerance(dtype):
    return FEW_STEPS * float(jnp.finfo(dtype).eps)


def test_gradient_norms_are_those_of_jax_grad(net, dtype):
    cell, params, start, inputs = net
    cotangent = jnp.arange(1.0, 6)
    found = rnnjac.gradient_norms(cell.step, params, start, inputs, cotangent=cotangent)

    def loss(shifts):
        """Of the last state, with every state moved a little."""
        one = lambda state, at: (cell.step(params, state, at[0]) + at[1], None)  # noqa: E731
        return jax.lax.scan(one, start + shifts[0], (inputs, shifts[1:]))[0] @ cotangent

    arriving = jax.jit(jax.grad(loss))(jnp.zeros((13, 5)))
    expected = np.log(np.linalg.norm(arriving, axis=1))
    np.testing.assert_allclose(found, expected, atol=tolerance(dtype))


def test_far_below_the_range_of_floats(dtype):
    steps = 5000
    found = rnnjac.gradient_norms(
        lambda p, s, x: 0.5 * s, None, jnp.zeros(1), cotangent=jnp.ones(1), length=steps
    )
    expected = -np.log(2) * np.arange(steps, -1, -1)
    np.testing.assert_allclose(found, expected, atol=steps * np.log(2) * tolerance(dtype))


def test_a_gradient_that_is_exactly_zero(dtype):
    cell = cells.elman(0, 3, "relu")
    params = cell.init(jax.random.key(0)) | {"b": jnp.full(3, -50.0)}
    found = rnnjac.gradient_norms(cell.step, params, jnp.zeros(3), cotangent=jnp.ones(3), length=2)
    assert np.isneginf(found[:2]).all()
    np.testing.assert_allclose(found[2], np.log(3) / 2, rtol=tolerance(dtype))


def test_pytree_cotangent(dtype):
    def step(params, state, x):
        return {"a": 2.0 * state["a"], "b": 0.5 * state["b"]}

    state = {"a": jnp.ones(2), "b": jnp.ones(())}
    cotangent = {"a": jnp.zeros(2), "b": jnp.ones(())}
    found = rnnjac.gradient_norms(step, None, state, cotangent=cotangent, length=3)
    np.testing.assert_allclose(found, np.log(0.5) * np.array([3, 2, 1, 0]), atol=tolerance(dtype))


@pytest.mark.parametrize(
    ("cotangent", "message"),
    [
        (jnp.ones(4), r"cotangent: expected leaves of shape \[\(5,\)\]; got \[\(4,\)\]"),
        ((jnp.ones(5),), "cotangent: expected the structure of the state"),
    ],
)
def test_cotangent_must_look_like_the_state(net, cotangent, message):
    cell, params, start, inputs = net
    with pytest.raises(ValueError, match=message):
        rnnjac.gradient_norms(cell.step, params, start, inputs, cotangent=cotangent)
