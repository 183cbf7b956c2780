"""Clipping by the norm: the paper's rule, and the threshold that follows the average norm."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjac import clipping
from tests import tolerances

GRADIENT = {"W": jnp.array([[1.0, -2.0], [2.0, 0.0]]), "b": jnp.array([4.0])}  # norm 5


def updates(clip, *gradients):
    state, found = clip.init(gradients[0]), []
    run = jax.jit(clip.update)
    for gradient in gradients:
        clipped, state = run(gradient, state)
        found.append(clipped)
    return found, state


def test_norm_is_that_of_all_entries():
    assert float(clipping.norm(GRADIENT)) == 5


def test_norm_where_squares_over_or_underflow(dtype):
    for scale in (jnp.finfo(dtype).max / 8, jnp.finfo(dtype).tiny * 8):
        scaled = jax.tree.map(lambda a, by=scale: a * by, GRADIENT)
        np.testing.assert_allclose(clipping.norm(scaled) / scale, 5, rtol=4 * jnp.finfo(dtype).eps)


@pytest.mark.parametrize(("entry", "size"), [(jnp.nan, jnp.nan), (jnp.inf, jnp.inf), (0.0, 0.0)])
def test_norm_of_what_has_none(entry, size):
    np.testing.assert_equal(float(clipping.norm({"a": jnp.zeros(2), "b": jnp.array(entry)})), size)


def test_norm_of_mixed_precision():
    mixed = {"a": jnp.array([3.0], jnp.bfloat16), "b": jnp.array([4.0], jnp.float32)}
    found = clipping.norm(mixed)
    assert found.dtype == jnp.float32
    assert float(found) == 5


def test_norm_needs_a_leaf():
    with pytest.raises(ValueError, match="tree: expected at least one array; got an empty pytree"):
        clipping.norm({})


@pytest.mark.parametrize("threshold", [0.1, 4.999, 5.0, 5.001, 100.0])
def test_a_gradient_is_brought_down_to_the_threshold(threshold, dtype):
    (found,), _ = updates(clipping.clip_at_threshold(threshold), GRADIENT)
    factor = threshold / 5 if threshold <= 5 else 1
    rtol = tolerances.CLIPPED * jnp.finfo(dtype).eps
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b * factor, rtol=rtol), found, GRADIENT)


@given(st.floats(0.125, 64, width=32), st.floats(0.125, 64, width=32))
def test_clipping_is_that_of_optax_where_nothing_overflows(threshold, size):
    gradient = jax.tree.map(lambda a: a * size, GRADIENT)
    ours, _ = clipping.clip_at_threshold(threshold).update(gradient, optax.EmptyState())
    theirs, _ = optax.clip_by_global_norm(threshold).update(gradient, optax.EmptyState())
    rtol = tolerances.CLIPPED * jnp.finfo(ours["b"].dtype).eps
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol), ours, theirs)


def test_a_cliff_leaves_a_gradient_of_the_wanted_norm(dtype):
    steep = jax.tree.map(lambda a: a * (jnp.finfo(dtype).max / 1024), GRADIENT)
    (found,), _ = updates(clipping.clip_at_threshold(1.0), steep)
    rtol = tolerances.CLIPPED * jnp.finfo(dtype).eps
    np.testing.assert_allclose(clipping.norm(found), 1, rtol=rtol)


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
def test_what_is_not_finite_passes_to_be_seen(bad):
    broken = {**GRADIENT, "b": jnp.array([bad])}
    for clip in (clipping.clip_at_threshold(1.0), clipping.clip_by_average_norm(1.0)):
        (found,), _ = updates(clip, broken)
        jax.tree.map(np.testing.assert_array_equal, found, broken)


def average_rule(sizes, multiple, decay):
    """Norms after clipping, in NumPy."""
    average, kept = sizes[0], []
    for count, size in enumerate(sizes, start=1):
        average = average or size  # while it is 0, the gradient's own norm
        kept.append(min(size, multiple * average))
        average += max(1 - decay, 1 / count) * (min(size, 10 * average) - average)
    return kept


@pytest.mark.parametrize("multiple", [0.5, 1.0, 10.0])
@pytest.mark.parametrize("decay", [0.0, 0.75])
def test_the_threshold_follows_the_average(multiple, decay, dtype):
    sizes = [2.0, 1.0, 3.0, 500.0, 1.0, 0.0, 7.0, 1.0, 1.0, 40.0]
    gradients = [jnp.array([0.0, size]) for size in sizes]
    found, state = updates(clipping.clip_by_average_norm(multiple, decay), *gradients)
    wanted = average_rule(sizes, multiple, decay)
    rtol = tolerances.CLIPPED * len(sizes) * jnp.finfo(dtype).eps
    np.testing.assert_allclose([float(g[1]) for g in found], wanted, rtol=rtol)
    assert int(state.count) == len(sizes)


def test_gradients_of_zero_at_the_start_do_not_end_the_training():
    sizes = [0.0, 0.0, 2.0, 3.0]
    gradients = [jnp.array([size, 0.0]) for size in sizes]
    found, state = updates(clipping.clip_by_average_norm(1.0), *gradients)
    assert [float(g[0]) for g in found] == [0, 0, 2, 2]
    assert float(state.average) == 2.25  # 2, and the fourth norm with the weight of a fourth


def test_a_bad_gradient_leaves_the_average_alone():
    clip = clipping.clip_by_average_norm(1.0)
    one = jnp.array([1.0, 0.0])
    found, state = updates(clip, one, one * jnp.nan, one * jnp.inf, 5 * one)
    assert float(state.average) == 3  # (1 + 5) / 2
    assert int(state.count) == 2
    assert found[-1].tolist() == [1, 0]


def test_in_an_optax_chain_and_under_vmap(dtype):
    rule = optax.chain(clipping.clip_by_average_norm(0.5), optax.sgd(1.0))
    many = jnp.array([[3.0, 4.0], [6.0, 8.0]])
    change, _ = jax.vmap(lambda g: rule.update(g, rule.init(g)))(many)
    rtol = tolerances.CLIPPED * jnp.finfo(dtype).eps
    np.testing.assert_allclose(change, -many / 2, rtol=rtol)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf"), True])
def test_thresholds_are_positive(bad):
    with pytest.raises(ValueError, match=r"threshold: expected a finite number > 0; got"):
        clipping.clip_at_threshold(bad)
    with pytest.raises(ValueError, match=r"multiple: expected a finite number > 0; got"):
        clipping.clip_by_average_norm(bad)


@pytest.mark.parametrize("bad", [1.0, -0.1, float("nan"), True])
def test_the_decay_is_below_one(bad):
    with pytest.raises(ValueError, match=r"decay: expected a number from 0 to below 1; got"):
        clipping.clip_by_average_norm(1.0, bad)


def test_suggested_thresholds():
    """Half to ten times the average, which no cliff lifts by more than ten medians of its share."""
    suggest = clipping.suggest
    even = suggest([1.0, 2.0, 3.0])
    assert even == (1.0, 2.0, 20.0, 1.0, 2 / 3, 0.0)
    cliff = suggest(np.array([1.0] * 19 + [np.inf]))
    np.testing.assert_allclose(cliff[:3], (0.725, 1.45, 14.5))
    np.testing.assert_allclose(cliff[3:], (1.0, 0.05, 0.05))
    assert suggest(jnp.zeros(2))[:3] == (0.0, 0.0, 0.0)
    for norms, message in [
        ([], "one axis, not empty; got shape"),
        ([[1.0]], "one axis, not empty; got shape"),
        ([1.0, np.nan], "no NaN and none below 0; got nan at 1"),
        ([-1.0], "no NaN and none below 0; got -1.0 at 0"),
        ([np.inf, np.inf, 1.0], "mostly finite norms; got 2 infinite"),
    ]:
        with pytest.raises(ValueError, match=f"norms: expected {message}"):
            suggest(norms)
    with pytest.raises(TypeError, match="norms: expected real numbers"):
        suggest(["a"])
