"""What the peers do not have: the limit, the pieces of the work, and the exact finite spectrum."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac
from benchmarks.peers import Run
from benchmarks.workloads import Problem
from rnnjac.linalg import lu


def products(problem: Problem) -> Run:
    """The limit: a chain of n by n products alone, 2 n^3 per step, of one orthogonal matrix."""
    return _chain(problem, lambda factor, x: factor @ x)


def elimination(problem: Problem) -> Run:
    """LU with partial pivoting alone."""

    def one(factor, x):
        # the term is too small to change a digit, but no compiler may move the LU out of the loop
        return jax.lax.linalg.lu(factor + 1e-30 * x)[0]

    return _chain(problem, one)


def orthogonalisation(problem: Problem) -> Run:
    """QR alone, both factors, as the peers use it."""

    def one(factor, x):
        q, triangle = jnp.linalg.qr(factor + 1e-30 * x)
        return q + 1e-30 * triangle

    return _chain(problem, one)


def permutation(problem: Problem) -> Run:
    """The unit lower triangle of an LU with its rows back in their places, alone."""
    rows = jnp.asarray(np.random.default_rng(0).permutation(problem.start.size))
    return _chain(problem, lambda factor, x: lu.in_place(x, rows))


def exact(problem: Problem) -> Run:
    """Exact finite-time spectrum at the end of the chain, with its errors."""
    params, start = jnp.asarray(problem.params), jnp.asarray(problem.start)

    def run():
        found = rnnjac.spectrum(problem.step, params, start, length=problem.length)
        return np.asarray(found.log_singular_values)

    return run


PARTS: dict[str, Callable[[Problem], Run]] = {
    "products only": products,
    "LU only": elimination,
    "QR only": orthogonalisation,
    "permutation only": permutation,
    "exact spectrum": exact,
}


def _chain(problem: Problem, one: Callable) -> Run:
    """``length`` times x <- one(F, x), F orthogonal, starting from x = F."""

    @jax.jit
    def chain(factor):
        step = lambda x, _: (one(factor, x), None)  # noqa: E731
        return jax.lax.scan(step, factor, length=problem.length)[0]

    factor = jnp.asarray(problem.frame)
    return lambda: np.asarray(chain(factor))
