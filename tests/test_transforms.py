"""Every public function under every transformation: jit, vmap, grad, traced once, lowered."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import rnnjac
from rnnjac import cells
from tests.cells_numpy import draw_params, normal
from tests.tolerances import FEW_STEPS

CELL = cells.elman(2, 4)
LENGTH = 6
TRACES = []


def step(params, state, x):
    TRACES.append(1)
    return CELL.step(params, state, x)


# name: function of (params, state, inputs) -> array; whether it is differentiable
FUNCTIONS = {
    "trajectory": (lambda p, s, x: rnnjac.trajectory(step, p, s, x), True),
    "jacobians": (lambda p, s, x: rnnjac.jacobians(step, p, s, x), True),
    "input_jacobians": (lambda p, s, x: rnnjac.input_jacobians(step, p, s, x), True),
    "parameter_jacobians": (
        lambda p, s, x: rnnjac.parameter_jacobians(step, p, s, x)["W_s"],
        True,
    ),
    "spectrum": (lambda p, s, x: rnnjac.spectrum(step, p, s, x, at=[2, 6]).exponents, False),
    "lyapunov_exponents": (
        lambda p, s, x: rnnjac.lyapunov_exponents(step, p, s, x).exponents,
        True,
    ),
    "top": (
        lambda p, s, x: rnnjac.lyapunov_exponents(step, p, s, x, top=2, warmup=1).history,
        True,
    ),
    "gradient_norms": (
        lambda p, s, x: rnnjac.gradient_norms(step, p, s, x, cotangent=jnp.ones(4)),
        True,
    ),
    "reach": (lambda p, s, x: jnp.nan_to_num(rnnjac.reach(step, p, s, x, top=2)), False),
    "singular_vectors": (
        lambda p, s, x: rnnjac.singular_vectors(step, p, s, x, top=2).log_singular_values,
        False,
    ),
    "graded_product": (
        lambda p, s, x: rnnjac.graded_product(
            rnnjac.jacobians(step, p, s, x)
        ).log_singular_values(),
        False,
    ),
    "product_spectrum": (
        lambda p, s, x: rnnjac.product_spectrum(rnnjac.jacobians(step, p, s, x)).exponents,
        False,
    ),
    "combine": (lambda p, s, x: _squared(p, s, x).log_norm(), False),
    "spectral_norm": (lambda p, s, x: rnnjac.spectral_norm(p["W_s"]), True),
    "spectral_radius": (lambda p, s, x: rnnjac.spectral_radius(p["W_s"]), True),
    "departure_from_normality": (lambda p, s, x: rnnjac.departure_from_normality(p["W_s"]), True),
    "gradient_bound": (lambda p, s, x: rnnjac.gradient_bound(p["W_s"], "tanh"), True),
    "kaplan_yorke_dimension": (lambda p, s, x: rnnjac.kaplan_yorke_dimension(p["b"] + s), True),
    "entropy_rate": (lambda p, s, x: rnnjac.entropy_rate(p["b"] + s), True),
}
cases = pytest.mark.parametrize(
    ("function", "differentiable"), FUNCTIONS.values(), ids=FUNCTIONS.keys()
)


def _squared(p, s, x):
    product = rnnjac.graded_product(rnnjac.jacobians(step, *jax.lax.stop_gradient((p, s, x))))
    return rnnjac.combine(product._replace(left=product.left + 0 * p["W_s"]), product)


def arguments(seed):
    params = jax.tree.map(lambda a: a / 2, draw_params(CELL, seed))
    return params, 0.1 * normal(seed, (4,)), normal(seed, (LENGTH, 2))


def close(a, b, dtype):
    tolerance = FEW_STEPS * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@cases
def test_jit_and_vmap_equal_the_loop(function, differentiable):
    each = [arguments(seed) for seed in range(3)]
    together = jax.jit(jax.vmap(function))(*jax.tree.map(lambda *leaves: jnp.stack(leaves), *each))
    for row, one in zip(together, each, strict=True):
        close(row, function(*one), row.dtype)


def total(function, state, inputs):
    return lambda params: jnp.sum(function(params, state, inputs))


@cases
def test_gradients_are_finite(function, differentiable):
    if differentiable:
        params, *rest = arguments(0)
        gradient = jax.jit(jax.grad(total(function, *rest)))(params)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@cases
def test_batches_and_gradients_keep_the_precision(function, differentiable, dtype):
    """Traced alone, in float64: strict promotion refuses a mixture of two."""
    if dtype == jnp.float64:
        params, *rest = jax.tree.map(lambda leaf: leaf[None], arguments(0))
        of_one = jax.grad(lambda *given: jnp.sum(function(*given))) if differentiable else function
        found = jax.eval_shape(jax.vmap(of_one), params, *rest)
        assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {dtype}


REFUSED = [name for name, (_, differentiable) in FUNCTIONS.items() if not differentiable]


@pytest.mark.parametrize("name", REFUSED)
def test_derivatives_are_refused(name):
    """Those of singular values that meet do not exist: no number, then, but what to do instead."""
    params, state, inputs = arguments(0)

    summed = total(FUNCTIONS[name][0], state, inputs)
    message = f"{name}: expected no derivative .*lyapunov_exponents.*jax.lax.stop_gradient"
    several = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), params)
    if name == "product_spectrum":  # which is the spectrum of a linear system
        message = message.removeprefix("product_")
    with pytest.raises(TypeError, match=message):
        jax.jvp(summed, (params,), (params,))
    with pytest.raises(TypeError, match=message):
        jax.grad(summed)(params)
    with pytest.raises(TypeError, match=message):
        jax.vmap(jax.grad(summed))(several)


@pytest.mark.parametrize("name", REFUSED)
def test_values_may_stand_beside_a_derivative(name):
    params, state, inputs = arguments(0)

    def loss(params):
        fixed = jax.lax.stop_gradient(params)
        return jnp.sum(params["W_s"] ** 2), FUNCTIONS[name][0](fixed, state, inputs)

    (_, found), slope = jax.value_and_grad(loss, has_aux=True)(params)
    np.testing.assert_array_equal(slope["W_s"], 2 * params["W_s"])
    close(found, FUNCTIONS[name][0](params, state, inputs), found.dtype)


@pytest.mark.parametrize("name", ["spectrum", "lyapunov_exponents", "jacobians", "reach"])
def test_a_second_call_traces_nothing(name):
    function = FUNCTIONS[name][0]
    function(*arguments(0))
    before = len(TRACES)
    assert before > 0
    function(*arguments(1))
    assert len(TRACES) == before


def test_other_times_and_lengths_trace_nothing():
    """They are arguments of what is compiled, and no constants."""
    params, state, inputs = arguments(0)
    autonomous = cells.elman(0, 4)
    weights = autonomous.init(jax.random.key(0))

    def counted(weights, state, x):
        TRACES.append(1)
        return autonomous.step(weights, state, x)

    rnnjac.spectrum(step, params, state, inputs, at=[2, 6])
    rnnjac.spectrum(counted, weights, state, length=5)
    before = len(TRACES)
    assert rnnjac.spectrum(step, params, state, inputs, at=[4, 0]).steps.tolist() == [4, 0]
    assert rnnjac.spectrum(counted, weights, state, length=9).steps == 9
    assert len(TRACES) == before


@pytest.mark.parametrize("name", ["spectrum", "lyapunov_exponents", "reach", "combine"])
@pytest.mark.parametrize("batch", [False, True])
def test_hot_path_lowers_for_every_platform(name, batch, dtype):
    function, given = FUNCTIONS[name][0], arguments(0)
    if batch:
        function, given = jax.vmap(function), jax.tree.map(lambda leaf: leaf[None], given)
    platforms = ["cpu", "cuda", "rocm", "tpu"]
    exported = export.export(jax.jit(function), platforms=platforms)(*given)
    assert set(exported.platforms) == set(platforms)


LARGER = cells.elman(2, 20)


def of_larger(function):
    start = jnp.zeros(20)
    return lambda params, inputs: function(LARGER.step, params, start, inputs)


def values(params, inputs):
    return of_larger(rnnjac.lyapunov_exponents)(params, inputs).exponents.sum()


@pytest.mark.parametrize(
    "function",
    [
        jax.vmap(of_larger(rnnjac.spectrum), (None, 0)),
        jax.vmap(of_larger(rnnjac.lyapunov_exponents), (None, 0)),
        jax.vmap(jax.grad(values), (None, 0)),
    ],
)
def test_every_product_is_in_full_precision(function):
    """Rules of batching and differentiation too, which are traced later than the rest."""
    given = LARGER.init(jax.random.key(0)), jnp.ones((3, 60, 2))
    exported = export.export(jax.jit(function), platforms=["cuda"])(*given).mlir_module()
    products = [line for line in exported.splitlines() if "stablehlo.dot_general" in line]
    assert products
    assert all("HIGHEST" in line for line in products)


def test_a_spectrum_beside_a_loss_without_inputs():
    params = jnp.stack([jnp.eye(17), 2 * jnp.eye(17)])

    def loss(matrix):
        fixed = jax.lax.stop_gradient(matrix)
        start = jnp.ones(17, matrix.dtype)
        found = rnnjac.spectrum(lambda m, s, x: m @ s, fixed, start, length=3)
        return jnp.sum(matrix**2), found.log_singular_values

    (_, logs), slope = jax.vmap(jax.value_and_grad(loss, has_aux=True))(params)
    np.testing.assert_array_equal(slope, 2 * params)
    np.testing.assert_allclose(logs[1], 3 * np.log(2), rtol=FEW_STEPS * jnp.finfo(logs.dtype).eps)


MANY = """
import jax, jax.numpy as jnp, rnnjac
cell = rnnjac.cells.elman(0, 32)
networks = jax.vmap(cell.init)(jax.random.split(jax.random.key(0), 64))
def logs(params):
    return rnnjac.spectrum(cell.step, params, jnp.ones(32), length=10).log_singular_values
assert jnp.isfinite(jax.vmap(logs)(networks)).all()
"""


def test_many_networks_at_once_come_to_an_end():
    """Two independent batched LAPACK calls in one step lock up jaxlib 0.10 on two cores."""
    subprocess.run([sys.executable, "-c", MANY], check=True, timeout=240)
