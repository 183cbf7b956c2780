"""Singular values of diag(e^l) V at any range of l: one-sided Jacobi on log-scaled rows.

A row is held as (log norm l_i, unit vector v_i), so that a pair of rows whose lengths differ by
e^1000 is rotated with the same relative accuracy as a pair of equal lengths (Demmel & Veselic 1992:
one-sided Jacobi keeps the relative accuracy that a badly scaled, well-conditioned matrix allows).

QRs of the transposed factor come first: with V^T = Q R, the rows of R diag(e^l) have the singular
values of diag(e^l) V, and entry (k, j) of row k is damped by e^(l_j - l_k), so that they are nearly
orthogonal to begin with (Drmac & Veselic 2008). Column scaling commutes with QR, so the range of l
plays no part in it. Each further QR damps once more, for less than a sweep of rotations costs.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

MAX_SWEEPS = 40
# Overlaps that end the rotations, in units of eps: rounding alone leaves some 2.
ORTHOGONAL = 8.0
# Pairs of QRs after the first one, before the rotations.
PAIRS = 2


class LogSpectrum(NamedTuple):
    """Log singular values, descending, and how well they are determined.

    ``order`` says which row of the factor each value stems from (as far as rows and values are
    separate), ``sensitivity`` how much a relative error of 1 in the rows of the factor moves log
    sigma, and ``residual`` the effect of what the rotations left over.
    """

    values: jax.Array
    order: jax.Array
    sensitivity: jax.Array
    residual: jax.Array


class Rows(NamedTuple):
    """Rows e^l_i v_i, and the rows of an orthogonal matrix that is rotated along with them."""

    logs: jax.Array
    units: jax.Array
    turned: jax.Array

    def taken(self, order: jax.Array | slice) -> "Rows":
        """The rows in another order."""
        return Rows(*(part[order] for part in self))


def log_singular_values(log_scale: jax.Array, factor: jax.Array) -> LogSpectrum:
    """Log singular values of ``diag(e^log_scale) @ factor``.

    Parameters
    ----------
    log_scale : Array, shape (m,)
        Natural logs of the row scales, in any range; -inf for a row that is exactly zero.
    factor : Array, shape (m, n)
        Rows of moderate size, well-conditioned once their lengths are divided out; m <= n.

    Returns
    -------
    LogSpectrum
        Four arrays of shape (m,); values are -inf for each lost direction.
    """
    logs, units, order = _longest_first(*normalise_rows(log_scale, factor))
    first, _ = _damped(logs, units)
    start = (*first, jnp.eye(logs.size, dtype=units.dtype))
    damped, units, turn = jax.lax.fori_loop(0, PAIRS, _damped_twice, start)
    values, units, _ = orthogonal_rows(damped, units, jnp.zeros((logs.size, 0), units.dtype))
    left = units @ turn.T
    return LogSpectrum(values, order, _sensitivity(logs, values, left), _residual(values, units))


def orthogonal_rows(logs: jax.Array, units: jax.Array, turned: jax.Array) -> Rows:
    """Rows rotated until every two are orthogonal, longest first.

    ``turned`` (m, any) is multiplied by the same rotations: with the identity it becomes G in G
    diag(e^l) V = diag(sigma) W^T, where sigma and W^T are the new rows. Convergence is quadratic: a
    sweep that starts with max |v_i . v_j| = sqrt(eps) ends at eps. One product of matrices sees
    earlier whether nothing is left, without a sweep that changes nothing.
    """
    m = logs.size
    rows = Rows(logs, units, turned)
    if m == 1:
        return rows
    if m % 2:  # an odd count gets a zero row of log norm -inf, which no rotation touches
        none = Rows(jnp.full(1, -jnp.inf, logs.dtype), *(jnp.zeros_like(x[:1]) for x in rows[1:]))
        rows = Rows(*map(jnp.concatenate, zip(rows, none, strict=True)))
    half = rows.logs.size // 2
    tolerance = 0.1 * jnp.sqrt(jnp.finfo(units.dtype).eps)

    def sweep(carry: tuple) -> tuple:
        count, _, tops, bottoms = carry
        start = (jnp.zeros((), units.dtype), tops, bottoms)
        worst, tops, bottoms = jax.lax.fori_loop(0, 2 * half - 1, _round, start)
        return count + 1, (worst > tolerance) & left_over(tops, bottoms), tops, bottoms

    def left_over(tops: Rows, bottoms: Rows) -> jax.Array:
        overlap = jnp.max(_overlaps(jnp.concatenate([tops.units, bottoms.units])))
        return ~(overlap <= ORTHOGONAL * jnp.finfo(units.dtype).eps)  # or NaN

    def unfinished(carry: tuple) -> jax.Array:
        count, more, _, _ = carry
        return more & (count < MAX_SWEEPS)

    tops, bottoms = rows.taken(slice(half)), rows.taken(slice(half, None))
    start = (0, left_over(tops, bottoms), tops, bottoms)
    _, _, tops, bottoms = jax.lax.while_loop(unfinished, sweep, start)
    rows = Rows(*map(jnp.concatenate, zip(tops, bottoms, strict=True)))
    # a row of padding has stayed at -inf, behind every other
    return rows.taken(jnp.argsort(-rows.logs, stable=True)[:m])


def graded_exponential(columns: jax.Array, rows: jax.Array) -> jax.Array:
    """Upper triangle of e^(columns_j - rows_i), 0 below and where either log is -inf.

    Below the diagonal the exponential may overflow, and the difference of two logs that are -inf
    is NaN; neither is ever wanted.
    """
    present = jnp.triu(~(jnp.isneginf(rows)[:, None] | jnp.isneginf(columns)[None, :]))
    difference = columns[None, :] - rows[:, None]
    return jnp.where(present, jnp.exp(jnp.where(present, difference, 0)), 0)


def normalise_rows(logs: jax.Array, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The same log-scaled rows with unit vectors; a zero row gets the log norm -inf."""
    norms = jnp.sqrt(jnp.sum(rows * rows, axis=1))
    gone = norms == 0
    logs = jnp.where(gone, -jnp.inf, logs + jnp.log(jnp.where(gone, 1, norms)))
    return logs, rows / jnp.where(gone, 1, norms)[:, None]


