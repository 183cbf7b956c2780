"""ReLU networks: exact identities, and the claims on which they bear."""

import jax
import numpy as np
import pytest

from analyses.relu_and_identity import compute, networks, words
from tests import tolerances

NAME = "relu_and_identity"


def test_a_relu_state_is_the_product_times_the_start(quick):
    found = quick(NAME)
    eps = float(np.finfo(found.provenance["dtype"]).eps)
    assert found.facts["euler_gap"] < tolerances.HOMOGENEOUS_STATE * eps


def test_the_euler_gap_sees_a_wrong_product(monkeypatch):
    """With a bias the network is not homogeneous, and the check must fail."""

    def shifted(params, state, x):
        return networks.relu(params["W"] @ state + x + 0.1)

    monkeypatch.setattr(networks, "step", shifted)
    _, facts = networks.euler(4, 10, 2, jax.random.key(0))
    assert facts["euler_gap"] > 0.01


def test_the_tilted_network_doubles_at_rest(dtype):
    arrays, facts = networks.tilted()
    eps = float(np.finfo(dtype).eps)
    assert facts["tilted_moved"] == 0.0
    assert facts["tilted_radius"] == pytest.approx(0.5**0.5, rel=tolerances.EIGENVALUE * 2 * eps)
    # J = [[2, -4], [0, 0]]: J^t = 2^(t-1) J, of norm 2^(t-1) √20
    steps = np.arange(len(arrays["tilted_logs"]))
    exact = steps * np.log(2) + 0.5 * np.log(20)
    close = tolerances.SUM_OF_LOGS * eps * exact[-1]
    np.testing.assert_allclose(arrays["tilted_logs"][:, 0], exact, rtol=0, atol=close)
    assert np.isneginf(arrays["tilted_logs"][:, 1]).all()


def test_the_rank_is_the_least_number_of_active_units(quick):
    found = quick(NAME)
    assert found.facts["rank_off"] == 0
    counts = found.arrays["rank_counts"]
    assert (np.diff(counts, axis=-1) <= 0).all() and (counts < found.facts["rank_units"]).any()


def test_the_irnn_is_the_identity_bit_for_bit(quick):
    arrays, facts = quick(NAME)[:2]
    assert facts["identity_off"] == 0.0
    assert (arrays["identity_positive"] == compute.PRESETS["quick"].units).all()
    assert (np.diff(arrays["identity_signed"]) <= 0).all()


def test_masks_include_none_and_all(quick):
    radius, active = (quick(NAME).arrays[name] for name in ("mask_radius", "mask_active"))
    assert (radius[:, active == 0] == 0).all()
    full = radius[:, active == networks.MASKED_UNITS]
    np.testing.assert_allclose(full, 1, rtol=tolerances.EIGENVALUE * 8 * np.finfo(float).eps)


def test_claims_get_their_verdicts(quick):
    verdicts = {claim: row[0] for claim, row in quick(NAME).words.claims.items()}
    assert verdicts == {"S13": "refuted", "S14": "holds"}


def test_a_verdict_follows_its_figures(quick):
    arrays, facts = quick(NAME)[:2]
    tame = facts | {"gain_above_vanish": 0}
    assert words.words(arrays, tame).claims["S13"][0] == "holds with a condition"
    lossless = facts | {"rank_last_0": facts["rank_units"]}
    assert words.words(arrays, lossless).claims["S14"][0] == "refuted"
