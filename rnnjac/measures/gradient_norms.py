"""Backpropagated gradients per step, at any magnitude."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac._support.compiled import compiled
from rnnjac.linalg import jacobi
from rnnjac.system.dynamics import Step, System, bind, flat_trajectory
from rnnjac.system.jacobians import pull_back
from rnnjac.system.points import of_leaves


def gradient_norms(
    step: Step,
    params: Any,
    state: Any,
    inputs: Any = None,
    *former: Any,
    cotangent: Any = None,
    length: int | jax.Array | None = None,
) -> jax.Array:
    """Log norms of the gradient of a loss with respect to the state at every time.

    For a loss L with ``dL/ds_T = cotangent``, ``log || P[T, t]^T cotangent ||`` for t = 0 ... T:
    the factor ``dE_t/dx_t dx_t/dx_k`` of Pascanu, Mikolov & Bengio (2013), eq. 4, at any magnitude.

    Parameters
    ----------
    step, params, state, inputs, length
        As for `trajectory`; ``inputs`` may be None with ``length`` given.
    *former
        The cotangent by position, as it was given once; warns.
    cotangent : pytree
        Gradient arriving at the last state, needed; structure and shapes of ``state``. Of a complex
        leaf dL/d Re s + i dL/d Im s, the conjugate of what `jax.grad` gives; of a leaf that is not
        floating point anything, or None.

    Returns
    -------
    Array, shape (T+1,)
        Natural logs of Euclidean norms; entry T is ``log || cotangent ||``, and so is every entry
        from the end of a padded sequence on. -inf once the gradient is exactly zero.

    Raises
    ------
    ValueError, TypeError
        As `trajectory`; or if ``cotangent`` has another form than ``state``.

    Notes
    -----
    One reverse pass that rescales the gradient to norm 1 at every step, so nothing under- or
    overflows. O(T n) memory. Relative rounding error of the order of T eps. A step without
    derivatives in reverse mode (a ``while_loop``, an ODE solver made for forward mode) costs n
    forward passes instead of one reverse. Differentiable where no gradient is exactly zero.

    References
    ----------
    Pascanu, Mikolov & Bengio (2013), eq. 4 and 5.

    Examples
    --------
    >>> halve = lambda p, s, x: 0.5 * s
    >>> gradient_norms(halve, None, jnp.zeros(1), cotangent=jnp.ones(1), length=2) / jnp.log(2.0)
    Array([-2., -1.,  0.], dtype=float32)
    """
    if former:
        text = "gradient_norms takes its cotangent by name: cotangent=..."
        warnings.warn(text, FutureWarning, stacklevel=2)
        (cotangent,) = former
    return _gradient_norms(step, params, state, inputs, cotangent, length)


@compiled("step", "length")
def _gradient_norms(step, params, state, inputs, cotangent, length) -> jax.Array:
    system = bind(step, params, state, inputs, length)
    arriving = _like_state(cotangent, system)
    points = jax.tree.map(lambda rows: rows[:-1], flat_trajectory(system))

    def back(carry: tuple, at: tuple) -> tuple[tuple, jax.Array]:
        log_norm, direction = carry
        log_norm, direction = _split(log_norm, pull_back(system, *at)(direction))
        return (log_norm, direction), log_norm

    last = _split(jnp.zeros((), arriving.dtype), arriving)
    _, logs = jax.lax.scan(back, last, (points, system.inputs), reverse=True)
    return jnp.concatenate([logs, last[0][None]])


def _split(log_norm: jax.Array, vector: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A vector as (log norm, direction), on top of the log norm it came with."""
    log_norm, direction = jacobi.normalise_rows(log_norm[None], vector[None])
    return log_norm[0], direction[0]


def _like_state(cotangent: Any, system: System) -> jax.Array:
    """The cotangent as a flat vector, after checking it against the state."""
    form = system.form
    leaves: list[Any]
    try:
        leaves = form.structure.flatten_up_to(cotangent)
    except ValueError:
        leaves = [{}]  # no leaf at all
    floats = [jnp.issubdtype(like.dtype, jnp.inexact) for like in form.leaves]
    # what stands in the place of a counter or a key says nothing
    given: list[Any] = [leaf if moves else 0 for leaf, moves in zip(leaves, floats, strict=False)]
    if not jax.tree_util.all_leaves(given):
        found = jax.tree.structure(cotangent)
        raise checks.error("cotangent", f"the structure of the state, {form.structure}", found)
    wanted = [like.shape for like, moves in zip(form.leaves, floats, strict=True) if moves]
    shapes = [jnp.shape(leaf) for leaf, moves in zip(given, floats, strict=True) if moves]
    if shapes != wanted:
        raise checks.error("cotangent", f"leaves of shape {wanted}", shapes)
    pairs = zip(given, form.leaves, floats, strict=True)
    arrays = [jnp.asarray(leaf).astype(like.dtype) for leaf, like, moves in pairs if moves]
    return of_leaves(arrays).flat