def _longest_first(logs: jax.Array, rows: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Log-scaled rows in descending order, and that order."""
    order = jnp.argsort(-logs)
    return logs[order], rows[order], order


def _damped(logs: jax.Array, rows: jax.Array) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
    """Log-scaled rows of R diag(e^l), and Q, where V^T = Q R."""
    orthogonal, triangle = jnp.linalg.qr(rows.T)
    return normalise_rows(logs, triangle * graded_exponential(logs, logs)), orthogonal


def _damped_twice(_: int, carry: tuple) -> tuple:
    """Rows M'' with M^T = Q M' and M'^T = Q' M'', rows sorted, and the rotation so far times Q.

    M'' = G diag(sigma) W^T gives M = (...) diag(sigma) (Q W)^T: the right vectors turn by Q.
    """
    logs, rows, turn = carry
    once, orthogonal = _damped(*_longest_first(logs, rows)[:2])
    logs, rows, order = _longest_first(*once)
    return *_damped(logs, rows)[0], turn @ orthogonal[:, order]


def _sensitivity(logs: jax.Array, values: jax.Array, left: jax.Array) -> jax.Array:
    """First-order bound sum_i |u_ki| e^(l_i - log sigma_k) on d log sigma_k over relative d rows.

    Rotating the rows of (diag(e^l) V)^T leaves them as sigma_k u_k, u_k its left singular vectors:
    d sigma_k = u_k^T d(diag(e^l) V) w_k. Entries of u_k that are rounding alone are left out: all
    small ones, and any in a row so much larger that a true one could not be seen.
    """
    eps = jnp.finfo(left.dtype).eps
    gap = logs[None, :] - jnp.where(jnp.isneginf(values), jnp.inf, values)[:, None]
    size = jnp.abs(left)
    known = (size > logs.size * eps) & (gap < -2 * jnp.log(eps))
    return jnp.sum(jnp.where(known, size * jnp.exp(jnp.where(known, gap, 0)), 0), axis=1)


def _round(_: int, carry: tuple) -> tuple:
    """Rotate pairs of rows that share none, then move on to the next pairs of the round-robin."""
    worst, tops, bottoms = carry
    turn, overlap = _rotation(tops, bottoms)
    tops, bottoms = _rotated(turn, tops, bottoms)
    worst = jnp.maximum(worst, jnp.max(jnp.abs(overlap)))
    return worst, *_next_pairs(tops, bottoms)


class _Turn(NamedTuple):
    """Rotations of pairs: the cosine, the tangent, and by what units change in the units' terms."""

    cosine: jax.Array
    tangent: jax.Array
    into_top: jax.Array
    into_bottom: jax.Array


def _rotation(tops: Rows, bottoms: Rows) -> tuple[_Turn, jax.Array]:
    """Rotation that makes each pair orthogonal, and how far they were from it.

    For the longer row v_i and the shorter v_j, with r = e^(l_j - l_i) <= 1 and g = v_i . v_j,
    t = tan(theta) = tau r with tau = 2 g / (1 - r^2 + sqrt((1 - r^2)^2 + 4 r^2 g^2)), so that
    v_i <- c (v_i + t r v_j) and v_j <- c (v_j - tau v_i), in which nothing over- or underflows.
    """
    overlap = jnp.sum(tops.units * bottoms.units, axis=1)
    lost = jnp.isneginf(tops.logs) | jnp.isneginf(bottoms.logs)
    gap = jnp.where(lost, -jnp.inf, -jnp.abs(jnp.where(lost, 0, tops.logs - bottoms.logs)))
    ratio, spread = jnp.exp(gap), -jnp.expm1(2 * gap)
    root = spread + jnp.sqrt(spread * spread + 4 * ratio * ratio * overlap * overlap)
    tau = jnp.where(root == 0, 0, 2 * overlap / jnp.where(root == 0, 1, root))
    tangent = tau * ratio
    cosine = jax.lax.rsqrt(1 + tangent * tangent)
    into_longer, into_shorter = tangent * ratio * cosine, -tau * cosine
    top_longer = tops.logs >= bottoms.logs
    into_top = jnp.where(top_longer, into_longer, into_shorter)
    into_bottom = jnp.where(top_longer, into_shorter, into_longer)
    tangent = jnp.where(top_longer, tangent, -tangent)
    turn = _Turn(*(x[:, None] for x in (cosine, tangent, into_top, into_bottom)))
    return turn, overlap


def _rotated(turn: _Turn, tops: Rows, bottoms: Rows) -> tuple[Rows, Rows]:
    """Both rows of each pair after its rotation."""
    top, bottom = tops.units, bottoms.units
    new_top = normalise_rows(tops.logs, turn.cosine * top + turn.into_top * bottom)
    new_bottom = normalise_rows(bottoms.logs, turn.cosine * bottom + turn.into_bottom * top)
    a, b = tops.turned, bottoms.turned
    turned_top = turn.cosine * (a + turn.tangent * b)
    turned_bottom = turn.cosine * (b - turn.tangent * a)
    return Rows(*new_top, turned_top), Rows(*new_bottom, turned_bottom)


def _next_pairs(tops: Rows, bottoms: Rows) -> tuple[Rows, Rows]:
    """Circle method: the first place stays, all others move on by one."""
    if tops.logs.size == 1:
        return tops, bottoms
    moved = [
        (jnp.concatenate([t[:1], b[:1], t[1:-1]]), jnp.concatenate([b[1:], t[-1:]]))
        for t, b in zip(tops, bottoms, strict=True)
    ]
    return Rows(*(t for t, _ in moved)), Rows(*(b for _, b in moved))


def _residual(logs: jax.Array, rows: jax.Array) -> jax.Array:
    """Effect of the overlaps g_ij left behind: r g for a pair of like length, g^2 for others."""
    overlaps = _overlaps(rows)
    ratio = graded_exponential(logs, logs)
    ratio = jnp.maximum(ratio, ratio.T)
    return jnp.max(jnp.maximum(overlaps * ratio, overlaps * overlaps), axis=1)


def _overlaps(rows: jax.Array) -> jax.Array:
    """|v_i . v_j| of each two rows, 0 on the diagonal."""
    return jnp.abs(rows @ rows.T) * (1 - jnp.eye(rows.shape[0], dtype=rows.dtype))
