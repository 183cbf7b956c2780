import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import cells
from tests import cells_numpy, tolerances
from tests.cells_numpy import close, in_float64, normal

INPUTS = 2


def sample():
    return cells_numpy.sample(
        cells.stack([cells.lstm(INPUTS, 3), cells.gru(3, 2), cells.elman(2, 2)]), (INPUTS,)
    )


def test_step_against_numpy(dtype):
    cell, params, state, x = sample()
    (p1, p2, p3), ((c, h), g, s), u = in_float64((params, state, x))
    first = cells_numpy.lstm(p1, c, h, u)
    second = cells_numpy.gru(p2, g, first[1], "after")
    third = np.tanh(p3["W_x"] @ second + p3["W_s"] @ s + p3["b"])
    close(jax.jit(cell.step)(params, state, x), (first, second, third), tolerances.CELL_STEP)


def test_jacobian_is_block_triangular_with_the_layers_own_on_the_diagonal(dtype):
    cell, params, state, x = sample()
    (J,) = rnnjac.jacobians(cell.step, params, state, x[None])
    assert J.shape == (10, 10)
    np.testing.assert_array_equal(J[:6, 6:], 0)
    np.testing.assert_array_equal(J[6:8, 8:], 0)
    lower = cells.lstm(INPUTS, 3).step(params[0], state[0], x)
    (own,) = rnnjac.jacobians(cells.gru(3, 2).step, params[1], state[1], lower.h[None])
    close(J[6:8, 6:8], in_float64(own), tolerances.CELL_JACOBIAN)
    assert bool(J[6:8, :6].any())


def test_log_determinant_is_the_sum_over_the_layers():
    # Block triangular, so log|det| adds up: the sum of the stack's log singular values is that of
    # the layers', each driven by the layer below.
    layers = [cells.elman(INPUTS, 3), cells.gru(3, 2)]
    cell = cells.stack(layers)
    params = cell.init(jax.random.key(0))
    inputs = normal(1, (20, INPUTS))
    states = rnnjac.trajectory(cell.step, params, cell.initial_state(), inputs)
    feeds = [inputs, states[0][1:]]
    want = 0.0
    for i, layer in enumerate(layers):
        along = rnnjac.jacobians(layer.step, params[i], layer.initial_state(), feeds[i])
        want += np.linalg.slogdet(np.asarray(along, float))[1].sum()
    got = rnnjac.spectrum(cell.step, params, cell.initial_state(), inputs).log_singular_values
    close(got.sum(), want, tolerances.CELL_CHAIN)


def test_a_stack_of_one_is_its_layer():
    single = cells.gru(INPUTS, 3)
    cell = cells.stack([single])
    params, state = cell.init(jax.random.key(0)), cell.initial_state()
    x = jnp.ones(INPUTS)
    np.testing.assert_array_equal(
        cell.step(params, state, x)[0], single.step(params[0], state[0], x)
    )


def test_stacks_nest():
    flat = cells.stack([cells.elman(INPUTS, 3), cells.lstm(3, 2), cells.gru(2, 2)])
    nested = cells.stack([cells.stack([cells.elman(INPUTS, 3), cells.lstm(3, 2)]), cells.gru(2, 2)])
    a, b, c = params = flat.init(jax.random.key(0))
    r, s, t = state = flat.initial_state()
    x = jnp.ones(INPUTS)
    want = flat.step(params, state, x)
    got = nested.step(((a, b), c), ((r, s), t), x)
    jax.tree.map(np.testing.assert_array_equal, jax.tree.leaves(got), jax.tree.leaves(want))


def test_output_of_each_kind_of_state():
    h = jnp.array([1.0, 2.0])
    assert cells.output(cells.LSTMState(-h, h)) is h
    np.testing.assert_array_equal(cells.output(h), h)
    np.testing.assert_array_equal(cells.output((-h, cells.LSTMState(-h, h))), h)
    np.testing.assert_array_equal(cells.output(jnp.stack([h, -h])), [1, 2, -1, -2])


def test_a_cell_of_the_users_own_fits():
    own = cells.Cell(lambda key: None, lambda params, state, x: state + x, lambda: jnp.zeros(3))
    cell = cells.stack([cells.gru(INPUTS, 3), own])
    params, state = cell.init(jax.random.key(0)), cell.initial_state()
    after = cell.step(params, state, jnp.ones(INPUTS))
    np.testing.assert_array_equal(after[0], after[1])


def test_layers_are_drawn_from_different_keys():
    cell = cells.stack([cells.gru(3, 3), cells.gru(3, 3)])
    first, second = cell.init(jax.random.key(0))
    assert not jnp.array_equal(first["W_h"], second["W_h"])


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="cells: expected at least one cell; got none"):
        cells.stack([])
    with pytest.raises(TypeError, match="cells: expected a sequence of cells; got one cell"):
        cells.stack(cells.gru(1, 1))
    with pytest.raises(TypeError, match="cells: expected cells only; got 3"):
        cells.stack([cells.gru(1, 1), 3])
    cell = cells.stack([cells.gru(INPUTS, 3), cells.gru(2, 2)])
    params = cell.init(jax.random.key(0))
    with pytest.raises(ValueError, match=r"x: expected shape \(2,\)"):
        cell.step(params, cell.initial_state(), jnp.ones(INPUTS))
