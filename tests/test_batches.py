"""Long rows of items in chunks."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import cells
from tests.tolerances import FEW_STEPS


class Moments(NamedTuple):
    mean: jax.Array
    spread: jax.Array


def moments(item):
    return Moments(jnp.mean(item), jnp.std(item))


def sequences(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, 2)).astype(jnp.zeros(()).dtype) for length in lengths]


LENGTHS = [3, 5, 3, 3, 7, 5, 3, 3, 5]


@pytest.mark.parametrize(
    "options", [{"chunk": 1}, {"chunk": 2}, {"chunk": 4}, {"chunk": 100}, {"threads": 2}]
)
def test_results_come_in_the_order_given(options, dtype):
    items = sequences(LENGTHS)
    found = rnnjac.in_chunks(moments, **options, progress=False)(items)
    assert len(found) == len(items)
    for item, result in zip(items, found, strict=True):
        assert isinstance(result, Moments) and isinstance(result.mean, np.ndarray | np.generic)
        expected = [item.mean(), item.std()]
        np.testing.assert_allclose(result, expected, atol=FEW_STEPS * float(jnp.finfo(dtype).eps))


def test_a_stacked_tree_in_and_out():
    items = {"a": jnp.arange(10.0), "b": jnp.ones((10, 3))}

    def both(item, shift):
        return {"total": item["a"] + jnp.sum(item["b"]) + shift, "row": item["b"]}

    found = rnnjac.in_chunks(both, chunk=4, progress=False)(items, 1.0)
    assert isinstance(found["total"], np.ndarray)
    np.testing.assert_array_equal(found["total"], np.arange(10.0) + 4)
    np.testing.assert_array_equal(found["row"], np.ones((10, 3)))


def test_each_form_is_compiled_once(dtype):
    traced = []

    def total(item, shift):
        traced.append(item.shape)
        return jnp.sum(item) + shift

    mapped = rnnjac.in_chunks(total, chunk=2, progress=False)
    for shift in (0.0, 1.0):  # lengths 3 (five times) and 5 (three times) fill a chunk, 7 does not
        mapped(sequences(LENGTHS), jnp.asarray(shift))
    assert sorted(traced) == [(3, 2), (5, 2), (7, 2)]


def test_an_iterator_is_read_as_it_goes():
    computed, read = [], []

    def items():
        for i in range(6):
            read.append(len(computed))
            yield np.full(1, float(i))

    def note(item):
        jax.debug.callback(lambda x: computed.append(float(x[0])), item)
        return item

    found = rnnjac.in_chunks(note, chunk=2, progress=False)(items())
    jax.effects_barrier()
    assert [float(x[0]) for x in found] == list(range(6))
    assert read[-1] >= 2  # the first chunk was done before the last item was asked for


def test_exponents_of_many_sequences_and_networks():
    cell = cells.elman(2, 4)
    networks = jax.vmap(cell.init)(jax.random.split(jax.random.key(0), 3))
    params = jax.tree.map(lambda leaf: leaf[0], networks)
    inputs = np.stack(sequences([6, 6, 6]))

    def exponents(inputs, params):
        return rnnjac.lyapunov_exponents(cell.step, params, cell.initial_state(), inputs).exponents

    over_sequences = rnnjac.in_chunks(exponents, chunk=2, progress=False)(inputs, params)
    over_networks = rnnjac.in_chunks(lambda p, x: exponents(x, p), chunk=2, progress=False)(
        networks, inputs[0]
    )
    in_threads = rnnjac.in_chunks(exponents, threads=2, progress=False)(inputs, params)
    alone = jax.jit(exponents)
    tolerance = FEW_STEPS * float(jnp.finfo(inputs.dtype).eps)
    for i in range(3):
        network = jax.tree.map(lambda leaf, i=i: leaf[i], networks)
        np.testing.assert_allclose(over_sequences[i], alone(inputs[i], params), atol=tolerance)
        np.testing.assert_allclose(in_threads[i], alone(inputs[i], params), atol=tolerance)
        np.testing.assert_allclose(over_networks[i], alone(inputs[0], network), atol=tolerance)


def test_nothing_to_do():
    assert rnnjac.in_chunks(jnp.sum, progress=False)([]) == []


@pytest.mark.parametrize("progress", [True, False])
def test_progress_bar(progress, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    rnnjac.in_chunks(jnp.sum, chunk=2, progress=progress)([np.ones(2)] * 5)
    shown = capsys.readouterr()
    assert ("5/5" in shown.err) == progress and shown.out == ""


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (np.float64(1.0), "items: expected leaves with one common leading axis"),
        ((np.ones(2), np.ones(3)), "items: expected leaves with one common leading axis"),
        (np.ones((0, 3)), "items: expected at least one item; got a leading axis of 0"),
    ],
)
def test_items_need_a_common_axis(items, message):
    with pytest.raises(ValueError, match=message):
        rnnjac.in_chunks(jnp.sum, progress=False)(items)


@pytest.mark.parametrize("name", ["chunk", "threads"])
def test_counts_must_be_positive(name):
    with pytest.raises(ValueError, match=f"{name}: expected an integer >= 1; got 0"):
        rnnjac.in_chunks(jnp.sum, **{name: 0})


@pytest.mark.parametrize("as_list", [False, True])
def test_keys_are_items_too(as_list):
    keys = jax.random.split(jax.random.key(0), 5)
    draw = lambda key: jax.random.normal(key, (2,))  # noqa: E731
    found = rnnjac.in_chunks(draw, chunk=2, progress=False)(list(keys) if as_list else keys)
    np.testing.assert_array_equal(np.stack(found), jax.vmap(draw)(keys))


def test_padded_items_share_a_few_programs(dtype):
    traced = []

    def total(item, length, shift):
        traced.append(item.shape)
        real = jnp.arange(item.shape[0], dtype=jnp.int32) < length
        return jnp.sum(jnp.where(real[:, None], item, shift))

    items = sequences([1, 3, 16, 17, 20, 30, 0])
    mapped = rnnjac.in_chunks(total, chunk=2, progress=False, padded=True)
    found = mapped(items, jnp.zeros((), dtype))
    # a last chunk that is not full has a size of its own, unless its form has been met
    assert set(traced) == {(16, 2), (32, 2)} and len(traced) <= 4
    expected = [item.sum() for item in items]
    tolerance = FEW_STEPS * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_padded_sequences_give_what_cut_ones_give(dtype):
    cell = cells.elman(2, 2)
    params, start = cell.init(jax.random.key(0)), cell.initial_state()

    def states(item, length):
        return rnnjac.trajectory(cell.step, params, start, item, length=length)[-1]

    items = sequences([5, 9])
    found = rnnjac.in_chunks(states, progress=False, padded=True)(items)
    for item, last in zip(items, found, strict=True):
        expected = rnnjac.trajectory(cell.step, params, start, item)[-1]
        tolerance = FEW_STEPS * float(jnp.finfo(dtype).eps)
        np.testing.assert_allclose(last, expected, rtol=tolerance, atol=tolerance)
