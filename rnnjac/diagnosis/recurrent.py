"""The recurrent matrix of a plain network, found by its Jacobians, and the slopes of its units."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac.diagnosis.along import Samples

# Jacobians in float32 fit their own matrix to some 1e-6, and another one not at all (order 1).
FIT = 1e-3


class Recurrence(NamedTuple):
    """A matrix W for which every Jacobian is leak I + diag(d) W, or leak I + W diag(d).

    ``preactivation`` tells the second form. ``slopes`` (samples, n) are phi' of the units, and
    ``activation`` names phi where the slopes are those of one (`gamma` is its largest slope).
    """

    matrix: np.ndarray
    preactivation: bool
    leak: float
    slopes: np.ndarray
    activation: str | None
    gamma: float | None


def recognised(params: Any, samples: Samples) -> Recurrence | None:
    """The recurrence of a network whose state is one vector, or None if it is of another kind.

    Any leaf of ``params`` of shape (n, n), or its transpose, may be the recurrent matrix.
    """
    if len(leaves := jax.tree.leaves(samples.before)) != 1 or leaves[0].ndim != 2:
        return None
    after = jax.tree.leaves(samples.after)
    J, before, after = (np.asarray(a, float) for a in (samples.factors, *leaves, *after))
    if not (np.isfinite(J).all() and np.isfinite(after).all()):
        return None
    for matrix in _candidates(params, J.shape[-1]):
        for preactivation in (False, True):
            fit = _fitted(matrix, J, preactivation)
            if fit is None:
                continue
            slopes, leak = fit
            name, gamma = _activation(slopes, before if preactivation else after, preactivation)
            return Recurrence(matrix, preactivation, leak, slopes, name, gamma)
    return None


def _candidates(params: Any, n: int) -> Iterator[np.ndarray]:
    leaves = [leaf for leaf in jax.tree.leaves(params) if jnp.shape(leaf) == (n, n)]
    leaves = [leaf for leaf in leaves if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)]
    for leaf in leaves:
        yield np.asarray(leaf, float)
    for leaf in leaves:  # flax multiplies from the left
        yield np.asarray(leaf, float).T


def _fitted(W: np.ndarray, J: np.ndarray, preactivation: bool) -> tuple[np.ndarray, float] | None:
    """Slopes and leak by least squares, if they explain the Jacobians."""
    axis = 1 if preactivation else 2  # of J: the sum over what one slope multiplies
    along = np.expand_dims
    squares = (W**2).sum(axis - 1)
    rate = (J * W).sum(axis) / np.where(squares == 0, np.nan, squares)
    if _explains(J, np.nan_to_num(along(rate, axis)) * W):
        return rate, 0.0
    # what the leak adds stands on the diagonal: fit the rest first
    off = W * (1 - np.eye(len(W)))
    squares = (off**2).sum(axis - 1)
    if (squares == 0).any():
        return None
    rate = (J * off).sum(axis) / squares
    diagonal = np.diagonal(J, axis1=1, axis2=2) - rate * np.diag(W)
    leak = float(diagonal.mean())
    if 1 - leak <= FIT or not _explains(J, along(rate, axis) * W + leak * np.eye(len(W))):
        return None
    return rate / (1 - leak), leak


def _explains(J: np.ndarray, fit: np.ndarray) -> bool:
    return bool(np.linalg.norm(J - fit) <= FIT * np.linalg.norm(J))


# Slopes by the argument of phi, or by its value.
_BY_ARGUMENT = {
    "identity": (np.ones_like, 1.0),
    "relu": (lambda a: (a > 0).astype(float), 1.0),
    "tanh": (lambda a: 1 - np.tanh(a) ** 2, 1.0),
    "sigmoid": (lambda a: (1 - np.tanh(a / 2) ** 2) / 4, 0.25),
}
_BY_VALUE = {
    "identity": (np.ones_like, 1.0),
    "relu": (lambda y: (y > 0).astype(float), 1.0),
    "tanh": (lambda y: 1 - y**2, 1.0),
    "sigmoid": (lambda y: y * (1 - y), 0.25),
}


def _activation(
    slopes: np.ndarray, at: np.ndarray, preactivation: bool
) -> tuple[str | None, float | None]:
    known = np.isfinite(slopes)
    for name, (slope, gamma) in (_BY_ARGUMENT if preactivation else _BY_VALUE).items():
        if known.any() and np.allclose(slopes[known], slope(at)[known], rtol=FIT, atol=FIT):
            return name, gamma
    return None, None
