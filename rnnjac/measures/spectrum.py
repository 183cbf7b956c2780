"""Every singular value of the Jacobian product over a span, with an error estimate."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac._support import checks
from rnnjac._support.batching import in_turns
from rnnjac._support.compiled import compiled
from rnnjac._support.fixed import is_array, is_traced
from rnnjac._support.summary import counted, first_median_last, median, shown, summary
from rnnjac._support.undefined import undefined
from rnnjac._support.undifferentiable import undifferentiable
from rnnjac.linalg import jacobi, rounding
from rnnjac.linalg.ends import seen_through, started_from
from rnnjac.linalg.lengthen import rebalanced
from rnnjac.linalg.powers import log_of
from rnnjac.linalg.rounding import Rounding
from rnnjac.linalg.running import Running
from rnnjac.system.dynamics import Step, bind, undifferentiated
from rnnjac.system.flow import Flow, advance, after_first_step, start
from rnnjac.system.inputs import number_of_steps
from rnnjac.system.parts import INPUTS, end, first_input, picked

# Numbers in one matrix of all products that are held at once, of which each has three: 8 million
# are 200 MB in double precision.
HELD = 8_000_000


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

    def __repr__(self) -> str:
        """Some lines to read, in place of the arrays."""
        return shown(self, _lines)

    def to_dict(self) -> dict[str, Any]:
        """Numbers for a log or a table; arrays where there are several times, or a batch.

        ``size``, ``steps``, ``first``, ``median`` and ``last`` log singular value, largest
        ``error``, and how many directions are ``lost`` (exactly) and ``unsure`` (error inf).
        """
        rows = [_numbers(*row) for row in _rows(self)]
        if self.log_singular_values.ndim == 1:
            return rows[0]
        return {name: np.asarray([row[name] for row in rows]) for name in rows[0]}


def spectrum(
    step: Step,
    params: Any,
    state: Any,
    inputs: Any = None,
    *,
    length: int | jax.Array | None = None,
    at: Sequence[int] | jax.Array | None = None,
    of: Callable[[Any], Any] | None = None,
    wrt: Callable[[Any], Any] | str | None = None,
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
        Record the products from 0 to each of these times, 0 to T; they may be traced. By default
        the last time alone.
    of : callable, optional
        What is looked at in the end, in place of the whole state: a function of it, such as
        ``lambda s: s.h`` or a readout, with q floats.
    wrt : callable or "inputs", optional
        What is varied at the start, all else held constant: a function that picks p entries of the
        state, such as ``lambda s: s.h``, or "inputs" for the first input, x_1 of p floats. Then
        times count from 1, and the values are those of ``d s_t / d x_1``.

    Returns
    -------
    Spectrum
        ``log_singular_values`` of shape (m,), or (len(at), m), where m is n, or the least of n, q
        and p; ``error`` alike; ``steps``. NaN for a traced time outside 0 to T, or after the end of
        a padded sequence.

    Raises
    ------
    ValueError, TypeError
        As `trajectory`; if a time in ``at`` is not an integer from 0 to T; or if ``of`` or ``wrt``
        is none of the above.

    Notes
    -----
    O(n^3) work per step and per recorded time; O(n^2) memory, and n numbers for each recorded time,
    whatever T. No Jacobian is formed.
    ``error`` is a first-order estimate times a safety factor, relative to the Jacobians of the
    computed trajectory. It does not see an inexact derivative in ``step``: where units saturate,
    use `rnnjac.activations`, not ``jax.numpy.tanh``. Nor does it see rounding that leaks into lost
    directions, and grows there: that matters where a factor of exactly low rank comes first and
    what it leaves is an invariant subspace that shrinks faster than the rest. It is small (some 10
    to 1000 eps) unless a factor is nearly singular, or directions that shrank early outgrow the
    others later. Jacobian entries below the smallest normal number count as zero; on a GPU, a pivot
    that small, as where float32 entries of one factor lie some 36 decades apart, gives NaN. A
    recorded time ends what is rounded together, so that ``at`` may change last digits and
    ``error``.
    Other times in ``at``, as many as before, compile nothing anew, nor does another ``length``
    without inputs. Padded steps are not computed, except that a batch under `jax.vmap` waits for
    its longest member (below 16 units, or off the CPU). A step without derivatives in forward mode
    (`jax.custom_vjp`) takes n reverse passes for each Jacobian, and a product with it.
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
    first = 1 if wrt == INPUTS else 0
    if total < first:
        raise checks.error("wrt", "inputs of at least one step to vary", "none")
    last = jnp.asarray(length if is_array(length) else total, jnp.int32)
    times = last if at is None else _times(at, first, total)
    ends, place = _in_order(times, first, total)
    # where no input has rows, one program does for any number of steps
    rows = None if jax.tree.leaves(inputs) else 1
    flow, parts = None, []
    for some in _groups(ends, state):
        flow, reached = _reached(step, params, state, inputs, rows, wrt, flow, some)
        if of is not None or wrt is not None:
            reached = _between(step, params, state, inputs, rows, of, wrt, reached)
        parts.append(_values(*reached[:2]))
    logs, error = (jnp.concatenate(part)[place] for part in zip(*parts, strict=True))
    if is_array(length) or is_traced(times):
        missing = ((times < first) | (times > jnp.minimum(last, total)))[..., None]
        logs, error = undefined(missing, logs), undefined(missing, error)
    return Spectrum(logs, error, times)


def _in_order(times: jax.Array, first: int, total: int) -> tuple[Any, Any]:
    """The times in ascending order, each once if they are known, and where each of them stands."""
    if not is_traced(times):
        ends, place = np.unique(np.asarray(times), return_inverse=True)
        return ends, place.reshape(times.shape)
    order = jnp.argsort(times.ravel())
    return jnp.clip(times.ravel()[order], first, total), jnp.argsort(order).reshape(times.shape)


def _groups(ends: Any, state: Any) -> list[Any]:
    """Recorded times, in groups whose products are held at once."""
    n = sum(np.size(leaf) for leaf in jax.tree.leaves(state))
    each = max(1, HELD // max(1, n * n))
    return [ends[first : first + each] for first in range(0, len(ends), each)]


@compiled("step", "rows", "wrt")
def _reached(step, params, state, inputs, rows, wrt, flow, ends) -> tuple[Flow, tuple]:
    """The flow at the last of some sorted, distinct times, and products and points at all of them.

    The times are arguments and no constants: others need no other program.
    """
    system = bind(step, params, state, inputs, rows)
    values, opened = system.opened()

    def along(values: Any, flow: Flow | None, ends: jax.Array) -> tuple[Flow, tuple]:
        system = opened(undifferentiable("spectrum", values))

        def span(flow: Flow, end: jax.Array) -> tuple[Flow, tuple]:
            if system.length:  # without a step there is no row of inputs to trace
                flow = advance(system, flow, end)
            return flow, (flow.product, flow.rounding, flow.flat)

        if flow is None:
            flow = start(system, error=True, turn=wrt is not None)
            if wrt == INPUTS:  # from x_1 on
                flow = after_first_step(system, flow)
        return jax.lax.scan(span, flow, ends)

    return in_turns(along, system.start.size)(values, flow, ends)


@compiled("step", "rows", "of", "wrt")
def _between(step, params, state, inputs, rows, of, wrt, reached) -> tuple[Running, Rounding]:
    """The products from what is varied to what is looked at."""
    system = undifferentiated(bind(step, params, state, inputs, rows), "spectrum")
    begun = None if wrt is None else first_input(system) if wrt == INPUTS else picked(system, wrt)
    ended = None if of is None else end(system, of)

    def one(reached: tuple) -> tuple:
        product, error, point = reached
        if ended is not None:
            product, error = seen_through(product, error, ended.readout(point))
        if begun is not None:
            product, error = started_from(product, error, begun.frame)
        return product, error

    return jax.lax.map(one, reached)


@compiled()
def _values(product: Running, error: Rounding) -> tuple[jax.Array, jax.Array]:
    """Log singular values and their errors, (m, n) each, of m products.

    It depends on n and the precision alone, so that all step functions share one program.
    """

    def one(found: tuple) -> tuple[jax.Array, jax.Array]:
        product, error = rebalanced(*found)
        assert error is not None
        logs = log_of(product.exponent, product.lower.dtype)
        found = jacobi.log_singular_values(logs, product.lower.T)
        n, eps = logs.size, jnp.finfo(logs.dtype).eps
        relative = jnp.sqrt(error.variance)[found.order] + n**0.5 * found.sensitivity
        size = jnp.where(jnp.isneginf(found.values), 0, jnp.abs(found.values))
        relative = rounding.SAFETY * eps * relative + found.residual
        # the logs are rounded themselves, which says nothing about the values being zero
        return found.values, rounding.error_of_logs(found.values, relative) + 2 * eps * size

    return in_turns(lambda *found: jax.lax.map(one, found), product.exponent.shape[-1])(
        product, error
    )


def _rows(found: Spectrum) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Values, errors and steps of each recorded time, or of each member of a batch."""
    logs, error = (np.atleast_2d(np.asarray(a, float)) for a in found[:2])
    n = logs.shape[-1]
    steps = np.asarray(found.steps).ravel().tolist()
    return zip(logs.reshape(-1, n), error.reshape(-1, n), steps, strict=True)


