"""Lyapunov exponents by pushing a tangent frame along, with block standard errors."""

import functools
import warnings
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac._support import checks
from rnnjac._support.compiled import compiled
from rnnjac._support.fixed import is_array
from rnnjac._support.summary import counted, first_median_last, median, shown, summary
from rnnjac._support.undefined import undefined
from rnnjac.linalg import lu
from rnnjac.system.dynamics import Step, System, bind
from rnnjac.system.interval import Factorisation, as_needed, every_step
from rnnjac.system.jacobians import push_forward
from rnnjac.system.points import Point

BLOCKS = 20
# Absolute error that a longer interval between factorisations may add to a log |r_jj|.
LOST = 1e-10


class LyapunovExponents(NamedTuple):
    """Lyapunov exponents in natural logs per step.

    ``exponents`` and ``stderr`` have shape (k,). ``history`` of shape (blocks, k) holds the running
    estimates up to each of the ``times`` (blocks,), in counted steps; its columns are in the order
    of ``exponents``, which are its last row.
    """

    exponents: jax.Array
    stderr: jax.Array
    history: jax.Array
    times: jax.Array

    @property
    def values(self) -> jax.Array:
        """Former name of ``exponents``."""
        text = "LyapunovExponents.values is now called exponents, as in Spectrum"
        warnings.warn(text, FutureWarning, stacklevel=2)
        return self.exponents

    def __repr__(self) -> str:
        """Some lines to read, in place of the arrays."""
        return shown(self, _lines)

    def to_dict(self) -> dict[str, Any]:
        """Numbers for a log or a table.

        ``size``, ``steps``, ``first``, ``median`` and ``last`` exponent, ``stderr`` of the first,
        and how many directions are ``lost``. Of one run, not of a batch.
        """
        exponents = np.asarray(self.exponents, float)
        return {
            "size": exponents.size,
            "steps": int(np.max(self.times, initial=0)),
            "first": float(exponents[0]),
            "median": median(exponents),
            "last": float(exponents[-1]),
            "stderr": float(self.stderr[0]),
            "lost": int(np.isneginf(exponents).sum()),
        }


def _lines(found: LyapunovExponents) -> str:
    if found.exponents.ndim > 1:
        several = counted(len(found.exponents), "run", "runs")
        first = LyapunovExponents(*(field[0] for field in found))
        return f"{several}; of the first\n{_lines(first)}"
    numbers = found.to_dict()
    return summary(
        f"LyapunovExponents: {counted(numbers['size'], 'exponent', 'exponents')} "
        f"from {counted(numbers['steps'], 'step', 'steps')}",
        {
            "per step": first_median_last(found.exponents),
            "stderr": f"{numbers['stderr']:.2g} of the first",
            "history": f"after {counted(len(found.times), 'block', 'blocks')} of steps",
            "lost": counted(numbers["lost"], "direction", "directions"),
        },
    )


def lyapunov_exponents(
    step: Step,
    params: Any,
    state: Any,
    inputs: Any = None,
    *,
    length: int | jax.Array | None = None,
    top: int | None = None,
    warmup: int = 0,
) -> LyapunovExponents:
    """Leading Lyapunov exponents of a recurrent system along one trajectory.

    ``lambda_i = lim (1/T) log sigma_i(J_T ... J_1)``, estimated by the mean growth of volumes in a
    frame that follows the dynamics (Benettin et al. 1980). At finite T the estimate depends on the
    frame at the start and is off by about 1/T; `spectrum` gives the finite product exactly.

    Parameters
    ----------
    step, params, state, inputs, length
        As for `trajectory`.
    top : int, optional
        How many exponents k, 1 to n; all n by default.
    warmup : int
        Steps at the start, 0 to T, that turn the frame and move the state but are not counted.
        Exponents of a padded sequence that ends before are NaN.

    Returns
    -------
    LyapunovExponents
        ``exponents`` (k,), descending; -inf for a direction lost exactly. ``stderr`` (k,), the
        standard error of the mean over 20 equal blocks, NaN with fewer than two; it misses
        correlations longer than a block. ``history`` (blocks, k) and its ``times``; a padded
        sequence of fewer steps than blocks repeats its last. With no step counted the exponents are
        0. Rates are per counted step, padding aside.

    Raises
    ------
    ValueError, TypeError
        As `trajectory`; or if ``top`` or ``warmup`` is out of range.

    Notes
    -----
    O(n^2 k) work for a dense step and O(n k) memory, whatever T; no Jacobian is formed. In float64,
    outside derivatives (and outside batches, except on a CPU from n = 16 on), steps share a
    factorisation where that adds no more than about 1e-10 to a log |r_jj|. A direction that is lost
    up to rounding only shows as a rate near log eps. Differentiable in forward and reverse mode
    through every factorisation (reverse mode keeps O(T n k) numbers); a lost direction has
    derivative 0. When ``exponents[0] * T`` is large and positive the derivative is finite but
    meaningless, as that of any trajectory through chaos.

    References
    ----------
    Benettin, Galgani, Giorgilli & Strelcyn (1980); Engelken, Wolf & Abbott (2023).

    Examples
    --------
    >>> logistic = lambda r, s, x: r * s * (1 - s)
    >>> found = lyapunov_exponents(logistic, 4.0, jnp.full(1, 0.3), length=20000)
    >>> bool(abs(found.exponents[0] - jnp.log(2.0)) < 4 * found.stderr[0] + 1e-3)
    True
    """
    found, known = _lyapunov_exponents(step, params, state, inputs, length, top, warmup)
    if is_array(length):
        missing = jnp.asarray(length) < warmup
        found = found._replace(exponents=undefined(missing, found.exponents))
    return found._replace(stderr=undefined(~known, found.stderr))


