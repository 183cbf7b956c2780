"""The eigenvalue rule: exact facts of its counter-examples, and what the quick report found."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from analyses.eigenvalue_decay import examples, networks
from analyses.eigenvalue_decay.verdicts import verdicts
from tests import tolerances

NAME = "eigenvalue_decay"


def close(value, expected, multiple, eps, scale=1.0):
    assert abs(value - expected) <= multiple * eps * scale


def test_radius_below_1_explodes_when_one_unit_is_held_saturated(eps):
    _, facts = examples.tilted()
    W = np.array([[2.0, -4.0], [1.0, -1.75]])
    J = np.array([[1.0], [math.cosh(8.0) ** -2]]) * W
    exact = math.log(np.linalg.norm(np.linalg.matrix_power(J, 50), 2))
    assert f"{math.exp(exact):.1e}" == "2.5e+15"
    close(facts["tilted_log_norm"], exact, tolerances.DECAY_LOG_PRODUCT, eps)
    close(facts["tilted_radius"], math.sqrt(0.5), 2 * tolerances.EIGENVALUE, eps)
    assert facts["tilted_step_radius"] > 1.99 > 1 > facts["tilted_radius"]


def test_nilpotent_powers_grow_and_are_then_exactly_zero():
    arrays, facts = examples.nilpotent()
    assert round(facts["nilpotent_peak"]) == 12074
    # only the corner entry of W^29 is left, 1/2 to the 29th
    assert (arrays["nilpotent"][-2], arrays["nilpotent"][-1]) == (2.0**-29, 0.0)


def test_unit_of_weight_2_settles(eps):
    s = 1.0
    for _ in range(100):
        s = math.tanh(2 * s)
    assert f"{s:.7f} {2 * (1 - s * s):.7f}" == "0.9575040 0.1663721"
    _, facts = examples.fixed_point(2.0)
    close(facts["unit_fixed_point"], s, tolerances.DECAY_FIXED_POINT, eps)
    close(facts["unit_multiplier"], 2 * (1 - s * s), tolerances.DECAY_FIXED_POINT, eps)


def test_information_of_two_signs():
    a = np.array([True, True, False, False])
    assert examples.information(a, a) == 1
    assert examples.information(a, ~a) == 1
    assert examples.information(a, np.array([True, False, True, False])) == 0
    assert examples.information(a, np.ones(4, bool)) == 0


@pytest.mark.parametrize("family", networks.FAMILIES)
def test_matrices_have_spectral_radius_1(family, eps):
    n = 6
    W = networks.matrix(family, jax.random.key(3), n)
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
    assert float(networks.slope(logs)) == 0.25
    assert float(networks.slope(logs.at[0].set(-jnp.inf))) == math.inf


def test_identities_hold_to_rounding(quick):
    facts = quick(NAME).facts
    for name in (
        *("sum_of_terms", "cut_beyond_lag_0", "diagonal_left", "diagonal_right_other_form"),
        *("forms_intertwine", "product_ways"),
    ):
        close(facts[name], 0, tolerances.DECAY_IDENTITY, facts["eps"])
    assert facts["product_reversed"] > 0.1 < facts["diagonal_right_wrong"]
    assert (facts["tanh_slope_max"], facts["sigmoid_slope_max"]) == (1, 0.25)


def test_no_rate_passes_the_bound(quick):
    facts = quick(NAME).facts
    close(max(facts["bound_excess"], 0), 0, tolerances.DECAY_IDENTITY, facts["eps"])


def test_linear_networks_follow_the_rule(quick):
    facts = quick(NAME).facts
    assert facts["linear_wrong"] == 0 < facts["linear_count"]


def test_claims_get_their_verdicts(quick):
    found = {claim: row[0] for claim, row in quick(NAME).words.claims.items()}
    assert list(found) == [f"S{i}" for i in range(1, 12)]
    assert found["S1"] == found["S2"] == "holds"
    assert found["S4"] == found["S5"] == "refuted"


def test_verdicts_follow_the_figures(quick):
    facts = quick(NAME).facts

    def verdict(claim, **changed):
        return verdicts({**facts, **changed})[claim][0]

    assert verdict("S1", sum_of_terms=0.1) == "refuted"
    assert verdict("S3", product_reversed=0.0) == "refuted"
    assert verdict("S4", above_wrong=0, unit_multiplier=1.5) == "holds"
    assert verdict("S5", below_wrong=0, tilted_log_norm=-1.0) == "holds"
    assert verdict("S6", tanh_slope_max=1.1) == "refuted"
    assert verdict("S10", latch_bits=0.0) == "holds"
    assert verdict("S11", scan_growing=3) == "refuted"
