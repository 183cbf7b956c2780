import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rnnjac
from rnnjac import cells
from tests import cells_numpy, tolerances
from tests.cells_numpy import close, in_float64, normal

INPUTS, HIDDEN, LAGS = 2, 3, (1, 2, 10, 100, 1000)


def sample(truncated=False):
    return cells_numpy.sample(
        cells.lstm_1997(INPUTS, HIDDEN, truncated=truncated), (max(LAGS), INPUTS)
    )


def cell_to_cell(cell, params, state, inputs):
    """dC_T/dC_0 by forward mode through the whole run."""

    def last(c):
        def one(s, x):
            return cell.step(params, s, x), None

        return jax.lax.scan(one, state._replace(c=c), inputs)[0].c

    return jax.jit(jax.jacfwd(last))(state.c)


@pytest.mark.parametrize("truncated", [False, True])
def test_step_against_numpy(truncated, dtype):
    cell, params, state, inputs = sample(truncated)
    p, (c, h), xs = in_float64((params, state, inputs))
    want = cells_numpy.lstm_1997(p, c, h, xs[0])
    close(cell.step(params, state, inputs[0]), want, tolerances.CELL_STEP)


def test_there_is_no_forget_gate(dtype):
    params = cells.lstm_1997(INPUTS, HIDDEN).init(jax.random.key(0))
    assert {k: v.shape for k, v in params.items()} == {
        "W_x": (3 * HIDDEN, INPUTS),
        "W_h": (3 * HIDDEN, HIDDEN),
        "b": (3 * HIDDEN,),
    }
    assert {leaf.dtype for leaf in params.values()} == {dtype}


@pytest.mark.parametrize("lag", LAGS)
def test_truncated_error_flow_is_the_identity_bit_for_bit(lag):
    cell, params, state, inputs = sample(truncated=True)
    got = cell_to_cell(cell, params, state, inputs[:lag])
    np.testing.assert_array_equal(got, np.eye(HIDDEN))


def test_truncated_block_product_is_the_identity_bit_for_bit():
    cell, params, state, inputs = sample(truncated=True)
    product = np.eye(2 * HIDDEN)
    for factor in np.asarray(rnnjac.jacobians(cell.step, params, state, inputs)):
        product = factor @ product
    np.testing.assert_array_equal(product[:HIDDEN, :HIDDEN], np.eye(HIDDEN))
    np.testing.assert_array_equal(product[:, HIDDEN:], 0)


@pytest.mark.parametrize("lag", LAGS[1:])
def test_exact_error_flow_is_not(lag):
    # At lag 1 C_1 depends on C_0 directly only (h_0 is held constant); from lag 2 on h carries too.
    cell, params, state, inputs = sample()
    got = cell_to_cell(cell, params, state, inputs[:lag])
    assert np.abs(np.asarray(got) - np.eye(HIDDEN)).max() > 0.01


def test_an_isolated_carousel_is_the_identity_without_truncation():
    cell, params, state, inputs = sample()
    params = params | {"W_h": jnp.zeros_like(params["W_h"])}
    got = cell_to_cell(cell, params, state, inputs)
    np.testing.assert_array_equal(got, np.eye(HIDDEN))


def test_truncation_changes_no_value_and_keeps_parameter_gradients():
    exact, params, state, inputs = sample()
    cut = sample(truncated=True)[0]
    a = rnnjac.trajectory(exact.step, params, state, inputs[:20])
    b = rnnjac.trajectory(cut.step, params, state, inputs[:20])
    jax.tree.map(np.testing.assert_array_equal, a, b)
    grads = jax.grad(lambda p: cut.step(p, state, inputs[0]).h.sum())(params)
    assert all(bool(g.any()) for g in grads.values())


def test_squashing_slopes_keep_their_digits(dtype):
    # dh/dc = o H'(c), H'(c) = sech^2(c/2) / 2, at a c where 2 sigmoid(c) - 1 rounds to 1.
    cell = cells.lstm_1997(0, 1)
    zeros = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0)))
    state = cells.LSTMState(jnp.full(1, 30, dtype), jnp.zeros(1, dtype))
    (J,) = rnnjac.jacobians(cell.step, zeros, state, length=1)
    want = 0.5 * 0.5 / np.cosh(15.0) ** 2
    bound = tolerances.ACTIVATION_SLOPE * float(jnp.finfo(dtype).eps)
    assert abs(float(J[1, 0]) / want - 1) <= bound


@given(
    seed=st.integers(0, 2**31),
    scale=st.sampled_from([0.1, 1.0, 10.0]),
    start=st.floats(-50, 50, width=32),
)
def test_the_cell_grows_by_at_most_two_per_step(seed, scale, start):
    T = 30
    cell = cells.lstm_1997(1, 2)
    params = jax.tree.map(lambda a: scale * a, cells_numpy.draw_params(cell, seed))
    inputs = normal(seed, (T, 1))
    state = cells.LSTMState(jnp.full(2, start), jnp.zeros(2))
    c = rnnjac.trajectory(cell.step, params, state, inputs).c
    sizes = np.abs(np.asarray(c, np.float64)).max(1)
    slack = 1 + tolerances.CELL_CHAIN * float(jnp.finfo(c.dtype).eps)
    assert np.all(sizes <= slack * (sizes[0] + 2 * np.arange(T + 1)))


def test_the_growth_bound_is_attained(dtype):
    # Input gate and squashed input at their largest: c grows by 2 a step, up to their saturation.
    cell = cells.lstm_1997(0, 1)
    params = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0)))
    params["b"] = jnp.array([50, 100, 0], dtype)
    c = rnnjac.trajectory(cell.step, params, cell.initial_state(), length=20).c
    np.testing.assert_array_equal(c[:, 0], 2 * np.arange(21))


def test_constructor_and_input_are_checked():
    with pytest.raises(ValueError, match="hidden: expected an integer >= 1; got 0"):
        cells.lstm_1997(1, 0)
    with pytest.raises(TypeError, match="truncated: expected True or False"):
        cells.lstm_1997(1, 1, truncated=1)
    cell, params, state, _ = sample()
    with pytest.raises(ValueError, match=r"x: expected shape \(2,\)"):
        cell.step(params, state, jnp.zeros(3))
