"""First-order estimate of the rounding error in the scales of a running product.

A step computes Y = J L with an error dY of the size of each row of Y, and factors it as L' R. That
error, and the tilt F of L that earlier steps left behind (L (I + F) is what L should be), act as

    P -> L' (I + X) R P,      X = R F R^-1 + N,      N = L'^-1 dY R^-1.

The diagonal of X is the relative error of each scale. What stands right of it is damped on its way
into V, and is left out: its effects on V are undone in part by those on L, and an estimate without
it is closer to the truth. What stands left of it tilts L'. It does no harm until a later step makes
a direction that was small outgrow a large one, or mixes them; so it is carried along.

Several steps go together. Their R multiply to one C, and R F R^-1 becomes C F C^-1: the diagonals
of single steps mostly cancel from one step to the next, since L' is not orthogonal. dY is modelled
by `TERMS` random terms of rank one, new ones for each block, so that two triangular solves with as
many right-hand sides give N.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.lax.linalg import triangular_solve

from rnnjac.linalg.running import Elimination, Rebalancing
from rnnjac.linalg.signs import normals, signs

# The true error lies within this factor of the estimate in 99 of 100 cases (tests/test_truth.py).
SAFETY = 2.0
# Rank-one terms of dY; the diagonal of N is a mean over them.
TERMS = 3
# Nothing is followed beyond this size: in units of eps it is no information at all in any
# precision.
LIMIT = 1e30
# Pivots further apart than 2^100 count as 2^100 apart, so that their ratios stay in range.
FAR = 50.0


class Rounding(NamedTuple):
    """What rounding has done to a running product so far, in units of eps.

    ``variance`` is the sum of the squared relative errors of each scale, inf once rounding may have
    made a pivot zero or a zero one nonzero. ``tilt`` is F, strictly lower, transposed; float32.
    """

    variance: jax.Array
    tilt: jax.Array


def exact(n: int, dtype) -> Rounding:
    """No rounding yet."""
    return Rounding(jnp.zeros(n, dtype), jnp.zeros((n, n), jnp.float32))


class Steps(NamedTuple):
    """What some steps together did: J_m ... J_1 L = L' diag(2^e) C, and the last of them alone.

    ``triangle`` is C^T, ``exponent`` e, ``last`` the elimination of the last step, ``sizes`` those
    of the rows of its image over their pivots, ``noise`` the sum of their squares over all steps,
    and ``count`` their number.
    """

    triangle: jax.Array
    exponent: jax.Array
    last: Elimination
    sizes: jax.Array
    noise: jax.Array
    count: jax.Array


def sizes_of(image: jax.Array, step: Elimination) -> jax.Array:
    """The largest entry of each row of J L over the pivot of the row, 0 for a row of zeros."""
    largest = jnp.max(jnp.abs(image), axis=0)
    pivots = jnp.abs(jnp.diagonal(step.packed))
    return largest[step.rows] / jnp.where(pivots == 0, 1, pivots)


def after_steps(before: Rounding, steps: Steps, lost: jax.Array, time: jax.Array) -> Rounding:
    """Rounding after a few steps that end at a time. ``lost`` directions have no error.

    The noise of the last one stands for all, in proportion to the sizes of their rows over their
    pivots.
    """
    last = steps.last
    rows, columns = _noise(steps, lost, time)
    others = jnp.maximum(steps.noise - steps.sizes**2, 0).astype(jnp.float32)
    fresh = (jnp.mean(rows**2, axis=0) + others) * jnp.mean(columns**2, axis=0)
    pivots = _pivots(steps.triangle, lost)
    unit = steps.triangle / pivots[None, :] + jnp.diag(lost.astype(pivots.dtype))
    turned = _conjugated(_limited(unit).astype(jnp.float32), before.tilt)
    added = jnp.where(lost, 0, fresh + jnp.diagonal(turned) ** 2)
    # a pivot that is no more than two units in the last place of its row could as well be zero,
    # and so could a scale that these few steps moved by half of itself
    eps = float(jnp.finfo(pivots.dtype).eps)
    doubtful = (2 * eps * steps.sizes >= 1) | (SAFETY * eps * jnp.sqrt(added) >= 0.5)
    added = jnp.where(doubtful & ~lost, jnp.inf, added)
    sizes = jnp.log2(jnp.stack([pivots, _pivots(last.packed, lost)]))
    sizes = sizes.at[0].add(steps.exponent.astype(sizes.dtype))
    grown, ratio = _centred(sizes, lost)
    share = jnp.sqrt(steps.count.astype(jnp.float32) / TERMS)
    noise = share * ((columns / ratio[None, :]).T @ (rows * ratio[None, :]))
    # an entry of L' that is zero was never there to be eliminated
    noise = jnp.where(last.packed == 0, 0, noise)
    tilt = turned * (grown[None, :] * (1 / grown)[:, None]) + noise
    return _added(before, added, tilt, lost)


def after_rebalancing(before: Rounding, change: Rebalancing, lost: jax.Array) -> Rounding:
    """Rounding after a rebalancing, L[:, order] = L' B: it tilts L' by B F B^-1.

    Each row of U and each column of L is rounded by eps of its size, which moves the scale of a
    direction by its `spread`.
    """
    n = lost.size
    tilt = reordered(before, change.order).tilt
    base = change.change.astype(jnp.float32)
    turned = _limited(jnp.linalg.solve(base.T, tilt @ base.T))
    own = _limited(change.spread).astype(jnp.float32)
    added = jnp.where(lost, 0, jnp.diagonal(turned) ** 2 + own**2)
    first, second = signs(2, n)
    noise = (own * first)[:, None] * second[None, :]
    return _added(reordered(before, change.order), added, turned + noise, lost)


def reordered(before: Rounding, order: jax.Array) -> Rounding:
    """Rounding of the same product with its directions in another order."""
    return Rounding(before.variance[order], before.tilt[order][:, order])


def error_of_logs(values: jax.Array, relative: jax.Array) -> jax.Array:
    """Bounds on |error| of sorted ``values`` (log sigma) from their own errors, in the same order.

    Neighbours share their errors, since they mix. A value whose relative error may be 1 may be
    zero: its lower end is -inf, and every later value may stand one place higher. The sorted ends
    of all intervals bound the sorted truth.
    """
    lost, unsure = jnp.isneginf(values), ~(relative < 1)
    place = jnp.where(lost, 0, values)
    near = jnp.exp(-jnp.abs(place[:, None] - place[None, :]))
    near = jnp.where(lost[:, None] | lost[None, :], 0, near)
    error = jnp.max(near * jnp.where(unsure, 1, relative)[None, :], axis=1)
    low = jnp.where(lost | unsure, -jnp.inf, values - error)
    below = values - _descending(low)
    above = _descending(values + error) - values
    error = jnp.maximum(error, jnp.maximum(below, above))
    return jnp.where(lost, jnp.where(unsure, jnp.inf, 0), error)


def _noise(steps: Steps, lost: jax.Array, time: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(TERMS, n) vectors u, v with N_ij = sum_t u_ti v_tj r_i / r_j / TERMS^(1/2).

    With dY = sum_t (size * a_t) b_t^T: u_t is L'^-1 (size * a_t) over the pivots, v_t R^-T b_t
    times them.
    """
    n, packed = lost.size, steps.last.packed
    dtype = packed.dtype
    packed = packed + jnp.diag((jnp.diagonal(packed) == 0).astype(dtype))
    pivots = _pivots(packed, lost)
    a, b = normals(TERMS, n, time), normals(TERMS, n, 7 * time + 1)
    weighted = a.astype(dtype).T * (steps.sizes * pivots)[:, None]
    # of the transpose, which is as LAPACK left it
    below = triangular_solve(packed.T, weighted, left_side=True, lower=True, unit_diagonal=True)
    right = triangular_solve(
        packed.T, b.astype(dtype).T, left_side=True, lower=False, transpose_a=True
    )
    both = jnp.stack([below / pivots[:, None], right * pivots[:, None]])
    both = jnp.where(lost[:, None], 0, both)
    return tuple(_limited(both).astype(jnp.float32).swapaxes(1, 2))


