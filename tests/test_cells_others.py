"""The smaller cells: IRNN, leaky, minimal RNN, linear recurrent unit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import cells
from tests import cells_numpy, tolerances
from tests.cells_numpy import close, in_float64, normal

INPUTS, N = 3, 4
KEY = jax.random.key(0)
MAKERS = [cells.irnn, cells.leaky, cells.minimal_rnn, cells.linear_recurrent_unit]


def sample(make, **options):
    return cells_numpy.sample(make(INPUTS, N, **options), (INPUTS,))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(("inputs", "hidden"), [(0, 1), (4, 1), (2, 3)])
def test_states_keep_their_form(make, inputs, hidden, dtype):
    cell = make(inputs, hidden)
    params, state = jax.eval_shape(cell.init, KEY), cell.initial_state()
    assert {leaf.dtype for leaf in jax.tree.leaves((params, state))} == {dtype}
    assert not state.any()
    for x in (None, jnp.ones(inputs)):
        after = jax.eval_shape(cell.step, params, state, x)
        assert after.shape == state.shape and after.dtype == dtype
    with pytest.raises(ValueError, match="x: expected shape"):
        jax.eval_shape(cell.step, params, state, jnp.ones(inputs + 1))
    half = make(2, 3, dtype=jnp.bfloat16)
    leaves = (params := jax.eval_shape(half.init, KEY)), half.initial_state()
    after = jax.eval_shape(half.step, params, half.initial_state(), jnp.ones(2, jnp.bfloat16))
    assert {a.dtype for a in jax.tree.leaves((leaves, after))} == {jnp.dtype("bfloat16")}


@pytest.mark.parametrize("make", MAKERS)
def test_sizes_are_checked(make):
    with pytest.raises(ValueError, match="hidden: expected an integer >= 1; got 0"):
        make(1, 0)
    with pytest.raises(ValueError, match="inputs: expected an integer >= 0; got -1"):
        make(-1, 1)


@pytest.mark.parametrize("make", MAKERS)
def test_no_input_equals_zero_input(make):
    cell, params, state, _ = sample(make)
    step = jax.jit(cell.step)
    want = in_float64(step(params, state, jnp.zeros(INPUTS)))
    close(step(params, state, None), want, tolerances.CELL_STEP)


@pytest.mark.parametrize("make", MAKERS)
def test_gradient_reaches_every_parameter(make):
    cell, params, state, x = sample(make)
    grads = jax.jit(jax.grad(lambda p: cell.step(p, state, x).sum()))(params)
    assert all(bool(jnp.isfinite(g).all() and g.any()) for g in grads.values())


def test_irnn_starts_as_the_identity_bit_for_bit():
    cell = cells.irnn(1, N)
    params = cell.init(jax.random.key(0))
    np.testing.assert_array_equal(params["W_s"], np.eye(N))
    assert not params["b"].any() and 0 < float(jnp.abs(params["W_x"]).max()) < 0.01
    start = jnp.arange(1.0, N + 1)
    product = np.eye(N)
    for factor in np.asarray(rnnjac.jacobians(cell.step, params, start, length=100)):
        product = factor @ product
    np.testing.assert_array_equal(product, np.eye(N))
    (dead,) = rnnjac.jacobians(cell.step, params, start.at[0].set(-1), length=1)
    np.testing.assert_array_equal(np.diagonal(dead), [0, 1, 1, 1])


def test_irnn_alpha():
    params = cells.irnn(1, N, alpha=0.5).init(jax.random.key(0))
    np.testing.assert_array_equal(params["W_s"], np.eye(N) / 2)
    with pytest.raises(TypeError, match="alpha: expected a number; got 'one'"):
        cells.irnn(1, 1, alpha="one")


def test_leaky_step_and_jacobian_against_numpy(dtype):
    cell, params, state, x = sample(cells.leaky, dt=0.25, tau=2.0)
    p, s, u = in_float64((params, state, x))
    a = 0.125
    rates = np.tanh(s)
    close(
        cell.step(params, state, x),
        s + a * (-s + p["W_s"] @ rates + p["W_x"] @ u + p["b"]),
        tolerances.CELL_STEP,
    )
    (J,) = rnnjac.jacobians(cell.step, params, state, x[None])
    want = (1 - a) * np.eye(N) + a * p["W_s"] * (1 - rates**2)[None, :]
    close(J, want, tolerances.CELL_JACOBIAN)


def test_leaky_with_dt_equal_tau_is_elman():
    cell, params, state, x = sample(cells.leaky, dt=0.5, tau=0.5)
    elman = cells.elman(INPUTS, N, form="preactivation")
    want = in_float64(elman.step(params, state, x))
    close(cell.step(params, state, x), want, tolerances.CELL_STEP)


@pytest.mark.parametrize("name", ["dt", "tau"])
def test_leaky_times_are_checked(name):
    with pytest.raises(ValueError, match=f"{name}: expected a number > 0; got 0"):
        cells.leaky(1, 1, **{name: 0.0})
    with pytest.raises(TypeError, match=f"{name}: expected a number > 0"):
        cells.leaky(1, 1, **{name: None})


def test_minimal_rnn_step_and_jacobian_against_numpy(dtype):
    cell, params, state, x = sample(cells.minimal_rnn)
    p, h, u_in = in_float64((params, state, x))
    v = np.tanh(p["W_x"] @ u_in + p["b_x"])
    u = cells_numpy.sigmoid(p["U_h"] @ h + p["U_x"] @ v + p["b"])
    close(cell.step(params, state, x), u * h + (1 - u) * v, tolerances.CELL_STEP)
    (J,) = rnnjac.jacobians(cell.step, params, state, x[None])
    want = np.diag(u) + ((h - v) * u * (1 - u))[:, None] * p["U_h"]
    close(J, want, tolerances.CELL_JACOBIAN)


def test_linear_recurrent_unit_against_complex_numpy(dtype):
    cell, params, state, x = sample(cells.linear_recurrent_unit)
    p, s, u = in_float64((params, state, x))
    lam = np.exp(-np.exp(p["nu"]) + 1j * p["theta"])
    gamma = np.sqrt(1 - np.abs(lam) ** 2)
    z = lam * (s[0] + 1j * s[1]) + gamma * ((p["B_re"] + 1j * p["B_im"]) @ u)
    close(cell.step(params, state, x), np.stack([z.real, z.imag]), tolerances.CELL_STEP)


def test_linear_recurrent_unit_spectrum_is_its_radii_twice():
    T = 30
    cell, params, state, _ = sample(cells.linear_recurrent_unit)
    inputs = normal(3, (T, INPUTS))
    want = np.sort(np.repeat(-T * np.exp(np.asarray(params["nu"], np.float64)), 2))[::-1]
    got = rnnjac.spectrum(cell.step, params, state, inputs).log_singular_values
    close(got, want, tolerances.CELL_CHAIN)


def test_linear_recurrent_unit_starts_on_its_ring(dtype):
    n = 4000
    cell = cells.linear_recurrent_unit(1, n, r_min=0.5, r_max=0.9, max_phase=1.0)
    params = in_float64(cell.init(jax.random.key(0)))
    square = np.exp(-2 * np.exp(params["nu"]))
    slack = tolerances.CELL_STEP * float(jnp.finfo(dtype).eps)
    assert 0.25 - slack <= square.min() and square.max() <= 0.81 + slack
    for values, low, high in ((square, 0.25, 0.81), (params["theta"], 0, 1)):
        deviation = (high - low) / np.sqrt(12 * n)
        error = abs(values.mean() - (low + high) / 2)
        assert error <= tolerances.STATISTICAL_SIGMAS * deviation
    edge = cells.linear_recurrent_unit(1, n).init(jax.random.key(0))["nu"]
    assert bool(jnp.isfinite(edge).all())


@pytest.mark.parametrize("length", [1, 200])
def test_linear_recurrent_unit_normalises_a_white_input(length):
    # E|z_t|^2 = (1 - |lam|^2) sum_{k<t} |lam|^{2k} sum_j |B_j|^2 = (1 - |lam|^{2t}) |B|^2
    cell, params, state, _ = sample(cells.linear_recurrent_unit)
    p = in_float64(params)
    last = lambda xs: rnnjac.trajectory(cell.step, params, jnp.zeros_like(state), xs)[-1]  # noqa: E731
    jac = jax.jit(jax.jacfwd(last))(jnp.zeros((length, INPUTS)))
    got = jnp.square(jac).sum((0, 2, 3))
    B = (p["B_re"] ** 2 + p["B_im"] ** 2).sum(1)
    want = (1 - np.exp(-2 * length * np.exp(p["nu"]))) * B
    close(got, want, tolerances.CELL_CHAIN)


def test_linear_recurrent_unit_ring_is_checked():
    make = cells.linear_recurrent_unit
    with pytest.raises(ValueError, match="r_min: expected a number >= 0 and < 1; got 1"):
        make(1, 1, r_min=1)
    with pytest.raises(ValueError, match="r_max: expected a number from r_min to 1; got 0.2"):
        make(1, 1, r_min=0.5, r_max=0.2)
    with pytest.raises(ValueError, match="max_phase: expected a number > 0; got 0"):
        make(1, 1, max_phase=0)