@compiled("step", "length", "top", "warmup")
def _lyapunov_exponents(
    step, params, state, inputs, length, top, warmup
) -> tuple[LyapunovExponents, jax.Array]:
    """The exponents, and whether the standard error of each is known; it is 0 where not."""
    system = bind(step, params, state, inputs, length)
    n, dtype = system.start.size, system.start.dtype
    k = n if top is None else checks.integer("top", top, 1, n)
    warmup = checks.integer("warmup", warmup, 0, system.length)
    blocks = (_padded_blocks if is_array(length) else _blocks)(system, warmup, length)

    def block(carry: tuple, xs: Any) -> tuple[tuple, jax.Array]:
        before, interval = carry
        flow = before._replace(logs=zero)
        steps = (jnp.asarray(blocks.size),) if is_array(length) else ()
        flow, interval = as_needed(_ELIMINATION, system, flow, interval, xs, blocks.rows, *steps)
        flow = flow._replace(logs=before.logs + flow.logs)
        return (flow, interval), flow.logs + lu.log_volumes(flow.vectors.T)

    zero = jnp.zeros(k, dtype)
    flow = _Flow(system.start, lu.generic(n, k, dtype).T, zero)
    before = jax.tree.map(lambda rows: rows[:warmup], system.inputs)
    flow = every_step(_ELIMINATION, system, flow, before, warmup)._replace(logs=zero)
    origin = lu.log_volumes(flow.vectors.T)
    flow = every_step(_ELIMINATION, system, flow, blocks.odd_inputs, blocks.odd_rows)
    uneven = flow.logs + lu.log_volumes(flow.vectors.T) - origin
    start = (flow, jnp.ones((), jnp.int32))
    _, totals = jax.lax.scan(block, start, blocks.inputs, length=blocks.most)
    return _summary(totals - origin[None], uneven, blocks)


class _Blocks(NamedTuple):
    """Counted steps in equal blocks, behind the odd ones that do not go into them.

    There are ``number`` blocks of ``size`` steps and ``odd`` steps before, known only at run time
    for a padded sequence; the arrays have ``most`` blocks of ``rows`` rows and ``odd_rows``.
    """

    number: int | jax.Array
    size: int | jax.Array
    odd: int | jax.Array
    most: int
    rows: int
    odd_rows: int
    odd_inputs: Any
    inputs: Any


def _blocks(system: System, warmup: int, length: Any) -> _Blocks:
    counted = system.length - warmup
    number = min(BLOCKS, counted)
    size = counted // number if number else 0
    odd = counted - number * size
    first = warmup + odd
    before = jax.tree.map(lambda rows: rows[warmup:first], system.inputs)
    inputs = jax.tree.map(
        lambda rows: rows[first:].reshape(number, size, *rows.shape[1:]), system.inputs
    )
    return _Blocks(number, size, odd, number, size, odd, before, inputs)


