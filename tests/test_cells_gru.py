import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import cells, initializers
from tests import cells_numpy, tolerances
from tests.cells_numpy import close, in_float64, normal

INPUTS, HIDDEN = 3, 4
KEY = jax.random.key(0)
RESETS = ["after", "before"]


def sample(reset):
    return cells_numpy.sample(cells.gru(INPUTS, HIDDEN, reset=reset), (INPUTS,))


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize(("inputs", "hidden"), [(0, 1), (4, 1), (2, 3)])
def test_shapes_and_dtype(inputs, hidden, reset, dtype):
    cell = cells.gru(inputs, hidden, reset=reset)
    params, state = jax.eval_shape(cell.init, KEY), cell.initial_state()
    assert {k: v.shape for k, v in params.items()} == {
        "W_x": (3 * hidden, inputs),
        "W_h": (3 * hidden, hidden),
        "b_x": (3 * hidden,),
        "b_h": (3 * hidden,),
    }
    for x in (None, jnp.ones(inputs)):
        after = jax.eval_shape(cell.step, params, state, x)
        assert after.shape == (hidden,) and after.dtype == state.dtype == dtype
    assert not state.any()


@pytest.mark.parametrize("reset", RESETS)
def test_step_against_numpy(reset, dtype):
    cell, params, state, x = sample(reset)
    p, h, u = in_float64((params, state, x))
    want = cells_numpy.gru(p, h, u, reset)
    close(cell.step(params, state, x), want, tolerances.CELL_STEP)
    want = cells_numpy.gru(p, h, np.zeros(INPUTS), reset)
    close(cell.step(params, state, None), want, tolerances.CELL_STEP)
    other = {"after": "before", "before": "after"}[reset]
    assert np.abs(cells_numpy.gru(p, h, u, other) - cells_numpy.gru(p, h, u, reset)).max() > 0.01


@pytest.mark.parametrize("reset", RESETS)
def test_jacobian_against_central_differences_of_numpy(reset, dtype):
    cell, params, state, x = sample(reset)
    p, h, u = in_float64((params, state, x))
    step = np.finfo(np.float64).eps ** (1 / 3)
    columns = [
        (cells_numpy.gru(p, h + d, u, reset) - cells_numpy.gru(p, h - d, u, reset)) / (2 * step)
        for d in step * np.eye(HIDDEN)
    ]
    (got,) = rnnjac.jacobians(cell.step, params, state, x[None])
    error = np.abs(np.asarray(got, np.float64) - np.stack(columns, 1)).max()
    bound = tolerances.CELL_JACOBIAN * float(jnp.finfo(got.dtype).eps)
    assert error <= bound + tolerances.CENTRAL_DIFFERENCE * step**2


@pytest.mark.parametrize("reset", RESETS)
def test_without_recurrent_weights_the_spectrum_is_that_of_the_update_gates(reset):
    cell, params, state, _ = sample(reset)
    params = params | {"W_h": jnp.zeros_like(params["W_h"])}
    inputs = normal(3, (40, INPUTS))
    p, xs = in_float64((params, inputs))
    a = xs @ p["W_x"].T + p["b_x"] + p["b_h"]
    z = cells_numpy.sigmoid(a[:, HIDDEN : 2 * HIDDEN])
    want = np.sort(np.log(z).sum(0))[::-1]
    got = rnnjac.spectrum(cell.step, params, state, inputs).log_singular_values
    close(got, want, tolerances.CELL_CHAIN)


@pytest.mark.parametrize("reset", RESETS)
def test_the_state_stays_in_the_unit_box(reset):
    # h' lies between n, a tanh, and h.
    cell, params, state, _ = sample(reset)
    xs = 3 * normal(4, (50, INPUTS))
    states = rnnjac.trajectory(cell.step, params, jnp.tanh(state), xs)
    slack = 1 + tolerances.CELL_STEP * float(jnp.finfo(states.dtype).eps)
    assert float(jnp.abs(states).max()) <= slack


def test_chrono_sets_the_update_gate():
    bias = initializers.chrono(100.0, layout="rzn")
    r, z, n = jnp.split(cells.gru(1, 5, bias=bias).init(jax.random.key(0))["b_x"], 3)
    assert not r.any() and not n.any() and float(z.min()) >= 0 and bool(z.any())


def test_constructor_and_input_are_checked():
    with pytest.raises(ValueError, match="hidden: expected an integer >= 1; got 0"):
        cells.gru(1, 0)
    with pytest.raises(ValueError, match="reset: expected one of 'after', 'before'; got 'both'"):
        cells.gru(1, 1, reset="both")
    cell, params, state, _ = sample("after")
    with pytest.raises(ValueError, match=r"x: expected shape \(3,\)"):
        cell.step(params, state, jnp.zeros(2))


@pytest.mark.parametrize("reset", RESETS)
def test_sixteen_bits_stay_sixteen_bits(reset):
    cell = cells.gru(2, 3, reset=reset, dtype=jnp.bfloat16)
    params, state = jax.eval_shape(cell.init, KEY), cell.initial_state()
    after = jax.eval_shape(cell.step, params, state, jnp.ones(2, jnp.bfloat16))
    assert {a.dtype for a in jax.tree.leaves((params, state, after))} == {jnp.dtype("bfloat16")}


@pytest.mark.parametrize("reset", RESETS)
def test_gradient_reaches_every_parameter_and_jit_and_vmap_agree(reset):
    cell, params, state, x = sample(reset)
    grads = jax.jit(jax.grad(lambda p: cell.step(p, state, x).sum()))(params)
    assert all(bool(jnp.isfinite(g).all() and g.any()) for g in grads.values())
    xs = jnp.stack([x, -x])
    batch = jax.jit(jax.vmap(cell.step, (None, None, 0)))(params, state, xs)
    for row, single in zip(batch, xs, strict=True):
        close(row, in_float64(cell.step(params, state, single)), tolerances.CELL_STEP)
