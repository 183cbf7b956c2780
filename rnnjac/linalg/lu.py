"""Tangent frames that are pushed along and kept well-conditioned by elimination.

Leading column spans survive elimination (Y = L R, R upper triangular), so one QR of L gives what
the QR recursion of Benettin et al. (1980) would have found at that time, at a fraction of its cost.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

BYTE = 256  # places that one byte can tell apart


def generic(n: int, k: int, dtype) -> jax.Array:
    """A fixed (n, k) frame whose leading spans are in general position.

    Unit lower triangular: that reaches every generic flag (a random matrix is L R), and columns of
    zeros at the end of a Jacobian still map the last frame vectors to exactly zero.
    """
    # drawn vector by vector: the first k do not depend on how many follow
    below = np.random.default_rng(0).normal(size=(k, n)).T / np.sqrt(n)
    return jnp.asarray(np.eye(n, k) + np.tril(below, -1), dtype)


@jax.custom_jvp
def eliminate(image: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Factor L' of an (n, k) image = L' R, rows in place, and log |r_ii|; -inf for a zero pivot."""
    lower, log_pivots, _ = _factor(image)
    return lower, log_pivots


@eliminate.defjvp
def _eliminate_jvp(primals: tuple, tangents: tuple) -> tuple:
    """Derivative of the factors: with Z = dY R^-1 and X the top of L'^-1 Z, dL' = Z - L' triu(X).

    d log r_ii = X_ii. A zero pivot counts as 1, so that a lost direction has derivative 0 and
    spoils no other.
    """
    (image,), (change,) = primals, tangents
    lower, log_pivots, (packed, rows) = _factor(image)
    k = image.shape[1]
    lost = jnp.isneginf(log_pivots)
    triangle = jnp.where(jnp.diag(lost), 1, packed[:k])
    solved = solve_triangular(triangle, change.T, trans="T").T
    x = solve_triangular(packed[:k], solved[rows][:k], lower=True, unit_diagonal=True)
    # rules of differentiation are traced after the context that the function was traced in
    lower_change = solved - jnp.matmul(lower, jnp.triu(x), precision="highest")
    return (lower, log_pivots), (lower_change, jnp.where(lost, 0, jnp.diagonal(x)))


@jax.custom_jvp
def log_volumes(frame: jax.Array) -> jax.Array:
    """Logs of |r_ii| in the QR of a frame: what each vector adds to the volume before it."""
    triangle = jnp.linalg.qr(frame, mode="r")
    return jnp.log(jnp.abs(jnp.diagonal(triangle)))


@log_volumes.defjvp
def _log_volumes_jvp(primals: tuple, tangents: tuple) -> tuple:
    """With L = Q R: d log |r_ii| = (Q^T dL R^-1)_ii, which takes no product of matrices."""
    (frame,), (change,) = primals, tangents
    orthogonal, triangle = jnp.linalg.qr(frame)
    moved = solve_triangular(triangle, change.T, trans="T").T
    logs = jnp.log(jnp.abs(jnp.diagonal(triangle)))
    return logs, jnp.sum(orthogonal * moved, axis=0)


def in_place(packed: jax.Array, rows: jax.Array) -> jax.Array:
    """Factor L' of LAPACK's packed LU of an (n, k) matrix with its rows back in their places.

    Both are transposed, (k, n), as LAPACK stores them. ``rows[i]`` is the original place of row i.
    Gathered by the inverse order in one pass.
    """
    k, n = packed.shape
    count = jnp.arange(n, dtype=rows.dtype)
    sure = {"mode": "promise_in_bounds", "unique_indices": True}
    inverse = jnp.zeros_like(rows).at[rows].set(count, **sure)
    column, row = count[:k, None], inverse[None, :]
    moved = packed.at[:, inverse].get(**sure)
    return jnp.where(column < row, moved, (column == row).astype(packed.dtype))


def lu(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """LAPACK's packed LU of an (n, k) matrix, and the original place of each of its rows."""
    packed, pivots, rows = jax.lax.linalg.lu(matrix)
    n = matrix.shape[0]
    if n > BYTE:
        return packed, rows
    in_bytes = functools.partial(_order_of_rows, n)
    order = jax.lax.platform_dependent(
        pivots, rows, cpu=lambda pivots, _: in_bytes(pivots), default=lambda _, rows: rows
    )
    return packed, order


def _order_of_rows(n: int, pivots: jax.Array) -> jax.Array:
    """Which of n rows is where after row i has changed places with row pivots[i], for each i.

    A CPU runs a loop over less than a kilobyte as one piece of code, and any other op by op, ten
    times as slow; in bytes, those of up to some 200 rows are small enough.
    """
    swaps = pivots.astype(jnp.uint8)

    def swap(i: jax.Array, order: jax.Array) -> jax.Array:
        j = jax.lax.dynamic_index_in_dim(swaps, i, keepdims=False).astype(jnp.int32)
        first, second = (jax.lax.dynamic_index_in_dim(order, k, keepdims=False) for k in (i, j))
        order = jax.lax.dynamic_update_index_in_dim(order, second, i, 0)
        return jax.lax.dynamic_update_index_in_dim(order, first, j, 0)

    start, stop = jnp.zeros((), jnp.int32), jnp.asarray(pivots.size, jnp.int32)
    order = jax.lax.fori_loop(start, stop, swap, jnp.arange(n, dtype=jnp.uint8))
    return order.astype(jnp.int32)


def _factor(image: jax.Array) -> tuple[jax.Array, jax.Array, tuple[jax.Array, jax.Array]]:
    packed, rows = lu(image)
    lower = in_place(packed.T, rows).T
    return lower, jnp.log(jnp.abs(jnp.diagonal(packed))), (packed, rows)
