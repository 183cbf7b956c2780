"""Singular values and vectors of a running product, at any range of the values."""

from typing import NamedTuple

import jax

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

    With P = Q_1 A Q, A = diag(e^l) V = R M^T L^T after some QRs, and rotations G that end in
    G M = diag(sigma) W^T, P = (Q_1 R W) diag(sigma) (Q^T L G^T)^T.
    """
    balanced, _ = running.rebalance(product)
    assert balanced.turn is not None
    logs = log_of(balanced.exponent, balanced.lower.dtype)
    damped = jacobi.damped_rows(*jacobi.normalise_rows(logs, balanced.lower.T))
    found = jacobi.orthogonal_rows(damped.logs, damped.units, damped.left.T)
    left = balanced.vectors.T @ damped.right @ found.units.T
    return GradedSVD(left, found.logs, balanced.turn @ found.turned.T)
