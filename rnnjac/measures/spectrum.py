"""Every singular value of the Jacobian product over a span, with an error estimate."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac._support import checks
from rnnjac._support.batching import in_turns
from rnnjac._support.compiled import compiled
from rnnjac.linalg import graded, jacobi, rounding
from rnnjac.system import strides
from rnnjac.system.dynamics import Step, System, bind, number_of_steps


class Spectrum(NamedTuple):
    """Singular values of Jacobian products, in natural logs.

    ``log_singular_values`` has shape (n,), or (m, n) for m recorded times, descending along the
    last axis; -inf with error 0 is an exactly lost direction. ``error`` has the same shape: an
    estimate of the absolute error of each log, inf where rounding cannot tell the value from -inf.
    ``steps`` is the number of factors, shape () or (m,).
    """

    log_singular_values: jax.Array
    error: jax.Array
    steps: jax.Array

    @property
    def exponents(self) -> jax.Array:
        """Finite-time Lyapunov exponents ``log_singular_values / steps``, per step; 0 at time 0."""
        steps = jnp.maximum(jnp.asarray(self.steps), 1).astype(self.log_singular_values.dtype)
        return self.log_singular_values / steps[..., None]


def spectrum(
    step: Step,
    params: Any,
    state: Any,
    inputs: Any = None,
    *,
    length: int | None = None,
    at: Sequence[int] | None = None,
) -> Spectrum:
    """Every singular value of the product of one-step Jacobians, in logs.

    ``sigma_i(P[t, 0])`` with ``P[t, 0] = J_t ... J_1`` and ``J_j = d s_j / d s_{j-1}``: by how much
    a small change of the state at time 0 has grown or shrunk by time t along each of n orthogonal
    directions. A gradient arriving at time t is carried back to time 0 with the same factors.
    Unlike a Lyapunov exponent, this is exact at any finite t.

    Parameters
    ----------
    step, params, state, inputs, length
        As for `trajectory`.
    at : sequence of int, optional
        Record the products from 0 to each of these times, 0 to T. By default T alone.

    Returns
    -------
    Spectrum
        ``log_singular_values`` of shape (n,), or (len(at), n); ``error`` alike; ``steps``.

    Raises
    ------
    ValueError, TypeError
        As `trajectory`; or if a time in ``at`` is not an integer from 0 to T.

    Notes
    -----
    O(n^3) work per step and per recorded time; O(n^2) memory, and n numbers for each recorded time,
    whatever T. No Jacobian is formed.
    ``error`` is a first-order estimate times a safety factor, relative to the Jacobians of the
    computed trajectory. It does not see an inexact derivative in ``step``: where units saturate,
    use `rnnjac.activations`, not ``jax.numpy.tanh``. It is small (some 10 to 1000 eps) unless a
    factor is nearly singular, or directions that shrank early outgrow the others later. Jacobian
    entries below the smallest normal number count as zero; on a GPU, a pivot that small, as where
    float32 entries of one factor lie some 36 decades apart, gives NaN. A recorded time ends what is
    rounded together, so that ``at`` may change last digits and ``error``.
    Other times in ``at``, as many as before, compile nothing anew, nor does another ``length``
    without inputs: sequences of many lengths, padded to one, share a program by ``at=[T]``.
    Not differentiable: see `lyapunov_exponents` for that; inside a function that is differentiated
    pass ``jax.lax.stop_gradient(params)``.

    References
    ----------
    Demmel, Gu, Eisenstat, Slapnicar, Veselic & Drmac (1999), on rank-revealing decompositions.

    Examples
    --------
    >>> diagonal = lambda p, s, x: jnp.array([0.5, 2.0]) * s
    >>> spectrum(diagonal, None, jnp.ones(2), length=1000).exponents / jnp.log(2.0)
    Array([ 1., -1.], dtype=float32)
    """
    total = number_of_steps(inputs, length)
    times = np.asarray(total if at is None else _times(at, total), np.int32)
    ends, place = np.unique(times, return_inverse=True)
    # where no input has rows, one program does for any number of steps
    rows = None if jax.tree.leaves(inputs) else 1
    return _spectrum(step, params, state, inputs, rows, times, ends, place.reshape(times.shape))


@compiled("step", "rows")
def _spectrum(step, params, state, inputs, rows, times, ends, place) -> Spectrum:
    """Spectra at ``times``, a scalar or (m,), given as places in their sorted, distinct ``ends``.

    These are arguments and no constants: other times need no other program.
    """
    system = bind(step, params, state, inputs, rows)
    values, opened = system.opened()
    along = in_turns(
        lambda values, ends: _along(opened(values), ends),
        system.start.size,
        batched=lambda values, ends: _along(opened(values), ends, strides.step_by_step),
    )
    logs, error = along(values, ends)
    return Spectrum(logs[place], error[place], times)


def _along(
    system: System, times: jax.Array, advance: Callable = strides.in_strides
) -> tuple[jax.Array, jax.Array]:
    """Log singular values and their errors, (m, n) each, at m sorted, distinct times."""

    def span(flow: strides.Flow, ends: tuple) -> tuple:
        if system.length:  # without a step there is no row of inputs to trace
            flow = advance(system, flow, *ends)
        return flow, _values(strides.transposed(flow.turned), flow.error)

    before = jnp.concatenate([jnp.zeros_like(times[:1]), times[:-1]])
    return jax.lax.scan(span, strides.start(system), (before, times))[1]


def _values(product: graded.GradedProduct, error: rounding.Rounding) -> tuple[jax.Array, jax.Array]:
    """Log singular values of a product and their errors."""
    product, order = graded.by_scale(product)
    factor = graded.orthogonal_left(product)
    found = jacobi.log_singular_values(factor.log_scale, factor.right)
    n, eps = order.size, jnp.finfo(found.values.dtype).eps
    variance = rounding.total(error)[order][found.order]
    relative = jnp.sqrt(variance) + n**0.5 * found.sensitivity
    representation = jnp.where(jnp.isneginf(found.values), 0, jnp.abs(found.values))
    relative = rounding.SAFETY * eps * relative + 2 * eps * representation + found.residual
    return found.values, rounding.error_of_logs(found.values, relative)


def _times(at: Sequence[int], total: int) -> tuple[int, ...]:
    """``at`` as a tuple of ints from 0 to ``total``."""
    try:
        times = np.asarray(at).tolist()
    except jax.errors.TracerArrayConversionError:
        raise checks.error("at", "known times", "a traced array", TypeError) from None
    if not isinstance(times, list):
        raise checks.error("at", "a sequence of integers", checks.describe(at), TypeError)
    if not times:
        raise checks.error("at", "at least one time", "an empty sequence")
    return tuple(checks.integer("at", time, 0, total) for time in times)
