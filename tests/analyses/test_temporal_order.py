"""The temporal order task: measurements are what they are said to be, and a whole tiny run."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from analyses.common import claims, record
from analyses.temporal_order import compute as temporal_order
from analyses.temporal_order import figures as order_figures
from analyses.temporal_order import measure as order_measure
from analyses.temporal_order import networks as order_networks
from analyses.temporal_order import training as order_training
from analyses.temporal_order import verdicts as order_verdicts
from rnnjac import training
from tests import tolerances

LENGTH, HIDDEN, SEEDS = 10, 4, 2
EFFORT = order_measure.Effort(6, 2, 1)
RECIPE = order_training.Recipe(hidden=HIDDEN, batch=3)
SETTINGS = temporal_order.Settings(
    *(((LENGTH, 4, 2),), (order_verdicts.BASIC,), SEEDS, EFFORT),
    *(temporal_order.Sweep((0.01, 0.1), (6.0, 1.0), SEEDS, 4, 2), None, RECIPE),
)


@pytest.fixture(scope="module")
def both():
    """Two networks, stacked, far enough from 0 that tanh bends."""
    start = order_networks.STARTS[order_verdicts.BASIC]
    begin = jax.jit(jax.vmap(lambda key: order_networks.begin(start, HIDDEN, key)))
    return jax.tree.map(lambda a: 3 * np.asarray(a), begin(jax.random.split(jax.random.key(0))))


@pytest.fixture(scope="module")
def params(both):
    return jax.tree.map(lambda a: jnp.asarray(a[0]), both)


@pytest.fixture(scope="module")
def cell():
    return order_networks.network("tanh", HIDDEN)


def last_states(params, inputs):
    """In NumPy and float64."""
    weights = {name: np.asarray(w, float) for name, w in params["cell"].items()}
    states = np.zeros((len(inputs), HIDDEN))
    for x in np.asarray(inputs, float).swapaxes(0, 1):
        states = np.tanh(states @ weights["W_s"].T + x @ weights["W_x"].T + weights["b"])
    return states


def test_error_is_the_share_of_wrong_classes(params, cell, dtype, monkeypatch):
    monkeypatch.setattr(order_networks, "CHUNK", 50)
    key = jax.random.key(3)
    draw = jax.jit(lambda number: order_networks.batch(jax.random.fold_in(key, number), LENGTH, 50))
    shares = []
    for number in range(3):
        drawn = draw(number)
        odds = last_states(params, drawn.inputs) @ np.asarray(params["W_y"], float).T
        shares.append((odds.argmax(1) != np.asarray(drawn.target)).mean())
    assert 0 < shares[0] < 1
    error = jax.jit(lambda limit: order_networks.error(cell, params, key, LENGTH, 150, limit))
    for limit, seen in ((1, 3), (0, 1)):  # above the limit after one chunk: no more are drawn
        found = error(jnp.array(limit, dtype))
        assert float(found) == pytest.approx(np.mean(shares[:seen]), abs=0.5 / 150)


def test_gradient_is_that_of_the_loss_at_every_state(params, cell, dtype):
    draw = jax.jit(lambda key: order_networks.batch(key, LENGTH, 1))
    example = jax.tree.map(lambda a: a[0], draw(jax.random.key(5)))

    def run(shifts):
        def advance(state, at):
            state = cell.step(params["cell"], state, at[0]) + at[1]
            return state, state

        states = jax.lax.scan(advance, shifts[0], (example.inputs, shifts[1:]))[1]
        return order_networks.loss(params, states, example)

    arriving = jax.jit(jax.grad(run))(jnp.zeros((LENGTH + 1, HIDDEN)))
    logs = np.log(np.linalg.norm(np.asarray(arriving, float), axis=1))
    found = jax.jit(lambda p: order_networks.gradient(cell, p, example))(params)
    limit = tolerances.ORDER_GRADIENT * jnp.finfo(dtype).eps
    np.testing.assert_allclose(found, logs - logs[-1], rtol=0, atol=limit)
    marker = int(example.positions[0])
    assert float(order_networks.at_marker(found, example)) == float(found[marker + 1])
    assert int(example.inputs[marker].argmax()) < 2  # the state that has just read the marker


def test_smart_start_is_sparse_with_incoming_connections(dtype):
    start = order_networks.STARTS["smart tanh"]
    begun = jax.jit(lambda key: order_networks.begin(start, 20, key))(jax.random.key(1))
    weights = np.asarray(begun["cell"]["W_s"], float)
    assert ((weights != 0).sum(axis=1) == order_networks.CONNECTIONS).all()
    radius = np.abs(np.linalg.eigvals(weights)).max()
    limit = tolerances.EIGENVALUE * 20 * float(jnp.finfo(dtype).eps)
    assert radius == pytest.approx(order_networks.RADIUS, rel=limit)
    assert not begun["b_y"].any() and not begun["cell"]["b"].any()
    assert float(jnp.abs(begun["W_y"]).max()) < 0.1


# Training


CASE = order_training.Case(order_verdicts.BASIC, order_training.OMEGA, LENGTH, 2, 2)
RUN = {"seeds": SEEDS, "tested": 6, "watched": 2}


def test_updates_are_small_and_measured(tmp_path):
    path, key = tmp_path / "case.npz", jax.random.key(0)
    found = order_training.train(CASE, RECIPE, key=key, checkpoint=path, **RUN)
    assert found.at.tolist() == [0, 2] and path.is_file()
    assert set(found.metrics) >= {"error", "gradient", "radius", "omega", "gradient_norm"}
    begun = order_training.starts(order_verdicts.BASIC, RECIPE, key, SEEDS)
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), found.params, begun)
    assert 0 < max(jax.tree.leaves(moved)) < 2 * RECIPE.rate * RECIPE.clip


def test_methods_are_what_they_are_called(monkeypatch, dtype):
    weights, sizes, steep = [], [], {"w": jnp.array([30.0, 40.0])}
    spied = order_training.regularizers
    monkeypatch.setattr(spied, "with_omega", lambda _, weight, **__: weights.append(weight))
    monkeypatch.setattr(training, "train", lambda *arguments, **_: arguments[3])
    for method in range(len(order_training.METHODS)):
        rule = order_training.train(
            CASE._replace(method=method), RECIPE, key=jax.random.key(0), **RUN
        )
        change, _ = rule.update(steep, rule.init(steep))
        sizes.append(float(jnp.linalg.norm(change["w"])))
    assert weights == [None, None, RECIPE.weight]
    norms = [50 * RECIPE.rate, *[RECIPE.clip * RECIPE.rate] * 2]
    assert sizes == pytest.approx(norms, rel=tolerances.CLIPPED * float(jnp.finfo(dtype).eps))


def test_other_errors_are_not_taken_for_an_old_checkpoint(tmp_path, monkeypatch):
    def fail(*arguments, **settings):
        raise ValueError("seeds: expected something else")

    monkeypatch.setattr(training, "train", fail)
    with pytest.raises(ValueError, match="seeds: expected"):
        order_training.train(CASE, RECIPE, key=jax.random.key(0), checkpoint=tmp_path, **RUN)
    assert tmp_path.exists()


def test_history_ends_where_a_seed_stopped():
    rows = np.arange(6.0).reshape(2, 3)
    metrics = dict.fromkeys(
        ("loss", "gradient_norm", "largest_norm", "error", "gradient", "radius"), rows
    )
    found = training.Training(
        None, metrics, np.array([0, 2, 4]), np.array([-1, -1]), np.array([2, -1])
    )
    seen = order_training.history(found, 4)["error"]
    np.testing.assert_array_equal(seen, [[0, 1, np.nan, np.nan], [3, 4, 5, np.nan]])


# What the numbers say


def made_up(solved, sweep, start_marker=-3.0, marker=0.5, reach_marker=0.0):
    """Arrays as ``compute`` gives them, for two lengths and one start."""
    solved = np.asarray(solved)  # (length, 1, method, seed)
    shape, looks, steps, units = solved.shape, 4, 21, 5
    spread = np.linspace(0, 0.2, solved.size).reshape(shape)
    reach = np.where(solved[..., None] >= 0, [0.0, 0.001, 0.02, 0.2], [0.5, *[np.nan] * 3])
    arrays = {
        "solved": solved,
        "diverged": np.full(shape, -1),
        "marker": np.where(solved >= 0, marker, -5.0) + spread,
        "lag": np.full(shape, 8.0),
        "radius": np.where(solved >= 0, 1.2, 0.9) + spread,
        "profile": np.linspace(0, -3, steps) + spread[..., None],
        "spectrum": np.linspace(1, -9, units) + spread[..., None],
        "spectrum_error": np.full(shape, 1e-5),
        "reach_error": reach,
        "reach_marker": np.where(np.isnan(reach), np.nan, reach_marker),
        "lengths": np.array([10, 20]),
        "updates": np.array([6, 6]),
        "every": np.array([2, 2]),
        "multiples": np.array(order_measure.MULTIPLES),
        "starts": np.array([order_verdicts.BASIC]),
        "sweep_solved": np.asarray(sweep),
        "sweep_diverged": np.full(np.shape(sweep), -1),
        "rates": np.array([0.01, 0.1]),
        "rate": np.array(0.01),
        "thresholds": np.array([6.0]),
    }
    for name in ("loss", "gradient_norm", "largest_norm", "error", "gradient", "radius"):
        arrays[f"history_{name}"] = np.linspace(0.75, 0.1, looks) + spread[..., None]
    for name in ("lag", "radius", "profile", "spectrum", "spectrum_error"):
        arrays[f"start_{name}"] = arrays[name][:, :, 0]
    arrays["start_marker"] = np.full((*shape[:2], shape[3]), start_marker)
    return arrays


SOLVED = [[[[2, -1], [2, 2], [2, 2]]], [[[-1, -1], [-1, 4], [4, 6]]]]
FEW, MANY = [-1] * 8, [2] * 8


HOLDS, CONDITION, REFUTED = claims.VERDICTS


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({}, {"S9": HOLDS, "S10": None, "S28": CONDITION}),
        ({"start_marker": 3.0}, {"S9": CONDITION}),
        ({"marker": 2.0}, {"S9": CONDITION}),
        ({"start_marker": 3.0, "marker": 2.0}, {"S9": REFUTED}),
        ({"start_marker": -9.0}, {"S10": CONDITION}),
        ({"reach_marker": -9.0}, {"S10": CONDITION}),
        ({"start_marker": -9.0, "reach_marker": -9.0}, {"S10": REFUTED}),
        ({"sweep": [[FEW, FEW], [MANY, FEW]]}, {"S28": REFUTED}),
        ({"sweep": [[FEW, FEW], [FEW, FEW]]}, {"S28": CONDITION}),
    ],
)
def test_verdicts_follow_the_numbers(case, expected):
    sweep = case.get("sweep", [[FEW, FEW], [FEW, MANY]])
    facts = order_verdicts.facts(made_up(SOLVED, **{**case, "sweep": sweep}))
    rows = order_verdicts.verdicts(facts)
    claims.validate(rows)
    found = {row["id"]: row["verdict"] for row in rows}
    assert expected == {claim: found.get(claim) for claim in expected}


def test_clipping_that_always_wins_holds():
    solved = np.full((2, 1, 3, 8), 2)
    solved[:, :, order_training.PLAIN] = -1
    facts = order_verdicts.facts(made_up(solved, [[FEW, MANY], [FEW, MANY]]))
    assert order_verdicts.verdicts(facts)[-1]["verdict"] == HOLDS
    assert facts["table_chance"] == 2 / 2**16


def test_counts_are_those_of_the_arrays():
    facts = order_verdicts.facts(made_up(SOLVED, [[FEW, FEW], [FEW, MANY]]))
    assert facts["counts"] == [[[1, 2, 2]], [[0, 1, 2]]]
    assert facts["medians"][1][0][order_training.OMEGA] == 5
    assert np.isnan(facts["medians"][1][0][order_training.PLAIN])
    assert facts["reach_tested"] == [8, 8, 8]
    assert facts["reach_below"] == [8, 0, 0] and facts["reach_perfect"] == [0, 0, 0]
    assert (facts["solved"], facts["failed"]) == (8, 4)
    assert facts["failed_vanish"] == 1 and facts["solved_hold"] == 1
    assert facts["sweep_counts"] == [[0, 0], [0, 8]]


@pytest.mark.parametrize("solved", [np.full((2, 1, 3, 2), -1), np.full((2, 1, 3, 2), 2)])
def test_figures_are_drawn_if_none_or_all_solved_the_task(solved, tmp_path):
    arrays = made_up(solved, [[FEW, FEW], [FEW, MANY]])
    facts = order_verdicts.facts(arrays)
    rows = order_figures.captions(arrays, facts)
    order_figures.draw(arrays, facts, tmp_path)
    for row in rows:
        assert (tmp_path / row["file"]).stat().st_size > 1000
        assert "nan" not in row["caption"] and "inf" not in row["caption"]
    assert len(rows) == len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize("only", [(0, 0), (0, 5), (3, 1), (7, 7), (0, 9)])
def test_chance_of_a_split_is_that_of_a_fair_coin(only):
    plain = np.repeat([True, False, True], [only[0], only[1], 2])
    clipped = np.repeat([False, True, True], [only[0], only[1], 2])
    found = order_verdicts._pairs("x", plain, clipped)
    expected = stats.binomtest(only[0], sum(only)).pvalue if sum(only) else 1.0
    limit = tolerances.ORACLE_BACKWARD * np.finfo(float).eps
    assert found["x_chance"] == pytest.approx(expected, rel=limit)
    assert (found["x_only_plain"], found["x_only_clipped"]) == only


# A whole run


def test_a_whole_run_at_a_tiny_size(both, monkeypatch):
    """Everything but the updates themselves, which the tests of training cover."""
    asked = []

    def train(case, recipe, *, key, seeds, checkpoint, **settings):
        asked.append((case.method, recipe.rate, recipe.clip))
        solved = np.array([4, -1] if case.method else [-1, -1])
        names = ("loss", "gradient_norm", "largest_norm", "error", "gradient", "radius")
        metrics = dict.fromkeys(names, np.full((seeds, 3), 0.5))
        return training.Training(both, metrics, np.array([0, 2, 4]), np.full(seeds, -1), solved)

    monkeypatch.setattr(order_training, "train", train)
    monkeypatch.setattr(order_training, "starts", lambda *arguments: both)
    monkeypatch.setattr(order_measure, "MULTIPLES", (1, 2))
    arrays, meta = temporal_order.compute(SETTINGS)
    sweep = [(m, r, c) for r in (0.01, 0.1) for m, c in ((0, 0.0), (1, 6.0), (1, 1.0))]
    assert asked == [(method, RECIPE.rate, RECIPE.clip) for method in range(3)] + sweep
    assert arrays["spectrum"].shape == (1, 1, 3, SEEDS, HIDDEN)
    assert arrays["profile"].shape == (1, 1, 3, SEEDS, LENGTH + 1)
    assert not arrays["profile"][..., 0].any()  # by lag: 0 is the end, what the rest is less than
    np.testing.assert_array_equal(arrays["marker"][0, 0, 0], arrays["start_marker"][0, 0])
    reached = np.isfinite(arrays["reach_error"])
    np.testing.assert_array_equal(reached[0, 0, 0], [[True, False]] * 2)
    np.testing.assert_array_equal(reached[0, 0, 2], [[True, True], [True, False]])
    assert meta["facts"]["counts"] == [[[0, 1, 1]]]
    assert meta["dtype"] == arrays["profile"].dtype.name
    assert "\\" not in meta["summary"] and {"S9", "S28"} <= {c["id"] for c in meta["claims"]}


def test_presets_hold_the_acceptance_case():
    standard = temporal_order.PRESETS["standard"]
    lengths = {length: updates for length, updates, _ in standard.lengths}
    assert lengths[20] >= 2_000 and lengths[50] >= 20_000
    assert set(standard.starts) == set(order_networks.STARTS) and standard.seeds >= 5
    for name, preset in temporal_order.PRESETS.items():
        assert all(updates % every == 0 for _, updates, every in preset.lengths)
        assert preset.sweep.updates % preset.sweep.every == 0
        if preset.folder:
            assert preset.folder == record.ROOT / "build" / name / "temporal_order"
