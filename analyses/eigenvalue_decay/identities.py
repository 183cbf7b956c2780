"""Identities of backpropagation that the claims rest on, checked on a small driven tanh network."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac

UNITS, STEPS = 8, 24


def measure(key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Largest relative differences between two ways to the same derivative."""
    cell = rnnjac.cells.elman(inputs=UNITS, hidden=UNITS, activation="tanh")
    draw, drive, arriving = jax.random.split(key, 3)
    params = jax.tree.map(lambda a: 1.2 * a, cell.init(draw))
    inputs = 0.5 * jax.random.normal(drive, (STEPS, UNITS))
    cotangent = jax.random.normal(arriving, (UNITS,))
    jac = np.asarray(rnnjac.jacobians(cell.step, params, cell.initial_state(), inputs))
    terms, facts = _temporal_terms(cell, params, inputs, cotangent, jac)
    facts |= _one_step(cell, params, inputs, jac)
    facts |= _many_steps(cell, params, inputs, jac)
    return {"term_norms": terms}, facts | _slopes()


def relative(a: Any, b: Any) -> float:
    """Largest difference of two arrays over the largest entry of the second."""
    a, b = np.asarray(a), np.asarray(b)
    return float(np.abs(a - b).max() / np.abs(b).max())


def _temporal_terms(cell, params, inputs, cotangent, jac) -> tuple[np.ndarray, dict[str, float]]:
    """dE/dW = Σ_k dE/dS_T P[T, k] ∂⁺S_k/∂W against reverse mode; E = cotangent · S_T."""
    start = cell.initial_state()

    def loss(W, through_state=True):
        def step(p, s, x):
            return cell.step(p, s if through_state else jax.lax.stop_gradient(s), x)

        return cotangent @ rnnjac.trajectory(step, {**params, "W_s": W}, start, inputs)[-1]

    immediate = rnnjac.parameter_jacobians(cell.step, params, start, inputs)["W_s"]
    arriving, terms = np.asarray(cotangent), []
    for factor, direct in zip(jac[::-1], np.asarray(immediate)[::-1], strict=True):
        terms.append(np.tensordot(arriving, direct, 1))  # lag 0 first
        arriving = arriving @ factor
    exact = jax.grad(loss)(params["W_s"])
    cut = jax.grad(lambda W: loss(W, through_state=False))(params["W_s"])
    return np.linalg.norm(terms, axis=(1, 2)), {
        "sum_of_terms": relative(np.sum(terms, axis=0), exact),
        "cut_beyond_lag_0": relative(cut, terms[0]),
    }


def _one_step(cell, params, inputs, jac) -> dict[str, float]:
    """diag(φ′) W, its mirror image W diag(φ′), and Jˣ W = W Jʰ for products of either."""
    W, start = np.asarray(params["W_s"]), cell.initial_state()
    states = np.asarray(rnnjac.trajectory(cell.step, params, start, inputs))
    slopes = 1 - states[1:] ** 2
    other = rnnjac.cells.elman(inputs=UNITS, hidden=UNITS, activation="tanh", form="preactivation")
    first = (
        params["W_s"] @ start + params["W_x"] @ inputs[0] + params["b"]
    )  # x_1, with h_1 = φ(x_1)
    fields = np.asarray(rnnjac.jacobians(other.step, params, first, inputs[1:]))
    product_h, product_x = _product(jac[:-1]), _product(fields)
    # D W and W D have the same eigenvalues: compare their characteristic polynomials
    polynomials = (np.poly(fields[-1]), np.poly(jac[-2]))
    logs = [np.log(np.linalg.svd(p, compute_uv=False)) for p in (product_x, product_h)]
    return {
        "diagonal_left": relative(slopes[:, :, None] * W, jac),
        "diagonal_right_wrong": relative(W * slopes[:, None, :], jac),
        "diagonal_right_other_form": relative(W * slopes[:-1, None, :], fields),
        "forms_intertwine": relative(product_x @ W, W @ product_h),
        "forms_eigenvalues": relative(*polynomials),
        "forms_singular_values": float(np.abs(logs[0][0] - logs[1][0])),
    }


def _many_steps(cell, params, inputs, jac) -> dict[str, float]:
    """Forward product, jacfwd, jacrev and the adjoint product; the reversed order differs."""

    def last(s):
        return rnnjac.trajectory(cell.step, params, s, inputs)[-1]

    forward = _product(jac)
    start = cell.initial_state()
    adjoint = _product(jac[::-1].transpose(0, 2, 1)).T
    ways = (jax.jacfwd(last)(start), jax.jacrev(last)(start), adjoint)
    return {
        "product_ways": max(relative(way, forward) for way in ways),
        "product_reversed": relative(_product(jac[::-1]), forward),
    }


def _product(factors: np.ndarray) -> np.ndarray:
    """Product with the latest factor on the left."""
    product = np.eye(factors.shape[-1], dtype=factors.dtype)
    for factor in factors:
        product = factor @ product
    return product


def _slopes() -> dict[str, float]:
    """Largest slope of tanh and of the logistic function, at 0 and away from it."""
    x = jnp.concatenate([jnp.linspace(-20, 20, 4001), jnp.zeros(1)])
    tanh = jax.vmap(jax.grad(rnnjac.activations.tanh))(x)
    sigmoid = jax.vmap(jax.grad(rnnjac.activations.sigmoid))(x)
    return {
        "tanh_slope_at_0": float(tanh[-1]),
        "tanh_slope_max": float(tanh.max()),
        "tanh_slope_beyond_a_hundredth": float(tanh[jnp.abs(x) > 0.005].max()),
        "sigmoid_slope_max": float(sigmoid.max()),
    }
