"""One-step Jacobians against hand-written ones, and the sums they must add up to."""

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
    cell = cells.elman(2, 4)
    params = cell.init(jax.random.key(0))
    return cell, params, normal(1, (5, 2))


def close(a, b, dtype, scale=1.0):
    tolerance = FEW_STEPS * scale * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_state_jacobian_is_slopes_times_weights(net, dtype):
    cell, params, inputs = net
    states = rnnjac.trajectory(cell.step, params, cell.initial_state(), inputs)
    found = rnnjac.jacobians(cell.step, params, cell.initial_state(), inputs)
    slopes = 1 - states[1:] ** 2
    close(found, slopes[:, :, None] * params["W_s"][None], dtype)
    assert not np.allclose(found, slopes[:, None, :] * params["W_s"][None])  # the wrong side


def test_input_jacobian_is_slopes_times_input_weights(net, dtype):
    cell, params, inputs = net
    states = rnnjac.trajectory(cell.step, params, cell.initial_state(), inputs)
    found = rnnjac.input_jacobians(cell.step, params, cell.initial_state(), inputs)
    close(found, (1 - states[1:] ** 2)[:, :, None] * params["W_x"][None], dtype)


def test_parameter_jacobians_add_up_to_the_gradient(net, dtype):
    """dE/dW = sum_k dE/ds_k d+s_k/dW, with dE/ds_k carried back by the product."""
    cell, params, inputs = net
    start = cell.initial_state()
    immediate = rnnjac.parameter_jacobians(cell.step, params, start, inputs)
    factors = rnnjac.jacobians(cell.step, params, start, inputs)
    weights = jax.tree.map(jnp.zeros_like, params)
    arriving = jnp.ones(4)
    for k in reversed(range(5)):
        weights = jax.tree.map(
            lambda total, rows, g=arriving, k=k: total + jnp.tensordot(g, rows[k], 1),
            weights,
            immediate,
        )
        arriving = factors[k].T @ arriving
    expected = jax.grad(lambda p: rnnjac.trajectory(cell.step, p, start, inputs)[-1].sum())(params)
    jax.tree.map(lambda a, b: close(a, b, dtype), weights, expected)


def test_pytree_state_is_flattened_in_order(dtype):
    def shear(params, state, x):
        return {"a": state["a"] + 2.0 * state["b"], "b": 3.0 * state["b"]}

    start = {"a": jnp.ones(1), "b": jnp.ones(1)}
    found = rnnjac.jacobians(shear, None, start, length=1)
    np.testing.assert_array_equal(found, [[[1, 2], [0, 3]]])


def test_no_steps_give_no_jacobians(net):
    cell, params, inputs = net
    start = cell.initial_state()
    assert rnnjac.jacobians(cell.step, params, start, inputs[:0]).shape == (0, 4, 4)
    assert rnnjac.jacobians(lambda p, s, x: s, None, start, length=0).shape == (0, 4, 4)
