"""The error model: what rounds nothing is charged little, what was tilted is carried along."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac.linalg import rounding, running
from rnnjac.linalg.rounding import Rounding, Steps
from rnnjac.linalg.signs import ROWS, signs
from tests.tolerances import EXACT_STEPS, SPREAD

SIZE, STEPS = 6, 1000
after_steps = jax.jit(rounding.after_steps)


def permutations(draw):
    return np.stack([np.eye(SIZE)[draw.permutation(SIZE)] for _ in range(STEPS)])


def powers(draw):
    exponents = draw.integers(-3, 3, size=(STEPS, SIZE))
    return np.eye(SIZE) * 2.0 ** exponents[:, None, :]


@pytest.mark.parametrize("steps", ["permutations", "powers of two", "both"])
def test_steps_that_round_nothing_are_charged_little(steps, dtype):
    draw = np.random.default_rng(0)
    factors = np.broadcast_to(np.eye(SIZE), (STEPS, SIZE, SIZE))
    if steps != "powers of two":
        factors = permutations(draw) @ factors
    if steps != "permutations":
        factors = powers(draw) @ factors
    found = rnnjac.product_spectrum(jnp.asarray(factors, dtype))
    logs = np.asarray(found.log_singular_values, float)
    size = np.maximum(np.abs(logs), 1)
    assert (found.error <= EXACT_STEPS * jnp.finfo(dtype).eps * size).all()
    row = np.log2(np.abs(factors).max(axis=2))
    # where each unit vector went, and what it has been multiplied by
    place, total = np.arange(SIZE), np.zeros(SIZE)
    for factor, grown in zip(factors, row, strict=True):
        place = np.argmax(np.abs(factor[:, place]), axis=0)
        total += grown[place]
    wanted = np.sort(total * np.log(2))[::-1]
    assert (np.abs(logs - wanted) <= found.error).all()


def steps_of(factor, count=1):
    """One elimination of a matrix, as a block that it ends."""
    nothing = jnp.zeros(SIZE, jnp.int32)
    _, last = running.factored(factor.T, nothing)
    pivots = jnp.abs(jnp.diagonal(last.packed))
    sizes = jnp.max(jnp.abs(factor), axis=1)[last.rows] / jnp.where(pivots == 0, 1, pivots)
    triangle = running.triangle_of(last.packed)
    return Steps(triangle, nothing, last, sizes, count * sizes**2, jnp.asarray(count, jnp.int32))


def normal(dtype, seed=0):
    draw = np.random.default_rng(seed).normal(size=(SIZE, SIZE)) + 2 * np.eye(SIZE)
    return jnp.asarray(draw, dtype)


NONE_LOST = jnp.zeros(SIZE, bool)


def test_a_tilt_grows_as_a_small_direction_outgrows_a_large_one(dtype):
    """Under R = diag(r), F_ij becomes r_i / r_j F_ij; a diagonal step adds no tilt of its own."""
    r = np.asarray([4.0, 0.5, 2.0, 16.0, 1.0, 0.25], dtype)
    tilt = np.triu(np.random.default_rng(0).normal(size=(SIZE, SIZE)), 1).astype(np.float32)
    before = Rounding(jnp.zeros(SIZE, dtype), jnp.asarray(tilt))
    factor = jnp.asarray(np.diag(r))
    after = after_steps(before, steps_of(factor), NONE_LOST, jnp.zeros((), jnp.int32))
    np.testing.assert_allclose(
        after.tilt, tilt * (r[None, :] / r[:, None]), rtol=SPREAD * np.finfo(np.float32).eps
    )


def test_a_tilt_shows_where_directions_mix(dtype):
    """The diagonal of R F R^-1 is 0 for a diagonal R, and is charged for any other."""
    tilt = jnp.asarray(1e3 * np.triu(np.ones((SIZE, SIZE)), 1), jnp.float32)
    clean = rounding.exact(SIZE, dtype)
    now, factor = jnp.zeros((), jnp.int32), normal(dtype)
    plain = after_steps(clean, steps_of(factor), NONE_LOST, now).variance
    tilted = after_steps(clean._replace(tilt=tilt), steps_of(factor), NONE_LOST, now).variance
    unit = np.asarray(steps_of(factor).triangle, float).T
    unit = unit / np.diagonal(unit)[:, None]
    turned = unit @ np.asarray(tilt, float).T @ np.linalg.inv(unit)
    wanted = np.diagonal(turned) ** 2
    assert wanted.max() > 1e4
    error = np.asarray(tilted - plain, float) - wanted
    assert (np.abs(error) <= SPREAD * np.finfo(np.float32).eps * wanted.max()).all()


def test_a_lost_direction_has_no_error(dtype):
    factor = normal(dtype).at[SIZE - 1].set(0)
    lost = jnp.arange(SIZE) == SIZE - 1
    before = rounding.exact(SIZE, dtype)
    after = after_steps(before, steps_of(factor), lost, jnp.zeros((), jnp.int32))
    assert after.variance[-1] == 0 and (after.variance[:-1] > 0).all()
    assert not after.tilt[-1].any() and not after.tilt[:, -1].any()


def test_a_pivot_that_may_be_all_rounding_is_not_told_from_zero(dtype):
    near = float(jnp.finfo(dtype).eps)
    corner = jnp.asarray([[1, 1 - near], [1, 1]], dtype)
    factor = jnp.eye(SIZE, dtype=dtype).at[4:, 4:].set(corner)
    before = rounding.exact(SIZE, dtype)
    after = after_steps(before, steps_of(factor), NONE_LOST, jnp.zeros((), jnp.int32))
    assert np.isinf(after.variance[-1])
    assert np.isfinite(after.variance[:4]).all()


def test_noise_differs_from_block_to_block(dtype):
    """One random matrix for all would add up coherently."""
    before, steps = rounding.exact(SIZE, dtype), steps_of(normal(dtype))
    tilts = [
        np.asarray(after_steps(before, steps, NONE_LOST, jnp.asarray(time, jnp.int32)).tilt)
        for time in range(0, 4 * ROWS, 4)
    ]
    flat = np.stack([tilt[np.triu_indices(SIZE, 1)] for tilt in tilts])
    assert len(np.unique(flat, axis=0)) == len(flat)
    # independent draws: the mean is smaller than one of them by the root of their number
    assert np.linalg.norm(flat.mean(axis=0)) <= 0.5 * np.linalg.norm(flat, axis=1).mean()


def test_more_steps_make_more_noise(dtype):
    before, now = rounding.exact(SIZE, dtype), jnp.zeros((), jnp.int32)
    one = after_steps(before, steps_of(normal(dtype)), NONE_LOST, now)
    four = after_steps(before, steps_of(normal(dtype), 4), NONE_LOST, now)
    np.testing.assert_allclose(four.tilt, 2 * one.tilt, rtol=SPREAD * np.finfo(np.float32).eps)
    assert (four.variance > one.variance).all()


def test_signs_are_the_same_in_every_run_and_others_at_every_place():
    here = signs(3, SIZE, 5)
    assert here.shape == (3, SIZE) and (jnp.abs(here) == 1).all()
    np.testing.assert_array_equal(here, signs(3, SIZE, 5 + ROWS))
    np.testing.assert_array_equal(here[1:], signs(3, SIZE, 6)[:-1])
    assert len(np.unique(signs(ROWS, 32), axis=0)) == ROWS


def test_errors_of_logs_that_may_change_places(dtype):
    """A value that may be zero may stand anywhere below; the next ones, one place higher."""
    values = jnp.asarray([3.0, 2.0, 1.0, -jnp.inf], dtype)
    sure = rounding.error_of_logs(values, jnp.asarray([0.1, 0.01, 0.1, 0.0], dtype))
    assert sure[0] >= 0.1 and sure[2] >= 0.1 and sure[3] == 0
    assert sure[1] >= 0.1 * np.exp(-1)  # its neighbours' errors, as far as they mix
    unsure = rounding.error_of_logs(values, jnp.asarray([0.1, 2.0, 0.1, 0.0], dtype))
    assert np.isinf(unsure[1]) or unsure[1] >= 1
    assert np.isinf(unsure[2]) and np.isfinite(unsure[0])
    tied = rounding.error_of_logs(jnp.zeros(3, dtype), jnp.asarray([0.5, 0.0, 0.0], dtype))
    assert (tied >= 0.5).all()
