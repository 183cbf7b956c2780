"""Tasks: what stands where, how often, and under which transformation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
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


@functools.cache
def batch(task, *arguments, count=COUNT, seed=0, **options):
    keys = jax.random.split(jax.random.key(seed), count)
    return jax.device_get(jax.jit(jax.vmap(lambda key: task(key, *arguments, **options)))(keys))


def draw(length, markers):
    return batch(tasks.temporal_order, length, markers=markers)


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
    length = 37
    drawn = draw(length, markers)
    assert drawn.inputs.shape == (COUNT, length, 6)
    assert drawn.inputs.dtype == dtype
    assert set(np.unique(drawn.inputs)) == {0, 1}
    assert (drawn.inputs.sum(-1) == 1).all()
    symbols = drawn.inputs.argmax(-1)
    marked = np.zeros((COUNT, length), bool)
    marked[np.arange(COUNT)[:, None], drawn.positions] = True
    assert_uniform(symbols[marked], (0, 1))
    assert_uniform(symbols[~marked], (2, 3, 4, 5))


@pytest.mark.parametrize("markers", [2, 3])
def test_target_reads_the_markers_in_order(markers):
    drawn = draw(37, markers)
    assert_uniform(drawn.target, range(2**markers))
    for inputs, target in zip(drawn.inputs[:200], drawn.target[:200], strict=True):
        seen = [s for s in inputs.argmax(-1) if s < 2]
        assert target == int("".join(str(s) for s in reversed(seen)), base=2)


def test_draws_are_independent():
    """Which markers, where, and the first distractor: no two go together more than by chance."""
    drawn = draw(37, 3)
    bits = (drawn.target[:, None] >> np.arange(3)) & 1
    first = drawn.inputs[:, 0].argmax(-1)[:, None]
    columns = np.concatenate([bits, drawn.positions, first], axis=1).astype(float)
    together = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert np.abs(together).max() <= tolerances.TASK_DEVIATIONS / np.sqrt(COUNT)


NUMBERS = {
    tasks.addition: (lambda a, b: (a + b) / 2, 1 / 2, 1 / 24),
    tasks.multiplication: (lambda a, b: a * b, 1 / 4, 7 / 144),
}


@pytest.mark.parametrize("task", NUMBERS)
def test_the_target_follows_from_the_marked_numbers(task, dtype):
    combine, mean, variance = NUMBERS[task]
    drawn = batch(task, 50)
    rows = np.arange(COUNT)
    markers, numbers = drawn.inputs[..., 0], drawn.inputs[..., 1]
    assert drawn.inputs.dtype == drawn.target.dtype == dtype
    assert set(np.unique(markers)) == {0, 1} and (markers.sum(axis=1) == 2).all()
    places = np.array([np.flatnonzero(row) for row in markers])
    np.testing.assert_array_equal(places, drawn.positions)
    marked = (numbers[rows, place] for place in places.T)
    np.testing.assert_array_equal(drawn.target, combine(*marked))
    spread = np.sqrt(variance / COUNT)
    assert abs(drawn.target.mean() - mean) <= tolerances.TASK_DEVIATIONS * spread


def test_marked_positions_lie_uniformly_in_their_spans():
    fixed = batch(tasks.addition, 37, vary=False)
    assert fixed.inputs.shape == (COUNT, 37, 2) and (fixed.steps == 37).all()
    assert_uniform(fixed.positions[:, 0], range(3))
    assert_uniform(fixed.positions[:, 1], range(3, 3 + 14))


def test_random_lengths_reach_as_far_as_a_tenth():
    drawn = batch(tasks.addition, 38)
    assert drawn.inputs.shape == (COUNT, 40, 2)
    assert_uniform(drawn.steps, (38, 39, 40))
    numbers = drawn.inputs[..., 1]
    shown = np.arange(40) < drawn.steps[:, None]
    assert (numbers[~shown] == 0).all() and (numbers[shown] < 1).all()
    assert np.count_nonzero(numbers[shown] == 0) <= 1  # 0 is drawn once in 8 million times
    for steps in (38, 39, 40):  # a tenth of 40 is one more than of 38 and 39
        positions = drawn.positions[drawn.steps == steps]
        tenth, rest = steps // 10, 4 * steps // 10
        assert_uniform(positions[:, 0], range(tenth))
        assert_uniform(positions[:, 1], range(tenth, tenth + rest))


def test_rows_past_the_last_step_do_not_reach_the_state_that_is_read():
    example = tasks.addition(jax.random.key(5), 100)
    steps = int(example.steps)
    assert steps < len(example.inputs)
    cell = rnnjac.cells.elman(inputs=2, hidden=3)
    params, start = cell.init(jax.random.key(0)), cell.initial_state()

    def final(inputs):
        return rnnjac.trajectory(cell.step, params, start, inputs)[steps]

    slopes = jax.jit(jax.jacobian(final))(example.inputs)
    assert (slopes[:, steps:] == 0).all() and (slopes[:, :steps] != 0).any()


@pytest.mark.parametrize("every_step", [False, True])
def test_permutation_ends_with_what_it_began_with(every_step):
    drawn = batch(tasks.permutation, 12, symbols=7, every_step=every_step)
    assert drawn.inputs.shape == (COUNT, 12, 7)
    assert (drawn.inputs.sum(-1) == 1).all()
    symbols = drawn.inputs.argmax(-1)
    assert_uniform(symbols[:, 0], (0, 1))
    assert_uniform(symbols[:, 1:], range(2, 7))
    last = drawn.target[:, -1] if every_step else drawn.target
    np.testing.assert_array_equal(last, symbols[:, 0])
    if every_step:
        np.testing.assert_array_equal(drawn.target[:, :-1], symbols[:, 1:])


@pytest.mark.parametrize(("length", "values", "positions"), [(0, 2, 1), (4, 5, 3)])
def test_memorization_asks_for_the_pattern_after_the_cue(length, values, positions):
    drawn = batch(tasks.memorization, length, values=values, positions=positions, count=800)
    blank, cue = values, values + 1
    assert drawn.inputs.shape == (800, length + 2 * positions, values + 2)
    assert (drawn.inputs.sum(-1) == 1).all()
    symbols = drawn.inputs.argmax(-1)
    assert_uniform(symbols[:, :positions], range(values))
    silence = [blank] * length + [cue] + [blank] * (positions - 1)
    assert (symbols[:, positions:] == silence).all()
    assert (drawn.target[:, : length + positions] == blank).all()
    np.testing.assert_array_equal(drawn.target[:, -positions:], symbols[:, :positions])
    together = np.corrcoef(symbols[:, :positions].T) - np.eye(positions)
    assert np.abs(together).max() <= tolerances.TASK_DEVIATIONS / np.sqrt(800)


@pytest.mark.parametrize(("task", "terms"), [(tasks.delayed_copy, 1), (tasks.delayed_xor, 2)])
@pytest.mark.parametrize("delay", [1, 4])
def test_streams_ask_for_earlier_bits(task, terms, delay, dtype):
    drawn = batch(task, 13, delay=delay)
    assert drawn.inputs.shape == (COUNT, 13, 1) and drawn.inputs.dtype == dtype
    bits = drawn.inputs[..., 0].astype(int)
    assert_uniform(bits, (0, 1))
    for t in range(13):
        assert (drawn.wanted[:, t] == (t >= terms * delay)).all()
        past = [bits[:, t - k * delay] for k in range(1, terms + 1)] if t >= terms * delay else [0]
        assert (drawn.target[:, t] == sum(past) % 2).all()
    assert_uniform(drawn.target[:, -1], (0, 1))
    if task is tasks.delayed_xor:  # one bit alone tells nothing
        for k in (1, 2):
            agree = np.mean(drawn.target[:, -1] == bits[:, 12 - k * delay])
            assert abs(agree - 0.5) <= tolerances.TASK_DEVIATIONS * 0.5 / np.sqrt(COUNT)


@pytest.mark.parametrize(
    "task",
    [
        *(tasks.temporal_order, tasks.addition, tasks.permutation, tasks.memorization),
        tasks.delayed_xor,
    ],
)
def test_one_key_gives_one_example_under_every_transformation(task):
    key = jax.random.split(jax.random.key(3), 2)[0]
    compiled = jax.jit(task, static_argnums=1)(key, 25)
    batched = batch(task, 25, count=2, seed=3)
    eager = task(key, 25) if task in (tasks.temporal_order, tasks.addition) else compiled
    for one, other, row in zip(eager, compiled, batched, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, row[0])
        assert one.dtype == other.dtype == row.dtype
    assert not np.array_equal(compiled.inputs, batched.inputs[1])


def test_whole_numbers_have_32_bits(dtype):
    def types(task):
        return {k: v.dtype for k, v in jax.eval_shape(lambda k: task(k, 25), key)._asdict().items()}

    key = jax.random.key(0)
    assert types(tasks.temporal_order)["target"] == jnp.int32
    for name in ("positions", "steps"):
        assert types(tasks.addition)[name] == jnp.int32
    for task in (tasks.permutation, tasks.memorization, tasks.delayed_copy, tasks.delayed_xor):
        assert types(task)["target"] == jnp.int32


def test_sampled_inside_a_scan():
    def one(total, key):
        return total + tasks.temporal_order(key, 20).target, None

    keys = jax.random.split(jax.random.key(0), 64)
    total, _ = jax.lax.scan(one, jnp.zeros((), jnp.int32), keys)
    assert int(total) == batch(tasks.temporal_order, 20, count=64).target.sum()


@pytest.mark.parametrize(
    ("task", "options", "kind", "message"),
    [
        (
            tasks.temporal_order,
            {"length": 9},
            ValueError,
            "length: expected an integer >= 10; got 9",
        ),
        (
            *(tasks.temporal_order, {"length": 20.0}, TypeError),
            r"length: expected an integer >= 10; got 20\.0 \(float\)",
        ),
        *(
            (
                *(tasks.temporal_order, {"length": 20, "markers": markers}, kind),
                "markers: expected an integer from 2 to 3",
            )
            for markers, kind in ((1, ValueError), (4, ValueError), (True, TypeError))
        ),
        (tasks.addition, {"length": 9}, ValueError, "length: expected an integer >= 10; got 9"),
        (
            *(tasks.multiplication, {"length": 20, "vary": 1}, TypeError),
            r"vary: expected True or False; got 1 \(int\)",
        ),
        (tasks.permutation, {"length": 1}, ValueError, "length: expected an integer >= 2; got 1"),
        (
            *(tasks.permutation, {"length": 9, "symbols": 2}, ValueError),
            "symbols: expected an integer >= 3; got 2",
        ),
        (
            *(tasks.permutation, {"length": 9, "every_step": "no"}, TypeError),
            r"every_step: expected True or False; got 'no' \(str\)",
        ),
        (
            tasks.memorization,
            {"length": -1},
            ValueError,
            "length: expected an integer >= 0; got -1",
        ),
        (
            *(tasks.memorization, {"length": 9, "values": 1}, ValueError),
            "values: expected an integer >= 2; got 1",
        ),
        (
            *(tasks.memorization, {"length": 9, "positions": 0}, ValueError),
            "positions: expected an integer >= 1; got 0",
        ),
        (
            *(tasks.delayed_copy, {"length": 10, "delay": 10}, ValueError),
            "length: expected an integer >= 11; got 10",
        ),
        (
            *(tasks.delayed_xor, {"length": 20, "delay": 10}, ValueError),
            "length: expected an integer >= 21; got 20",
        ),
        (
            *(tasks.delayed_xor, {"length": 20, "delay": 0}, ValueError),
            "delay: expected an integer >= 1; got 0",
        ),
    ],
)
def test_what_cannot_be_is_refused(task, options, kind, message):
    with pytest.raises(kind, match=message):
        jax.jit(lambda key: task(key, **options))(jax.random.key(0))
