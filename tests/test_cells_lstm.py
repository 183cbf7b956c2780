import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rnnjac
from rnnjac import cells, initializers
from tests import cells_numpy, tolerances
from tests.cells_numpy import close, in_float64, normal

INPUTS, HIDDEN = 3, 4
KEY = jax.random.key(0)
VARIANTS = [(False, False), (True, False), (False, True), (True, True)]


def sample(peepholes=False, coupled=False, hidden=HIDDEN):
    return cells_numpy.sample(
        cells.lstm(INPUTS, hidden, peepholes=peepholes, coupled=coupled), (INPUTS,)
    )


def test_shapes_dtype_and_names(dtype):
    for inputs, hidden in ((0, 1), (4, 1), (2, 3)):
        cell = cells.lstm(inputs, hidden)
        params, state = jax.eval_shape(cell.init, KEY), cell.initial_state()
        assert {k: v.shape for k, v in params.items()} == {
            "W_x": (4 * hidden, inputs),
            "W_h": (4 * hidden, hidden),
            "b": (4 * hidden,),
        }
        assert not state.c.any() and not state.h.any()
        for x in (None, jnp.ones(inputs)):
            after = jax.eval_shape(cell.step, params, state, x)
            assert isinstance(after, cells.LSTMState)
            assert {(leaf.shape, leaf.dtype) for leaf in after} == {((hidden,), dtype)}
    coupled = jax.eval_shape(cells.lstm(2, 3, peepholes=True, coupled=True).init, KEY)
    assert coupled["W_h"].shape == (9, 3) and sorted(coupled) == ["W_h", "W_x", "b", "p_f", "p_o"]
    assert sorted(jax.eval_shape(cells.lstm(2, 3, peepholes=True).init, KEY))[-3:] == [
        "p_f",
        "p_i",
        "p_o",
    ]


@pytest.mark.parametrize(("peepholes", "coupled"), VARIANTS)
def test_step_against_numpy(peepholes, coupled, dtype):
    cell, params, state, x = sample(peepholes, coupled)
    p, (c, h), u = in_float64((params, state, x))
    close(cell.step(params, state, x), cells_numpy.lstm(p, c, h, u), tolerances.CELL_STEP)
    want = cells_numpy.lstm(p, c, h, np.zeros(INPUTS))
    close(cell.step(params, state, None), want, tolerances.CELL_STEP)


def hand_jacobian(p, c, h, x):
    """d(c', h') / d(c, h), block by block with Kronecker deltas only, in float64."""
    a = cells_numpy.split(p, x, h, "ifgo")
    U = dict(zip("ifgo", np.split(p["W_h"], 4), strict=True))
    i, f, o = (cells_numpy.sigmoid(a[k]) for k in "ifo")
    g = np.tanh(a["g"])
    new = np.tanh(f * c + i * g)
    n = len(c)
    J = np.zeros((2 * n, 2 * n))
    for row in range(n):
        for col in range(n):
            A = (
                c[row] * f[row] * (1 - f[row]) * U["f"][row, col]
                + g[row] * i[row] * (1 - i[row]) * U["i"][row, col]
                + i[row] * (1 - g[row] ** 2) * U["g"][row, col]
            )
            F = f[row] if row == col else 0.0
            readout = o[row] * (1 - new[row] ** 2)
            J[row, col], J[row, n + col] = F, A
            J[n + row, col] = readout * F
            J[n + row, n + col] = readout * A + new[row] * o[row] * (1 - o[row]) * U["o"][row, col]
    return J


def test_jacobian_against_the_hand_written_one(dtype):
    cell, params, state, x = sample()
    p, (c, h), u = in_float64((params, state, x))
    (got,) = rnnjac.jacobians(cell.step, params, state, x[None])
    want = hand_jacobian(p, c, h, u)
    close(got, want, tolerances.CELL_JACOBIAN)
    # A Jacobian of h alone, the cell state held constant, is another matrix with another spectrum.
    without_cell = want[HIDDEN:, HIDDEN:]
    full = np.linalg.svd(want, compute_uv=False)[:HIDDEN]
    assert np.abs(np.linalg.svd(without_cell, compute_uv=False) - full).max() > 0.1


