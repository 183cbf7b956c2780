"""Learned forget gates: what each measurement must be, and what the figures say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import rnnjac
from analyses.gates_learn import compute, estimates, measure, summary, training, words
from tests import tolerances

LENGTH, HIDDEN, COUNT = 20, 3, 7


@pytest.fixture(scope="module")
def network():
    problem = training.temporal_order(LENGTH, COUNT, jax.random.key(1))
    cell = training.network(problem, HIDDEN)
    params = training.start(problem, HIDDEN, jax.random.key(2))
    return problem, cell, jax.tree.map(lambda a: 2 * a, params)


@pytest.fixture(scope="module")
def found(network):
    problem, cell, params = network
    return jax.device_get(measure.along(cell, problem)(params))


def gates_by_hand(params, inputs):
    """log f at every step, in NumPy and float64."""
    cell = {name: np.asarray(w, float) for name, w in params["cell"].items()}
    c = h = np.zeros(HIDDEN)
    rows = []
    for x in np.asarray(inputs, float):
        i, f, g, o = np.split(cell["W_x"] @ x + cell["W_h"] @ h + cell["b"], 4)
        rows.append(-np.log1p(np.exp(-f)))
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
    return np.array(rows)


def test_gates_are_those_of_the_equations(network, found, eps):
    problem, _, params = network
    expected = np.stack([gates_by_hand(params, x) for x in problem.test.inputs])
    close = {"rtol": 0, "atol": tolerances.GATE_RUN * eps}
    np.testing.assert_allclose(found["log_f"], expected, **close)


def test_the_probe_that_was_read_gives_the_gate_that_was_there(network, found, eps):
    problem, _, _ = network
    read = np.asarray(problem.test.inputs).argmax(-1)[..., None]
    swapped = np.take_along_axis(found["swapped"], read, axis=-1)[..., 0]
    expected = found["log_f"].mean(-1)
    np.testing.assert_allclose(swapped, expected, rtol=tolerances.GATE_RUN * eps)
    assert found["swapped"].std(-1).min() > 1e3 * eps


def test_a_constant_gate_stays_whatever_is_read_and_freezing_it_changes_nothing(network, eps):
    problem, cell, params = network
    constant = training.restrict(params, training.CONSTANT)
    gates = gates_by_hand(constant, problem.test.inputs[0])
    assert np.ptp(gates, axis=0).max() == 0
    frozen = measure.freeze(constant, jnp.asarray(gates[0], params["W_y"].dtype))
    for one, other in zip(jax.tree.leaves(frozen), jax.tree.leaves(constant), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerances.GATE_RUN * eps)
    learned = training.restrict(params, training.LEARNED)
    for one, other in zip(jax.tree.leaves(learned), jax.tree.leaves(params), strict=True):
        np.testing.assert_array_equal(one, other)


def test_freezing_sets_the_gates_asked_for(network, eps):
    problem, _, params = network
    wanted = np.log([0.2, 0.7, 0.95])
    frozen = measure.freeze(params, jnp.asarray(wanted, params["W_y"].dtype))
    gates = gates_by_hand(frozen, problem.test.inputs[0])
    expected = np.broadcast_to(wanted, gates.shape)
    np.testing.assert_allclose(gates, expected, rtol=tolerances.GATE_RUN * eps)


def test_spectra_start_after_the_marker_and_end_with_the_sequence(network, dtype, eps):
    problem, cell, params = network
    inputs, first = problem.test.inputs[0], problem.test.positions[0, 0]
    logs, _ = measure.after_marker(cell, params, inputs, first, (0, 3))
    start = cell.initial_state()
    steps = rnnjac.jacobians(cell.step, params["cell"], start, inputs)
    steps = np.asarray(steps, float)[int(first) + 1 :]
    np.testing.assert_allclose(logs[0], 0, atol=tolerances.GATE_RUN * eps)
    for row, chosen in ((logs[1], steps[:3]), (logs[2], steps)):
        product = np.linalg.multi_dot([*chosen[::-1], np.eye(2 * HIDDEN)])
        # the leading ones alone: the product multiplied out knows no others
        expected = np.log(np.linalg.svd(product, compute_uv=False)[:2])
        np.testing.assert_allclose(row[:2], expected, atol=tolerances.GATE_PRODUCT * eps)


def test_growth_back_over_the_steps_adds_up(network, found, eps):
    gradients = found["gradients"]
    total = measure.growth(gradients).sum(1)
    scale = np.abs(gradients).max() * LENGTH
    expected = gradients[:, 0] - gradients[:, -1]
    np.testing.assert_allclose(total, expected, atol=tolerances.LOG_SUM * eps * scale)


def test_gradients_are_those_of_the_loss(network, found, eps):
    """At the start, against jax.grad through the whole sequence."""
    problem, cell, params = network

    def loss(state, inputs, target):
        states = rnnjac.trajectory(cell.step, params["cell"], state, inputs)
        last = jax.tree.map(lambda a: a[-1], states)
        return training.loss_of_state(params, last, target)

    start = cell.initial_state()
    slopes = jax.vmap(jax.grad(loss), (None, 0, 0))(
        start, problem.test.inputs, problem.test.targets
    )
    norms = jax.vmap(lambda s: jnp.linalg.norm(ravel_pytree(s)[0]))(slopes)
    np.testing.assert_allclose(
        found["gradients"][:, 0], np.log(norms), atol=tolerances.GATE_PRODUCT * eps
    )


def test_averages_follow_the_markers():
    values = np.arange(12.0).reshape(2, 6)
    positions = np.array([1, 3])
    mean = measure.aligned(values, positions, np.arange(-4, 3))
    # rows: 0 1 2 3 4 5 around 1, and 6 7 8 9 10 11 around 3
    np.testing.assert_array_equal(mean, [np.nan, 6, 7, (0 + 8) / 2, (1 + 9) / 2, 6, 7])
    extra = np.stack([values, -values], axis=-1)
    both = measure.aligned(extra, positions, np.arange(-4, 3))
    np.testing.assert_array_equal(both, np.stack([mean, -mean], axis=-1))


def test_neighbours_are_distractors_within_a_tenth():
    marked, near = measure.near_markers(np.array([[2, 10]]), 20)
    assert np.flatnonzero(marked[0]).tolist() == [2, 10]
    assert np.flatnonzero(near[0]).tolist() == [0, 1, 3, 4, 8, 9, 11, 12]


def test_contrast_is_a_difference_of_means_in_each_sequence():
    values = np.array([[1.0, 5, 3, 100], [2, 4, 6, 8], [0, 0, 0, 0]])
    of = np.array([[True, True, False, False], [True, False, False, False], [False] * 4])
    over = np.array([[False, False, True, False], [False, False, True, True], [True] * 4])
    np.testing.assert_array_equal(measure.contrast(values, of, over), [0, -5])
    both = measure.contrast(np.stack([values, 2 * values], -1), of, over)
    np.testing.assert_array_equal(both, [[0, 0], [-5, -10]])
    assert measure.mean_and_error(np.array([0.0, -5])) == (-2.5, 2.5)


def made_up(shift, own, held, gain):
    """Networks whose gates respond and act on the gradient, and what it costs to do without."""
    noise = 1e-3 * np.array([-1.0, 0, 1])
    arrays = {}
    for task in ("order", "digits"):
        contrast, growth = np.zeros((2, 3, 2, 2)), np.zeros((2, 3, 2, 2))
        contrast[0, :, 1, 0] = shift + noise
        growth[0, :, 1, 0] = own + noise
        frozen = np.zeros((2, 3, 2))
        frozen[0, :, 1] = held
        errors = np.zeros((2, 3, 2))
        # one network in three with constant gates fails, or all of them do
        errors[1, :, 1] = [gain == 1, gain == 1, gain > 0]
        values = {"contrast": contrast, "growth_contrast": growth, "errors": errors}
        values |= {"frozen": frozen, "swapped": contrast, "moves": errors}
        arrays |= {f"{task}_{name}": value for name, value in values.items()}
    return arrays


@pytest.mark.parametrize(
    ("shift", "own", "held", "gain", "expected"),
    [
        (-0.1, -0.1, 0.5, 1, "holds"),
        (-0.1, -0.1, 0.5, 0, "holds with a condition"),
        (-0.1, -0.1, 0.5, 0.3, "holds with a condition"),
        (-0.1, 0.0, 0.5, 0, "holds with a condition"),
        (0.0, 0.0, 0.5, 0, "holds with a condition"),
        (0.0, -0.1, 0.0, 1, "refuted"),
    ],
)
def test_verdict_follows_the_figures(shift, own, held, gain, expected):
    arrays = made_up(shift, own, held, gain)
    verdict, measured = words.s25(estimates.estimates(arrays), arrays)
    assert verdict == expected
    assert measured and "nan" not in measured


def test_too_few_networks_are_called_so():
    arrays = made_up(-0.1, -0.1, 0.5, 0)
    arrays["order_errors"] = np.ones((2, 3, 2))
    assert "too few to tell" in words.s25(estimates.estimates(arrays), arrays)[1]


def test_shown_steps_lie_in_every_sequence():
    for length in (10, 30, 100):
        where = summary.axes(length)
        latest = 2 * (length // 10) - 1
        assert latest + 1 + max(where["ahead"].max(), where["span"].max()) <= length


def test_only_learned_gates_move(quick):
    arrays = quick("gates_learn").arrays
    settings = compute.PRESETS["quick"]
    for task, recipe in (("order", settings.order), ("digits", settings.digits)):
        assert arrays[f"{task}_losses"].shape == (2, settings.seeds, recipe.updates)
        assert arrays[f"{task}_moves"][training.CONSTANT].max() == 0
        assert arrays[f"{task}_moves"][training.LEARNED].min() > 0
    assert np.isfinite(arrays["order_gradients"]).any()
