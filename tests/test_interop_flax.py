"""Flax cells, linen and nnx: what runs is the cell itself; conversion changes rounding alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from flax.traverse_util import flatten_dict

import rnnjac
from rnnjac import interop
from rnnjac.interop.flax import convert_linen, convert_nnx, from_linen, from_nnx
from tests import tolerances
from tests.cells_numpy import close, draw, normal

INPUTS, HIDDEN, STEPS = 3, 4, 3
CELLS = ["SimpleCell", "GRUCell", "LSTMCell", "OptimizedLSTMCell"]


def build_linen(name, seed=0, **options):
    """Cell and variables with normal entries: biases too, so that none is zero."""
    cell = getattr(linen, name)(HIDDEN, param_dtype=jnp.zeros(()).dtype, **options)
    carry = cell.initialize_carry(jax.random.key(0), (INPUTS,))
    return cell, draw(cell.init(jax.random.key(0), carry, jnp.zeros(INPUTS)), seed)


def build_nnx(name, seed=0, **options):
    dtype = jnp.zeros(()).dtype
    options = {"dtype": dtype, "param_dtype": dtype, "rngs": nnx.Rngs(0)} | options
    cell = getattr(nnx, name)(INPUTS, HIDDEN, **options)
    nnx.update(cell, draw(nnx.state(cell, nnx.Param), seed))
    return cell


def linen_case(name):
    cell, variables = build_linen(name)
    network = from_linen(cell, variables, INPUTS)
    return network, convert_linen(cell, variables), lambda s, x: cell.apply(variables, s, x)[0]


def nnx_case(name):
    cell = build_nnx(name)
    return from_nnx(cell), convert_nnx(cell), lambda s, x: cell(s, x)[0]


CASES = [(name, case) for name in CELLS for case in (linen_case, nnx_case)]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_states_and_jacobians_are_the_cells_own(name, case, dtype):
    network, converted, call = case(name)
    assert not any(leaf.any() for leaf in jax.tree.leaves(network.state))
    assert {leaf.dtype for leaf in jax.tree.leaves((network[1:], converted[1:]))} == {dtype}
    inputs = normal(1, (STEPS, INPUTS))
    states = rnnjac.trajectory(*network, inputs)
    expected = [network.state]
    for x in inputs:
        expected.append(call(expected[-1], x))
    stacked = jax.tree.map(lambda *rows: jnp.stack(rows), *expected)
    close(states, stacked, STEPS * tolerances.INTEROP_STEP)

    flat, unravel = jax.flatten_util.ravel_pytree(draw(network.state))
    run = (network.step, network.params, unravel(flat), inputs[:1])
    got = rnnjac.jacobians(*run)[0]
    want = jax.jacrev(lambda s: jax.flatten_util.ravel_pytree(call(unravel(s), inputs[0]))[0])(flat)
    close(got, want, tolerances.INTEROP_JACOBIAN)

    # both have c before h, so flat states and Jacobians compare as they are
    start = jax.flatten_util.ravel_pytree(converted.state)[1](flat)
    after = converted.step(converted.params, start, inputs[0])
    want = jax.flatten_util.ravel_pytree(call(unravel(flat), inputs[0]))[0]
    close(jax.flatten_util.ravel_pytree(after)[0], want, tolerances.INTEROP_STEP)
    ours = rnnjac.jacobians(converted.step, converted.params, start, inputs[:1])[0]
    close(ours, got, tolerances.INTEROP_JACOBIAN)


def test_equal_cells_share_one_step():
    cell, variables = build_linen("GRUCell")
    other, _ = build_linen("GRUCell")
    assert cell is not other
    step = from_linen(cell, variables, INPUTS).step
    assert from_linen(other, variables, INPUTS).step is step
    assert from_linen(*build_linen("LSTMCell"), INPUTS).step is not step
    step = from_nnx(build_nnx("GRUCell")).step
    assert from_nnx(build_nnx("GRUCell", seed=1)).step is step
    assert from_nnx(build_nnx("OptimizedLSTMCell")).step is not step


def test_parameter_derivatives_take_both():
    inputs = jnp.ones((STEPS, INPUTS))
    linen_network, nnx_network = from_linen(*build_linen("GRUCell"), INPUTS), nnx_case("GRUCell")[0]
    for network in (linen_network, nnx_network):
        derivatives = rnnjac.parameter_jacobians(*network, inputs)
        assert all(leaf.shape[:2] == (STEPS, HIDDEN) for leaf in jax.tree.leaves(derivatives))


def test_a_start_of_ones_own():
    start = jnp.full(HIDDEN, 0.5)
    assert from_linen(*build_linen("GRUCell"), INPUTS, start).state is start
    assert from_nnx(build_nnx("GRUCell"), start).state is start


def test_the_start_has_the_dtype_of_the_weights(dtype):
    cell, variables = linen.GRUCell(HIDDEN), build_linen("GRUCell")[1]
    assert from_linen(cell, variables, INPUTS).state.dtype == dtype


def test_an_nnx_cell_is_taken_as_it_is_now():
    cell = build_nnx("GRUCell")
    network = from_nnx(cell)
    state, x = draw(network.state), jnp.ones(INPUTS)
    before = network.step(network.params, state, x)
    nnx.update(cell, jax.tree.map(jnp.zeros_like, nnx.state(cell, nnx.Param)))
    assert np.array_equal(network.step(network.params, state, x), before)


class Noisy(nnx.RNNCellBase):
    """A cell with a variable that is no parameter."""

    def __init__(self):
        self.weight, self.count = nnx.Param(jnp.eye(2)), nnx.Variable(jnp.arange(2))

    def __call__(self, carry, x):
        carry = jnp.sin(self.weight[...] @ carry) * self.count[...].astype(carry.dtype)
        return carry, carry


def test_other_variables_of_an_nnx_cell_stay_as_they_are():
    network = from_nnx(Noisy(), jnp.ones(2))
    close(network.step(*network[1:], None), np.sin([0.0, 1.0]), tolerances.INTEROP_STEP)
    assert [leaf.shape for leaf in jax.tree.leaves(network.params)] == [(2, 2)]


def test_activations_and_residuals_are_looked_at_when_converting():
    a = convert_linen(*build_linen("SimpleCell", activation_fn=linen.relu))
    after = a.step(*a[1:], jnp.ones(INPUTS))
    close(after, np.maximum(a.params["W_x"].sum(1) + a.params["b"], 0), tolerances.CELL_STEP)
    options = [
        ("SimpleCell", {"residual": True}, "residual"),
        ("SimpleCell", {"activation_fn": jnp.sin}, "activation_fn tanh or relu; got sin"),
        ("GRUCell", {"activation_fn": linen.relu}, "activation_fn tanh; got relu"),
        ("LSTMCell", {"gate_fn": linen.hard_sigmoid}, "gate_fn sigmoid; got hard_sigmoid"),
        ("OptimizedLSTMCell", {"gate_fn": jnp.tanh}, "gate_fn sigmoid; got tanh"),
    ]
    for name, option, message in options:
        with pytest.raises(ValueError, match=f"cell: expected .*{message}"):
            convert_linen(*build_linen(name, **option))
        with pytest.raises(ValueError, match=f"cell: expected .*{message}"):
            convert_nnx(build_nnx(name, **option))


def test_other_arguments_are_refused():
    cell, variables = build_linen("GRUCell")
    with pytest.raises(TypeError, match="cell: expected a flax.nnx.RNNCellBase; got GRUCell"):
        from_nnx(cell)
    with pytest.raises(TypeError, match="cell: expected a flax.linen.RNNCellBase; got GRUCell"):
        from_linen(build_nnx("GRUCell"), variables, INPUTS)
    with pytest.raises(TypeError, match="cell: expected a SimpleCell, .*; got MGUCell"):
        convert_linen(*build_linen("MGUCell"))
    with pytest.raises(TypeError, match="cell: expected a SimpleCell, .*; got Noisy"):
        convert_nnx(Noisy())
    with pytest.raises(ValueError, match="inputs: expected an integer >= 0; got -1"):
        from_linen(cell, variables, -1)


def test_a_saturated_unit_keeps_its_digits_when_converted(dtype):
    # h' = tanh(2 h + a): dh'/dh = 2 sech(2 h + a)^2, here at h = 0
    a = 9.0 if dtype == jnp.float32 else 20.0
    cell = linen.SimpleCell(1)
    params = {"i": {"kernel": jnp.zeros((1, 1)), "bias": jnp.array([a])}}
    params["h"] = {"kernel": jnp.array([[2.0]])}
    network = convert_linen(cell, {"params": params})
    got = float(rnnjac.jacobians(*network, jnp.zeros((1, 1)))[0, 0, 0])
    eps = float(jnp.finfo(dtype).eps)
    assert abs(got * np.cosh(a) ** 2 / 2 - 1) <= (tolerances.ACTIVATION_SLOPE + 1) * eps


class Model(linen.Module):
    """Two layers, one of which makes its cell in the RNN and one beside it."""

    def setup(self):
        self.encoder = linen.RNN(linen.GRUCell(HIDDEN, param_dtype=jnp.zeros(()).dtype))
        self.upper = Upper()

    def __call__(self, x):
        return self.upper(self.encoder(x))


class Upper(linen.Module):
    @linen.compact
    def __call__(self, x):
        kind = jnp.zeros(()).dtype
        x = linen.RNN(linen.OptimizedLSTMCell(HIDDEN, param_dtype=kind), name="rnn")(x)
        return linen.Dense(2, param_dtype=kind)(x)


def build_model():
    inputs = normal(1, (STEPS, INPUTS))
    return inputs, draw(Model().init(jax.random.key(0), inputs))


def test_a_cell_within_the_variables_of_a_model(dtype):
    inputs, variables = build_model()
    encoder = Model().bind(variables).encoder
    want = encoder(inputs)
    for network in (
        from_linen(encoder, variables, INPUTS, prefix="encoder"),
        from_linen(encoder.cell.clone(), variables, INPUTS, prefix="params/encoder/cell"),
        convert_linen(encoder, variables, prefix="encoder"),
        interop.load(variables, "encoder"),
    ):
        assert {leaf.dtype for leaf in jax.tree.leaves(network[1:])} == {dtype}
        close(rnnjac.trajectory(*network, inputs)[1:], want, STEPS * tolerances.INTEROP_STEP)

    upper = linen.OptimizedLSTMCell(HIDDEN)  # where a parent is compact, flax names the cell there
    above = convert_linen(upper, variables, prefix="upper.OptimizedLSTMCell_0")
    jax.tree.map(np.testing.assert_array_equal, above, interop.load(variables, "upper"))
    rows, close_to = rnnjac.trajectory(*above, want).h[1:], STEPS * tolerances.INTEROP_STEP
    dense = variables["params"]["upper"]["Dense_0"]
    got = rows @ dense["kernel"] + dense["bias"][None]
    close(got, Model().apply(variables, inputs), 4 * close_to)


@pytest.mark.parametrize("name", CELLS)
def test_the_variables_of_an_rnn(name):
    rnn = linen.RNN(build_linen(name)[0])
    inputs = normal(1, (STEPS, INPUTS))
    variables = draw(rnn.init(jax.random.key(0), inputs))
    cell = {"params": variables["params"]["cell"]}
    expected = convert_linen(rnn.cell, cell)
    for found in (convert_linen(rnn, variables), interop.load(variables)):
        assert found.step is expected.step
        jax.tree.map(np.testing.assert_array_equal, found.params, expected.params)
    assert from_linen(rnn, variables, INPUTS).params.keys() == {"params"}


def test_an_rnn_of_nnx():
    rnn = nnx.RNN(build_nnx("GRUCell"), rngs=nnx.Rngs(0))
    expected = convert_nnx(rnn.cell)
    for found in (convert_nnx(rnn), interop.load(nnx.state(rnn, nnx.Param))):
        jax.tree.map(np.testing.assert_array_equal, found.params, expected.params)
    assert from_nnx(rnn).step is from_nnx(rnn.cell).step


class Doubled(linen.RNNCellBase):
    """A cell of one's own, around another."""

    cell: linen.RNNCellBase

    def __call__(self, carry, x):
        carry = self.cell(carry, x)[0] * 2
        return carry, carry

    def initialize_carry(self, rng, input_shape):
        return self.cell.initialize_carry(rng, input_shape)

    @property
    def num_feature_axes(self):
        return 1


