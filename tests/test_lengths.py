"""Sequences padded to one length, with lengths that are known only when the program runs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import cells
from tests import oracles
from tests.tolerances import PADDED

ROWS, UNITS = 40, 3
# fewer steps than exponents have blocks; some that fit into no block; none; all; too many
LENGTHS = jnp.array([7, 33, 0, ROWS, ROWS + 1])
CUT = {1: 33, 0: 7}
# those that take long to compile: of the short sequence they are compared with exact arithmetic
LONG = ("spectrum", "reach", "singular_vectors")
CELL = cells.elman(2, UNITS)
PARAMS, START = CELL.init(jax.random.key(0)), jnp.full(UNITS, 0.1)
TRACES = []


def step(params, state, x):
    TRACES.append(1)
    return CELL.step(params, state, x)


def called(function, **options):
    return lambda x, length: function(step, PARAMS, START, x, length=length, **options)


def first(rows):
    """What a cut sequence has of an answer with rows for times."""
    return lambda found, length: found[: length + rows]


def whole(found, length):
    return found


# name: the function of padded inputs and a length, and what a cut sequence has of its answer
FUNCTIONS = {
    "trajectory": (called(rnnjac.trajectory), first(1)),
    "jacobians": (called(rnnjac.jacobians), first(0)),
    "input_jacobians": (called(rnnjac.input_jacobians), first(0)),
    "spectrum": (called(rnnjac.spectrum), whole),
    "lyapunov_exponents": (called(rnnjac.lyapunov_exponents, warmup=2), whole),
    "gradient_norms": (called(rnnjac.gradient_norms, cotangent=jnp.ones(UNITS)), first(1)),
    "reach": (
        called(rnnjac.reach),
        lambda found, length: found[: length + 1, : length + 1],
    ),
    "singular_vectors": (called(rnnjac.singular_vectors, top=2), whole),
}


def inputs():
    """Padded with NaN, which must not get anywhere."""
    x = np.random.default_rng(0).normal(size=(len(LENGTHS), ROWS, 2))
    real = np.arange(ROWS) < np.asarray(LENGTHS)[:, None]
    return jnp.asarray(np.where(real[:, :, None], x, np.nan), START.dtype)


@pytest.fixture(scope="module")
def batches():
    """Each function of all sequences at once, and how often it traced the step."""

    def batch(name):
        before = len(TRACES)
        together = jax.jit(jax.vmap(FUNCTIONS[name][0]))
        found = together(inputs(), LENGTHS)
        traced = len(TRACES) - before
        again = together(inputs(), LENGTHS[::-1])
        assert len(TRACES) == before + traced
        assert jax.tree.structure(again) == jax.tree.structure(found)
        return found

    return {name: batch(name) for name in FUNCTIONS}


def fields(name, found):
    """What a padded and a cut sequence have in one form."""
    if name == "lyapunov_exponents":
        return found.exponents, found.stderr
    return found[:2] if name in ("spectrum", "singular_vectors") else (found,)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("row", CUT)
def test_a_batch_of_padded_sequences_equals_cut_ones(batches, name, row, dtype):
    if row == 0 and name in LONG:
        return
    function, part = FUNCTIONS[name]
    length = CUT[row]
    cut = fields(name, function(inputs()[row, :length], None))
    padded = fields(name, jax.tree.map(lambda leaf: leaf[row], batches[name]))
    for a, b in zip(padded, cut, strict=True):
        tolerance = PADDED * float(jnp.finfo(dtype).eps)
        np.testing.assert_allclose(part(a, length), b, rtol=tolerance, atol=tolerance)


def test_a_short_sequence_has_the_products_of_its_factors(batches, dtype):
    factors = np.asarray(batches["jacobians"][0, : CUT[0]], float)
    logs = oracles.exact_log_singular_values(factors)
    close = {"atol": PADDED * float(jnp.finfo(dtype).eps), "rtol": 0}
    np.testing.assert_allclose(batches["spectrum"].log_singular_values[0], logs, **close)
    found = batches["singular_vectors"]
    np.testing.assert_allclose(found.log_singular_values[0], logs[:2], **close)
    right, left = np.asarray(found.right[0], float), np.asarray(found.left[0], float)
    turned = np.linalg.multi_dot([*factors[::-1], right.T]) / np.exp(logs[:2])
    np.testing.assert_allclose(turned, left.T, **close)
    for end, start in zip(*np.tril_indices(CUT[0] + 1, -1), strict=True):
        leading = oracles.exact_log_singular_values(factors[start:end])[:1]
        np.testing.assert_allclose(batches["reach"][0, end, start], leading, **close)


def test_an_int_cuts_the_inputs(dtype):
    x = inputs()[1]
    for name in ("trajectory", "jacobians"):
        function = FUNCTIONS[name][0]
        np.testing.assert_array_equal(function(x, 33), function(x[:33], None))


def test_after_the_end_the_system_stands_still(batches):
    np.testing.assert_array_equal(batches["trajectory"][0, 7:], batches["trajectory"][0, [7] * 34])
    eye = np.broadcast_to(np.eye(UNITS), (33, UNITS, UNITS))
    np.testing.assert_array_equal(batches["jacobians"][0, 7:], eye)
    assert not batches["input_jacobians"][0, 7:].any()
    norms = batches["gradient_norms"][0, 7:]
    np.testing.assert_allclose(norms, np.log(UNITS) / 2, rtol=PADDED * jnp.finfo(norms.dtype).eps)
    assert np.isnan(batches["reach"][0, 8:]).all() and np.isnan(batches["reach"][0, :, 8:]).all()


def test_no_step_is_the_empty_product(batches):
    assert not batches["spectrum"].log_singular_values[2].any()
    assert batches["spectrum"].steps.tolist() == LENGTHS.tolist()
    assert np.isnan(batches["lyapunov_exponents"].exponents[2]).all()  # it ends in the warmup
    logs = batches["singular_vectors"].log_singular_values[2]
    np.testing.assert_allclose(logs, 0, atol=PADDED * jnp.finfo(logs.dtype).eps)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_more_steps_than_rows_are_undefined(batches, name):
    found = fields(name, jax.tree.map(lambda leaf: leaf[4], batches[name]))[0]
    found = found[1:] if name == "trajectory" else found[:-1] if name == "gradient_norms" else found
    found = found[np.tril_indices(ROWS + 1, -1)] if name == "reach" else found
    assert np.isnan(found).all()


def test_recorded_times_may_be_traced(dtype):
    x = inputs()[3]
    several = jax.jit(lambda at: rnnjac.spectrum(step, PARAMS, START, x, at=at))
    found = several(jnp.array([40, 0, 7, 7, 41]))
    known = rnnjac.spectrum(step, PARAMS, START, x, at=[40, 0, 7, 7])
    tolerance = PADDED * float(jnp.finfo(dtype).eps)
    for a, b in zip(found[:2], known[:2], strict=True):
        np.testing.assert_allclose(a[:4], b, rtol=tolerance, atol=tolerance)
    assert np.isnan(found.log_singular_values[4]).all()
    with pytest.raises(TypeError, match="at: expected a sequence of integers; got"):
        jax.jit(lambda at: rnnjac.spectrum(step, PARAMS, START, x, at=at))(jnp.ones(2))


def test_gradients_pass_through_padding(dtype):
    def total(params, x, length):
        found = rnnjac.lyapunov_exponents(CELL.step, params, START, x, length=length)
        return found.exponents.sum()

    x = inputs()[1]
    padded = jax.jit(jax.grad(total))(PARAMS, x, jnp.array(33))
    cut = jax.grad(total)(PARAMS, x[:33], None)
    tolerance = PADDED * float(jnp.finfo(dtype).eps)
    for a, b in zip(*map(jax.tree.leaves, (padded, cut)), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
