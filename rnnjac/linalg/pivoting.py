"""Elimination with complete pivoting of a matrix whose rows and columns carry scales of any range.

It does not see diagonal scalings: with pivot (p, q) of diag(2^a) X diag(2^b) the multipliers are
x_iq / x_pq 2^(a_i - a_p). So it finds rank exactly where rounding lets it, and keeps the digits of
every direction, at the price of one pass over the matrix for each pivot.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjac.linalg.powers import LOST, exponent_of, is_lost, power_of_two


class Pivoted(NamedTuple):
    """diag(2^a) X diag(2^b) = L diag(2^k) U, with entries of L and U below 2.

    ``left`` is L, ``exponent`` k with the lost directions last, ``right`` U; ``triangle`` R of the
    elimination X[rows][:, columns] = L R without its scales; ``certain`` whether every lost
    direction is lost by the zeros of X alone, none by rounding.
    """

    left: jax.Array
    exponent: jax.Array
    right: jax.Array
    triangle: jax.Array
    rows: jax.Array
    columns: jax.Array
    certain: jax.Array


def eliminate(core: jax.Array, row_exponent: jax.Array, column_exponent: jax.Array) -> Pivoted:
    """Elimination of diag(2^row_exponent) core diag(2^column_exponent), largest pivot first."""
    n, k = core.shape
    count = jnp.arange(n)
    alive_rows, alive_columns = ~is_lost(row_exponent), ~is_lost(column_exponent)
    a, b = jnp.where(alive_rows, row_exponent, 0), jnp.where(alive_columns, column_exponent, 0)

    def one(step: jax.Array, carry: tuple) -> tuple:
        x, touched, row_step, column_step, left, exponent, kept, certain = carry
        rows, columns = alive_rows & (row_step == k), alive_columns & (column_step == k)
        here = rows[:, None] & columns[None, :]
        size = jnp.where(here & (x != 0), a[:, None] + exponent_of(x) + b[None, :], LOST)
        p, q = jnp.unravel_index(jnp.argmax(size), (n, k))
        largest = size[p, q]
        lost = is_lost(largest)
        ratio = jnp.where(rows & ~lost & (count != p), x[:, q] / jnp.where(lost, 1, x[p, q]), 0)
        column = jnp.where(count == p, 1, ratio * power_of_two(a - a[p], x.dtype))
        certain = certain & (~lost | ~jnp.any(touched & here))
        left = left.at[:, step].set(jnp.where(lost, 0, column))
        kept = kept.at[step].set(jnp.where(columns & ~lost, x[p], 0))
        exponent = exponent.at[step].set(jnp.where(lost, LOST, largest))
        row_step = row_step.at[p].set(jnp.where(lost, row_step[p], step))
        column_step = column_step.at[q].set(jnp.where(lost, column_step[q], step))
        touched = touched | ((touched[:, q] & rows)[:, None] & touched[p][None, :] & ~lost)
        below = rows & ~lost & (count != p)
        x = x - ratio[:, None] * x[p][None, :]
        x = jnp.where(below[:, None] & (jnp.arange(k) == q)[None, :], 0, x)
        return x, touched, row_step, column_step, left, exponent, kept, certain

    # no step yet has taken any row or column
    steps = jnp.full(n, k, count.dtype), jnp.full(k, k, count.dtype)
    result = jnp.zeros_like(core), jnp.full(k, LOST, jnp.int32), jnp.zeros((k, k), core.dtype)
    start = (core, core != 0, *steps, *result, jnp.ones((), bool))
    _, _, row_step, column_step, left, exponent, kept, certain = jax.lax.fori_loop(0, k, one, start)
    rows, columns = jnp.argsort(row_step), jnp.argsort(column_step)
    lost = is_lost(exponent)
    # each lost direction gets a row of its own that no other has
    left = jnp.where(lost[None, :], jnp.eye(n, dtype=core.dtype)[rows[:k]].T, left)
    scale = jnp.where(lost, 0, exponent - a[rows[:k]])
    right = kept * power_of_two(b[None, :] - scale[:, None], core.dtype)
    return Pivoted(left, exponent, right, jnp.triu(kept[:, columns]), rows, columns, certain)