@pytest.mark.parametrize(("peepholes", "coupled"), VARIANTS)
def test_jacobian_against_central_differences_of_numpy(peepholes, coupled):
    cell, params, state, x = sample(peepholes, coupled)
    p, (c, h), u = in_float64((params, state, x))
    step, columns = np.finfo(np.float64).eps ** (1 / 3), []
    for direction in np.eye(2 * HIDDEN):
        dc, dh = step * direction[:HIDDEN], step * direction[HIDDEN:]
        plus = np.concatenate(cells_numpy.lstm(p, c + dc, h + dh, u))
        minus = np.concatenate(cells_numpy.lstm(p, c - dc, h - dh, u))
        columns.append((plus - minus) / (2 * step))
    (got,) = rnnjac.jacobians(cell.step, params, state, x[None])
    error = np.abs(np.asarray(got, np.float64) - np.stack(columns, 1)).max()
    bound = tolerances.CELL_JACOBIAN * float(jnp.finfo(got.dtype).eps)
    assert error <= bound + tolerances.CENTRAL_DIFFERENCE * step**2


def test_without_recurrent_weights_the_spectrum_is_that_of_the_forget_gates():
    # P = [[D, 0], [R D, 0]] with D = prod diag(f_t) and R the last readout diag(o (1 - tanh^2 c)):
    # log sigma_i = sum_t log f_i(t) + 1/2 log(1 + R_i^2), and h_0 is lost.
    cell, params, state, _ = sample()
    params = params | {"W_h": jnp.zeros_like(params["W_h"])}
    inputs = normal(3, (40, INPUTS))
    p, (c, h), xs = in_float64((params, state, inputs))
    expected = np.zeros(HIDDEN)
    for x in xs:
        a = cells_numpy.split(p, x, h, "ifgo")
        expected += np.log(cells_numpy.sigmoid(a["f"]))
        c, h = cells_numpy.lstm(p, c, h, x)
    readout = cells_numpy.sigmoid(a["o"]) * (1 - np.tanh(c) ** 2)
    expected = np.sort(expected + np.log1p(readout**2) / 2)[::-1]
    got = rnnjac.spectrum(cell.step, params, state, inputs).log_singular_values
    assert np.all(np.isneginf(got[HIDDEN:]))
    close(got[:HIDDEN], expected, tolerances.CELL_CHAIN)


def test_forget_bias_one_forgets_at_log_sigmoid_of_one():
    # Zero weights and zero input: f = sigmoid(1), and the readout of a zero state is o = 1/2.
    cell = cells.lstm(0, 2, recurrent=initializers.zeros())
    T = 50
    found = rnnjac.spectrum(
        cell.step, cell.init(jax.random.key(0)), cell.initial_state(), length=T
    ).log_singular_values
    want = np.full(2, T * -np.log1p(np.exp(-1.0)) + np.log(1.25) / 2)
    quoted = tolerances.QUOTED_TO_SEVEN_DIGITS
    np.testing.assert_allclose(want[0] / T, -0.3132617 + np.log(1.25) / 2 / T, atol=quoted)
    close(found[:2], want, tolerances.CELL_CHAIN)
    assert np.all(np.isneginf(found[2:]))


def test_coupled_gates_are_an_average():
    # c' = f c + (1 - f) g lies between c and g, so |c| <= 1 is never left.
    cell, params, state, _ = sample(coupled=True)
    xs = 3 * normal(4, (50, INPUTS))
    start = jax.tree.map(jnp.tanh, state)
    assert float(jnp.abs(rnnjac.trajectory(cell.step, params, start, xs).c).max()) <= 1


