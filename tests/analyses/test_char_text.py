"""Character models: the text, the sequences, the losses, and what is measured of them."""

import math

import jax
import numpy as np
import pytest

from analyses.char_text import compute, data, measure, outcome, training
from analyses.common import resume
from rnnjac.training import Training
from tests import tolerances

NAME = "char_text"
RECIPE = training.Recipe(5, 8, 2, 4, 2, 2, (0.5,), (0.5,))
ROWS, LENGTH = data.STRETCHES, 800


@pytest.fixture(scope="module")
def text():
    """Ten letters, each most often followed by the next one."""
    draws = np.random.default_rng(0)
    jumps = np.where(draws.random(ROWS * LENGTH) < 0.8, 1, draws.integers(0, 10, ROWS * LENGTH))
    letters = "".join("abcdefghij"[i] for i in np.cumsum(jumps) % 10)
    train, held_out, alphabet = data.split(letters)
    facts = {"python": "3", "topics": 1, "characters": len(letters), "repeated": 0}
    return data.Text(train, held_out, alphabet, facts | {"sha256": "0" * 64})


@pytest.fixture(scope="module")
def trained(text):
    """One network of each kind."""
    key, size = jax.random.key(1), len(text.alphabet) + 1

    def one(method):
        return training.train(method, 5, 0.5, RECIPE, text.train, size, key)

    methods = {m.kind: m for m in training.METHODS}
    return {kind: one(method) for kind, method in methods.items()}


@pytest.fixture(scope="module")
def tools(text):
    size = len(text.alphabet) + 1
    return {kind: measure.tools(kind, size, RECIPE.hidden) for kind in ("tanh", "LSTM")}


def test_paragraphs_are_kept_once():
    parts = ["one\n\ntwo  words\n\n\n\nthree", "two\nwords\n\nfour\n\n   \n\none"]
    assert data.unique_paragraphs(parts) == "one\n\ntwo  words\n\nthree\n\nfour"


def test_the_last_tenth_of_each_stretch_is_held_out():
    stretch = "a" * 90 + "b" * 5 + "c" * 5
    train, held_out, alphabet = data.split(stretch * ROWS + "tail")
    assert train.shape == (ROWS, 90) and held_out.shape == (ROWS, 10)
    assert alphabet == "a" and (train == 0).all()
    assert (held_out == 1).all()  # not seen in training: all one symbol


def test_rare_characters_share_a_number():
    train, _, alphabet = data.split(("x" * 99 + "?") * 19 + "yz" * 50)
    assert alphabet == "xyz"
    assert train.max() == 2


def test_too_short_a_text_is_refused():
    with pytest.raises(ValueError, match="text: expected at least 200 characters; got 7"):
        data.split("letters")


def test_the_documentation_is_there():
    found = data.load()
    assert found.train.size > 50_000 and found.train.shape[0] == found.held_out.shape[0] == ROWS
    assert found.train.dtype == np.int32 and found.train.max() <= len(found.alphabet)
    assert set("abcdefghijklmnopqrstuvwxyz ()\n") <= set(found.alphabet)
    assert found.facts["repeated"] > 0 and len(found.facts["sha256"]) == 64
    assert data.baseline(found, 1, True) < data.baseline(found, 1, False)


def test_baselines_follow_from_counts(text):
    single, pair = (data.baseline(text, 1, context) for context in (False, True))
    wide = tolerances.CHARACTER_COUNTS
    assert abs(single - math.log2(10)) < wide  # all letters equally often, one count for the rest
    stay = 0.8 + 0.2 / 10
    exact = -stay * math.log2(stay) - 9 * 0.02 * math.log2(0.02)
    assert abs(pair - exact) < wide


