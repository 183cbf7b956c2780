"""How far every start reaches every end: leading singular values between all pairs of times.

Products that share a start share their prefixes, so each pair costs one graded step. Most pairs
need no full spectrum: whichever of three ways is known to be accurate enough is taken, the
cheapest first.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac._support.batching import in_turns
from rnnjac._support.compiled import compiled
from rnnjac._support.fixed import is_array
from rnnjac._support.undefined import undefined
from rnnjac.linalg import jacobi, running
from rnnjac.linalg.ends import seen_through, started_from
from rnnjac.linalg.lengthen import lengthen
from rnnjac.linalg.powers import LOST, is_lost, log_of, power_of_two
from rnnjac.linalg.running import Running
from rnnjac.system.dynamics import Step, System, bind, flat_trajectory, undifferentiated
from rnnjac.system.jacobians import push_forward
from rnnjac.system.parts import INPUTS, end, input_form, input_frame, picked
from rnnjac.system.points import Point


def reach(
    step: Step,
    params: Any,
    state: Any,
    inputs: Any = None,
    *,
    length: int | jax.Array | None = None,
    top: int = 1,
    chunk: int = 32,
    of: Callable[[Any], Any] | None = None,
    wrt: Callable[[Any], Any] | str | None = None,
) -> jax.Array:
    """Leading log singular values of the Jacobian product between every two times.

    ``reach[end, start, i] = log sigma_{i+1}(P[end, start])``: how strongly the state at ``end``
    can depend on the state at ``start``.

    Parameters
    ----------
    step, params, state, inputs, length
        As for `trajectory`.
    top : int
        How many singular values, 1 to n.
    chunk : int
        How many starts are followed at once, at least 1: working memory is about 8 ``chunk`` n^2
        numbers.
    of, wrt
        What is looked at in the end and varied at the start, as for `spectrum`. With "inputs",
        ``reach[end, start]`` is that of ``d s_end / d x_start``, the input of step ``start``.

    Returns
    -------
    Array, shape (T+1, T+1, top)
        Natural logs, descending along the last axis; 0 on the diagonal of a map between whole
        states (the empty product), NaN for ``start > end`` where there is no product, for times
        after the end of a padded sequence, and for the input of a step 0; -inf for lost directions.

    Raises
    ------
    ValueError, TypeError
        As `trajectory`; if ``top`` is not between 1 and n, or the number of values that ``of`` and
        ``wrt`` leave, or ``chunk`` below 1; or if ``of`` or ``wrt`` is no part of the state.

    Notes
    -----
    Accuracy as `spectrum`, and eps^(2/3) more where ``top`` values lie close enough together for an
    ordinary SVD. T^2 / 2 graded steps and as many small SVDs; at n = 64 some 0.2 ms a pair for
    ``top=1``. Values too wide apart for that cost up to 1.5 ms a pair. Under `jax.vmap` every pair
    costs the most: use `jax.lax.map` instead. Not differentiable.

    Examples
    --------
    >>> reach(lambda p, s, x: 0.5 * s, None, jnp.zeros(1), length=1)[1, 0] / jnp.log(2.0)
    Array([-1.], dtype=float32)
    """
    logs = _reach(step, params, state, inputs, length, top, chunk, of, wrt)
    ends = jnp.arange(logs.shape[0], dtype=jnp.int32)
    none = ends[:, None] < ends[None, :]
    if wrt == INPUTS:
        none = none | (ends == 0)[None, :]
    if is_array(length):
        none = none | (ends > jnp.asarray(length, jnp.int32))[:, None]
    return undefined(none[:, :, None], logs)


@compiled("step", "length", "top", "chunk", "of", "wrt")
def _reach(step, params, state, inputs, length, top, chunk, of, wrt) -> jax.Array:
    """The logs, with 0 for what ends before it starts."""
    system = undifferentiated(bind(step, params, state, inputs, length), "reach")
    n, dtype = system.start.size, system.start.dtype
    ended = None if of is None else end(system, of)
    sizes = [n] if ended is None else [n, ended.form.size]
    chunk = min(checks.integer("chunk", chunk, 1), system.length + 1)
    points = flat_trajectory(system)
    frames = None
    if wrt is not None:
        frames, varied = _frames(system, points, wrt)
        sizes.append(varied)
    top = checks.integer("top", top, 1, min(sizes))
    ends = jnp.arange(system.length + 1)
    chunks = -(-ends.size // chunk)
    start = running.identity(n, dtype, turn=wrt is not None)
    empty = jax.tree.map(lambda a: jnp.broadcast_to(a, (chunk, *a.shape)), start)
    # the empty product between whole states needs no work
    whole, earliest = of is None and wrt is None, int(wrt == INPUTS)

    def one_chunk(first: jax.Array) -> jax.Array:
        starts = first + jnp.arange(chunk)
        begun_at = None if frames is None else frames[jnp.minimum(starts, system.length)]

        def one_end(t: jax.Array, carry: tuple) -> tuple:
            products, logs = carry
            if system.length:  # without a step there is no row of inputs to trace
                products = _extend(products, _jacobian(system, points, t - 1), starts < t)
            wanted = starts < t if whole else (starts <= t) & (starts >= earliest)
            readout = None
            if ended is not None:
                readout = ended.readout(jax.tree.map(lambda rows: rows[t], points))
            found = _leading(products, wanted, top, min(sizes), readout, begun_at)
            return products, logs.at[t].set(jnp.where(wanted[:, None], found, logs[t]))

        logs = jnp.zeros((ends.size, chunk, top), dtype)
        # no product of these starts ends before the first of them
        return jax.lax.fori_loop(first + int(whole), ends.size, one_end, (empty, logs))[1]

    logs = jax.lax.map(one_chunk, chunk * jnp.arange(chunks))
    return jnp.moveaxis(logs, 0, 1).reshape(ends.size, chunks * chunk, top)[:, : ends.size]


def _frames(system: System, points: Point, wrt: Any) -> tuple[jax.Array, int]:
    """The frames B of all starts, (T+1, n, p), and p; with "inputs" the first of them is zero."""
    if wrt != INPUTS:
        frame = picked(system, wrt).frame
        return jnp.broadcast_to(frame, (system.length + 1, *frame.shape)), frame.shape[1]
    size = input_form(system).size
    before = jax.tree.map(lambda rows: rows[:-1], points)
    frames = jax.vmap(lambda point, x: input_frame(system, point, x))(before, system.inputs)
    return jnp.pad(frames, ((1, 0), (0, 0), (0, 0))), size


def _jacobian(system: System, points: Point, t: jax.Array) -> jax.Array:
    point, x = jax.tree.map(lambda rows: rows[t], (points, system.inputs))
    eye = jnp.eye(system.start.size, dtype=system.start.dtype)
    return push_forward(system, point, x, eye)[1].T


def _extend(products: Running, jacobian: jax.Array, begun: jax.Array) -> Running:
    """The products of a chunk with one more factor, those that have begun."""
    count, n, _ = products.vectors.shape
    # one product of n by chunk * n instead of many small ones
    images = (products.vectors.reshape(count * n, n) @ jacobian.T).reshape(count, n, n)
    longer = jax.vmap(in_turns(lengthen, n))(products, images)
    return jax.tree.map(lambda a, b: jax.vmap(jnp.where)(begun, a, b), longer, products)


def _leading(
    products: Running,
    wanted: jax.Array,
    top: int,
    count: int,
    readout: jax.Array | None,
    frames: jax.Array | None,
) -> jax.Array:
    """The ``top`` of ``count`` log singular values of each of the products that are wanted."""

    def dense(product: Running, frame: jax.Array | None) -> tuple[jax.Array, jax.Array]:
        return _by_dense_svd(product, top, readout, frame)

    values, certain = jax.vmap(dense)(products, frames)
    rows = min(count, 2 * top + 16)

    def refine(rows: int, otherwise):
        def one(product: Running, frame: jax.Array | None) -> tuple[jax.Array, jax.Array]:
            if readout is not None:
                product, _ = seen_through(product, None, readout)
            if frame is not None:
                product, _ = started_from(product, None, frame)
            return _by_jacobi(product, rows, top)

        def jacobi_of_rows(values, certain):
            finer, enough = jax.vmap(one)(products, frames)
            values = jnp.where(certain[:, None], values, finer)
            return otherwise(values, certain | enough)

        def unless_done(values, certain):
            done = jnp.all(certain | ~wanted)
            return jax.lax.cond(done, lambda v, _: v, jacobi_of_rows, values, certain)

        return unless_done

    everything = refine(count, lambda values, _: values)
    return (everything if rows == count else refine(rows, everything))(values, certain)


def _by_dense_svd(
    product: Running, top: int, readout: jax.Array | None, frame: jax.Array | None
) -> tuple[jax.Array, jax.Array]:
    """Leading values of the product multiplied out, and whether they are accurate.

    With the largest scale taken out nothing overflows, and what underflows is far below the values
    trusted: rounding moves each by eps sigma_1, which is allowed to be eps^(2/3) of the last.
    """
    alive = ~is_lost(product.exponent)
    largest = jnp.max(jnp.where(alive, product.exponent, LOST))
    largest = jnp.where(is_lost(largest), 0, largest)
    scale = power_of_two(product.exponent - largest, product.lower.dtype)
    dense = product.lower @ (scale[:, None] * product.vectors)
    if frame is not None:
        assert product.turn is not None
        dense = frame.T @ product.turn @ dense
    if readout is not None:
        dense = dense @ readout.T
    sigma = jnp.linalg.svd(dense, compute_uv=False)
    # a rank that is exactly known to be smaller needs no digits beyond it
    rank = jnp.sum(alive)
    values = jnp.where(jnp.arange(top) < rank, jnp.log(sigma[:top]), -jnp.inf)
    last = jnp.log(sigma)[jnp.clip(rank, 1, top) - 1]
    limit = jnp.log(jnp.finfo(sigma.dtype).eps) / 3
    # NaN is beyond help
    certain = (rank == 0) | jnp.isnan(last) | (last - jnp.maximum(values[0], 0) > limit)
    return values + log_of(largest, values.dtype), certain


def _by_jacobi(product: Running, rows: int, top: int) -> tuple[jax.Array, jax.Array]:
    """Leading values of the ``rows`` largest directions, and whether the rest is negligible."""
    balanced, _ = running.rebalance(product)
    logs, factor = log_of(balanced.exponent, balanced.lower.dtype), balanced.lower.T
    values = jacobi.log_singular_values(logs[:rows], factor[:rows]).values[:top]
    rest, _ = jacobi.normalise_rows(logs[rows:], factor[rows:])
    # n rows below eps sigma / n move no value by more than eps (Weyl)
    limit = jnp.log(jnp.finfo(values.dtype).eps / logs.size)
    return values, jnp.max(rest, initial=-jnp.inf) <= values[-1] + limit