def _conjugated(unit: jax.Array, tilt: jax.Array) -> jax.Array:
    """C_1 F C_1^-1, where ``unit`` is C_1^T and ``tilt`` F^T; transposed."""
    moved = triangular_solve(unit.T, (tilt @ unit).T, left_side=False, lower=False).T
    return _limited(moved)


def _pivots(triangle: jax.Array, lost: jax.Array) -> jax.Array:
    pivots = jnp.abs(jnp.diagonal(triangle))
    return jnp.where(lost | (pivots == 0), 1, pivots)


def _centred(logs: jax.Array, lost: jax.Array) -> jax.Array:
    """2^logs over their geometric mean in each row, float32, no further than 2^FAR from 1."""
    logs = jnp.where(lost, logs[:, :1], logs)  # lost directions stand last
    logs = logs - jnp.mean(logs, axis=1, keepdims=True)
    return jnp.exp2(jnp.clip(logs, -FAR, FAR).astype(jnp.float32))


def _added(before: Rounding, added: jax.Array, tilt: jax.Array, lost: jax.Array) -> Rounding:
    """More variance, and another tilt."""
    variance = before.variance + added.astype(before.variance.dtype)
    strict = jnp.triu(~(lost[:, None] | lost[None, :]), 1)
    return Rounding(variance, jnp.where(strict, _limited(tilt), 0))


def _limited(x: jax.Array) -> jax.Array:
    return jnp.clip(jnp.where(jnp.isnan(x), LIMIT, x), -LIMIT, LIMIT)


def _descending(x: jax.Array) -> jax.Array:
    return -jnp.sort(-x)
