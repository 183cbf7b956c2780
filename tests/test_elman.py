import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjac import activations, initializers
from rnnjac.cells import elman
from tests import tolerances
from tests.cells_numpy import close, draw_params, in_float64, normal

HIDDEN, INPUTS = 5, 3


def sample(form="state", activation="tanh"):
    cell = elman(INPUTS, HIDDEN, activation, form=form, bias=initializers.normal(1.0))
    return cell, draw_params(cell), normal(1, (HIDDEN,)), normal(2, (INPUTS,))


@pytest.mark.parametrize("inputs", [0, 1, 4])
@pytest.mark.parametrize("hidden", [1, 3])
def test_shapes_and_dtype(inputs, hidden, dtype):
    cell = elman(inputs, hidden)
    params, state = cell.init(jax.random.key(0)), cell.initial_state()
    assert {k: v.shape for k, v in params.items()} == {
        "W_x": (hidden, inputs),
        "W_s": (hidden, hidden),
        "b": (hidden,),
    }
    for x in (None, jnp.ones(inputs)):
        after = jax.eval_shape(cell.step, params, state, x)
        assert after.shape == (hidden,) and after.dtype == state.dtype == dtype
    assert not state.any() and not params["b"].any()


def test_state_form_against_numpy(dtype):
    cell, params, state, x = sample("state")
    (p, s, u) = in_float64((params, state, x))
    want = np.tanh(p["W_x"] @ u + p["W_s"] @ s + p["b"])
    close(cell.step(params, state, x), want, tolerances.ELMAN_STEP)


def test_preactivation_form_against_numpy(dtype):
    cell, params, state, x = sample("preactivation")
    (p, s, u) = in_float64((params, state, x))
    want = p["W_s"] @ np.tanh(s) + p["W_x"] @ u + p["b"]
    close(cell.step(params, state, x), want, tolerances.ELMAN_STEP)


def test_jacobian_has_its_diagonal_on_the_left(dtype):
    cell, params, state, x = sample("state")
    (p, s, u) = in_float64((params, state, x))
    slopes = 1 - np.tanh(p["W_x"] @ u + p["W_s"] @ s + p["b"]) ** 2
    got = jax.jit(jax.jacfwd(cell.step, argnums=1))(params, state, x)
    close(got, slopes[:, None] * p["W_s"], tolerances.ELMAN_STEP)


def test_jacobian_of_the_other_form_has_it_on_the_right(dtype):
    cell, params, state, x = sample("preactivation")
    (p, s, _) = in_float64((params, state, x))
    got = jax.jit(jax.jacfwd(cell.step, argnums=1))(params, state, x)
    close(got, p["W_s"] * (1 - np.tanh(s) ** 2)[None, :], tolerances.ELMAN_STEP)


def test_saturated_jacobian_keeps_its_digits(dtype):
    cell = elman(0, 1)
    params = {
        "W_x": jnp.zeros((1, 0), dtype),
        "W_s": jnp.ones((1, 1), dtype),
        "b": jnp.full(1, 15, dtype),
    }
    got = jax.jit(jax.jacfwd(cell.step, argnums=1))(params, jnp.zeros(1, dtype), None)
    want = 1 / np.cosh(np.float64(15)) ** 2
    assert abs(float(got[0, 0]) / want - 1) <= (
        tolerances.ACTIVATION_SLOPE * float(jnp.finfo(dtype).eps)
    )


def test_the_forms_are_one_network_in_two_coordinates(dtype):
    # If x follows the preactivation form, tanh(x) follows the state form (an input one step ahead).
    after, params, state, x = sample("preactivation")
    before = elman(INPUTS, HIDDEN)
    got = before.step(params, jnp.tanh(state), x)
    close(got, jnp.tanh(after.step(params, state, x)), tolerances.ELMAN_STEP)


def test_no_input_equals_zero_input(dtype):
    for form in ("state", "preactivation"):
        cell, params, state, _ = sample(form)
        with_zeros = cell.step(params, state, jnp.zeros(INPUTS))
        np.testing.assert_array_equal(cell.step(params, state, None), with_zeros)


def test_relu_irnn_keeps_a_positive_state_bit_for_bit():
    cell = elman(0, 3, "relu", recurrent=initializers.identity())
    params, state = cell.init(jax.random.key(0)), jnp.array([0.1, 2.0, 30.0])
    np.testing.assert_array_equal(cell.step(params, state, None), state)
    jacobian = jax.jit(jax.jacfwd(cell.step, argnums=1))(params, state, None)
    np.testing.assert_array_equal(jacobian, np.eye(3))


def test_activation_may_be_a_callable(dtype):
    by_name, params, state, x = sample(activation="sigmoid")
    by_function = elman(INPUTS, HIDDEN, activations.sigmoid)
    want = by_name.step(params, state, x)
    np.testing.assert_array_equal(by_function.step(params, state, x), want)


def test_jit_vmap_and_scan_agree_with_the_loop(dtype):
    cell, params, state, _ = sample()
    xs = normal(5, (4, INPUTS))
    batch = jax.jit(jax.vmap(cell.step, (None, None, 0)))(params, state, xs)
    for row, x in zip(batch, xs, strict=True):
        close(row, cell.step(params, state, x), tolerances.ELMAN_STEP)
    last, _ = jax.lax.scan(lambda s, x: (cell.step(params, s, x), None), state, xs)
    for x in xs:
        state = cell.step(params, state, x)
    close(last, state, tolerances.ELMAN_STEP)


def test_keyed_initialization_is_reproducible_and_independent():
    cell = elman(HIDDEN, HIDDEN)
    first, again = cell.init(jax.random.key(1)), cell.init(jax.random.key(1))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert not jnp.array_equal(first["W_x"], first["W_s"])


def test_bfloat16_stays_bfloat16():
    cell = elman(2, 3, dtype=jnp.bfloat16)
    params, state = cell.init(jax.random.key(0)), cell.initial_state()
    after = cell.step(params, state, jnp.ones(2, jnp.bfloat16))
    assert {a.dtype for a in jax.tree.leaves((params, state, after))} == {jnp.dtype("bfloat16")}


def test_gradient_reaches_every_parameter(dtype):
    cell, params, state, x = sample()
    gradient = jax.jit(jax.grad(lambda p: jnp.sum(cell.step(p, state, x))))(params)
    for leaf in jax.tree.leaves(gradient):
        assert jnp.all(jnp.isfinite(leaf)) and jnp.any(leaf != 0)


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="hidden: expected an integer >= 1; got 0"):
        elman(2, 0)
    with pytest.raises(ValueError, match="inputs: expected an integer >= 0; got -1"):
        elman(-1, 2)
    with pytest.raises(TypeError, match="hidden: expected an integer >= 1; got 2.0"):
        elman(1, 2.0)
    with pytest.raises(ValueError, match="form: expected one of 'state', 'preactivation'; got"):
        elman(1, 2, form="output")
    with pytest.raises(ValueError, match="activation: expected one of"):
        elman(1, 2, "swish")
    cell = elman(2, 3)
    params, state = cell.init(jax.random.key(0)), cell.initial_state()
    with pytest.raises(ValueError, match=r"x: expected shape \(2,\); got an array of shape \(3,\)"):
        jax.jit(cell.step)(params, state, jnp.ones(3))
