"""Flossing: closed forms, lost directions, its gradient, and the warning of chaos."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import regularizers
from tests import tolerances


def close(found, wanted, factor):
    found, eps = np.asarray(found), jnp.finfo(found.dtype).eps
    atol = factor * eps * max(1.0, np.abs(wanted).max())
    np.testing.assert_allclose(found, wanted, rtol=0, atol=atol)


STEPS, WARMUP = 24, 16


def linear(matrix, state, x):
    return matrix @ state


def floss(matrix, **options):
    options = {"length": STEPS, "warmup": WARMUP, **options}
    return regularizers.flossing(linear, matrix, jnp.ones(2), **options)


@pytest.fixture(scope="module")
def flossed():
    """What `flossing` finds for a 2 by 2 matrix, and the derivative of its penalty."""

    def penalty(matrix):
        found = floss(matrix)
        return found.penalty, found

    return jax.jit(jax.value_and_grad(penalty, has_aux=True))


def test_flossing_of_a_scaled_rotation_is_known(flossed):
    turn = jnp.array([[0.6, -0.8], [0.8, 0.6]])
    (penalty, found), slope = flossed(1.5 * turn)
    close(penalty, np.log(1.5) ** 2, tolerances.FLOSSING)
    close(found.exponents, np.full(2, np.log(1.5)), tolerances.FLOSSING)
    close(found.amplification, STEPS * np.log(1.5), tolerances.FLOSSING)
    assert int(found.lost) == 0
    # d/dc (log c)^2 = 2 log c / c, along the matrix itself
    close(jnp.sum(slope * turn), 2 * np.log(1.5) / 1.5, tolerances.FLOSSING)


@pytest.mark.parametrize(("gains", "lost"), [((2.0, 0.0), 1), ((0.0, 0.0), 2)])
def test_lost_directions_do_not_count(gains, lost, flossed):
    (penalty, found), slope = flossed(jnp.diag(jnp.array(gains)))
    assert int(found.lost) == lost
    assert np.isneginf(found.exponents).sum() == lost
    close(penalty, np.log(2) ** 2 if lost == 1 else 0.0, tolerances.FLOSSING)
    assert np.isfinite(slope).all()
    if lost == 1:
        close(slope[0, 0], 2 * np.log(2) / 2, tolerances.FLOSSING)


def test_the_gradient_of_flossing_is_that_of_differences(dtype):
    cell = rnnjac.cells.elman(0, 3)
    params = cell.init(jax.random.key(1))
    start = jnp.array([0.3, -0.2, 0.5])

    @jax.jit
    def penalty(change):
        changed = {**params, "W_s": params["W_s"] + change * jnp.eye(3)}
        return regularizers.flossing(cell.step, changed, start, length=6, top=2, warmup=2).penalty

    step = float(jnp.finfo(dtype).eps) ** (1 / 3)
    slope = jax.jit(jax.grad(penalty))(0.0)
    differences = (penalty(step) - penalty(-step)) / (2 * step)
    atol = tolerances.CENTRAL_DIFFERENCE * step**2 * max(1.0, abs(float(slope)))
    np.testing.assert_allclose(slope, differences, rtol=0, atol=atol)


def test_descent_brings_the_exponents_to_nought(flossed):
    matrix = jnp.diag(jnp.array([0.4, 1.8]))
    for _ in range(60):
        matrix = matrix - 0.3 * flossed(matrix)[1]
    assert np.abs(np.log(np.abs(jnp.linalg.eigvals(matrix)))).max() < tolerances.FLOSSED


def test_chaos_is_warned_of_where_values_are_known(dtype, flossed):
    limit = -np.log(jnp.finfo(dtype).eps) / 2
    wild, tame = (float(np.exp(limit * by / STEPS)) * jnp.eye(2) for by in (1.1, 0.9))
    with pytest.warns(UserWarning, match=r"flossing: lambda_1 T = \d+ is above \d+: a gradient"):
        floss(wild)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        floss(tame)
        (_, found), _ = flossed(wild)
    close(found.amplification, 1.1 * limit, tolerances.FLOSSING)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 3}, r"top: expected an integer from 1 to 2; got 3"),
        ({"top": 0}, r"top: expected an integer from 1 to 2; got 0"),
        ({"warmup": 25}, r"warmup: expected an integer from 0 to 24; got 25"),
    ],
)
def test_bad_options_of_flossing(options, message):
    with pytest.raises(ValueError, match=message):
        floss(jnp.eye(2), **options)
