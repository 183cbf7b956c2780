"""Closed forms of the cells of today: their spectra, their starts, and the stabilisers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import cells, initializers
from tests import cells_numpy, tolerances
from tests.cells_numpy import close, in_float64
from tests.modern_cells import INPUTS, SMALL, T, factors, sample

# All of these have 4 numbers of state, and one program serves their factors.


def log_singular_values(name):
    return rnnjac.product_spectrum(factors(name)).log_singular_values


def shares(name):
    """The diagonal of each Jacobian in logs, from the equations, (T, 4) in float64."""
    p = in_float64(sample(name)[1])
    logs = []
    for x in np.asarray(sample(name)[3], np.float64):
        if name == "s5":
            logs.append(np.repeat(-np.exp(p["log_decay"] + p["log_step"]), 2))
            continue
        u = p["W_x"] @ x
        if name == "min_gru":
            logs.append(-np.log1p(np.exp((u + p["b"])[:4])))
        elif name == "min_lstm":
            f, i = cells_numpy.sigmoid((u + p["b"])[:8]).reshape(2, 4)
            logs.append(np.log(f / (f + i)))
        elif name == "rg_lru":
            r = cells_numpy.sigmoid(p["W_g"] @ u + p["b_g"])[:4]
            logs.append(8 * r * np.log(cells_numpy.sigmoid(p["Lambda"])))
        else:
            delta = np.log1p(np.exp(p["W_delta"] @ p["W_low"] @ u + p["b_delta"]))
            logs.append((-delta[:, None] * np.exp(p["A_log"])).ravel())
    return np.array(logs)


@pytest.mark.parametrize("name", ["min_gru", "min_lstm", "rg_lru", "selective_state_space", "s5"])
def test_log_singular_values_are_sums_over_the_steps(name):
    want = np.sort(shares(name).sum(0))[::-1]
    close(log_singular_values(name), want, tolerances.CELL_CHAIN)


def test_delta_rule_with_orthonormal_keys():
    # One key per step, a unit vector each: silu(w x) / |silu(w x)| is it exactly. A_log = -inf
    # gives alpha = 1.
    n = 2
    cell = cells.gated_delta_rule(n, n)
    params = cell.init(jax.random.key(0)) | {
        "W_k": jnp.eye(n),
        "W_g": jnp.array([[1.5, -0.5], [0, 0]]),
        "A_log": jnp.array(-jnp.inf),
    }
    state = cells_numpy.draw(cell.initial_state())
    Js = rnnjac.jacobians(cell.step, params, state, jnp.tile(jnp.eye(n), (T // n, 1)))
    beta = np.tile(cells_numpy.sigmoid(np.array([1.5, -0.5])), T // n)
    for J, b in zip(np.asarray(Js, np.float64), beta, strict=True):
        got = np.linalg.svd(J, compute_uv=False)
        close(jnp.asarray(got[n:]), np.full(n, 1 - b), 4)
        np.testing.assert_array_equal(got[:n], 1)
    want = np.sort(np.repeat(np.log1p(-beta[:n]) * (T // n), n))[::-1]
    close(rnnjac.product_spectrum(Js).log_singular_values, want, tolerances.CELL_CHAIN)


def test_delta_rule_singular_values_of_one_step():
    cell, params, state, inputs = sample("gated_delta_rule")
    p = in_float64(params)
    for J, x in zip(factors("gated_delta_rule"), np.asarray(inputs, np.float64), strict=True):
        a_beta, a_alpha = p["W_g"] @ x + p["b_g"]
        alpha = np.exp(-np.exp(p["A_log"]) * np.log1p(np.exp(a_alpha)))
        want = alpha * np.repeat([1, 1 - cells_numpy.sigmoid(a_beta)], 2)
        got = np.linalg.svd(np.asarray(J, np.float64), compute_uv=False)
        close(jnp.asarray(got), want, tolerances.CELL_JACOBIAN)


def test_orthogonal_to_rounding_whatever_the_vectors(dtype):
    n = 4
    cell = cells.orthogonal_rnn(0, n, "identity")
    V = cells_numpy.draw(jax.ShapeDtypeStruct((n, n), dtype))
    V = V * jnp.asarray([[0.01], [1.0], [0.0], [10.0]])  # the third is no reflection
    params = {"W_x": jnp.zeros((n, 0)), "V": V, "b": jnp.ones(n)}
    Js = rnnjac.jacobians(cell.step, params, jnp.ones(n), length=T)
    Q = np.asarray(Js[0], np.float64)
    close(Js[0], cells_numpy.reflections(in_float64(params["V"])), tolerances.ORTHOGONALITY)
    assert np.abs(Q.T @ Q - np.eye(n)).max() <= tolerances.ORTHOGONALITY * jnp.finfo(dtype).eps
    close(rnnjac.product_spectrum(Js).log_singular_values, np.zeros(n), tolerances.CELL_CHAIN)


def test_orthogonal_start_is_uniform():
    n, count = 3, 2000
    start = jax.jit(jax.vmap(cells.orthogonal_rnn(0, n).init))
    V = np.asarray(start(jax.random.split(jax.random.key(0), count))["V"], np.float64)
    Q = np.stack([cells_numpy.reflections(v) for v in V])
    # E Q_ij^2 = 1/n, Var Q_ij^2 = 2 (n - 1) / (n^2 (n + 2)); E Q_ij = E det = 0
    bound = tolerances.STATISTICAL_SIGMAS / np.sqrt(count)
    assert np.abs((Q**2).mean(0) - 1 / n).max() <= bound * np.sqrt(2 * (n - 1) / (n + 2)) / n
    assert np.abs(Q.mean(0)).max() <= bound / np.sqrt(n)
    assert abs(np.linalg.det(Q).mean()) <= bound


def test_antisymmetric_singular_values_at_rest():
    # A is normal with eigenvalues -gamma + i omega, so sigma^2 = (1 - eps gamma)^2 + (eps omega)^2
    eps, gamma = 0.2, 0.1
    cell = cells.antisymmetric_rnn(0, 4, step_size=eps, diffusion=gamma)
    params = cell.init(jax.random.key(0))
    Js = rnnjac.jacobians(cell.step, params, jnp.zeros(4), length=T)
    W = np.asarray(params["W_h"], np.float64)
    omega = np.linalg.eigvals(W - W.T).imag
    want = np.sort(np.log((1 - eps * gamma) ** 2 + (eps * omega) ** 2) * T / 2)[::-1]
    close(rnnjac.product_spectrum(Js).log_singular_values, want, tolerances.CELL_CHAIN)


def test_closed_loop():
    reservoir = cells.echo_state_network(2, 4, leak=0.3)
    cell = cells.closed_loop(reservoir, 2)
    params = cells_numpy.draw(cell.init(jax.random.key(0)))
    p, h = in_float64(params), np.linspace(-1, 1, 4)
    x = jnp.asarray([0.5, -1.0])
    states = rnnjac.trajectory(cell.step, params, jnp.asarray(h, x.dtype), x[None])
    h, u = in_float64((states[0], x))
    r = p["cell"]
    fed_back = p["W_o"] @ h + p["b_o"] + u
    close(states[1], cells_numpy.echo_state_network(r, h, fed_back, leak=0.3), tolerances.CELL_STEP)
    a = r["W_h"] @ h + r["W_x"] @ fed_back + r["b"]
    want = 0.7 * np.eye(4) + 0.3 * (1 - np.tanh(a) ** 2)[:, None] * (r["W_h"] + r["W_x"] @ p["W_o"])
    (J,) = rnnjac.jacobians(cell.step, params, states[0], x[None])
    close(J, want, 2 * tolerances.CELL_JACOBIAN)  # arguments of two products
    assert not cell.init(jax.random.key(0))["W_o"].any()
    with pytest.raises(TypeError, match="cell: expected a cell; got 3"):
        cells.closed_loop(3, 1)
    with pytest.raises(ValueError, match=r"x: expected shape \(2,\)"):
        cell.step(params, states[0], jnp.ones(3))


def test_closed_loop_goes_on_with_what_was_learnt():
    # A reservoir that has seen a sine with a read-out fitted to its next value runs on as it.
    reservoir = cells.echo_state_network(1, 60, dtype=jnp.float32)
    inner, wave = reservoir.init(jax.random.key(0)), np.sin(0.3 * np.arange(600.0))
    inputs = jnp.asarray(wave[:500, None], jnp.float32)
    states = rnnjac.trajectory(reservoir.step, inner, reservoir.initial_state(), inputs)
    seen = np.c_[np.asarray(states[101:], np.float64), np.ones(400)]
    ridge = seen.T @ seen + 1e-6 * np.eye(61)
    fit = np.linalg.solve(ridge, seen.T @ wave[101:501])
    params = {
        "cell": inner,
        "W_o": jnp.asarray(fit[None, :-1], jnp.float32),
        "b_o": jnp.asarray(fit[-1:], jnp.float32),
    }
    loop = cells.closed_loop(reservoir, 1, dtype=jnp.float32)
    run = rnnjac.trajectory(loop.step, params, states[-1], length=50)
    said = np.asarray(run[:50], np.float64) @ fit[:-1] + fit[-1]
    assert np.abs(said - wave[500:550]).max() < 0.1  # of an amplitude of 1; a fit to 1e-3


@pytest.mark.parametrize("name", ["slstm", "exp slstm", "mlstm", "exp mlstm"])
def test_the_stabiliser_changes_nothing(name):
    cell, params, state, inputs = sample(name)
    step, options = jax.jit(cell.step), SMALL[name][1]
    plain = getattr(cells_numpy, f"{name.split()[-1]}_without_stabiliser")
    p, s = in_float64((params, state))
    without = (np.exp(s.m) * s[0], np.exp(s.m) * s.n, *s[3:])
    for x in inputs:
        state = step(params, state, x)
        without = plain(p, without, in_float64(x), **options)
    s = in_float64(state)
    got = (np.exp(s.m) * s[0], np.exp(s.m) * s.n, *s[3:])
    # m of order 10 after some steps, in an exponent
    bound = 10 * tolerances.CELL_STEP * float(jnp.finfo(state.m.dtype).eps)
    for a, b in zip(got, without, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=bound * np.abs(b).max())


@pytest.mark.parametrize("forget", ["sigmoid", "exp"])
def test_mlstm_over_5000_steps(forget):
    cell = cells.mlstm(INPUTS, 1, forget=forget)
    params = cells_numpy.draw(cell.init(jax.random.key(0)))
    inputs = 3 * jax.random.normal(jax.random.key(1), (5000, INPUTS))
    end = rnnjac.trajectory(cell.step, params, cell.initial_state(), inputs)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(end))
    if forget == "exp":
        found = rnnjac.spectrum(cell.step, params, cell.initial_state(), inputs)
        assert not jnp.isnan(found.log_singular_values).any() and not jnp.isnan(found.error).any()


def test_gates_far_out_of_range_give_no_nan():
    for make in (cells.slstm, cells.mlstm):
        cell = make(1, 2, forget="exp")
        params = jax.tree.map(jnp.ones_like, cell.init(jax.random.key(0)))
        inputs = jnp.asarray([[-300.0], [300.0], [-300.0], [0.0]])
        Js = rnnjac.jacobians(cell.step, params, cell.initial_state(), inputs)
        assert bool(jnp.isfinite(Js).all())


def test_starts_are_those_published(dtype):
    n, slack = 480, 20 * float(jnp.finfo(dtype).eps)
    few = tolerances.STATISTICAL_SIGMAS / np.sqrt(12 * n)
    p = in_float64(cells.rg_lru(1, n, gate=initializers.zeros()).init(jax.random.key(0)))
    a = cells_numpy.sigmoid(p["Lambda"]) ** 8
    # Lambda, up to 9, is rounded, and a^8 moves by (1 - a) of that
    assert 0.9 - slack <= a.min() and a.max() <= 0.999 + slack
    assert abs(a.mean() - 0.9495) <= 0.099 * few
    p = in_float64(cells.selective_state_space(1, n, 3).init(jax.random.key(0)))
    close(jnp.exp(jnp.asarray(p["A_log"][7], dtype)), np.array([1, 2, 3]), 4)
    logs = np.log(np.log1p(np.exp(p["b_delta"])))
    assert np.log(1e-3) - slack <= logs.min() and logs.max() <= np.log(0.1) + slack
    assert abs(logs.mean() - np.log(1e-2)) <= np.log(100) * few
    assert p["W_low"].shape == (30, n)
    esn = cells.echo_state_network(1, 20).init(jax.random.key(0))
    radius = np.abs(np.linalg.eigvals(np.asarray(esn["W_h"], np.float64))).max()
    assert abs(radius - 0.9) <= tolerances.EIGENVALUE * 20 * float(jnp.finfo(dtype).eps)
    assert set(np.count_nonzero(esn["W_h"], axis=1)) == {10}
    b = in_float64(cells.mlstm(1, 2).init(jax.random.key(0)))["b_g"]
    assert b[1] == 3 and 0 < abs(b[0]) < 0.5
    b = in_float64(cells.slstm(1, 4).init(jax.random.key(0)))["b"]
    np.testing.assert_array_equal(b, [0] * 4 + [3, 4, 5, 6] + [0] * 8)


def test_s5_starts_at_the_normal_part_of_hippo(dtype):
    n, inputs = 3, 2
    drawn = initializers.gaussian()
    p = in_float64(cells.s5(inputs, n, input=drawn).init(jax.random.key(0)))
    # A_jk = -sqrt((2j+1)(2k+1)) below the diagonal, -(j+1) on it, and P_j = sqrt(j + 1/2)
    j = np.arange(2 * n)
    A = -np.tril(np.sqrt(np.outer(2 * j + 1, 2 * j + 1)), -1) - np.diag(j + 1.0)
    normal = A + np.sqrt(np.outer(j + 0.5, j + 0.5))
    values, vectors = np.linalg.eig(normal)
    lam = -np.exp(p["log_decay"]) + 1j * p["frequency"]
    close(jnp.asarray(np.sort(lam.imag), dtype), np.sort(values.imag[values.imag > 0]), 60)
    np.testing.assert_allclose(lam.real, -0.5, rtol=4 * float(jnp.finfo(dtype).eps))
    # 2 Re(v (v^H B)) over the modes gives B back, whatever the phases of the eigenvectors
    key = jax.random.split(jax.random.key(0))[0]
    B = np.asarray(drawn(key, (2 * n, inputs), dtype), np.float64)
    modes = p["B_re"] + 1j * p["B_im"]
    for frequency, row in zip(p["frequency"], modes, strict=True):
        v = vectors[:, np.argmin(np.abs(values - (-0.5 + 1j * frequency)))]
        close(jnp.asarray(np.abs(row), dtype), np.abs(v.conj() @ B) / np.linalg.norm(v), 60)
