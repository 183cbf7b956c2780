"""Log singular values and their error estimates against multi-precision products.

"Is it accurate" and "is it honest about its error" are separate questions.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from tests import oracles, problems
from tests.tolerances import (
    COVERAGE,
    MEDIAN_OVERSTATEMENT,
    PROMISED_CONDITION,
    promised_log_sigma,
)

NAMES = [chain.name for chain in problems.CHAINS]
# Constant, strongly non-normal: one ulp on the zeros of every factor moves log sigma by 1e-5. They
# miss the promise by up to 50 (float64); `error` has to say so.
ILL_CONDITIONED = {"triangular-n16-T200", "triangular-slow-n16-T200"}
# Jordan blocks, at the edge of the promise in float32: of 0.02 the first needs 0.011 or 0.021 as
# the compiler fuses operations; the second misses 1e-3 by half.
AT_THE_EDGE = {"float32": {"jordan0.5-n8-T200", "jordan1-n16-T10"}, "float64": set()}


def linear(params, state, factor):
    return factor @ state


def spectrum_of(factors, dtype):
    """Spectrum of (T, n, n) factors, with others behind them that no one should look at.

    So all chains of n units have one shape, and compile once.
    """
    steps, n, _ = factors.shape
    longest = max(chain.T for chain in problems.CHAINS if chain.n == n)
    after = ((0, longest - steps), (0, 0), (0, 0))
    padded = jnp.asarray(np.pad(factors, after, constant_values=np.nan), dtype)
    found = rnnjac.spectrum(linear, None, jnp.zeros(n, dtype), padded, at=[steps])
    return jax.tree.map(lambda a: a[0], found)


@pytest.fixture(scope="module")
def found(dtype):
    """Spectrum and truth of every chain, each computed once."""
    results = {}
    for chain in problems.CHAINS:
        result = spectrum_of(problems.factors(chain), dtype)
        measured = np.asarray(result.log_singular_values, np.float64)
        claimed = np.asarray(result.error, np.float64)
        truth = oracles.truth(chain)
        results[chain.name] = measured, claimed, oracles.log_sigma_error(measured, truth)
    return results


def test_the_table_is_large_enough():
    assert len(problems.CHAINS) >= 40


@pytest.mark.parametrize("chain", problems.CHAINS, ids=NAMES)
def test_no_nan(found, chain):
    measured, claimed, _ = found[chain.name]
    assert not np.isnan(measured).any()
    assert not np.isnan(claimed).any()
    assert (np.diff(np.where(np.isneginf(measured), -1e300, measured)) <= 0).all()


@pytest.mark.parametrize("chain", problems.CHAINS, ids=NAMES)
def test_accuracy(found, chain, dtype):
    beyond = ILL_CONDITIONED | AT_THE_EDGE[str(dtype)]
    if problems.worst_condition(chain) > PROMISED_CONDITION or chain.name in beyond:
        return  # honesty is asked of these, in the tests below
    _, claimed, error = found[chain.name]
    if _loses_rank_by_structure(chain):
        assert np.isinf(claimed).any()  # some values cannot be told from zero, and say so
        error = error[np.isfinite(claimed)]
    assert error.max(initial=0) <= promised_log_sigma(dtype, chain.T)


@pytest.mark.parametrize("chain", problems.CHAINS, ids=NAMES)
def test_exactly_lost_directions(found, chain):
    if _loses_rank_by_structure(chain) or chain.kind == "near_singular":
        return
    lost = np.isneginf(found[chain.name][0])
    assert lost.sum() == np.isneginf(oracles.truth(chain)).sum()


@pytest.mark.parametrize("name", sorted(ILL_CONDITIONED | AT_THE_EDGE["float32"]))
def test_ill_conditioned_chains_say_so(found, name, dtype):
    _, claimed, error = found[name]
    assert (error <= claimed).all()
    chain = problems.CHAINS[NAMES.index(name)]
    kept = name == "jordan1-n16-T10" and dtype == "float64"  # and says so; asked in test_accuracy
    assert kept or claimed.max() > promised_log_sigma(dtype, chain.T)


def test_error_covers_the_truth(found):
    claimed = np.concatenate([row[1] for row in found.values()])
    error = np.concatenate([row[2] for row in found.values()])
    assert np.mean(error <= claimed) >= COVERAGE


def test_error_is_not_overstated(found):
    claimed = np.concatenate([row[1] for row in found.values()])
    error = np.concatenate([row[2] for row in found.values()])
    wrong = (error > 0) & np.isfinite(error)
    assert np.median(claimed[wrong] / error[wrong]) <= MEDIAN_OVERSTATEMENT


def test_the_comparison_sees_a_wrong_order(dtype):
    """The same check on the reversed product must fail, or it checks nothing."""
    chain = problems.CHAINS[NAMES.index("tanh3-n8-T10")]
    result = spectrum_of(problems.factors(chain)[::-1], dtype)
    error = oracles.log_sigma_error(np.asarray(result.log_singular_values), oracles.truth(chain))
    assert (error > np.asarray(result.error)).any()


def _loses_rank_by_structure(chain):
    """Whether rank is lost between the rows rather than by rows of zeros."""
    rank = np.isfinite(oracles.truth(chain)).sum()
    return rank < problems.nonzero_rows(problems.factors(chain))
