"""Singular values of log-scaled rows: prescribed spectra, any range, ties and lost rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjac.linalg import jacobi
from tests.tolerances import JACOBI, LEFT_OVER, SENSITIVITY

SIZES = [1, 2, 3, 5, 8]
log_singular_values = jax.jit(jacobi.log_singular_values)


def orthogonal(n, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]


def check(found, expected, n, dtype):
    tolerance = JACOBI * max(n, 2) * float(jnp.finfo(dtype).eps)
    scale = np.maximum(1, np.abs(np.where(np.isfinite(expected), expected, 0)))
    alive = np.isfinite(expected)
    np.testing.assert_array_equal(np.isneginf(found), ~alive)
    assert (np.abs(found[alive] - expected[alive]) <= tolerance * scale[alive]).all()


@pytest.mark.parametrize("n", SIZES)
def test_orthogonal_rows_of_any_length(n, dtype):
    logs = np.linspace(-3000, 3000, n)
    found = log_singular_values(jnp.asarray(logs, dtype), jnp.asarray(orthogonal(n), dtype))
    check(np.asarray(found.values), np.sort(logs)[::-1], n, dtype)


@pytest.mark.parametrize("n", SIZES)
def test_prescribed_spectrum(n, dtype):
    logs = np.linspace(0, -2, n)
    matrix = orthogonal(n, 1) * np.exp(logs) @ orthogonal(n, 2)
    found = log_singular_values(jnp.zeros(n, dtype), jnp.asarray(matrix, dtype))
    check(np.asarray(found.values), logs, 8 * n, dtype)  # e^2 is the condition number


@pytest.mark.parametrize("n", SIZES)
def test_ties_are_exact(n, dtype):
    found = log_singular_values(jnp.full(n, -2000.0, dtype), jnp.eye(n, dtype=dtype))
    np.testing.assert_array_equal(found.values, np.full(n, -2000.0))


def test_two_rows_far_apart(dtype):
    """Rows (1, 1) e^a and (0, 1) e^b, b << a: sigma = sqrt(2) e^a and e^b / sqrt(2)."""
    logs = jnp.asarray([500.0, -500.0], dtype)
    found = log_singular_values(logs, jnp.asarray([[1.0, 1.0], [0.0, 1.0]], dtype))
    expected = np.array([500, -500]) + np.array([0.5, -0.5]) * np.log(2)
    check(np.asarray(found.values), expected, 2, dtype)


@pytest.mark.parametrize("lost", [1, 2, 5])
def test_lost_rows(lost, dtype):
    logs = np.where(np.arange(5) < lost, -np.inf, -7.0)
    found = log_singular_values(jnp.asarray(logs, dtype), jnp.asarray(orthogonal(5), dtype))
    check(np.asarray(found.values), np.sort(logs)[::-1], 5, dtype)


def test_matches_lapack_on_a_plain_matrix(dtype):
    matrix = np.random.default_rng(3).normal(size=(12, 12))
    found = log_singular_values(jnp.zeros(12, dtype), jnp.asarray(matrix, dtype))
    expected = np.log(np.linalg.svd(np.asarray(jnp.asarray(matrix, dtype), float))[1])
    condition = np.exp(expected[0] - expected[-1])
    check(np.asarray(found.values), expected, 12 * condition, dtype)
    assert (found.residual <= jnp.finfo(dtype).eps * 12).all()


@pytest.mark.parametrize("n", [1, 2, 9, 40])
def test_sensitivity_is_that_of_the_left_singular_vectors(n, dtype):
    """sum_i |u_ki| e^(l_i) / sigma_k, the vectors carried through all QRs before the rotations."""
    draw = np.random.default_rng(n)
    scale = np.asarray(draw.uniform(-4, 0, size=n), dtype)
    rows = np.asarray(draw.normal(size=(n, n)), dtype)
    found = log_singular_values(jnp.asarray(scale), jnp.asarray(rows))
    left, sigma, _ = np.linalg.svd(np.exp(scale.astype(float))[:, None] * rows.astype(float))
    size = np.exp(scale.astype(float)) * np.linalg.norm(rows.astype(float), axis=1)
    wanted = (np.abs(left) * size[:, None]).sum(axis=0) / sigma
    np.testing.assert_allclose(
        found.sensitivity, wanted, rtol=SENSITIVITY * float(jnp.finfo(dtype).eps)
    )


def test_slow_convergence_is_waited_for(dtype):
    """Rows of the Hilbert matrix, nearly dependent: more than 12 sweeps, though seldom as many."""
    n = 32
    hilbert = 1 / (np.arange(n)[:, None] + np.arange(n)[None, :] + 1.0)
    start = jacobi.normalise_rows(jnp.zeros(n, dtype), jnp.asarray(hilbert, dtype))
    found = jax.jit(jacobi.orthogonal_rows)(*start, jnp.zeros((n, 0), dtype))
    overlaps = np.abs(found.units @ found.units.T) - np.eye(n)
    assert overlaps.max() <= JACOBI * n * float(jnp.finfo(dtype).eps)


def test_what_the_rotations_left_over(dtype):
    """r g for rows of like length, g^2 for others, and nothing for orthogonal ones."""
    rows = np.eye(4)
    rows[1, :2] = [1e-3, np.sqrt(1 - 1e-6)]
    rows[3, 2:] = [1e-2, np.sqrt(1 - 1e-4)]
    logs = jnp.asarray([0.0, -0.5, -1.0, -100.0], dtype)
    found = jacobi._residual(logs, jnp.asarray(rows, dtype))
    wanted = [1e-3 * np.exp(-0.5), 1e-3 * np.exp(-0.5), 1e-4, 1e-4]
    np.testing.assert_allclose(found, wanted, rtol=LEFT_OVER * float(jnp.finfo(dtype).eps))
    np.testing.assert_array_equal(jacobi._residual(logs, jnp.eye(4, dtype=dtype)), np.zeros(4))


def test_nan_in_nan_out(dtype):
    found = log_singular_values(jnp.zeros(3, dtype), jnp.full((3, 3), jnp.nan, dtype))
    assert np.isnan(found.values).all()


def test_vmap_equals_loop(dtype):
    matrices = jnp.asarray(np.random.default_rng(4).normal(size=(3, 4, 4)), dtype)
    logs = jnp.zeros((3, 4), dtype)
    together = jax.jit(jax.vmap(jacobi.log_singular_values))(logs, matrices).values
    for row, log, matrix in zip(together, logs, matrices, strict=True):
        alone = log_singular_values(log, matrix).values
        check(np.asarray(row), np.asarray(alone), 40, dtype)
