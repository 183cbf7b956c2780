"""Identities of backpropagation that the claims rest on, checked on a small driven tanh network."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac

UNITS, STEPS = 8, 24


def measure(key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Largest relative differences between two ways to the same derivative."""
    found = jax.tree.map(np.asarray, _derivatives(key))
    terms = _temporal_terms(found)
    facts = {
        "sum_of_terms": relative(np.sum(terms, axis=0), found["exact"]),
        "cut_beyond_lag_0": relative(found["cut"], terms[0]),
    }
    facts |= _one_step(found) | _many_steps(found) | _slopes(found)
    return {"term_norms": np.linalg.norm(terms, axis=(1, 2))}, facts


def relative(a: Any, b: Any) -> float:
    """Largest difference of two arrays over the largest entry of the second."""
    a, b = np.asarray(a), np.asarray(b)
    return float(np.abs(a - b).max() / np.abs(b).max())


@jax.jit
def _derivatives(key: jax.Array) -> dict[str, jax.Array]:
    """Every derivative that is compared, as the library and as autodiff give it, E = g · S_T."""
    cell, other = (
        rnnjac.cells.elman(inputs=UNITS, hidden=UNITS, activation="tanh", form=form)
        for form in ("state", "preactivation")
    )
    draw, drive, arriving = jax.random.split(key, 3)
    params = jax.tree.map(lambda a: 1.2 * a, cell.init(draw))
    inputs = 0.5 * jax.random.normal(drive, (STEPS, UNITS))
    cotangent = jax.random.normal(arriving, (UNITS,))
    start = cell.initial_state()

    def loss(W, through_state=True):
        def step(p, s, x):
            return cell.step(p, s if through_state else jax.lax.stop_gradient(s), x)

        return cotangent @ rnnjac.trajectory(step, {**params, "W_s": W}, start, inputs)[-1]

    def last(s):
        return rnnjac.trajectory(cell.step, params, s, inputs)[-1]

    # x_1, with h_1 = φ(x_1)
    first = params["W_s"] @ start + params["W_x"] @ inputs[0] + params["b"]
    # slopes at 0 (the last) and away from it
    x = jnp.concatenate([jnp.linspace(-20, 20, 4001), jnp.zeros(1)])
    tanh, sigmoid = (
        jax.vmap(jax.grad(phi))(x) for phi in (rnnjac.activations.tanh, rnnjac.activations.sigmoid)
    )
    return {
        "W": params["W_s"],
        "cotangent": cotangent,
        "states": rnnjac.trajectory(cell.step, params, start, inputs),
        "jacobians": rnnjac.jacobians(cell.step, params, start, inputs),
        "fields": rnnjac.jacobians(other.step, params, first, inputs[1:]),
        "immediate": rnnjac.parameter_jacobians(cell.step, params, start, inputs)["W_s"],
        "exact": jax.grad(loss)(params["W_s"]),
        "cut": jax.grad(lambda W: loss(W, through_state=False))(params["W_s"]),
        "forward": jax.jacfwd(last)(start),
        "reverse": jax.jacrev(last)(start),
        "x": x,
        "tanh": tanh,
        "sigmoid": sigmoid,
    }


def _temporal_terms(d: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Terms of dE/dW = Σ_k dE/dS_T P[T, k] ∂⁺S_k/∂W, lag 0 first."""
    arriving, terms = d["cotangent"], []
    for factor, direct in zip(d["jacobians"][::-1], d["immediate"][::-1], strict=True):
        terms.append(np.tensordot(arriving, direct, 1))
        arriving = arriving @ factor
    return terms


def _one_step(d: dict[str, np.ndarray]) -> dict[str, float]:
    """diag(φ′) W, its mirror image W diag(φ′), and Jˣ W = W Jʰ for products of either."""
    W, jac, fields = d["W"], d["jacobians"], d["fields"]
    slopes = 1 - d["states"][1:] ** 2
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


def _many_steps(d: dict[str, np.ndarray]) -> dict[str, float]:
    """Forward product, jacfwd, jacrev and the adjoint product; the reversed order differs."""
    jac = d["jacobians"]
    product, adjoint = _product(jac), _product(jac[::-1].transpose(0, 2, 1)).T
    ways = (d["forward"], d["reverse"], adjoint)
    return {
        "product_ways": max(relative(way, product) for way in ways),
        "product_reversed": relative(_product(jac[::-1]), product),
    }


def _product(factors: np.ndarray) -> np.ndarray:
    """Product with the latest factor on the left."""
    product = np.eye(factors.shape[-1], dtype=factors.dtype)
    for factor in factors:
        product = factor @ product
    return product


def _slopes(d: dict[str, np.ndarray]) -> dict[str, float]:
    """Largest slope of tanh and of the logistic function, at 0 and away from it."""
    return {
        "tanh_slope_at_0": float(d["tanh"][-1]),
        "tanh_slope_max": float(d["tanh"].max()),
        "tanh_slope_beyond_a_hundredth": float(d["tanh"][np.abs(d["x"]) > 0.005].max()),
        "sigmoid_slope_max": float(d["sigmoid"].max()),
    }
