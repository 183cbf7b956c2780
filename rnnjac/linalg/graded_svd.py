"""Singular values and vectors of a running product, at any range of the values."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjac.linalg import jacobi, running
from rnnjac.linalg.powers import log_of
from rnnjac.linalg.running import Running


class GradedSVD(NamedTuple):
    """Factors of ``P = left @ diag(e^log_singular_values) @ right.T``, values descending.

    The columns of ``left`` and ``right`` are orthonormal; those of ``left`` that belong to a lost
    direction (-inf) are zero.
    """

    left: jax.Array
    log_singular_values: jax.Array
    right: jax.Array


def graded_svd(product: Running) -> GradedSVD:
    """Singular value decomposition of a product that has kept its ``turn``; O(k^3) work a sweep.

    With P = Q_1 diag(e^l) V Q and V^T = Q_2 R, rotations G of the rows of R diag(e^l) end in
    G R diag(e^l) = diag(sigma) W^T, so that P = (Q_1 W) diag(sigma) (Q^T Q_2 G^T)^T.
    """
    balanced, _ = running.rebalance(product)
    assert balanced.turn is not None
    logs = log_of(balanced.exponent, balanced.lower.dtype)
    logs, rows = jacobi.normalise_rows(logs, balanced.lower.T)
    order = jnp.argsort(-logs)
    logs = logs[order]
    inner, triangle = jnp.linalg.qr(rows[order].T)
    start = jacobi.normalise_rows(logs, triangle * jacobi.graded_exponential(logs, logs))
    found = jacobi.orthogonal_rows(*start, jnp.eye(logs.size, dtype=rows.dtype))
    left = balanced.vectors[order].T @ found.units.T
    return GradedSVD(left, found.logs, balanced.turn @ inner @ found.turned.T)
