"""What is recognised of a cell by its Jacobians, and what its gates are read to do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjac import cells, jacobians, trajectory
from rnnjac.diagnosis import gated
from rnnjac.diagnosis.along import Samples
from rnnjac.diagnosis.recurrent import recognised
from tests import tolerances
from tests.cells_numpy import normal

EPS = float(jnp.finfo(jnp.zeros(()).dtype).eps)

N, STEPS = 3, 5
RNG = np.random.default_rng(0)
W = RNG.normal(size=(N, N))


def tanh_slope(a):
    return 1 - np.tanh(a) ** 2


def run(phi, slope, *, preactivation=False, leak=0.0, matrix=W):
    """States and Jacobians of a plain network in NumPy, as samples."""
    state, before, after, factors = RNG.normal(size=N) / 2, [], [], []
    for _ in range(STEPS):
        a = state if preactivation else matrix @ state + RNG.normal(size=N)
        one = matrix * slope(a) if preactivation else slope(a)[:, None] * matrix
        new = matrix @ phi(a) + RNG.normal(size=N) if preactivation else phi(a)
        before.append(state)
        state = leak * state + (1 - leak) * new
        after.append(state)
        factors.append(leak * np.eye(N) + (1 - leak) * one)
    return Samples(*(jnp.asarray(a) for a in (before, after)), None, jnp.asarray(factors), None)


PHI = {
    "tanh": (np.tanh, tanh_slope, 1.0),
    "sigmoid": (lambda a: (1 + np.tanh(a / 2)) / 2, lambda a: tanh_slope(a / 2) / 4, 0.25),
    "relu": (lambda a: np.maximum(a, 0), lambda a: (a > 0).astype(float), 1.0),
    "identity": (lambda a: a, np.ones_like, 1.0),
}


@pytest.mark.parametrize("name", PHI)
@pytest.mark.parametrize(("preactivation", "leak"), [(False, 0.0), (True, 0.0), (True, 0.7)])
def test_plain_networks_are_known_by_their_jacobians(name, preactivation, leak):
    phi, slope, gamma = PHI[name]
    samples = run(phi, slope, preactivation=preactivation, leak=leak)
    # the recurrent matrix among others of its shape, and in the layout of flax
    for params in ({"a": W.T @ W, "W_s": W}, {"kernel": W.T, "count": np.arange(3)}):
        found = recognised(jax.tree.map(jnp.asarray, params), samples)
        np.testing.assert_allclose(found.matrix, jnp.asarray(W))
        np.testing.assert_allclose(found.leak, leak, atol=tolerances.RECOGNISED_LEAK * EPS)
        assert (found.activation, found.gamma) == (name, gamma)
        if preactivation:
            near = tolerances.RECOGNISED_SLOPE * EPS
            np.testing.assert_allclose(found.slopes, slope(samples.before), atol=near)


def test_another_matrix_is_not_taken_for_it():
    samples = run(np.tanh, tanh_slope)
    assert recognised({"W": jnp.asarray(W @ W)}, samples) is None
    assert recognised(None, samples) is None
    two = samples._replace(before=(samples.before, samples.before))
    assert recognised({"W": jnp.asarray(W)}, two) is None
    broken = samples._replace(factors=samples.factors.at[0, 0, 0].set(jnp.nan))
    assert recognised({"W": jnp.asarray(W)}, broken) is None


def test_an_unknown_activation_has_slopes_but_no_bound():
    samples = run(np.sin, np.cos)
    found = recognised({"W": jnp.asarray(W)}, samples)
    assert (found.activation, found.gamma) == (None, None)
    assert np.abs(found.slopes).max() <= 1 + 1e-4


def samples_of(cell, params, x):
    states = trajectory(cell.step, params, cell.initial_state(), x)
    before, after = (jax.tree.map(lambda a, s=s: a[s], states) for s in (slice(-1), slice(1, None)))
    factors = jacobians(cell.step, params, cell.initial_state(), x)
    return Samples(before, after, x, factors, jax.tree.map(jnp.ones_like, after))


def test_gates_of_every_layer_of_a_stack_are_read(dtype):
    cell = cells.stack([cells.lstm(2, 2), cells.elman(2, 2), cells.gru(2, 3, reset="before")])
    params = cell.init(jax.random.key(0))
    x = normal(1, (STEPS, 2))
    samples = samples_of(cell, params, x)
    lower, upper = gated.layers(params, samples)
    assert (lower.kind, upper.kind) == (gated.LSTM, gated.GRU_BEFORE)
    eps = float(jnp.finfo(dtype).eps)
    close = {"atol": tolerances.GATE_READ * eps}
    block = np.asarray(samples.factors, float)
    # dC/dc is the forget gate
    np.testing.assert_allclose(lower.keep, np.diagonal(block[:, :2, :2], 0, 1, 2), **close)
    W_x, W_h, b = (np.asarray(params[0][name], float) for name in ("W_x", "W_h", "b"))
    a = np.asarray(x) @ W_x.T + np.asarray(samples.before[0].h) @ W_h.T + b
    np.testing.assert_allclose(lower.keep, 1 / (1 + np.exp(-a[:, 2:4])), **close)
    for layer in (lower, upper):
        np.testing.assert_allclose(sum(layer.paths.values()), 1, rtol=tolerances.GATE_SHARES * eps)
    assert set(lower.paths) == {
        *("carousel", "forget gate", "input gate", "candidate", "output gate"),
    }


def test_a_gru_of_other_order_is_not_read():
    """Names and shapes alone do not make one: its paths must give the Jacobian."""
    cell = cells.gru(2, 3)
    params = cell.init(jax.random.key(0))
    samples = samples_of(cell, params, jnp.ones((STEPS, 2)))
    assert len(gated.layers(params, samples)) == 1
    swapped = {name: jnp.roll(leaf, 3, axis=0) for name, leaf in params.items()}
    assert gated.layers(swapped, samples) == []