def test_a_cell_with_a_part_that_is_called_cell():
    cell = Doubled(build_linen("GRUCell")[0])
    variables = draw(cell.init(jax.random.key(0), jnp.zeros(HIDDEN), jnp.zeros(INPUTS)))
    x, start = jnp.ones(INPUTS), jnp.zeros(HIDDEN)
    for prefix, given in (("", variables), ("a.b", {"params": {"a": {"b": variables["params"]}}})):
        network = from_linen(cell, given, INPUTS, prefix=prefix)
        got, want = network.step(*network[1:], x), cell.apply(variables, start, x)[0]
        close(got, want, tolerances.INTEROP_STEP)


def test_what_is_not_in_the_variables_says_what_lies_near_it():
    variables = build_model()[1]
    cell = linen.GRUCell(HIDDEN)
    for call in (lambda *a, **k: from_linen(*a, INPUTS, **k), convert_linen):
        with pytest.raises(
            ValueError, match="prefix: expected one of 'encoder', 'upper'; got 'enc"
        ):
            call(cell, variables, prefix="encoders")
        with pytest.raises(ValueError, match="prefix: expected one of 'upper.Dense_0', 'upper.Opt"):
            call(cell, variables, prefix="upper/rnn")
        with pytest.raises(ValueError, match="variables: expected a mapping with 'params', .*'enc"):
            call(cell, variables["params"], prefix="encoder")
    with pytest.raises(
        ValueError, match="variables: expected a block 'ir' of the cell; got .*'ii'"
    ):
        convert_linen(cell, variables, prefix="upper.OptimizedLSTMCell_0")
    with pytest.raises(ValueError, match="prefix: expected one of 'encoder', 'upper.Opt.*_0'; got"):
        interop.load(variables, "head")
    flat = {"rnn/" + "/".join(k): v for k, v in flatten_dict(build_linen("LSTMCell")[1]).items()}
    del flat["rnn/params/hg/kernel"]
    message = "rnn/params/hg/kernel: expected the kernels of all gates, .*near it: rnn/params/ig"
    with pytest.raises(ValueError, match=message):
        interop.load(flat)
