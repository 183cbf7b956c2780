"""The carousel: what must be exact is compared with ==, the rest with closed forms."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analyses.lstm_carousel import ablation, flow, rates, terms, verdicts
from rnnjac import cells
from rnnjac.activations import sigmoid
from tests import tolerances

NAME = "lstm_carousel"
KEY = jax.random.key(0)


def test_the_carousel_is_exactly_1_at_every_lag(quick):
    facts = quick(NAME).facts
    assert facts["unit_carousel_off"] == 0.0 == facts["unit_flip_off"]
    assert facts["unit_carousel_count"] == facts["unit_lags"]
    assert facts["unit_flip_count"] == 0.0
    assert facts["unit_leak_last"] < 1e-4


def test_the_truncated_cell_is_the_identity_bit_for_bit(quick):
    assert quick(NAME).facts["cut_off"] == 0.0


def test_the_exact_cell_is_not_taken_for_the_identity():
    cell = cells.lstm_1997(flow.INPUTS, flow.HIDDEN)
    assert flow._identity_off(cell.step, cell.initial_state(), KEY, 1) > 0.0


def test_the_cell_of_1997_has_two_gates(quick):
    facts = quick(NAME).facts
    assert facts["structure_exact_blocks"] == 3 and facts["structure_later_blocks"] == 4
    assert facts["structure_exact_off"] == 0.0 < facts["structure_later_off"]
    assert facts["structure_cut_from_h"] == 0 < facts["structure_exact_from_h"]


def test_contributions_of_all_lags_add_up_to_the_gradient(dtype):
    step = cells.lstm_1997(flow.INPUTS, flow.HIDDEN).step
    start = cells.lstm_1997(flow.INPUTS, flow.HIDDEN).initial_state()
    params, x, v = flow._draw(KEY, 1.0, 10)

    def loss(p):
        return v @ jax.lax.scan(lambda s, x: (step(p, s, x), None), start, x)[0].h

    whole = jnp.concatenate([jnp.ravel(a) for a in jax.tree.leaves(jax.grad(loss)(params))])
    parts = flow._contributions(step, params, start, x, v).sum(axis=0)
    gap = float(jnp.linalg.norm(whole - parts) / jnp.linalg.norm(whole))
    assert gap < tolerances.CAROUSEL_PRODUCT * jnp.finfo(dtype).eps


def test_no_cell_state_passes_its_bound(quick):
    facts = quick(NAME).facts
    wide = tolerances.SUM_OF_LOGS * facts["growth_steps"] * facts["eps"]
    assert facts["growth_share"] <= 1 + wide
    assert facts["growth_share_held"] > 0.99
    assert facts["growth_kept_long"] < facts["growth_kept_long_bound"]


def test_four_terms_are_exact_over_one_step_and_without_output_recurrence(quick):
    facts = quick(NAME).facts
    for name in ("term_one_step", "term_four", "term_no_output", "term_missing_left"):
        assert facts[name] < tolerances.CAROUSEL_PRODUCT * facts["eps"], name
    assert facts["term_missing_gap"] > 0.01 and facts["term_four_15"] > facts["term_four_2"]
    assert facts["term_three_least"] > 0.01


def test_forget_gate_alone_sets_the_rate_without_recurrent_weights(dtype):
    n, f = 3, 0.95
    cell = cells.lstm(0, n)
    params = jax.tree.map(jnp.zeros_like, cell.init(KEY))
    params = terms.with_biases(params, math.log(f / (1 - f)), 0.0)
    start = cells.LSTMState(jnp.zeros(n), jnp.zeros(n))
    x = jnp.zeros((50, 0))
    logs = rates.leading(cell.step, params, start, x)[20:]
    np.testing.assert_allclose(
        logs, math.log(f), rtol=0, atol=tolerances.CELL_STEP * jnp.finfo(dtype).eps
    )


def test_a_crossing_is_found_between_grid_points():
    x = np.array([1.0, 2.0, 4.0, 8.0])
    assert rates.crossing(x, np.array([-1.0, -1.0, 1.0, 2.0])) == pytest.approx(8**0.5)
    assert rates.crossing(x, np.array([-1.0, 1.0, 2.0, -1.0])) == pytest.approx(2**0.5)
    assert rates.crossing(x, -x) == math.inf
    assert rates.crossing(x, x) == 1.0


def test_the_switched_cell_is_an_lstm_or_a_tanh_network(dtype):
    n = 3
    cell = cells.lstm(2, n)
    params, x = cell.init(KEY), jnp.array([0.3, -1.2])
    state = cells.LSTMState(jnp.arange(1.0, n + 1), jnp.array([0.1, -0.2, 0.3]))
    close = {"rtol": 0, "atol": tolerances.CELL_STEP * jnp.finfo(dtype).eps}
    full = ablation.step(params | {"switches": jnp.ones(3)}, state, x)
    np.testing.assert_allclose(full.c, cell.step(params, state, x).c, **close)
    np.testing.assert_allclose(full.h, cell.step(params, state, x).h, **close)
    bare = ablation.step(params | {"switches": jnp.zeros(3)}, state, x)
    argument = (params["W_x"] @ x + params["W_h"] @ state.h + params["b"])[2 * n : 3 * n]
    np.testing.assert_allclose(bare.h, jnp.tanh(argument), **close)
    gated = ablation.step(params | {"switches": jnp.array([1.0, 0.0, 0.0])}, state, x)
    np.testing.assert_allclose(gated.c, state.c + jnp.tanh(argument), **close)


def test_the_marked_value_is_the_target():
    x, y = ablation.batch(KEY, 5, 30)
    marked = np.argmax(np.asarray(x[..., 1]), axis=1)
    assert (np.asarray(x[..., 1]).sum(axis=1) == 1).all() and (marked < 3).all()
    np.testing.assert_array_equal(np.asarray(x)[np.arange(5), marked, 0], y)


def test_gate_paths_stay_below_the_bound_and_vanish_with_the_input_gate(quick):
    arrays, facts = quick(NAME)[:2]
    assert facts["path_bound"] <= 1
    assert (np.diff(arrays["path_ratio"]) > 0).all()
    both = arrays["raised_distance"][1]
    assert (np.diff(both) < 0).all()
    # with the input gate closed, G - I tends to diag(f) - I and A
    kept = 1 - float(sigmoid(jnp.array(terms.FORGET_BIASES[-1])))
    assert both[-1] < 50 * kept


def test_every_claim_has_a_verdict_in_place():
    ids = {f"S{i}" for i in (12, *range(15, 22), "22a", "22b", 23, 24, 26, 27)}
    assert set(verdicts.RULES) == ids


def test_verdicts_follow_their_figures():
    facts = {"unit_carousel_off": 0.0, "unit_flip_off": 0.0, "unit_leak_last": 0.1, "unit_lags": 9,
             "unit_flip_count": 0.0, "unit_carousel_count": 9.0}  # fmt: skip
    assert verdicts._s16(facts)[0] == "holds"
    assert verdicts._s16(facts | {"unit_carousel_off": 1e-16})[0] == "refuted"