@given(
    seed=st.integers(0, 2**31),
    scale=st.sampled_from([0.1, 1.0, 10.0]),
    start=st.floats(-50, 50, width=32),
    bias=st.sampled_from([-5.0, 0.0, 2.0, 50.0]),
)
def test_growth_of_the_cell_is_bounded(seed, scale, start, bias):
    # |c_t| <= f_t |c_{t-1}| + i |g|: at most |c_0| + t without forgetting (f <= 1), and at most
    # fmax^t |c_0| + 1 / (1 - fmax) with it.
    T, hidden = 30, 2
    cell = cells.lstm(1, hidden)
    params = jax.tree.map(lambda a: scale * a, cells_numpy.draw_params(cell, seed))
    params["b"] = params["b"].at[hidden : 2 * hidden].set(bias)
    state = cells.LSTMState(jnp.full(hidden, start), jnp.zeros(hidden))
    inputs = normal(seed, (T, 1))
    states = rnnjac.trajectory(cell.step, params, state, inputs)
    sizes = np.abs(np.asarray(states.c, np.float64)).max(1)
    t = np.arange(T + 1)
    slack = 1 + tolerances.CELL_CHAIN * float(jnp.finfo(states.c.dtype).eps)
    assert np.all(sizes <= slack * (sizes[0] + t))

    p, xs, hs = in_float64((params, inputs, states.h))
    stacked = xs @ p["W_x"].T + hs[:-1] @ p["W_h"].T + p["b"]
    fmax = cells_numpy.sigmoid(stacked[:, hidden : 2 * hidden]).max()
    if fmax < 1:
        assert np.all(sizes <= slack * (fmax**t * sizes[0] + 1 / (1 - fmax)))


def test_a_bias_may_be_drawn_by_chrono():
    cell = cells.lstm(0, 5, bias=initializers.chrono(100.0), recurrent=initializers.zeros())
    i, f, g, o = jnp.split(cell.init(jax.random.key(0))["b"], 4)
    np.testing.assert_array_equal(i, -f)
    assert not g.any() and not o.any() and float(f.min()) >= 0


def test_constructor_and_input_are_checked():
    with pytest.raises(ValueError, match="hidden: expected an integer >= 1; got 0"):
        cells.lstm(1, 0)
    with pytest.raises(ValueError, match="inputs: expected an integer >= 0; got -1"):
        cells.lstm(-1, 1)
    with pytest.raises(TypeError, match="peepholes: expected True or False"):
        cells.lstm(1, 1, peepholes="yes")
    with pytest.raises(TypeError, match="coupled: expected True or False"):
        cells.lstm(1, 1, coupled=1)
    cell, params, state, _ = sample()
    with pytest.raises(ValueError, match=r"x: expected shape \(3,\)"):
        cell.step(params, state, jnp.zeros(2))


def test_sixteen_bits_stay_sixteen_bits():
    cell = cells.lstm(2, 3, peepholes=True, dtype=jnp.bfloat16)
    params, state = jax.eval_shape(cell.init, KEY), cell.initial_state()
    after = jax.eval_shape(cell.step, params, state, jnp.ones(2, jnp.bfloat16))
    assert {a.dtype for a in jax.tree.leaves((params, state, after))} == {jnp.dtype("bfloat16")}


def test_gradient_reaches_every_parameter_and_jit_and_vmap_agree():
    cell, params, state, x = sample(peepholes=True)
    grads = jax.jit(jax.grad(lambda p: cell.step(p, state, x).h.sum()))(params)
    assert all(bool(jnp.isfinite(g).all() and g.any()) for g in jax.tree.leaves(grads))
    xs = jnp.stack([x, -x])
    batch = jax.jit(jax.vmap(cell.step, (None, None, 0)))(params, state, xs)
    for row, single in enumerate(xs):
        want = in_float64(cell.step(params, state, single))
        close(jax.tree.map(lambda leaf, row=row: leaf[row], batch), want, tolerances.CELL_STEP)
