"""One-step Jacobians by forward-mode differentiation of the step itself."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjac._support.compiled import compiled
from rnnjac.system.dynamics import Step, System, bind, flat_trajectory


def push_forward(system: System, flat: jax.Array, x: Any, vectors: jax.Array):
    """Next state and J v of each tangent vector v, a row of (k, n); J itself is never formed.

    A vector to a row: that is the order in which LAPACK wants the columns of a frame, so that none
    of the factorisations that follow has to copy it. Entries of J v below the smallest normal
    number are 0, as CPUs round them by themselves: the LU of a GPU, which multiplies by 1 / pivot,
    would make them inf.
    """

    def along(tangent: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.jvp(lambda s: system.advance(system.params, s, x), (flat,), (tangent,))

    # what does not depend on the tangent is computed once
    flat, images = jax.vmap(along, out_axes=(None, 0))(vectors)
    subnormal = jnp.abs(images) < float(jnp.finfo(images.dtype).tiny)
    return flat, jnp.where(subnormal, 0, images)


@compiled("step", "length")
def jacobians(
    step: Step, params: Any, state: Any, inputs: Any = None, *, length: int | None = None
) -> jax.Array:
    """One-step Jacobians along a trajectory.

    ``jacobians[j] = d s_{j+1} / d s_j``, numerator layout: row i is the gradient of entry i of the
    later state. The product over a span has the latest factor on the left.

    Parameters
    ----------
    step, params, state, inputs, length
        As for `trajectory`.

    Returns
    -------
    Array
        Shape (T, n, n), n the size of the flattened state.

    Raises
    ------
    ValueError, TypeError
        As `trajectory`.

    Notes
    -----
    Exact up to rounding (`jax.jacfwd`). O(T n^2) memory: for a spectrum alone use `spectrum`, which
    stores no Jacobian. Differentiable.

    Examples
    --------
    >>> jacobians(lambda w, s, x: jax.numpy.tanh(w * s), 2.0, 0.0, length=1).tolist()
    [[[2.0]]]
    """
    system = bind(step, params, state, inputs, length)
    return _along(system, jax.jacfwd(system.advance, argnums=1))


@compiled("step", "length")
def input_jacobians(
    step: Step, params: Any, state: Any, inputs: Any, *, length: int | None = None
) -> Any:
    """Derivatives of each state with respect to the input of the same step.

    ``d s_{j+1} / d x_j`` at constant ``s_j``.

    Parameters
    ----------
    step, params, state, inputs, length
        As for `trajectory`; the inputs must be floating point.

    Returns
    -------
    pytree
        Like ``inputs``; a leaf of shape (T, ...) becomes (T, n, ...).

    Raises
    ------
    ValueError, TypeError
        As `trajectory`.

    Notes
    -----
    Exact up to rounding; one forward-mode pass per input entry. Differentiable.
    """
    system = bind(step, params, state, inputs, length)
    return _along(system, jax.jacfwd(system.advance, argnums=2))


@compiled("step", "length")
def parameter_jacobians(
    step: Step, params: Any, state: Any, inputs: Any = None, *, length: int | None = None
) -> Any:
    """Immediate derivatives of each state with respect to the parameters.

    ``d+ s_{j+1} / d theta`` with ``s_j`` held constant, the ``d+ x_k / d theta`` of Pascanu,
    Mikolov & Bengio (2013), eq. 4: the gradient of a loss is ``sum_k dE/ds_k  d+ s_k / d theta``.

    Parameters
    ----------
    step, params, state, inputs, length
        As for `trajectory`; the parameters must be floating point.

    Returns
    -------
    pytree
        Like ``params``; a leaf of shape (...) becomes (T, n, ...).

    Raises
    ------
    ValueError, TypeError
        As `trajectory`.

    Notes
    -----
    One reverse-mode pass per state entry; O(T n p) memory for p parameters. Differentiable.
    """
    system = bind(step, params, state, inputs, length)
    return _along(system, jax.jacrev(system.advance, argnums=0))


def _along(system: System, derivative: Callable) -> Any:
    """``derivative(params, state, x)`` at every step of the trajectory."""
    states = flat_trajectory(system)[:-1]
    return jax.vmap(derivative, in_axes=(None, 0, 0))(system.params, states, system.inputs)
