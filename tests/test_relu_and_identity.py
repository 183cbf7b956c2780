"""ReLU networks: exact identities, and the claims on which they bear."""

import jax
import numpy as np
import pytest

from analyses import claims, record, relu_and_identity, relu_figures, relu_networks
from tests import tolerances

SMALL = relu_and_identity.Settings(
    units=6, seeds=2, euler_steps=20, rank_steps=12, gain_units=24, gain_steps=40, warmup=10,
    gains=9, matrices=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def measured():
    """Arrays and meta of a run with little work."""
    return relu_and_identity.measure(SMALL)


def test_a_relu_state_is_the_product_times_the_start(measured, dtype):
    eps = float(np.finfo(dtype).eps)
    assert measured[1]["facts"]["euler_gap"] < tolerances.HOMOGENEOUS_STATE * eps


def test_the_euler_gap_sees_a_wrong_product(measured, dtype, monkeypatch):
    """With a bias the network is not homogeneous, and the check must fail."""

    def shifted(params, state, x):
        return relu_networks.relu(params["W"] @ state + x + 0.1)

    monkeypatch.setattr(relu_networks, "step", shifted)
    _, facts = relu_networks.euler(4, 10, 2, jax.random.key(0))
    assert facts["euler_gap"] > 0.01


def test_the_tilted_network_doubles_at_rest(dtype):
    arrays, facts = relu_networks.tilted()
    eps = float(np.finfo(dtype).eps)
    assert facts["tilted_moved"] == 0.0
    assert facts["tilted_radius"] == pytest.approx(0.5**0.5, rel=tolerances.EIGENVALUE * 2 * eps)
    # J = [[2, -4], [0, 0]]: J^t = 2^(t-1) J, of norm 2^(t-1) √20
    steps = np.arange(len(arrays["tilted_logs"]))
    exact = steps * np.log(2) + 0.5 * np.log(20)
    close = tolerances.SUM_OF_LOGS * eps * exact[-1]
    np.testing.assert_allclose(arrays["tilted_logs"][:, 0], exact, rtol=0, atol=close)
    assert np.isneginf(arrays["tilted_logs"][:, 1]).all()


def test_the_rank_is_the_least_number_of_active_units(measured):
    assert measured[1]["facts"]["rank_off"] == 0
    counts = measured[0]["rank_counts"]
    assert (np.diff(counts, axis=-1) <= 0).all() and (counts < SMALL.units).any()


def test_the_irnn_is_the_identity_bit_for_bit(measured):
    facts = measured[1]["facts"]
    assert facts["identity_off"] == 0.0
    assert (measured[0]["identity_positive"] == SMALL.units).all()
    assert (np.diff(measured[0]["identity_signed"]) <= 0).all()


def test_masks_include_none_and_all(measured):
    radius, active = measured[0]["mask_radius"], measured[0]["mask_active"]
    assert (radius[:, active == 0] == 0).all()
    full = radius[:, active == relu_networks.MASKED_UNITS]
    np.testing.assert_allclose(full, 1, rtol=tolerances.EIGENVALUE * 8 * np.finfo(float).eps)


def test_claims_are_valid_and_measured(measured):
    rows = measured[1]["claims"]
    claims.validate(rows)
    assert {row["id"]: row["verdict"] for row in rows} == {"S13": "refuted", "S14": "holds"}


def test_a_verdict_follows_its_figures(measured):
    facts = measured[1]["facts"]
    tame = facts | {"gain_above_vanish": 0}
    verdict = {row["id"]: row["verdict"] for row in relu_and_identity.verdicts(tame, 1e-16)}
    assert verdict["S13"] == "holds with a condition"
    lossless = facts | {"rank_last_0": facts["rank_units"]}
    verdict = {row["id"]: row["verdict"] for row in relu_and_identity.verdicts(lossless, 1e-16)}
    assert verdict["S14"] == "refuted"


def test_figures_are_drawn_from_the_stored_file(measured, tmp_path):
    record.save(tmp_path / "data.npz", *measured)
    arrays, meta = record.load(tmp_path / "data.npz")
    relu_and_identity.draw(arrays, meta, tmp_path)
    for figure in relu_figures.captions(meta["facts"]):
        assert (tmp_path / figure["file"]).stat().st_size > 0
        assert figure["caption"] and figure["alt"]
