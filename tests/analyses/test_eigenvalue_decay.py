"""The eigenvalue rule: exact facts of its counter-examples, and a whole run at a tiny size."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from analyses.common import claims, record
from analyses.eigenvalue_decay import compute as eigenvalue_decay
from analyses.eigenvalue_decay import examples as decay_examples
from analyses.eigenvalue_decay import networks as decay_networks
from analyses.eigenvalue_decay import verdicts as decay_verdicts
from tests import tolerances

TINY = eigenvalue_decay.Settings(
    *(6, 24, 8, 2, 1, 1), *(8, 40, 6, 1), *(1, 5, 20, 2, 2, 1, 2, 1e-3, 2), *(16, 60, 12)
)


def close(value, expected, multiple, eps, scale=1.0):
    assert abs(value - expected) <= multiple * eps * scale


@pytest.fixture(scope="module")
def measured():
    return eigenvalue_decay.measure(TINY)


@pytest.fixture
def eps(dtype):
    return float(jnp.finfo(dtype).eps)


def test_radius_below_1_explodes_when_one_unit_is_held_saturated(eps):
    _, facts = decay_examples.tilted()
    W = np.array([[2.0, -4.0], [1.0, -1.75]])
    J = np.array([[1.0], [math.cosh(8.0) ** -2]]) * W
    exact = math.log(np.linalg.norm(np.linalg.matrix_power(J, 50), 2))
    assert f"{math.exp(exact):.1e}" == "2.5e+15"
    close(facts["tilted_log_norm"], exact, tolerances.DECAY_LOG_PRODUCT, eps)
    close(facts["tilted_radius"], math.sqrt(0.5), 2 * tolerances.EIGENVALUE, eps)
    assert facts["tilted_step_radius"] > 1.99 > 1 > facts["tilted_radius"]


def test_nilpotent_powers_grow_and_are_then_exactly_zero(eps):
    arrays, facts = decay_examples.nilpotent()
    assert round(facts["nilpotent_peak"]) == 12074
    assert arrays["nilpotent"][-1] == 0
    assert facts["nilpotent_last"] == -math.inf
    # only the corner entry of W^29 is left, 1/2 to the 29th
    close(facts["nilpotent_before_last"], -29 * math.log(2), tolerances.DECAY_LOG_PRODUCT, eps)


def test_unit_of_weight_2_settles(eps):
    s = 1.0
    for _ in range(100):
        s = math.tanh(2 * s)
    assert f"{s:.7f} {2 * (1 - s * s):.7f}" == "0.9575040 0.1663721"
    _, facts = decay_examples.fixed_point(2.0)
    close(facts["unit_fixed_point"], s, tolerances.DECAY_FIXED_POINT, eps)
    close(facts["unit_multiplier"], 2 * (1 - s * s), tolerances.DECAY_FIXED_POINT, eps)


def test_information_of_two_signs():
    a = np.array([True, True, False, False])
    assert decay_examples.information(a, a) == 1
    assert decay_examples.information(a, ~a) == 1
    assert decay_examples.information(a, np.array([True, False, True, False])) == 0
    assert decay_examples.information(a, np.ones(4, bool)) == 0


@pytest.mark.parametrize("family", decay_networks.FAMILIES)
def test_matrices_have_spectral_radius_1(family, eps):
    n = 6
    W = decay_networks.matrix(family, jax.random.key(3), n)
    if family != "non-normal":
        close(float(rnnjac.spectral_radius(W)), 1, tolerances.EIGENVALUE * n, eps)
        return
    # its eigenvalues are ill-conditioned, the traces of its powers are not
    W, diagonal = np.asarray(W, np.float64), np.linspace(-1, 1, n)
    size = np.linalg.norm(W)
    for power in (1, 2, 3):
        trace = np.trace(np.linalg.matrix_power(W, power))
        wide = tolerances.ORACLE_BACKWARD * n * power
        close(trace, np.sum(diagonal**power), wide, eps, size**power)
    assert np.linalg.norm(W, 2) > 2


def test_slope_of_log_norms(dtype):
    logs = 0.25 * jnp.arange(9, dtype=dtype) - 3
    assert float(decay_networks.slope(logs)) == 0.25
    assert float(decay_networks.slope(logs.at[0].set(-jnp.inf))) == math.inf


def test_identities_hold_to_rounding(measured, eps):
    facts = measured[1]["facts"]
    wide = tolerances.DECAY_IDENTITY
    for name in ("sum_of_terms", "cut_beyond_lag_0", "diagonal_left", "diagonal_right_other_form"):
        close(facts[name], 0, wide, eps)
    close(facts["forms_intertwine"], 0, wide, eps)
    close(facts["product_ways"], 0, wide, eps)
    assert facts["product_reversed"] > 0.1 < facts["diagonal_right_wrong"]
    assert (facts["tanh_slope_max"], facts["sigmoid_slope_max"]) == (1, 0.25)


def test_no_rate_passes_the_bound(measured, eps):
    close(max(measured[1]["facts"]["bound_excess"], 0), 0, tolerances.DECAY_IDENTITY, eps)


def test_linear_networks_follow_the_rule(measured):
    facts = measured[1]["facts"]
    assert facts["linear_wrong"] == 0 < facts["linear_count"]


def test_every_claim_from_s1_to_s11_gets_a_valid_row(measured):
    rows = measured[1]["claims"]
    claims.validate(rows)
    assert [row["id"] for row in rows] == [f"S{i}" for i in range(1, 12)]
    verdicts = {row["id"]: row["verdict"] for row in rows}
    assert verdicts["S1"] == verdicts["S2"] == "holds"
    assert verdicts["S4"] == verdicts["S5"] == "refuted"
    assert not any("nan" in row["measured"] for row in rows)


def test_verdicts_follow_the_figures(measured, eps):
    facts = measured[1]["facts"]

    def verdict(claim, **changed):
        rows = decay_verdicts.verdicts({**facts, **changed}, eps)
        return next(row["verdict"] for row in rows if row["id"] == claim)

    assert verdict("S1", sum_of_terms=0.1) == "refuted"
    assert verdict("S3", product_reversed=0.0) == "refuted"
    assert verdict("S4", above_wrong=0, unit_multiplier=1.5) == "holds"
    assert verdict("S5", below_wrong=0, tilted_log_norm=-1.0) == "holds"
    assert verdict("S6", tanh_slope_max=1.1) == "refuted"
    assert verdict("S10", latch_bits=0.0) == "holds"
    assert verdict("S11", scan_growing=3) == "refuted"


def test_every_figure_is_drawn_from_the_stored_data(measured, tmp_path):
    arrays, meta = measured
    record.save(tmp_path / "data.npz", arrays, meta)
    arrays, meta = record.load(tmp_path / "data.npz")
    eigenvalue_decay.draw(arrays, meta, tmp_path)
    for figure in meta["figures"]:
        assert (tmp_path / figure["file"]).stat().st_size > 0
        assert figure["caption"] and figure["alt"]
