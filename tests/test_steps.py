"""Steps of every kind: derivatives in one mode only, states and parameters that are not floats."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.ode import odeint

import rnnjac
from rnnjac.interop import without_output
from tests import oracles
from tests.tolerances import FEW_STEPS, ODE_FLOW, eps, promised_log_sigma

N, LENGTH = 4, 12
DRIVE = jnp.asarray(np.random.default_rng(1).normal(size=(LENGTH, N)))
MATRIX = jnp.asarray(np.random.default_rng(0).normal(size=(N, N))) / N**0.5
START = jnp.full(N, 0.1)


def plain(W, s, x):
    return jnp.tanh(W @ s + x)


squash = jax.custom_vjp(jnp.tanh)
squash.defvjp(lambda a: (jnp.tanh(a), a), lambda a, g: (g / jnp.cosh(a) ** 2,))


def reverse_only(W, s, x):
    return squash(W @ s + x)


def forward_only(W, s, x):
    """The sum as a loop of unknown length, which JAX cannot run backwards."""
    add = lambda c: (c[0] + 1, c[1] + W[:, c[0]] * s[c[0]])  # noqa: E731
    first = jnp.zeros((), jnp.int32), x
    return jnp.tanh(jax.lax.while_loop(lambda c: c[0] < N, add, first)[1])


def derivatives(step):
    given = step, MATRIX, START, DRIVE
    return {
        "jacobians": rnnjac.jacobians(*given),
        "lyapunov_exponents": rnnjac.lyapunov_exponents(*given, top=2).exponents,
        "gradient_norms": rnnjac.gradient_norms(*given, cotangent=jnp.ones(N)),
        "input_jacobians": rnnjac.input_jacobians(*given),
        "parameter_jacobians": rnnjac.parameter_jacobians(*given),
    }


def values(step):
    """What each function says of a step."""
    given = step, MATRIX, START, DRIVE
    return derivatives(step) | {
        "spectrum": rnnjac.spectrum(*given).log_singular_values,
        "reach": jnp.nan_to_num(rnnjac.reach(*given)),
        "singular_vectors": rnnjac.singular_vectors(*given).log_singular_values,
    }


@pytest.fixture(scope="module")
def expected():
    """Of the plain step: its derivatives, and the products of its factors in exact arithmetic."""
    found = derivatives(plain)
    factors = np.asarray(found["jacobians"], float)
    logs = oracles.exact_log_singular_values(factors)
    reach = np.zeros((LENGTH + 1, LENGTH + 1, 1))
    for end, start in zip(*np.tril_indices(LENGTH + 1, -1), strict=True):
        reach[end, start] = oracles.exact_log_singular_values(factors[start:end])[0]
    return found | {"spectrum": logs, "singular_vectors": logs[:1], "reach": reach}


@pytest.mark.parametrize("step", [reverse_only, forward_only])
def test_a_derivative_in_one_mode_is_enough(step, expected, dtype):
    for name, found in values(step).items():
        limit = promised_log_sigma(str(dtype), LENGTH)
        np.testing.assert_allclose(found, expected[name], rtol=0, atol=limit, err_msg=name)


def test_the_two_modes_agree_under_every_transformation(dtype):
    several = jnp.stack([MATRIX, 2 * MATRIX])

    def top(step):
        found = lambda W: rnnjac.lyapunov_exponents(step, W, START, DRIVE).exponents[0]  # noqa: E731
        return jax.vmap(jax.value_and_grad(found))(several)

    tolerance = FEW_STEPS * float(jnp.finfo(dtype).eps)
    for a, b in zip(top(reverse_only), top(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_a_solver_with_its_adjoint_is_a_step():
    """The flow of a linear equation is the exponential of its matrix."""
    rates = jnp.array([-0.5, -2.0])
    flow = lambda r, s, x: odeint(lambda y, t, r: r * y, s, jnp.array([0.0, 0.5]), r)[-1]  # noqa: E731
    found = rnnjac.spectrum(flow, rates, jnp.ones(2), length=3).log_singular_values
    np.testing.assert_allclose(found, 1.5 * rates, rtol=ODE_FLOW)


def test_without_any_derivative_the_step_is_named():
    def opaque(p, s, x):
        return jax.pure_callback(np.tanh, jax.ShapeDtypeStruct(s.shape, s.dtype), s)

    with pytest.raises(Exception, match="Pure callbacks do not support JVP"):
        rnnjac.gradient_norms(opaque, None, START, cotangent=START, length=2)


def carried(W, state, x):
    key, draw = jax.random.split(state["key"])
    mask = state["h"] > jnp.where(state["mask"], 0, 0.1)
    kick = jax.random.key_data(draw)[0].astype(W.dtype) / 2**32
    h = jnp.tanh(W @ jnp.where(mask, state["h"], 0.5 * state["h"]) + kick)
    return {"count": state["count"] + 1, "h": h, "key": key, "mask": mask}


def test_counters_masks_and_keys_are_carried(dtype):
    key = jax.random.key(0)
    state = {"count": 0, "h": START, "key": key, "mask": jnp.zeros(N, bool)}
    states = rnnjac.trajectory(carried, MATRIX, state, length=LENGTH)
    np.testing.assert_array_equal(states["count"], range(LENGTH + 1))
    factors = rnnjac.jacobians(carried, MATRIX, state, length=LENGTH)
    assert factors.shape == (LENGTH, N, N)

    def row(t, h):
        now = jax.tree.map(lambda a: a[t], states)
        return carried(MATRIX, now | {"h": h}, None)["h"]

    for t in (0, LENGTH - 1):
        own = jax.jacfwd(lambda h, t=t: row(t, h))(states["h"][t])
        tolerance = FEW_STEPS * float(jnp.finfo(dtype).eps)
        np.testing.assert_allclose(factors[t], own, rtol=tolerance, atol=tolerance)
    found = rnnjac.spectrum(carried, MATRIX, state, length=LENGTH)
    expected = rnnjac.product_spectrum(factors)
    limit = promised_log_sigma(str(dtype), LENGTH)
    np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=limit)
    vectors = rnnjac.singular_vectors(carried, MATRIX, state, length=LENGTH)
    assert vectors.right["h"].shape == (1, N) and vectors.right["key"] is None
    norms = rnnjac.gradient_norms(
        carried, MATRIX, state, cotangent={**state, "h": jnp.ones(N), "key": None}, length=LENGTH
    )
    assert float(norms[-1]) == pytest.approx(np.log(N) / 2)
    exponents = rnnjac.lyapunov_exponents(carried, MATRIX, state, length=LENGTH).exponents
    assert np.isfinite(exponents).all()
    assert rnnjac.reach(carried, MATRIX, state, length=2).shape == (3, 3, 1)


def test_a_complex_number_is_a_pair(dtype):
    """Z -> a z turns and stretches the plane by |a|; z -> a conj(z) mirrors it besides."""
    wide = jnp.complex128 if dtype == "float64" else jnp.complex64
    a = jnp.asarray(np.array([0.5 * np.exp(0.3j), 2j])).astype(wide)
    start = {"z": jnp.ones(2, wide)}
    turn = lambda a, s, x: {"z": a * jnp.conj(s["z"])}  # noqa: E731
    (factor,) = rnnjac.jacobians(turn, a, start, length=1)
    real, imag = np.diag(np.real(a)), np.diag(np.imag(a))
    np.testing.assert_array_equal(factor, np.block([[real, imag], [imag, -real]]))
    found = rnnjac.spectrum(turn, a, start, length=10)
    tolerance = FEW_STEPS * float(jnp.finfo(dtype).eps)
    expected = 10 * np.log([2, 2, 0.5, 0.5])
    np.testing.assert_allclose(found.log_singular_values, expected, rtol=tolerance)
    vectors = rnnjac.singular_vectors(turn, a, start, length=10, top=2)
    assert vectors.right["z"].dtype == wide
    np.testing.assert_allclose(np.abs(vectors.right["z"]), [[0, 1], [0, 1]], atol=tolerance)
    # the gradient of Re z is 1, of Im z is i; the step maps them to Re and Im of conj(a) g
    norms = rnnjac.gradient_norms(turn, a, start, cotangent={"z": np.array([1j, 0])}, length=2)
    np.testing.assert_allclose(norms, np.log([0.25, 0.5, 1]), rtol=tolerance, atol=tolerance)


def test_names_functions_flags_and_counts_are_parameters():
    def step(p, s, x):
        for _ in range(p["layers"]):
            s = p["activation"](p["W"] @ s)
        return -s if p["flip"] else s

    def found(**changed):
        params = {"W": MATRIX, "activation": jnp.tanh, "name": "net", "layers": 2, "flip": False}
        return rnnjac.trajectory(step, params | changed, START, length=1)[1]

    deep = jnp.tanh(MATRIX @ jnp.tanh(MATRIX @ START))
    tolerance = FEW_STEPS * eps(deep.dtype)
    np.testing.assert_allclose(found(), deep, rtol=tolerance)
    np.testing.assert_allclose(found(flip=True), -deep, rtol=tolerance)
    np.testing.assert_allclose(
        found(activation=jnp.sin, layers=1), jnp.sin(MATRIX @ START), rtol=1e-6
    )
    params = {"W": MATRIX, "activation": jnp.tanh, "name": "net", "layers": 1, "flip": False}
    by_weights = rnnjac.parameter_jacobians(step, params, START, length=1)
    assert by_weights["W"].shape == (1, N, N, N) and by_weights["name"] is None


def test_tokens_have_no_jacobian():
    embed = lambda E, s, i: jnp.tanh(E[i] + s)  # noqa: E731
    with pytest.raises(TypeError, match="inputs: expected at least one floating-point leaf"):
        rnnjac.input_jacobians(embed, MATRIX, START, jnp.array([0, 1]))


def test_without_output_is_one_step_for_one_step():
    pair = lambda W, s, x: (plain(W, s, x), s)  # noqa: E731
    assert without_output(pair) is without_output(pair)
    found = rnnjac.trajectory(without_output(pair), MATRIX, START, DRIVE)
    np.testing.assert_array_equal(found, rnnjac.trajectory(plain, MATRIX, START, DRIVE))


def test_a_cotangent_by_position_warns():
    old = lambda: rnnjac.gradient_norms(plain, MATRIX, START, DRIVE, jnp.ones(N))  # noqa: E731
    with pytest.warns(FutureWarning, match="cotangent=..."):
        found = old()
    new = rnnjac.gradient_norms(plain, MATRIX, START, DRIVE, cotangent=jnp.ones(N))
    np.testing.assert_array_equal(found, new)
