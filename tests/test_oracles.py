"""The truth is itself tested: closed forms, exact identities, and answers that must be refused."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from tests import oracles, precise, tolerances
from tests.problems import (
    CHAINS,
    LARGE,
    Chain,
    digest,
    factors,
    gaussian,
    nonzero_rows,
    row_scaled_condition,
    worst_condition,
)

EPS = np.finfo(np.float64).eps
BY_NAME = {chain.name: chain for chain in CHAINS + LARGE}
SHORT = [chain for chain in CHAINS if chain.T * chain.n**3 <= 2e5]
SINGULAR_KINDS = ("relu", "sparse_relu", "nilpotent")

each_chain = pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain.name)
extended = pytest.mark.skipif(precise.EXTENDED_BITS < 63, reason="needs 80-bit long doubles")


def certified(js):
    return precise.exact_with_bound(js)[0]


both_ways = pytest.mark.parametrize(
    "exact",
    [oracles.exact_log_singular_values, pytest.param(certified, marks=extended)],
    ids=["multi-precision", "certified"],
)


def repeat(j, T):
    return np.broadcast_to(np.asarray(j, float), (T, *np.shape(j)))


def assert_rounded(measured, expected):
    """Both right to a few roundings of the log itself."""
    error = oracles.log_sigma_error(measured, expected)
    size = np.maximum(1.0, np.abs(np.where(np.isneginf(expected), 1.0, expected)))
    assert (error <= tolerances.ORACLE_ROUNDING * EPS * size).all(), (measured, expected)


# Closed forms.


@both_ways
@pytest.mark.parametrize("T", [1, 10, 1000])
def test_diagonal_factors_give_T_log_of_their_entries(exact, T):
    d = np.array([0.25, -1.5, 3.0, 2.0**-20])
    measured = exact(repeat(np.diag(d), T))
    assert_rounded(measured, T * np.sort(np.log(np.abs(d)))[::-1])


@both_ways
@pytest.mark.parametrize("T", [1, 10, 1000])
def test_scaled_rotations_give_equal_values(exact, T):
    rotation = np.array([[3.0, -4.0], [4.0, 3.0]])  # 5 times a rotation, without any rounding
    js = np.stack([np.kron(np.eye(2), rotation.T if t % 3 else rotation) for t in range(T)])
    assert_rounded(exact(js), np.full(4, T * np.log(5.0)))


@both_ways
@pytest.mark.parametrize("a, b", [(0.5, 1.0), (1.0, 1.0), (2.0, -0.125)])
@pytest.mark.parametrize("T", [1, 10, 1000])
def test_jordan_block_identities(exact, a, b, T):
    """s1 s2 = a^(2T) and s1^2 + s2^2 = 2 a^(2T) + T^2 a^(2T-2) b^2."""
    logs = exact(repeat([[a, b], [0.0, a]], T))
    assert_rounded(logs.sum(), np.asarray(2 * T * np.log(a)))
    squares = 2 * T * np.log(a) + np.log(2.0 + (T * b / a) ** 2)
    assert_rounded(np.logaddexp(*(2 * logs)), np.asarray(squares))


@both_ways
@pytest.mark.parametrize("n, T", [(1, 1), (3, 1), (3, 2), (3, 3), (8, 5), (8, 200)])
def test_powers_of_a_shift_lose_one_direction_each(exact, n, T):
    logs = exact(repeat(2.0 * np.eye(n, k=1), T))
    left = max(n - T, 0)
    assert_rounded(logs, np.r_[np.full(left, T * np.log(2.0)), np.full(n - left, -np.inf)])


def test_rank_lost_by_cancellation_alone():
    ones, differences = np.ones((2, 2)), np.array([[1.0, -1.0], [1.0, -1.0]])
    assert oracles.exact_rank(np.stack([ones, differences])) == 0
    assert oracles.exact_rank(np.stack([differences, ones])) == 1
    counting = np.arange(1.0, 10.0).reshape(1, 3, 3)  # singular; NumPy finds 1e-16 in its place
    logs = oracles.exact_log_singular_values(counting)
    assert np.isneginf(logs[2])
    error = oracles.log_sigma_error(oracles.multiplied_out(counting)[:2], logs[:2])
    assert (error <= tolerances.ORACLE_BACKWARD * 3 * EPS * np.exp(logs[0] - logs[:2])).all()


def test_symmetric_constant_factor_gives_T_log_of_its_eigenvalues():
    chain = BY_NAME["symmetric-n8-T10"]
    j = factors(chain)[0]
    expected = chain.T * np.sort(np.log(np.abs(np.linalg.eigvalsh(j))))[::-1]
    error = oracles.log_sigma_error(oracles.truth(chain), expected)
    relative = chain.n * EPS * np.linalg.cond(j)  # of the smallest eigenvalue
    assert error.max() <= tolerances.ORACLE_BACKWARD * chain.T * relative


# Exact identities, and the parts.


def test_exact_product_equals_fractions():
    js = factors(BY_NAME["tanh3-n8-T10"])[:4]
    expected = np.vectorize(Fraction, otypes=[object])(np.eye(8))
    for j in js:
        expected = np.vectorize(Fraction, otypes=[object])(j) @ expected
    integers, exponent = oracles.exact_product(js)
    assert ((integers * Fraction(2) ** exponent) == expected).all()


@pytest.mark.parametrize("name", ["tanh3-n8-T10", "symmetric-n8-T10", "jordan1-n3-T200"])
def test_mpmath_svd_agrees(name):
    """Another algorithm on the same exact product, with bits to spare for its smallest value."""
    integers, exponent = oracles.exact_product(factors(BY_NAME[name]))
    with mpmath.workprec(1000):
        sigma = mpmath.svd_r(mpmath.matrix(integers.tolist()), compute_uv=False)
        logs = [float(mpmath.log(s) + exponent * mpmath.log(2)) for s in sigma]
    assert_rounded(np.sort(logs)[::-1], oracles.truth(BY_NAME[name]))


@pytest.mark.parametrize("name", ["tanh3-n8-T10", "relu-n8-T10", "one-near-singular1e12-n2-T200"])
def test_transposed_chain_has_the_same_values(name):
    js = factors(BY_NAME[name])
    transposed = js.transpose(0, 2, 1)[::-1]
    assert_rounded(oracles.exact_log_singular_values(transposed), oracles.truth(BY_NAME[name]))


@pytest.mark.parametrize(
    "chain", [c for c in CHAINS if c.kind not in SINGULAR_KINDS], ids=lambda chain: chain.name
)
def test_sum_of_logs_is_sum_of_log_determinants(chain):
    js = factors(chain)
    total = np.linalg.slogdet(js).logabsdet.sum()
    bound = chain.T * chain.n * EPS * worst_condition(chain) + EPS * chain.T * abs(total)
    assert abs(oracles.truth(chain).sum() - total) <= tolerances.ORACLE_BACKWARD * bound


@pytest.mark.parametrize("chain", [c for c in CHAINS if c.T <= 10], ids=lambda chain: chain.name)
def test_numpy_svd_agrees_where_it_is_accurate(chain):
    """|dsigma_i| <= n T eps |J_T| ... |J_1|, so log sigma_i is off by that over sigma_i."""
    js, exact = factors(chain), oracles.truth(chain)
    sizes = np.prod(np.linalg.norm(js, axis=(1, 2)))
    with np.errstate(divide="ignore", invalid="ignore"):
        allowed = tolerances.ORACLE_BACKWARD * chain.n * chain.T * EPS * sizes / np.exp(exact)
    accurate = allowed < 0.1
    assert accurate.any() or np.isneginf(exact).all() or chain.kind == "near_singular"
    error = oracles.log_sigma_error(oracles.multiplied_out(js), exact)
    assert (error[accurate] <= allowed[accurate]).all()


def test_benettin_sums_agree_with_the_determinant_and_not_with_the_values():
    chain = BY_NAME["gaussian-n8-T200"]
    sums, exact = oracles.benettin(factors(chain)), oracles.truth(chain)
    bound = chain.T * chain.n * EPS * worst_condition(chain)
    assert abs(sums.sum() - exact.sum()) <= tolerances.ORACLE_BACKWARD * bound
    assert oracles.log_sigma_error(np.sort(sums)[::-1], exact).max() > 0.1
    diagonal = BY_NAME["diagonal-n3-T10"]  # ascending: the frame's order is kept
    ascending = oracles.truth(diagonal)[::-1]
    assert_rounded(oracles.benettin(factors(diagonal)), ascending)


# The stored rows.


def test_every_chain_is_stored_once():
    assert len(BY_NAME) == len(CHAINS) + len(LARGE)
    assert set(oracles.stored_rows()) == set(BY_NAME)
    assert all(set(oracles.provenance()[key]) == set(BY_NAME) for key in ("bits", "method"))
    assert set(oracles.provenance()["bound"]) == set(BY_NAME)
    assert max(oracles.provenance()["bound"].values()) <= precise.ALLOWED


@each_chain
def test_stored_row_belongs_to_these_factors(chain):
    js, logs = factors(chain), oracles.truth(chain)  # truth() compares the digests
    assert logs.shape == (chain.n,) and not np.isnan(logs).any()
    assert (logs[1:] <= logs[:-1]).all()
    rank = oracles.exact_rank(js)
    assert np.isneginf(logs[rank:]).all() and np.isfinite(logs[:rank]).all()
    assert rank <= nonzero_rows(js)


@both_ways
@pytest.mark.parametrize("chain", SHORT, ids=lambda chain: chain.name)
def test_short_rows_are_recomputed(exact, chain):
    assert_rounded(exact(factors(chain)), oracles.truth(chain))


@pytest.mark.parametrize("chain", SHORT, ids=lambda chain: chain.name)
def test_stored_condition(chain):
    stored, now = oracles.stored_rows()[chain.name].condition, worst_condition(chain)
    assert oracles.condition(chain) == stored
    relative = tolerances.ORACLE_BACKWARD * chain.n * EPS * stored
    assert abs(stored - now) <= relative * stored or min(stored, now) > 0.1 / EPS


@pytest.mark.parametrize("name", ["tanh3-n8-T10", "near-singular1e8-n2-T10", "nilpotent-n8-T2"])
def test_mpmath_alone_gives_the_same(monkeypatch, name):
    monkeypatch.setattr(oracles, "gmpy2", None)
    monkeypatch.setattr(oracles, "flint", None)
    logs = oracles.exact_log_singular_values(factors(BY_NAME[name]))
    assert_rounded(logs, oracles.truth(BY_NAME[name]))


def test_changed_generator_is_detected():
    chain = BY_NAME["gaussian-n2-T10"]
    changed = chain._replace(make=lambda rng, n, T: np.nextafter(gaussian(rng, n, T), 9, dtype="f"))
    with pytest.raises(AssertionError, match="gaussian-n2-T10: factors differ"):
        oracles.truth(changed)
    assert digest(np.ones((2, 3, 3))) != digest(np.ones((3, 2, 3)))


# Wrong answers must be refused.


@pytest.mark.parametrize("name", ["tanh1.2-n16-T10", "triangular-slow-n8-T10", "gaussian-n2-T10"])
def test_reversed_order_is_detected(name):
    reversed_order = oracles.exact_log_singular_values(factors(BY_NAME[name])[::-1])
    assert oracles.log_sigma_error(reversed_order, oracles.truth(BY_NAME[name])).max() > 0.01


@pytest.mark.parametrize("wrong", [0.0, -745.0, np.inf, np.nan])
def test_lost_direction_reported_as_something_else_is_detected(wrong):
    exact = oracles.truth(BY_NAME["relu-n8-T10"])
    measured = np.where(np.isneginf(exact), wrong, exact)
    error = oracles.log_sigma_error(measured, exact)
    assert np.isinf(error[np.isneginf(exact)]).all()
    assert (error[np.isfinite(exact)] == 0.0).all()


def test_comparison_counts_both_ways_and_never_broadcasts():
    lost, found = np.array([0.0, -np.inf]), np.array([0.5, -2.0])
    assert oracles.log_sigma_error(lost, lost).tolist() == [0.0, 0.0]
    assert oracles.log_sigma_error(lost, found).tolist() == [0.5, np.inf]
    assert oracles.log_sigma_error(found, lost).tolist() == [0.5, np.inf]
    assert np.isinf(oracles.log_sigma_error(np.full(2, np.nan), found)).all()
    with pytest.raises(ValueError, match=r"measured: expected shape \(2,\); got \(1,\)"):
        oracles.log_sigma_error(np.zeros(1), found)


# The table.


def test_table_covers_all_sizes_and_kinds():
    assert {c.n for c in CHAINS} == {1, 2, 3, 8, 16, 32}
    assert {c.T for c in CHAINS} == {1, 2, 10, 200, 1000}
    for kind in {c.kind for c in CHAINS}:
        assert len({c.n for c in CHAINS if c.kind == kind}) >= 2, kind


@each_chain
def test_factors_are_the_same_in_float32(chain):
    js = factors(chain)
    assert js.shape == (chain.T, chain.n, chain.n) and js.dtype == np.float64
    assert (js.astype(np.float32) == js).all()
    sizes = np.abs(js[js != 0])
    assert np.isfinite(js).all() and (sizes > 1e-30).all()


@pytest.mark.parametrize(
    "chain", [c for c in CHAINS if c.kind == "near_singular"], ids=lambda c: c.name
)
def test_near_singular_factors_are_as_bad_as_they_say(chain):
    named = float(chain.name.split("singular")[1].split("-")[0])
    assert named <= worst_condition(chain) <= 30 * named


def test_row_scaled_condition_by_hand():
    assert row_scaled_condition(np.diag([1e-9, 1.0])) == 1.0
    assert row_scaled_condition(np.zeros((2, 2))) == 1.0
    assert row_scaled_condition(np.array([[0.0, 0.0], [3.0, 4.0]])) == 1.0
    assert np.isclose(
        row_scaled_condition(np.array([[1e-9, 1e-9], [1.0, 0.0]])), (3 + np.sqrt(5)) / 2
    )  # singular values of [[1, 1], [1, 0]]


def test_nonzero_rows_by_hand():
    shift = repeat(np.eye(3, k=1), 2)
    assert nonzero_rows(shift) == 1
    assert nonzero_rows(np.stack([np.ones((2, 2)), np.diag([1.0, 0.0])])) == 1
    chain = Chain("one", "gaussian", 3, 2, gaussian)
    assert nonzero_rows(factors(chain)) == 3
