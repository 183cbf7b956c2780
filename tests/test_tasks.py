"""Temporal order: what stands where, how often, and under which transformation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjac import tasks
from tests import tolerances

COUNT = 4000
# begin of each marker's span, from the description: a tenth of the length wide
SPANS = {
    (20, 2): ((2, 4), (10, 12)),
    (37, 2): ((3, 6), (18, 21)),
    (37, 3): ((3, 6), (11, 14), (22, 25)),
    (10, 3): ((1, 2), (3, 4), (6, 7)),
}


def draw(length, markers, count=COUNT, seed=0):
    keys = jax.random.split(jax.random.key(seed), count)
    batch = jax.vmap(lambda key: tasks.temporal_order(key, length, markers=markers))(keys)
    return jax.device_get(batch)


def assert_uniform(values, allowed):
    """Every allowed value, no other, each as often as the others up to chance."""
    found, counts = np.unique(values, return_counts=True)
    np.testing.assert_array_equal(found, np.asarray(allowed))
    share = 1 / len(allowed)
    spread = np.sqrt(values.size * share * (1 - share))
    assert np.abs(counts - values.size * share).max() <= tolerances.TASK_DEVIATIONS * spread


@pytest.mark.parametrize(("length", "markers"), SPANS)
def test_markers_lie_uniformly_in_their_spans(length, markers):
    positions = draw(length, markers).positions
    assert positions.shape == (COUNT, markers)
    for column, (begin, end) in zip(positions.T, SPANS[length, markers], strict=True):
        assert_uniform(column, range(begin, end))


@pytest.mark.parametrize("markers", [2, 3])
def test_symbols_are_one_hot_markers_at_their_positions_and_distractors_elsewhere(markers, dtype):
    length = 30
    batch = draw(length, markers)
    assert batch.inputs.shape == (COUNT, length, 6)
    assert batch.inputs.dtype == dtype
    assert set(np.unique(batch.inputs)) == {0, 1}
    assert (batch.inputs.sum(-1) == 1).all()
    symbols = batch.inputs.argmax(-1)
    marked = np.zeros((COUNT, length), bool)
    marked[np.arange(COUNT)[:, None], batch.positions] = True
    assert_uniform(symbols[marked], (0, 1))
    assert_uniform(symbols[~marked], (2, 3, 4, 5))


@pytest.mark.parametrize("markers", [2, 3])
def test_target_reads_the_markers_in_order(markers):
    batch = draw(40, markers)
    assert_uniform(batch.target, range(2**markers))
    for inputs, target in zip(batch.inputs[:200], batch.target[:200], strict=True):
        seen = [s for s in inputs.argmax(-1) if s < 2]
        assert target == int("".join(str(s) for s in reversed(seen)), base=2)


def test_draws_are_independent():
    """Which markers, where, and the first distractor: no two go together more than by chance."""
    batch = draw(40, 3, COUNT)
    bits = (batch.target[:, None] >> np.arange(3)) & 1
    first = batch.inputs[:, 0].argmax(-1)[:, None]
    columns = np.concatenate([bits, batch.positions, first], axis=1).astype(float)
    together = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert np.abs(together).max() <= tolerances.TASK_DEVIATIONS / np.sqrt(COUNT)


def test_one_key_gives_one_example_under_every_transformation():
    key = jax.random.key(3)
    eager = tasks.temporal_order(key, 25)
    compiled = jax.jit(tasks.temporal_order, static_argnames=("length", "markers"))(key, 25)
    batched = jax.vmap(lambda k: tasks.temporal_order(k, 25))(key[None])
    for one, other, row in zip(eager, compiled, batched, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, row[0])
        assert one.dtype == other.dtype == row.dtype
    assert eager.target.dtype == eager.positions.dtype == jnp.int32
    other = tasks.temporal_order(jax.random.key(4), 25)
    assert not np.array_equal(eager.inputs, other.inputs)


def test_sampled_inside_a_scan():
    def one(total, key):
        return total + tasks.temporal_order(key, 20).target, None

    keys = jax.random.split(jax.random.key(0), 64)
    total, _ = jax.lax.scan(one, jnp.zeros((), jnp.int32), keys)
    assert total == jax.vmap(lambda key: tasks.temporal_order(key, 20).target)(keys).sum(
        dtype=jnp.int32
    )


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"length": 9}, ValueError, "length: expected an integer >= 10; got 9"),
        ({"length": 20.0}, TypeError, r"length: expected an integer >= 10; got 20\.0 \(float\)"),
        ({"length": 20, "markers": 1}, ValueError, "markers: expected an integer from 2 to 3"),
        ({"length": 20, "markers": 4}, ValueError, "markers: expected an integer from 2 to 3"),
        ({"length": 20, "markers": True}, TypeError, "markers: expected an integer from 2 to 3"),
    ],
)
def test_what_cannot_be_is_refused(options, kind, message):
    with pytest.raises(kind, match=message):
        jax.jit(lambda key: tasks.temporal_order(key, **options))(jax.random.key(0))
