"""Equinox cells: what runs is the cell itself; conversion changes rounding alone."""

import equinox
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import interop
from rnnjac.interop.equinox import convert, from_equinox
from tests import tolerances
from tests.cells_numpy import close, draw, normal

INPUTS, HIDDEN, STEPS = 3, 4, 3
KINDS = {"gru": equinox.nn.GRUCell, "lstm": equinox.nn.LSTMCell}
CASES = [(kind, bias) for kind in KINDS for bias in (True, False)]


def build(kind, bias=True, seed=0):
    return KINDS[kind](INPUTS, HIDDEN, use_bias=bias, key=jax.random.key(seed))


class Leaky(equinox.Module):
    """A module of one's own: callable as the cells are, with all kinds of fields."""

    weight: jax.Array
    rate: float
    order: jax.Array | None = None
    power: float = equinox.field(static=True, default=1.0)

    def __call__(self, x, state):
        return state * (1 - self.rate) + self.rate * jnp.sin(self.weight @ state + x)


@pytest.mark.parametrize(("kind", "bias"), CASES)
def test_states_and_jacobians_are_the_cells_own(kind, bias, dtype):
    cell = build(kind, bias)
    step, params, state = from_equinox(cell)
    assert {leaf.dtype for leaf in jax.tree.leaves(state)} == {dtype}
    assert not any(leaf.any() for leaf in jax.tree.leaves(state))
    state = draw(state)
    inputs = normal(1, (STEPS, INPUTS))
    states = rnnjac.trajectory(step, params, state, inputs)
    expected = [state]
    for x in inputs:
        expected.append(cell(x, expected[-1]))
    stacked = jax.tree.map(lambda *rows: jnp.stack(rows), *expected)
    close(states, stacked, STEPS * tolerances.INTEROP_STEP)

    flat, unravel = jax.flatten_util.ravel_pytree(state)
    want = jax.jacrev(lambda s: jax.flatten_util.ravel_pytree(cell(inputs[0], unravel(s)))[0])(flat)
    got = rnnjac.jacobians(step, params, state, inputs[:1])[0]
    close(got, want, tolerances.INTEROP_JACOBIAN)


@pytest.mark.parametrize(("kind", "bias"), CASES)
def test_converted_cells_compute_the_same(kind, bias):
    own, ours = from_equinox(build(kind, bias)), convert(build(kind, bias))
    state, x = draw(own.state), normal(1, (1, INPUTS))
    # Equinox puts h before c
    n = np.arange(HIDDEN)
    swap = np.concatenate([n + HIDDEN, n]) if kind == "lstm" else n
    start = ours.state._replace(h=state[0], c=state[1]) if kind == "lstm" else state
    a = jax.flatten_util.ravel_pytree(own.step(own.params, state, x[0]))[0]
    b = jax.flatten_util.ravel_pytree(ours.step(ours.params, start, x[0]))[0]
    close(b, a[swap], tolerances.INTEROP_STEP)
    a = rnnjac.jacobians(own.step, own.params, state, x)[0]
    b = rnnjac.jacobians(ours.step, ours.params, start, x)[0]
    close(b, a[swap][:, swap], tolerances.INTEROP_JACOBIAN)


def test_equal_structure_shares_one_step():
    first, second = from_equinox(build("gru")), from_equinox(build("gru", seed=1))
    assert first.step is second.step
    assert from_equinox(build("gru", bias=False)).step is not first.step
    assert from_equinox(build("lstm")).step is not first.step
    assert convert(build("gru")).step is convert(build("gru", seed=1)).step


def test_a_module_of_ones_own():
    weight, start = jnp.eye(HIDDEN), jnp.ones(HIDDEN)
    network = from_equinox(Leaky(weight, 0.5), start)
    inputs = jnp.zeros((STEPS, HIDDEN))
    states = rnnjac.trajectory(*network, inputs)
    s = np.ones(HIDDEN)
    for row in states:
        close(row, s, STEPS * tolerances.INTEROP_STEP)
        s = s / 2 + np.sin(s) / 2
    with pytest.raises(TypeError, match="state: expected a start for Leaky"):
        from_equinox(Leaky(weight, 0.5))


def test_fields_that_are_equal_but_of_other_types_are_kept_apart():
    weight, start = jnp.eye(HIDDEN), jnp.ones(HIDDEN)
    whole, real = from_equinox(Leaky(weight, 1), start), from_equinox(Leaky(weight, 1.0), start)
    assert whole.step is not real.step
    assert real.step is from_equinox(Leaky(2 * weight, 1.0), start).step


def test_fields_without_a_hash_are_taken_too():
    network = from_equinox(Leaky(jnp.eye(2), 0.5, order=jnp.arange(2)), jnp.ones(2))
    gradients = rnnjac.parameter_jacobians(*network, jnp.zeros((3, 2)))
    assert [leaf.shape for leaf in jax.tree.leaves(gradients)] == [(3, 2, 2, 2)]


def test_other_arguments_are_refused():
    with pytest.raises(TypeError, match="cell: expected an equinox.Module; got function"):
        from_equinox(lambda x, s: s)
    with pytest.raises(
        TypeError, match="cell: expected an equinox.nn.GRUCell or LSTMCell; got Leaky"
    ):
        convert(Leaky(jnp.eye(2), 0.5))


def test_a_saturated_unit_keeps_its_digits_when_converted(dtype):
    # a GRU of one unit with r = 1, z = 0, n = tanh(w h + a): dh'/dh = w sech(w h + a)^2
    cell = equinox.nn.GRUCell(1, 1, key=jax.random.key(0))
    a = 9.0 if dtype == jnp.float32 else 20.0
    bias = jnp.array([100.0, -100.0, a])
    cell = equinox.tree_at(
        lambda c: (c.weight_ih, c.weight_hh, c.bias, c.bias_n),
        cell,
        (jnp.zeros((3, 1)), jnp.array([[0.0], [0.0], [2.0]]), bias, jnp.zeros(1)),
    )
    network = interop.equinox.convert(cell)
    got = float(rnnjac.jacobians(*network, jnp.zeros((1, 1)))[0, 0, 0])
    want = 2 / np.cosh(a) ** 2
    eps = float(jnp.finfo(dtype).eps)
    assert abs(got / want - 1) <= (tolerances.ACTIVATION_SLOPE + 1) * eps
