"""Singular values and vectors of a graded product, at any range of the values.

As `rnnjac.linalg.jacobi`, with the rotations kept: meant for the small cores that a few tangent
vectors leave behind.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac.linalg.graded import GradedProduct, by_scale, orthogonal_left
from rnnjac.linalg.jacobi import MAX_SWEEPS, graded_exponential, normalise_rows


class GradedSVD(NamedTuple):
    """Factors of ``P = left @ diag(e^log_singular_values) @ right.T``, values descending.

    The columns of ``left`` and ``right`` are orthonormal; those of ``left`` that belong to a lost
    direction (-inf) are zero.
    """

    left: jax.Array
    log_singular_values: jax.Array
    right: jax.Array


def graded_svd(product: GradedProduct) -> GradedSVD:
    """Singular value decomposition of a graded product of size k; O(k^3) work a sweep.

    With P = Q_1 diag(e^l) V and V^T = Q_2 R, rotations G of the rows of R diag(e^l) end in
    G R diag(e^l) = diag(sigma) W^T, so that P = (Q_1 W) diag(sigma) (Q_2 G^T)^T.
    """
    outer, scale, factor = orthogonal_left(by_scale(product)[0])
    logs, rows = normalise_rows(scale, factor)
    order = jnp.argsort(-logs)
    logs = logs[order]
    inner, triangle = jnp.linalg.qr(rows[order].T)
    start = normalise_rows(logs, triangle * graded_exponential(logs, logs))
    logs, rows, turned = _rotate_until_orthogonal(*start)
    last = jnp.argsort(-logs)
    return GradedSVD(outer[:, order] @ rows[last].T, logs[last], inner @ turned[last].T)


def _rotate_until_orthogonal(
    logs: jax.Array, rows: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Rows made orthogonal, their log norms, and the orthogonal matrix that was applied to them."""
    k = logs.size
    turned = jnp.eye(k, dtype=rows.dtype)
    if k == 1:
        return logs, rows, turned
    rounds = jnp.asarray(_round_robin(k))
    tolerance = 0.1 * jnp.sqrt(jnp.finfo(rows.dtype).eps)

    def sweep(carry: tuple) -> tuple:
        count, _, logs, rows, turned = carry
        start = (jnp.zeros((), rows.dtype), logs, rows, turned)
        return count + 1, *jax.lax.fori_loop(
            0, rounds.shape[0], lambda r, c: _round(rounds[r], *c), start
        )

    def unfinished(carry: tuple) -> jax.Array:
        return (carry[1] > tolerance) & (carry[0] < MAX_SWEEPS)

    start = (0, jnp.full((), jnp.inf, rows.dtype), logs, rows, turned)
    return jax.lax.while_loop(unfinished, sweep, start)[2:]


def _round(pairs: jax.Array, worst, logs, rows, turned) -> tuple:
    """Disjoint pairs of rows made orthogonal; the angles are those of `rnnjac.linalg.jacobi`."""
    first, second = pairs
    swap = logs[first] < logs[second]
    i, j = jnp.where(swap, second, first), jnp.where(swap, first, second)
    lost = jnp.isneginf(logs[j])
    gap = jnp.where(lost, -jnp.inf, jnp.where(lost, 0, logs[j]) - jnp.where(lost, 0, logs[i]))
    ratio, spread = jnp.exp(gap), -jnp.expm1(2 * gap)
    overlap = jnp.sum(rows[i] * rows[j], axis=1)
    root = spread + jnp.sqrt(spread * spread + 4 * ratio * ratio * overlap * overlap)
    tau = jnp.where(root == 0, 0, 2 * overlap / jnp.where(root == 0, 1, root))
    tangent = tau * ratio
    cosine = jax.lax.rsqrt(1 + tangent * tangent)[:, None]
    tau, tangent, ratio = tau[:, None], tangent[:, None], ratio[:, None]
    longer = normalise_rows(logs[i], cosine * (rows[i] + tangent * ratio * rows[j]))
    shorter = normalise_rows(logs[j], cosine * (rows[j] - tau * rows[i]))
    logs = logs.at[i].set(longer[0]).at[j].set(shorter[0])
    rows = rows.at[i].set(longer[1]).at[j].set(shorter[1])
    turned_i = cosine * (turned[i] + tangent * turned[j])
    turned_j = cosine * (turned[j] - tangent * turned[i])
    turned = turned.at[i].set(turned_i).at[j].set(turned_j)
    return jnp.maximum(worst, jnp.max(jnp.abs(overlap))), logs, rows, turned


def _round_robin(k: int) -> np.ndarray:
    """Disjoint pairs of 0 ... k-1, every pair in one of the rounds: (rounds, 2, pairs).

    Circle method. With k odd, a dummy pairs off the one that sits out.
    """
    circle, pairs = list(range(k + k % 2)), []
    half = len(circle) // 2
    for _ in range(len(circle) - 1):
        tops, bottoms = circle[:half], circle[half:][::-1]
        pairs.append([p for p in zip(tops, bottoms, strict=True) if max(p) < k])
        circle = [circle[0], circle[-1], *circle[1:-1]]
    return np.asarray(pairs, np.int32).transpose(0, 2, 1)
