"""The carousel: what must be exact is compared with ==, the rest with closed forms."""

import math
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analyses.common import claims
from analyses.lstm_carousel import ablation as carousel_ablation
from analyses.lstm_carousel import compute as lstm_carousel
from analyses.lstm_carousel import figures as carousel_figures
from analyses.lstm_carousel import flow as carousel_flow
from analyses.lstm_carousel import rates as carousel_rates
from analyses.lstm_carousel import terms as carousel_terms
from analyses.lstm_carousel import verdicts as carousel_verdicts
from analyses.lstm_carousel.terms import FORGET_BIASES
from rnnjac import cells
from rnnjac.activations import sigmoid
from tests import tolerances

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def terms():
    """Errors of the four-term formula in 12 small networks."""
    return carousel_terms.four_terms(12, KEY)


@pytest.fixture(scope="module")
def growth():
    """Cell states with and without forgetting."""
    return carousel_terms.growth(60, 2, KEY)


def test_the_carousel_is_exactly_1_at_every_lag():
    _, facts = carousel_flow.unit()
    assert facts["unit_carousel_off"] == 0.0 == facts["unit_flip_off"]
    assert facts["unit_carousel_count"] == facts["unit_lags"]
    assert facts["unit_flip_count"] == 0.0
    assert facts["unit_leak_last"] < 1e-4


def test_the_truncated_cell_is_the_identity_bit_for_bit():
    step = cells.lstm_1997(carousel_flow.INPUTS, carousel_flow.HIDDEN, truncated=True).step
    start = cells.lstm_1997(carousel_flow.INPUTS, carousel_flow.HIDDEN).initial_state()
    assert carousel_flow._identity_off(step, start, KEY, 1) == 0.0
    exact = cells.lstm_1997(carousel_flow.INPUTS, carousel_flow.HIDDEN).step
    assert carousel_flow._identity_off(exact, start, KEY, 1) > 0.0


def test_the_cell_of_1997_has_two_gates():
    _, facts = carousel_flow.structure(KEY)
    assert facts["structure_exact_blocks"] == 3 and facts["structure_later_blocks"] == 4
    assert facts["structure_exact_off"] == 0.0 < facts["structure_later_off"]
    assert facts["structure_cut_from_h"] == 0 < facts["structure_exact_from_h"]


def test_contributions_of_all_lags_add_up_to_the_gradient(dtype):
    step = cells.lstm_1997(carousel_flow.INPUTS, carousel_flow.HIDDEN).step
    start = cells.lstm_1997(carousel_flow.INPUTS, carousel_flow.HIDDEN).initial_state()
    params, x, v = carousel_flow._draw(KEY, 1.0, 10)

    def loss(p):
        return v @ jax.lax.scan(lambda s, x: (step(p, s, x), None), start, x)[0].h

    whole = jnp.concatenate([jnp.ravel(a) for a in jax.tree.leaves(jax.grad(loss)(params))])
    parts = carousel_flow._contributions(step, params, start, x, v).sum(axis=0)
    gap = float(jnp.linalg.norm(whole - parts) / jnp.linalg.norm(whole))
    assert gap < tolerances.CAROUSEL_PRODUCT * jnp.finfo(dtype).eps


def test_no_cell_state_passes_its_bound(growth, dtype):
    _, facts = growth
    eps = jnp.finfo(dtype).eps
    assert facts["growth_share"] <= 1 + tolerances.SUM_OF_LOGS * facts["growth_steps"] * eps
    assert facts["growth_share_held"] > 0.99
    assert facts["growth_kept_long"] < facts["growth_kept_long_bound"]


def test_four_terms_are_exact_over_one_step_and_without_output_recurrence(terms, dtype):
    eps = jnp.finfo(dtype).eps
    _, facts = terms
    for name in ("term_one_step", "term_four", "term_no_output", "term_missing_left"):
        assert facts[name] < tolerances.CAROUSEL_PRODUCT * eps, name
    assert facts["term_missing_gap"] > 0.01 and facts["term_four_15"] > facts["term_four_2"]
    assert facts["term_three_least"] > 0.01


def test_forget_gate_alone_sets_the_rate_without_recurrent_weights(dtype):
    n, f = 3, 0.95
    cell = cells.lstm(0, n)
    params = jax.tree.map(jnp.zeros_like, cell.init(KEY))
    params = carousel_terms.with_biases(params, math.log(f / (1 - f)), 0.0)
    start = cells.LSTMState(jnp.zeros(n), jnp.zeros(n))
    x = jnp.zeros((50, 0))
    logs = carousel_rates.leading(cell.step, params, start, x)[20:]
    np.testing.assert_allclose(
        logs, math.log(f), rtol=0, atol=tolerances.CELL_STEP * jnp.finfo(dtype).eps
    )


