"""Batches that run one item at a time on a CPU, and together elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjac._support.batching import LARGE, in_turns


def halvings(x, limit):
    """How often x must be halved to get to the limit; a loop of unknown length."""
    return jax.lax.while_loop(
        lambda carry: carry[0]["x"] > limit,
        lambda carry: ({"x": carry[0]["x"] / 2}, carry[1] + 1),
        ({"x": x}, jnp.zeros((), jnp.int32)),
    )


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0), (1, 0)])
def test_a_batch_gives_what_each_item_gives_alone(axes, dtype):
    draw = np.random.default_rng(0)
    x = jnp.asarray(draw.uniform(1, 100, size=(5, 5)), dtype)
    limits = jnp.asarray(draw.uniform(0.1, 1, size=5), dtype)
    given = (x if axes[0] is not None else x[0]), (limits if axes[1] == 0 else limits[0])

    def counts(x, limit):
        return jax.vmap(in_turns(halvings, LARGE), in_axes=(0, None))(jnp.atleast_1d(x), limit)

    last, count = jax.vmap(counts, in_axes=axes)(*given)
    expected, expected_count = jax.vmap(jax.vmap(halvings, in_axes=(0, None)), in_axes=axes)(*given)
    np.testing.assert_array_equal(last["x"], expected["x"])
    np.testing.assert_array_equal(count, expected_count)
    assert len(np.unique(count)) > 1


@pytest.mark.parametrize("platform", ["cpu", "cuda"])
@pytest.mark.parametrize("n", [LARGE - 1, LARGE])
def test_platform_and_size_decide_which_way(platform, n, dtype):
    """On a CPU the function itself in a loop, elsewhere the one that is meant for batches."""
    batch = jax.jit(jax.vmap(in_turns(lambda x: x + 1, n, batched=jnp.sin)))
    lowered = batch.trace(jnp.ones(4, dtype)).lower(lowering_platforms=(platform,)).as_text()
    in_a_loop = platform == "cpu" and n == LARGE
    assert ("stablehlo.while" in lowered) == in_a_loop
    assert ("stablehlo.sine" in lowered) != in_a_loop
