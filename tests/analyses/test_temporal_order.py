"""The temporal order task: measurements are what they are said to be, and so are the words."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from analyses.common import claims, record, resume
from analyses.temporal_order import captions, compute, counts, figures, measure, networks, training
from analyses.temporal_order.networks import BASIC
from analyses.temporal_order.verdicts import verdicts
from rnnjac.training import Training
from tests import tolerances

LENGTH, HIDDEN, SEEDS = 10, 4, 2
NAME = "temporal_order"
RECIPE = training.Recipe(hidden=HIDDEN, batch=3)


@pytest.fixture(scope="module")
def both():
    """Two networks, stacked, far enough from 0 that tanh bends."""
    start = networks.STARTS[BASIC]
    begin = jax.jit(jax.vmap(lambda key: networks.begin(start, HIDDEN, key)))
    return jax.tree.map(lambda a: 3 * np.asarray(a), begin(jax.random.split(jax.random.key(0))))


@pytest.fixture(scope="module")
def params(both):
    return jax.tree.map(lambda a: jnp.asarray(a[0]), both)


@pytest.fixture(scope="module")
def cell():
    return networks.network("tanh", HIDDEN)


def last_states(params, inputs):
    """In NumPy and float64."""
    weights = {name: np.asarray(w, float) for name, w in params["cell"].items()}
    states = np.zeros((len(inputs), HIDDEN))
    for x in np.asarray(inputs, float).swapaxes(0, 1):
        states = np.tanh(states @ weights["W_s"].T + x @ weights["W_x"].T + weights["b"])
    return states


def test_error_is_the_share_of_wrong_classes(params, cell, dtype, monkeypatch):
    monkeypatch.setattr(networks, "CHUNK", 50)
    key = jax.random.key(3)
    draw = jax.jit(lambda number: networks.batch(jax.random.fold_in(key, number), LENGTH, 50))
    shares = []
    for number in range(3):
        drawn = draw(number)
        odds = last_states(params, drawn.inputs) @ np.asarray(params["W_y"], float).T
        shares.append((odds.argmax(1) != np.asarray(drawn.target)).mean())
    assert 0 < shares[0] < 1
    error = jax.jit(lambda limit: networks.error(cell, params, key, LENGTH, 150, limit))
    for limit, seen in ((1, 3), (0, 1)):  # above the limit after one chunk: no more are drawn
        found = error(jnp.array(limit, dtype))
        assert float(found) == pytest.approx(np.mean(shares[:seen]), abs=0.5 / 150)


def test_gradient_is_that_of_the_loss_at_every_state(params, cell, dtype):
    draw = jax.jit(lambda key: networks.batch(key, LENGTH, 1))
    example = jax.tree.map(lambda a: a[0], draw(jax.random.key(5)))

    def run(shifts):
        def advance(state, at):
            state = cell.step(params["cell"], state, at[0]) + at[1]
            return state, state

        states = jax.lax.scan(advance, shifts[0], (example.inputs, shifts[1:]))[1]
        return networks.loss(params, states, example)

    arriving = jax.jit(jax.grad(run))(jnp.zeros((LENGTH + 1, HIDDEN)))
    logs = np.log(np.linalg.norm(np.asarray(arriving, float), axis=1))
    found = jax.jit(lambda p: networks.gradient(cell, p, example))(params)
    limit = tolerances.ORDER_GRADIENT * jnp.finfo(dtype).eps
    np.testing.assert_allclose(found, logs - logs[-1], rtol=0, atol=limit)
    marker = int(example.positions[0])
    assert float(networks.at_marker(found, example)) == float(found[marker + 1])
    assert int(example.inputs[marker].argmax()) < 2  # the state that has just read the marker


def test_smart_start_is_sparse_with_incoming_connections(dtype):
    start = networks.STARTS["smart tanh"]
    begun = jax.jit(lambda key: networks.begin(start, 20, key))(jax.random.key(1))
    weights = np.asarray(begun["cell"]["W_s"], float)
    assert ((weights != 0).sum(axis=1) == networks.CONNECTIONS).all()
    radius = np.abs(np.linalg.eigvals(weights)).max()
    limit = tolerances.EIGENVALUE * 20 * float(jnp.finfo(dtype).eps)
    assert radius == pytest.approx(networks.RADIUS, rel=limit)
    assert not begun["b_y"].any() and not begun["cell"]["b"].any()
    assert float(jnp.abs(begun["W_y"]).max()) < 0.1


CASE = training.Case(BASIC, training.OMEGA, LENGTH, 2, 2)
RUN = {"seeds": SEEDS, "tested": 6, "watched": 2}


def test_updates_are_small_and_measured(tmp_path):
    path, key = tmp_path / "case.npz", jax.random.key(0)
    found = training.train(CASE, RECIPE, key=key, checkpoint=path, **RUN)
    assert found.at.tolist() == [0, 2] and path.is_file()
    assert set(found.metrics) >= {"error", "gradient", "radius", "omega", "gradient_norm"}
    begun = training.starts(BASIC, RECIPE, key, SEEDS)
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), found.params, begun)
    assert 0 < max(jax.tree.leaves(moved)) < 2 * RECIPE.rate * RECIPE.clip


def test_methods_are_what_they_are_called(monkeypatch, dtype):
    weights, sizes, steep = [], [], {"w": jnp.array([30.0, 40.0])}
    spied = training.regularizers
    monkeypatch.setattr(spied, "with_omega", lambda _, weight, **__: weights.append(weight))
    monkeypatch.setattr(resume.training, "train", lambda *arguments, **_: arguments[3])
    for method in range(len(training.METHODS)):
        rule = training.train(CASE._replace(method=method), RECIPE, key=jax.random.key(0), **RUN)
        change, _ = rule.update(steep, rule.init(steep))
        sizes.append(float(jnp.linalg.norm(change["w"])))
    assert weights == [None, None, RECIPE.weight]
    norms = [50 * RECIPE.rate, *[RECIPE.clip * RECIPE.rate] * 2]
    assert sizes == pytest.approx(norms, rel=tolerances.CLIPPED * float(jnp.finfo(dtype).eps))


def test_other_errors_are_not_taken_for_an_old_checkpoint(tmp_path, monkeypatch):
    def fail(*arguments, **settings):
        raise ValueError("seeds: expected something else")

    monkeypatch.setattr(resume.training, "train", fail)
    with pytest.raises(ValueError, match="seeds: expected"):
        training.train(CASE, RECIPE, key=jax.random.key(0), checkpoint=tmp_path, **RUN)
    assert tmp_path.exists()


def test_history_ends_where_a_seed_stopped():
    rows = np.arange(6.0).reshape(2, 3)
    metrics = dict.fromkeys(
        ("loss", "gradient_norm", "largest_norm", "error", "gradient", "radius"), rows
    )
    found = Training(None, metrics, np.array([0, 2, 4]), np.array([-1, -1]), np.array([2, -1]))
    seen = training.history(found, 4)["error"]
    np.testing.assert_array_equal(seen, [[0, 1, np.nan, np.nan], [3, 4, 5, np.nan]])


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
        "multiples": np.array(measure.MULTIPLES),
        "starts": np.array([BASIC]),
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
    found = verdicts(counts.counts(made_up(SOLVED, **{**case, "sweep": sweep})))
    assert all(measured for _, measured in found.values())
    assert expected == {claim: found.get(claim, [None])[0] for claim in expected}


def test_clipping_that_always_wins_holds():
    solved = np.full((2, 1, 3, 8), 2)
    solved[:, :, training.PLAIN] = -1
    facts = counts.counts(made_up(solved, [[FEW, MANY], [FEW, MANY]]))
    assert verdicts(facts)["S28"][0] == HOLDS
    assert facts["table_chance"] == 2 / 2**16


def test_counts_are_those_of_the_arrays():
    facts = counts.counts(made_up(SOLVED, [[FEW, FEW], [FEW, MANY]]))
    assert facts["counts"] == [[[1, 2, 2]], [[0, 1, 2]]]
    assert facts["medians"][1][0][training.OMEGA] == 5
    assert np.isnan(facts["medians"][1][0][training.PLAIN])
    assert facts["reach_tested"] == [8, 8, 8]
    assert facts["reach_below"] == [8, 0, 0] and facts["reach_perfect"] == [0, 0, 0]
    assert (facts["solved"], facts["failed"]) == (8, 4)
    assert facts["failed_vanish"] == 1 and facts["solved_hold"] == 1
    assert facts["sweep_counts"] == [[0, 0], [0, 8]]


@pytest.mark.parametrize("solved", [np.full((2, 1, 3, 2), -1), np.full((2, 1, 3, 2), 2)])
def test_figures_are_drawn_if_none_or_all_solved_the_task(solved, tmp_path):
    arrays = made_up(solved, [[FEW, FEW], [FEW, MANY]])
    facts = counts.counts(arrays)
    rows = captions.captions(arrays, facts)
    figures.draw(arrays, facts, tmp_path)
    for row in rows:
        assert (tmp_path / row["file"]).stat().st_size > 1000
        assert "nan" not in row["caption"] and "inf" not in row["caption"]
    assert len(rows) == len(list(tmp_path.glob("*.svg"))) == 5


@pytest.mark.parametrize("only", [(0, 0), (0, 5), (3, 1), (7, 7), (0, 9)])
def test_chance_of_a_split_is_that_of_a_fair_coin(only):
    plain = np.repeat([True, False, True], [only[0], only[1], 2])
    clipped = np.repeat([False, True, True], [only[0], only[1], 2])
    found = counts._pairs("x", plain, clipped)
    expected = stats.binomtest(only[0], sum(only)).pvalue if sum(only) else 1.0
    limit = tolerances.ORACLE_BACKWARD * np.finfo(float).eps
    assert found["x_chance"] == pytest.approx(expected, rel=limit)
    assert (found["x_only_plain"], found["x_only_clipped"]) == only


def test_shares_of_success_are_drawn_against_two_lengths_or_rates_at_least():
    arrays = made_up(SOLVED, [[FEW, FEW], [FEW, MANY]])
    alone = {**arrays, "lengths": arrays["lengths"][:1], "rates": arrays["rates"][:1]}
    left_out = set(counts.shown_figures(arrays)) - set(counts.shown_figures(alone))
    assert left_out == {"success", "rates"}


# What is asked for, and what came of it


def test_the_sweep_asks_for_every_rate_and_threshold(monkeypatch):
    asked = []

    def train(case, recipe, *, seeds, **settings):
        asked.append((case.start, case.method, recipe.rate, recipe.clip))
        return Training(None, {}, np.zeros(1), np.full(seeds, -1), np.full(seeds, len(asked)))

    monkeypatch.setattr(training, "train", train)
    sweep = compute.Sweep((0.01, 0.1), (6.0, 1.0), 2, 4, 2)
    found = compute._sweep(compute.PRESETS["quick"]._replace(sweep=sweep))
    cases = ((training.PLAIN, 0.0), (training.CLIPPED, 6.0), (training.CLIPPED, 1.0))
    assert asked == [(BASIC, method, rate, clip) for rate in (0.01, 0.1) for method, clip in cases]
    np.testing.assert_array_equal(found["solved"][..., 0], [[1, 2, 3], [4, 5, 6]])


def test_arrays_have_an_entry_for_every_network(quick):
    found, settings = quick(NAME), compute.PRESETS["quick"]
    arrays, (length, updates, every) = found.arrays, settings.lengths[0]
    shape = (1, len(settings.starts), len(training.METHODS), settings.seeds)
    assert arrays["spectrum"].shape == (*shape, settings.recipe.hidden)
    assert arrays["profile"].shape == (*shape, length + 1)
    assert arrays["history_error"].shape == (*shape, updates // every + 1)
    assert found.facts == settings.recipe._asdict() | {"tested": settings.effort.tested}
    assert found.provenance["dtype"] == arrays["profile"].dtype.name
    assert {"S9", "S28"} <= set(found.words.claims)


def test_profiles_begin_at_the_end_and_with_the_same_starts(quick):
    arrays = quick(NAME).arrays
    assert not arrays["profile"][..., 0].any()  # by lag: 0 is the end, what the rest is less than
    assert not arrays["start_profile"][..., 0].any()
    first = arrays["history_radius"][..., 0]  # the same for every method
    assert (first == first[:, :, :1]).all()
    limit = tolerances.EIGENVALUE * 50 * np.finfo(first.dtype).eps
    np.testing.assert_allclose(arrays["start_radius"], first[:, :, 0], rtol=limit)


def test_networks_that_solved_are_tested_at_all_lengths_and_no_others(quick):
    arrays = quick(NAME).arrays
    reached, good = np.isfinite(arrays["reach_error"]), arrays["solved"] >= 0
    assert reached[..., 0].all() and good.any() and not good.all()
    assert (reached[..., 1:] == good[..., None]).all()
    assert (arrays["reach_error"][..., 0][good] < networks.FAILED).all()


def test_presets_hold_the_acceptance_case():
    standard = compute.PRESETS["standard"]
    lengths = {length: updates for length, updates, _ in standard.lengths}
    assert lengths[20] >= 2_000 and lengths[50] >= 20_000
    assert set(standard.starts) == set(networks.STARTS) and standard.seeds >= 5
    for name, preset in compute.PRESETS.items():
        assert all(updates % every == 0 for _, updates, every in preset.lengths)
        assert preset.sweep.updates % preset.sweep.every == 0
        if preset.folder:
            assert preset.folder == record.ROOT / "build" / name / "temporal_order"