@pytest.mark.parametrize("ahead", [1, 5])
def test_sequences_come_from_the_text_with_the_target_ahead(ahead):
    rows = np.arange(2 * 30, dtype=np.int32).reshape(2, 30)
    sample = training.sampler(rows, 60, 10, ahead, 200)
    batch = jax.jit(sample)(jax.random.key(0))
    assert batch.inputs.shape == (200, 10, 60)
    read = np.asarray(batch.inputs).argmax(-1)
    np.testing.assert_array_equal(read - read[:, :1], np.tile(np.arange(10), (200, 1)))
    np.testing.assert_array_equal(batch.target, read + ahead)
    begins = set((read[:, 0] % 30).tolist())
    assert begins == set(range(30 - 10 - ahead + 1))
    assert set((read // 30).ravel().tolist()) == {0, 1}
    with pytest.raises(ValueError, match=f"length: expected at most {30 - ahead}; got 30"):
        training.sampler(rows, 60, 30, ahead, 2)


def states_of(params, inputs):
    s, rows = np.zeros(RECIPE.hidden), []
    cell = {name: np.asarray(a, np.float64) for name, a in params["cell"].items()}
    for x in inputs:
        s = np.tanh(cell["W_x"] @ x + cell["W_s"] @ s + cell["b"])
        rows.append(s)
    return np.array(rows)


def surprise(params, states, wanted):
    """Cross-entropies and the probabilities they come from, in NumPy."""
    logits = states @ np.asarray(params["W_o"], np.float64).T + np.asarray(params["b_o"])
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    return -np.log(odds[np.arange(len(wanted)), wanted]), odds


def test_bits_per_character_are_those_of_numpy(text, trained, tools, eps):
    params = training.weights(trained["tanh"], 0, -1)
    rows = text.held_out[:3]
    for ahead in training.AHEAD:
        steps = rows.shape[1] - max(training.AHEAD)
        every = []
        for row in rows:
            states = states_of(params, np.eye(11)[row[:steps]])
            every.append(surprise(params, states, row[ahead : ahead + steps])[0])
        exact = np.mean(np.array(every)[:, measure.SKIPPED :]) / math.log(2)
        found = float(tools["tanh"].bits(params, rows, ahead))
        assert abs(found - exact) <= tolerances.CHARACTER_BITS * eps


def test_gradients_by_lag_begin_with_the_readout(text, trained, tools, eps):
    params = training.weights(trained["tanh"], 1, 0)
    row = text.held_out[:1, :17]
    found = np.asarray(tools["tanh"].lags(params, row, 5))
    assert found.shape == (1, 13)
    states = states_of(params, np.eye(11)[row[0, :12]])
    odds = surprise(params, states[-1:], row[0, 16:])[1][0]
    odds[row[0, 16]] -= 1
    cotangent = odds @ np.asarray(params["W_o"], np.float64)
    wide = tolerances.CHARACTER_GRADIENT * eps
    W = np.asarray(params["cell"]["W_s"], np.float64)
    for lag in range(13):
        assert abs(found[0, lag] - math.log(np.linalg.norm(cotangent))) <= wide * (1 + lag)
        if lag < 12:
            cotangent = (cotangent * (1 - states[-1 - lag] ** 2)) @ W


def test_weights_at_the_last_look_are_those_of_the_end(trained):
    for found in trained.values():
        assert found.at.tolist() == [0, 2, 4]
        for seed in range(2):
            last = jax.tree.map(lambda a, seed=seed: a[seed], found.params)
            jax.tree.map(np.testing.assert_array_equal, last, training.weights(found, seed, -1))


def test_omega_is_reported_where_it_is_defined(trained):
    assert (trained["tanh"].metrics["omega"][:, 1:] > 0).all()  # the last tanh method is CR
    assert "omega" not in trained["LSTM"].metrics


def test_the_run_with_the_least_loss_is_chosen():
    every = [
        compute.Run(m, ahead, rate)
        for ahead in training.AHEAD
        for m in range(len(training.METHODS))
        for rate in (0.1, 1.0, 10.0)
    ]
    last = [3.0, 2.0, math.nan] * 10

    def run(value):
        metrics = {"loss": np.array([[9.0, value], [9.0, value]])}
        return Training(None, metrics, np.arange(2), np.full(2, -1), np.full(2, -1))

    best = compute.choose(every, [run(value) for value in last])
    assert all(every[i].rate == 1.0 for i in best.values())
    assert all((every[i].method, every[i].ahead) == key for key, i in best.items())


def made_up(loss, diverged):
    loss = np.array(loss)
    names = ("loss", "gradient_norm", "largest_norm")
    diverged = np.array(diverged)
    at = 2 * np.arange(loss.shape[1])
    return Training(None, dict.fromkeys(names, loss), at, diverged, 0 * diverged - 1)


def test_a_run_that_ended_early_is_filled_up_and_counts_as_thrown_off():
    early = made_up([[math.nan, 3.0]], [1])
    whole = made_up([[math.nan, 3.0, 2.0, 1.0]], [-1])
    arrays = compute._histories([early, whole])
    assert arrays["updates"].tolist() == [0, 2, 4, 6]
    assert np.isnan(arrays["loss"][0, :, 2:]).all() and np.isfinite(arrays["loss"][1, :, 1:]).all()
    facts = {"alone": [5.0, 5.0], "runs": [{"ahead": 1}, {"ahead": 5}]}
    arrays["held_out"] = np.array([[4.0], [4.0]])
    off = [outcome.thrown_off(arrays, facts, run).tolist() for run in range(2)]
    assert off == [[True], [False]]


def test_a_checkpoint_of_another_run_is_started_again(tmp_path, monkeypatch, capsys):
    file = tmp_path / "run.npz"
    file.write_bytes(b"old")
    calls = []

    def train(*arguments, checkpoint, **options):
        calls.append(checkpoint.exists())
        if checkpoint.exists():
            raise ValueError("checkpoint: expected a file of the same run; got another")
        return "trained"

    monkeypatch.setattr(resume.training, "train", train)
    rows = np.zeros((2, 30), np.int32)
    method = training.METHODS[0]
    found = training.train(method, 1, 0.5, RECIPE, rows, 3, jax.random.key(0), file)
    assert found == "trained" and calls == [True, False]
    assert "starting again" in capsys.readouterr().err


def test_pieces_fit_into_the_rows(text):
    cuts = measure.pieces(text.held_out, 30, 17)
    assert cuts.shape == (30, 17)
    with pytest.raises(ValueError, match="length: expected at most 80; got 90"):
        measure.pieces(text.held_out, 3, 90)


def test_bits_are_those_of_each_run_and_seed(text, trained, tools):
    every = [compute.Run(0, 5, 0.5), compute.Run(1, 1, 0.5)]
    found = compute._bits(every, [trained["tanh"]] * 2, text, {"tanh": tools["tanh"]})
    for i, run in enumerate(every):
        params = training.weights(trained["tanh"], 1, -1)
        for name, rows in (("held_out", text.held_out), ("seen", text.train[:, :80])):
            assert found[name][i, 1] == float(tools["tanh"].bits(params, rows, run.ahead))


def test_every_method_is_trained_at_every_step_size(quick):
    found, settings = quick(NAME), compute.PRESETS["quick"]
    every = compute.runs(settings.recipe)
    assert found.facts["runs"] == [run._asdict() for run in every]
    assert len(every) == 2 * len(training.METHODS) * len(training.AHEAD)
    shape = (len(every), settings.recipe.seeds)
    assert found.arrays["held_out"].shape == found.arrays["seen"].shape == shape
    updates = found.arrays["updates"]
    assert updates[0] == 0 and updates[-1] == settings.recipe.updates
    assert found.arrays["loss"].shape == (*shape, updates.size)
    assert found.provenance["dtype"] == found.arrays["loss"].dtype.name


def test_methods_begin_alike_and_only_tanh_networks_have_a_radius(quick):
    arrays = quick(NAME).arrays
    radius, tanh = arrays["radius"], [method.kind == "tanh" for method in training.METHODS]
    assert np.isnan(radius[np.invert(tanh)]).all() and (radius[tanh] > 0).all()
    for kind in ("tanh", "LSTM"):
        mine = [method.kind == kind for method in training.METHODS]
        first = arrays[f"spectrum_{kind}"][mine][:, :, 0]
        np.testing.assert_array_equal(first, np.broadcast_to(first[:1], first.shape))
        assert np.isnan(arrays[f"spectrum_{kind}"][np.invert(mine)]).all()


def test_networks_learn_and_gradients_of_long_lags_are_smaller(quick):
    found = quick(NAME)
    for k, alone in enumerate(found.facts["alone"]):
        best = [row[k] for row in found.facts["best"]]
        assert (found.arrays["held_out"][best] < alone).all()
    lags = found.arrays["lags"]
    assert np.isfinite(lags).all() and (lags[..., -1] < lags[..., 0]).all()


def test_bits_are_drawn_against_three_step_sizes_at_least():
    for rates, drawn in (((0.5,), False), ((0.5, 2.0), False), ((0.5, 1.0, 2.0), True)):
        recipe = RECIPE._replace(tanh_rates=rates, lstm_rates=(0.5, 1.0, 2.0))
        facts = {"runs": [run._asdict() for run in compute.runs(recipe)]}
        assert ("steps" in outcome.shown_figures(facts)) == drawn
