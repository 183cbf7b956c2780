"""Backpropagated gradients per step, at any magnitude."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from rnnjac._support import checks
from rnnjac._support.compiled import compiled
from rnnjac.linalg import jacobi
from rnnjac.system.dynamics import Step, System, bind, flat_trajectory


@compiled("step", "length")
def gradient_norms(
    step: Step,
    params: Any,
    state: Any,
    inputs: Any = None,
    *,
    cotangent: Any,
    length: int | None = None,
) -> jax.Array:
    """Log norms of the gradient of a loss with respect to the state at every time.

    For a loss L with ``dL/ds_T = cotangent``, ``log || P[T, t]^T cotangent ||`` for t = 0 ... T:
    the factor ``dE_t/dx_t dx_t/dx_k`` of Pascanu, Mikolov & Bengio (2013), eq. 4, at any magnitude.

    Parameters
    ----------
    step, params, state, inputs, length
        As for `trajectory`; ``inputs`` may be None with ``length`` given.
    cotangent : pytree
        Gradient arriving at the last state; structure and shapes of ``state``.

    Returns
    -------
    Array, shape (T+1,)
        Natural logs of Euclidean norms; entry T is ``log || cotangent ||``. -inf once the gradient
        is exactly zero.

    Raises
    ------
    ValueError, TypeError
        As `trajectory`; or if ``cotangent`` has another form than ``state``.

    Notes
    -----
    One reverse pass that rescales the gradient to norm 1 at every step, so nothing under- or
    overflows. O(T n) memory. Relative rounding error of the order of T eps. Differentiable where
    no gradient is exactly zero.

    References
    ----------
    Pascanu, Mikolov & Bengio (2013), eq. 4 and 5.

    Examples
    --------
    >>> halve = lambda p, s, x: 0.5 * s
    >>> gradient_norms(halve, None, jnp.zeros(1), cotangent=jnp.ones(1), length=2) / jnp.log(2.0)
    Array([-2., -1.,  0.], dtype=float32)
    """
    system = bind(step, params, state, inputs, length)
    arriving = _like_state(cotangent, state, system)
    states = flat_trajectory(system)[:-1]

    def back(carry: tuple, at: tuple) -> tuple[tuple, jax.Array]:
        log_norm, direction = carry
        flat, x = at
        _, pull_back = jax.vjp(lambda s: system.advance(system.params, s, x), flat)
        log_norm, direction = _split(log_norm, pull_back(direction)[0])
        return (log_norm, direction), log_norm

    last = _split(jnp.zeros((), arriving.dtype), arriving)
    _, logs = jax.lax.scan(back, last, (states, system.inputs), reverse=True)
    return jnp.concatenate([logs, last[0][None]])


def _split(log_norm: jax.Array, vector: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A vector as (log norm, direction), on top of the log norm it came with."""
    log_norm, direction = jacobi.normalise_rows(log_norm[None], vector[None])
    return log_norm[0], direction[0]


def _like_state(cotangent: Any, state: Any, system: System) -> jax.Array:
    """The cotangent as a flat vector, after checking it against the state."""
    structure = jax.tree.structure(state)
    if jax.tree.structure(cotangent) != structure:
        found = jax.tree.structure(cotangent)
        raise checks.error("cotangent", f"the structure of the state, {structure}", found)
    wanted = [jnp.shape(leaf) for leaf in jax.tree.leaves(state)]
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(cotangent)]
    if shapes != wanted:
        raise checks.error("cotangent", f"leaves of shape {wanted}", shapes)
    leaves = jax.tree.map(lambda leaf: jnp.asarray(leaf).astype(system.start.dtype), cotangent)
    return ravel_pytree(leaves)[0]
