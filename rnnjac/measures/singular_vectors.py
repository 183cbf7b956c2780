"""Leading singular values and vectors of long products of large Jacobians.

Subspace iteration with tangent and cotangent products alone: no Jacobian is formed, and the scale
lives in the logs of small graded cores.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac._support.compiled import compiled
from rnnjac._support.fixed import is_array
from rnnjac._support.summary import counted, first_median_last, shown, summary
from rnnjac.linalg import running
from rnnjac.linalg.graded_svd import graded_svd
from rnnjac.linalg.lengthen import lengthen
from rnnjac.linalg.running import Running
from rnnjac.system.dynamics import Step, System, bind, flat_trajectory, undifferentiated
from rnnjac.system.jacobians import pull_back, push_forward
from rnnjac.system.parts import INPUTS, end, first_input, picked
from rnnjac.system.points import Form, Point

# At least so many vectors are carried along beyond those asked for, which converge more slowly; a
# product with a large matrix costs little more for twice as many columns.
EXTRA = 8


class SingularVectors(NamedTuple):
    """Leading singular triplets of a Jacobian product, ``P right_i = sigma_i left_i``.

    ``log_singular_values`` has shape (k,), natural logs, descending. ``left`` (directions at the
    end) and ``right`` (directions at the start) look like the state with a leading axis of k.
    ``residual`` (k,) tells how far each triplet has converged, ``iterations`` what it took.
    """

    log_singular_values: jax.Array
    left: Any
    right: Any
    residual: jax.Array
    iterations: jax.Array

    def __repr__(self) -> str:
        """Some lines to read, in place of the arrays."""
        return shown(self, _lines)


def _lines(found: SingularVectors) -> str:
    logs, shape = found.log_singular_values, jax.tree.map(jnp.shape, found.left)
    return summary(
        f"SingularVectors: {counted(logs.shape[-1], 'triplet', 'triplets')}",
        {
            "log sigma": first_median_last(logs) if logs.ndim == 1 else f"shape {logs.shape}",
            "vectors": f"left and right of shape {shape}",
            "residual": f"{float(jnp.max(found.residual)):.2g} at most",
            "iterations": f"{int(jnp.max(found.iterations))}",
        },
    )


class _Sweep(NamedTuple):
    """P @ before = after @ diag(e^logs) @ turn.T, or the same with P^T."""

    after: jax.Array
    logs: jax.Array
    turn: jax.Array


@compiled("step", "length", "top", "iterations", "of", "wrt")
def singular_vectors(
    step: Step,
    params: Any,
    state: Any,
    inputs: Any = None,
    *,
    length: int | jax.Array | None = None,
    top: int = 1,
    iterations: int = 20,
    tolerance: float | jax.Array | None = None,
    of: Callable[[Any], Any] | None = None,
    wrt: Callable[[Any], Any] | str | None = None,
) -> SingularVectors:
    """Leading singular values and vectors of the Jacobian product over a span, for large states.

    ``P[T, 0] right_i = sigma_i left_i`` and ``P[T, 0]^T left_i = sigma_i right_i``: the change of
    the state at time 0 that matters most at time T is along ``right_0``, and shows as ``left_0``;
    the gradient that survives best arrives as ``left_0``. For every value, and an error estimate,
    use `spectrum`.

    Parameters
    ----------
    step, params, state, inputs, length
        As for `trajectory`.
    top : int
        How many triplets k, 1 to n.
    iterations : int
        Largest number of iterations, at least 1; each takes one sweep back and one forward.
    tolerance : float, optional
        Stop once all k residuals are at most this; by default sqrt(eps).
    of, wrt
        What is looked at in the end and varied at the start, as for `spectrum`; ``left`` then looks
        like what ``of`` returns, ``right`` like what ``wrt`` picks, or like one row of the inputs.

    Returns
    -------
    SingularVectors
        Logs (k,), -inf for a direction lost exactly, whose vectors are zero; vectors of unit length
        with a leading axis of k, the largest entry of each of ``right`` positive, None for leaves
        of the state that are not floating point; ``residual`` (k,) and ``iterations`` ().

    Raises
    ------
    ValueError, TypeError
        As `trajectory`; if ``top`` or ``iterations`` is out of range; or if ``of`` or ``wrt`` is no
        part of the state.

    Notes
    -----
    ``residual[i]`` is the length of ``P right_i - sigma_i left_i`` in units of sigma_i for the last
    iterate but one; parts along a larger ``left_j`` are taken in units of sigma_j, because rounding
    alone makes them eps sigma_j. With well separated values the error of a vector is of the order
    of its residual, that of log sigma of its square. A residual that stays above ``tolerance`` has
    not converged: of m = k + max(k, 8) vectors carried along, the error of the i-th shrinks by
    (sigma_(m+1) / sigma_i)^2 per iteration, quickly for long products, and not at all where values
    are equal up to the m-th and beyond. A direction lost up to rounding only shows as one that is
    far smaller than the others.

    Each sweep takes T tangent or cotangent products of m vectors, with one elimination a step.
    Memory O(n (T + k)) besides the parameters. Not differentiable.

    References
    ----------
    Halko, Martinsson & Tropp (2011), section 4.5, on subspace iteration.

    Examples
    --------
    >>> diagonal = lambda p, s, x: jnp.array([0.5, 2.0]) * s
    >>> found = singular_vectors(diagonal, None, jnp.ones(2), length=1000)
    >>> jnp.round(found.log_singular_values / jnp.log(2.0)), found.right
    (Array([1000.], dtype=float32), Array([[0., 1.]], dtype=float32))
    """
    system = bind(step, params, state, inputs, length)
    system = undifferentiated(system, "singular_vectors")
    dtype = system.start.dtype
    span = _span(system, of, wrt)
    p, q = span.begun.size, span.ended.size
    least = min(system.start.size, p, q)
    top = checks.integer("top", top, 1, least)
    iterations = checks.integer("iterations", iterations, 1)
    if tolerance is None:
        tolerance = float(jnp.finfo(dtype).eps) ** 0.5
    k = min(least, top + max(EXTRA, top))

    def start_or_back(count: jax.Array, frame: jax.Array) -> _Sweep:
        # at first there is nothing to carry back but a frame of the start
        unturned = _Sweep(_generic(p, k, dtype), jnp.zeros(k, dtype), jnp.eye(k, dtype=dtype))
        back = functools.partial(_backward, span)
        return jax.lax.cond(count == 0, lambda _: unturned, back, frame)

    def iterate(carry: tuple) -> tuple:
        count, _, before, _ = carry
        back = start_or_back(count, before)
        forward = _forward(span, back.after)
        residual = _residual(forward, back.logs, before @ back.turn)[:top]
        residual = jnp.where(count == 0, jnp.inf, residual)
        return count + 1, residual, forward.after, (forward.logs, back.after @ forward.turn)

    def unfinished(carry: tuple) -> jax.Array:
        return (carry[0] <= iterations) & jnp.any(carry[1] > tolerance)  # NaN: no use going on

    unknown = (jnp.zeros(k, dtype), jnp.zeros((p, k), dtype))
    nothing = jnp.zeros((q, k), dtype)
    start = (jnp.zeros((), jnp.int32), jnp.full(top, jnp.inf, dtype), nothing, unknown)
    count, residual, left, (logs, right) = jax.lax.while_loop(unfinished, iterate, start)
    lost = jnp.isneginf(logs)[None, :]
    sign = jnp.where(jnp.max(right, axis=0) < -jnp.min(right, axis=0), -1, 1)[None, :]
    left, right = (jnp.where(lost, 0, sign * v)[:, :top].T for v in (left, right))
    left, right = jax.vmap(span.ended.vector)(left), jax.vmap(span.begun.vector)(right)
    if wrt == INPUTS and is_array(length):
        right = right[1]  # without the flag of `until`
    return SingularVectors(logs[:top], left, right, residual, count - 1)


class _Span(NamedTuple):
    """The steps of a product, as points and inputs, and what stands before and after them."""

    system: System
    points: Point
    inputs: Any
    frame: jax.Array | None
    readout: jax.Array | None
    begun: Form
    ended: Form


def _span(system: System, of: Any, wrt: Any) -> _Span:
    points, inputs = flat_trajectory(system), system.inputs
    before, last = (jax.tree.map(part, points) for part in (lambda x: x[:-1], lambda x: x[-1]))
    ended = None if of is None else end(system, of)
    begun = None if wrt is None else first_input(system) if wrt == INPUTS else picked(system, wrt)
    if wrt == INPUTS:  # the first step is in the frame
        before, inputs = jax.tree.map(lambda rows: rows[1:], (before, inputs))
    return _Span(
        system=system,
        points=before,
        inputs=inputs,
        frame=None if begun is None else begun.frame,
        readout=None if ended is None else ended.readout(last),
        begun=system.form if begun is None else begun.form,
        ended=system.form if ended is None else ended.form,
    )


def _forward(span: _Span, frame: jax.Array) -> _Sweep:
    """P @ frame: the frame is pushed along and kept well-conditioned."""

    def one(product: Running, at: tuple) -> tuple[Running, None]:
        point, x = at
        return lengthen(product, push_forward(span.system, point, x, product.vectors)[1]), None

    product = running.of_frame(frame.T, turn=True)
    if span.frame is not None:
        product = lengthen(product, product.vectors @ span.frame.T)
    product = jax.lax.scan(one, product, (span.points, span.inputs))[0]
    if span.readout is not None:
        product = lengthen(product, product.vectors @ span.readout.T)
    return _Sweep(*graded_svd(product))


def _backward(span: _Span, frame: jax.Array) -> _Sweep:
    """P^T @ frame: gradients carried back."""

    def one(product: Running, at: tuple) -> tuple[Running, None]:
        return lengthen(product, jax.vmap(pull_back(span.system, *at))(product.vectors)), None

    product = running.of_frame(frame.T, turn=True)
    if span.readout is not None:
        product = lengthen(product, product.vectors @ span.readout)
    product = jax.lax.scan(one, product, (span.points, span.inputs), reverse=True)[0]
    if span.frame is not None:
        product = lengthen(product, product.vectors @ span.frame)
    return _Sweep(*graded_svd(product))


def _residual(forward: _Sweep, logs: jax.Array, left: jax.Array) -> jax.Array:
    """|P v_i - sigma_i u_i| with the part along u_j in units of the larger of sigma_i, sigma_j.

    P v_i = sum_j u_j e^(logs_j) turn_ij in the vectors of the new sweep.
    """
    lost = jnp.isneginf(logs) | jnp.isneginf(forward.logs)
    new, old = jnp.where(lost, 0, forward.logs), jnp.where(lost, 0, logs)
    size = jnp.exp(jnp.minimum(0, new[:, None] - old[None, :]))
    size = jnp.where(lost[:, None], 0, size)
    rest = forward.after @ (forward.turn.T * size) - left
    return jnp.where(lost, 0, jnp.sqrt(jnp.sum(rest * rest, axis=0)))


def _generic(n: int, k: int, dtype) -> jax.Array:
    """A fixed (n, k) frame in general position; unit lower triangular, as `lu.generic` is."""
    normal = jax.random.normal(jax.random.key(0), (n, k), dtype) / n**0.5
    return jnp.tril(normal, -1) + jnp.eye(n, k, dtype=dtype)