def _numbers(logs: np.ndarray, error: np.ndarray, steps: int) -> dict[str, Any]:
    bounded = error[np.isfinite(error)]
    return {
        "size": logs.size,
        "steps": steps,
        "first": float(logs[0]),
        "median": median(logs),
        "last": float(logs[-1]),
        "error": float(bounded.max(initial=0)),
        "lost": int((np.isneginf(logs) & (error == 0)).sum()),
        "unsure": int((~np.isfinite(error)).sum()),
    }


def _lines(found: Spectrum) -> str:
    """The last recorded time, in a few lines."""
    rows = list(_rows(found))
    logs, error, steps = rows[-1]
    numbers = _numbers(logs, error, steps)
    times = "" if len(rows) == 1 else f"; the last of {len(rows)} products"
    values = counted(logs.size, "singular value", "singular values")
    unsure = f"; inf for {numbers['unsure']}" if numbers["unsure"] else ""
    return summary(
        f"Spectrum: {values} of a product of {counted(steps, 'factor', 'factors')}{times}",
        {
            "log sigma": first_median_last(logs),
            "per step": first_median_last(logs / max(steps, 1)),
            "error": f"{numbers['error']:.2g} at most{unsure}",
            "lost": f"{counted(numbers['lost'], 'direction', 'directions')} exactly",
        },
    )


def _times(at: Any, first: int, total: int) -> jax.Array:
    """``at`` as an array of integers; those that are known are from ``first`` to ``total``."""
    if any(is_traced(time) for time in jax.tree.leaves(at)):
        times = jnp.asarray(at)
        if times.ndim != 1 or not jnp.issubdtype(times.dtype, jnp.integer):
            raise checks.error("at", "a sequence of integers", checks.describe(times), TypeError)
        return times.astype(jnp.int32)
    times = np.asarray(at).tolist()
    if not isinstance(times, list):
        raise checks.error("at", "a sequence of integers", checks.describe(at), TypeError)
    if not times:
        raise checks.error("at", "at least one time", "an empty sequence")
    return jnp.asarray([checks.integer("at", time, first, total) for time in times], jnp.int32)