def _padded_blocks(system: System, warmup: int, length: jax.Array) -> _Blocks:
    """The blocks of the real steps, as those of a sequence that is cut there; the rest padding."""
    room = system.length - warmup
    most = min(BLOCKS, room)
    rows, odd_rows = room // max(most, 1), min(BLOCKS - 1, room)
    counted = jnp.clip(jnp.asarray(length, jnp.int32) - warmup, 0, room)
    number = jnp.minimum(counted, BLOCKS)
    size = counted // jnp.maximum(number, 1)
    odd = counted - number * size

    def taken(place: jax.Array, real: jax.Array) -> Any:
        flags, inputs = jax.tree.map(lambda a: a[jnp.where(real, place, 0)], system.inputs)
        return flags & real, inputs

    whole = functools.partial(jnp.arange, dtype=jnp.int32)
    count, of_block, step = whole(odd_rows), whole(most)[:, None], whole(rows)[None, :]
    before = taken(warmup + count, count < odd)
    place = warmup + odd + of_block * size + step
    inputs = taken(place, (of_block < number) & (step < size))
    return _Blocks(number, size, odd, most, rows, odd_rows, before, inputs)


class _Flow(NamedTuple):
    """A state, the frame at it, a vector to a row (k, n), and the logs (k,) of its growth."""

    flat: Point
    vectors: jax.Array
    logs: jax.Array


class _Pushed(NamedTuple):
    """A state, the frame pushed to it, and the largest entry of the frame on the way."""

    flat: Point
    vectors: jax.Array
    peak: jax.Array


def _push(system: System, frame: _Pushed, x: Any) -> _Pushed:
    flat, image = push_forward(system, frame.flat, x, frame.vectors)
    return _Pushed(flat, image, jnp.maximum(frame.peak, jnp.max(jnp.abs(image))))


def _eliminate(flow: _Flow, pushed: _Pushed) -> tuple[_Flow, jax.Array]:
    lower, grown = lu.eliminate(pushed.vectors.T)
    return _Flow(pushed.flat, lower.T, flow.logs + grown), pushed.peak * jnp.exp(-jnp.min(grown))


_ELIMINATION = Factorisation(
    lambda flow: _Pushed(flow.flat, flow.vectors, jnp.zeros((), flow.logs.dtype)),
    _push,
    _eliminate,
    LOST,
)


def _summary(
    totals: jax.Array, uneven: jax.Array, found: _Blocks
) -> tuple[LyapunovExponents, jax.Array]:
    """Means and block errors from the summed logs at the end of each block."""
    blocks, k = totals.shape
    if blocks == 0:
        zero = jnp.zeros(k, totals.dtype)
        none = LyapunovExponents(zero, zero, totals, jnp.zeros(0, jnp.int32))
        return none, jnp.zeros(k, bool)
    number, size, odd = (jnp.asarray(n, jnp.int32) for n in (found.number, found.size, found.odd))
    size = jnp.maximum(size, 1)
    times = jnp.minimum(jnp.arange(1, blocks + 1, dtype=jnp.int32), number) * size + odd
    history = totals / jnp.maximum(times, 1).astype(totals.dtype)[:, None]
    # A direction once lost stays lost: its blocks are -inf, and so no spread is defined.
    alive = ~jnp.isneginf(totals[-1])
    clean = jnp.where(alive[None], totals, 0)
    gained = jnp.diff(clean, axis=0, prepend=jnp.where(alive, uneven, 0)[None])
    spread = _standard_error(gained / size.astype(gained.dtype), number)
    known = alive & (number > 1)
    order = jnp.argsort(-history[-1])
    spread = jnp.where(known, spread, 0)
    history = history[:, order]
    result = LyapunovExponents(history[-1], spread[order], history, times)
    return result, known[order]


def _standard_error(gained: jax.Array, number: jax.Array) -> jax.Array:
    """The standard error of the mean of the first ``number`` rows."""
    inside = (jnp.arange(gained.shape[0], dtype=jnp.int32) < number)[:, None]
    count = jnp.maximum(number, 1).astype(gained.dtype)
    mean = jnp.sum(jnp.where(inside, gained, 0), axis=0, keepdims=True) / count
    centred = jnp.where(inside, gained - mean, 0)
    variance = jnp.sum(centred * centred, axis=0) / jnp.maximum(count - 1, 1) / count
    # The root of an exact zero (a fixed point) would have an infinite derivative.
    return jnp.where(variance == 0, 0, jnp.sqrt(jnp.where(variance == 0, 1, variance)))