def test_a_crossing_is_found_between_grid_points():
    x = np.array([1.0, 2.0, 4.0, 8.0])
    assert carousel_rates.crossing(x, np.array([-1.0, -1.0, 1.0, 2.0])) == pytest.approx(8**0.5)
    assert carousel_rates.crossing(x, np.array([-1.0, 1.0, 2.0, -1.0])) == pytest.approx(2**0.5)
    assert carousel_rates.crossing(x, -x) == math.inf
    assert carousel_rates.crossing(x, x) == 1.0


def test_the_switched_cell_is_an_lstm_or_a_tanh_network(dtype):
    n = 3
    cell = cells.lstm(2, n)
    params, x = cell.init(KEY), jnp.array([0.3, -1.2])
    state = cells.LSTMState(jnp.arange(1.0, n + 1), jnp.array([0.1, -0.2, 0.3]))
    close = {"rtol": 0, "atol": tolerances.CELL_STEP * jnp.finfo(dtype).eps}
    full = carousel_ablation.step(params | {"switches": jnp.ones(3)}, state, x)
    np.testing.assert_allclose(full.c, cell.step(params, state, x).c, **close)
    np.testing.assert_allclose(full.h, cell.step(params, state, x).h, **close)
    bare = carousel_ablation.step(params | {"switches": jnp.zeros(3)}, state, x)
    argument = (params["W_x"] @ x + params["W_h"] @ state.h + params["b"])[2 * n : 3 * n]
    np.testing.assert_allclose(bare.h, jnp.tanh(argument), **close)
    gated = carousel_ablation.step(params | {"switches": jnp.array([1.0, 0.0, 0.0])}, state, x)
    np.testing.assert_allclose(gated.c, state.c + jnp.tanh(argument), **close)


def test_the_marked_value_is_the_target():
    x, y = carousel_ablation.batch(KEY, 5, 30)
    marked = np.argmax(np.asarray(x[..., 1]), axis=1)
    assert (np.asarray(x[..., 1]).sum(axis=1) == 1).all() and (marked < 3).all()
    np.testing.assert_array_equal(np.asarray(x)[np.arange(5), marked, 0], y)


def test_gate_paths_stay_below_the_bound_and_vanish_with_the_input_gate():
    settings = SimpleNamespace(hidden=4, seeds=1, path_gains=2, path_steps=24)
    arrays, facts = carousel_terms.gate_paths(settings, KEY)
    assert facts["path_bound"] <= 1
    assert arrays["path_ratio"][0] < arrays["path_ratio"][-1]
    both = arrays["raised_distance"][1]
    assert (np.diff(both) < 0).all()
    # with the input gate closed, G - I tends to diag(f) - I and A
    kept = 1 - float(sigmoid(jnp.array(FORGET_BIASES[-1])))
    assert both[-1] < 50 * kept


def test_every_claim_has_a_verdict_in_place():
    ids = set(carousel_verdicts._RULES)
    assert ids == {"S12", *(f"S{i}" for i in range(15, 22)), "S22a", "S22b", "S23", "S24", "S26",
                   "S27"}  # fmt: skip
    assert ids <= claims.IDS


def test_verdicts_follow_their_figures():
    facts = {"unit_carousel_off": 0.0, "unit_flip_off": 0.0, "unit_leak_last": 0.1, "unit_lags": 9,
             "unit_flip_count": 0.0, "unit_carousel_count": 9.0}  # fmt: skip
    assert carousel_verdicts._s16(facts, 1e-16)[0] == "holds"
    assert carousel_verdicts._s16(facts | {"unit_carousel_off": 1e-16}, 1e-16)[0] == "refuted"


class Halves(dict):
    """Facts that are all one half."""

    def __missing__(self, name):
        return 0.5


def test_every_verdict_and_caption_can_be_written():
    rows = carousel_verdicts.verdicts(Halves(), 1e-16)
    claims.validate(rows)
    for entry in carousel_figures.captions(Halves()):
        assert entry["file"].endswith(".svg") and entry["caption"] and entry["alt"]


def test_each_preset_names_every_setting():
    assert set(lstm_carousel.PRESETS) == {"quick", "standard", "paper"}


def test_figures_can_be_drawn(terms, growth, tmp_path):
    arrays = terms[0] | growth[0] | {"wide_four": np.ones((2, 4)), "wide_forget": np.ones((2, 4))}
    for make in (carousel_figures._terms, carousel_figures._growth):
        figure = make(arrays, {})
        figure.savefig(tmp_path / "figure.svg")
        assert (tmp_path / "figure.svg").stat().st_size > 0
