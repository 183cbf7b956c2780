"""The quick way to the truth of large chains: its stored rows, and whether its bound is honest."""

import numpy as np
import pytest

from tests import oracles, precise, tolerances
from tests.problems import CHAINS, LARGE, factors, nonzero_rows
from tests.test_oracles import assert_rounded, certified, extended

EPS = np.finfo(np.float64).eps
BY_NAME = {chain.name: chain for chain in CHAINS + LARGE}


def test_table_of_large_chains():
    for n, least in {64: 15, 128: 12, 256: 4, 512: 2}.items():
        assert sum(c.n == n for c in LARGE) >= least
    for kind in {c.kind for c in LARGE}:
        assert {c.n for c in LARGE if c.kind == kind} >= {64, 128}, kind
    assert len({c.kind for c in LARGE if c.T == 500}) >= 4


@pytest.mark.parametrize("chain", LARGE, ids=lambda chain: chain.name)
def test_stored_row_of_a_large_chain(chain):
    """Its factors, its rank, and sum log sigma = sum log|det J|."""
    js, logs = factors(chain), oracles.truth(chain)
    assert js.shape == (chain.T, chain.n, chain.n) and logs.shape == (chain.n,)
    assert (js.astype(np.float32) == js).all() and (np.abs(js[js != 0]) > 1e-30).all()
    assert (logs[1:] <= logs[:-1]).all()
    if chain.kind == "relu":
        assert np.isfinite(logs).sum() == nonzero_rows(js) < chain.n
        return
    total = np.linalg.slogdet(js).logabsdet.sum()
    bound = chain.T * chain.n * EPS * oracles.condition(chain) + EPS * chain.T * abs(total)
    assert abs(logs.sum() - total) <= tolerances.ORACLE_BACKWARD * bound


@extended
@pytest.mark.parametrize("name", ["gaussian-n64-T10", "tied-blocks8-n64-T100"])
def test_multi_precision_agrees_with_the_certified_rows(name):
    """And certified with itself, made today."""
    js, exact = factors(BY_NAME[name]), oracles.truth(BY_NAME[name])
    assert_rounded(oracles.exact_log_singular_values(js), exact)
    assert_rounded(certified(js), exact)


@pytest.mark.parametrize("name", ["relu-dead-n128-T10", "lstm-n64-T10"])
def test_rank_of_a_large_chain(name):
    assert (
        oracles.exact_rank(factors(BY_NAME[name]))
        == np.isfinite(oracles.truth(BY_NAME[name])).sum()
    )


# The certificate: wrong rotations must show in the bound.


def triangle_of(name):
    product, exponent = oracles.exact_product(factors(BY_NAME[name]))
    return oracles.triangle(product, BY_NAME[name].n, 1024), exponent


def spoil(monkeypatch, change):
    right = precise.jacobi

    def jacobi(unit, start):
        h, end, size = right(unit, start)
        change(h, size)
        return h, end, size

    monkeypatch.setattr(precise, "jacobi", jacobi)


def stretch(h, size):
    h[0] *= 1 + 1e-6


def lengthen(h, size):
    size[-1] *= 1 + 1e-6


def mix(h, size):
    h[-1] += 1e-6 * h[0]


def double(h, size):
    h[1] = h[0]


@extended
@pytest.mark.parametrize("change", [stretch, lengthen, mix])
@pytest.mark.parametrize("name", ["tanh3-n8-T10", "gaussian-n8-T200", "orthogonal-n8-T200"])
def test_bound_covers_wrong_rotations(monkeypatch, name, change):
    r, exponent = triangle_of(name)
    assert precise.orthogonalised(r, exponent)[1] < 1e-16
    spoil(monkeypatch, change)
    logs, bound = precise.orthogonalised(r, exponent)
    assert 1e-7 < bound < 1e-5
    error = oracles.log_sigma_error(logs, oracles.truth(BY_NAME[name]))
    assert error.max() <= bound + EPS * np.abs(logs).max()


@extended
def test_useless_rotations_are_refused(monkeypatch):
    spoil(monkeypatch, double)
    with pytest.raises(ArithmeticError, match="E and F"):
        precise.orthogonalised(*triangle_of("tanh3-n8-T10"))


def test_short_long_doubles_are_refused(monkeypatch):
    monkeypatch.setattr(precise, "EXTENDED_BITS", 52)
    with pytest.raises(RuntimeError, match="np.longdouble: expected 63 bits or more; got 52"):
        precise.exact_with_bound(np.ones((1, 1, 1)))
