"""Steps taken in blocks: the values of single steps, and repairs where they are needed alone."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import rnnjac
from rnnjac.linalg.powers import is_lost
from rnnjac.system import flow
from rnnjac.system.dynamics import bind
from rnnjac.system.matrices import apply_factor
from tests import oracles
from tests.tolerances import FEW_STEPS, ROW_COVERAGE, TAIL, promised_log_sigma

# one shape for most of the tests: what is compiled for one serves the others
SIZE, STEPS = 6, 120


def normal_factors(n=SIZE, seed=0):
    return np.random.default_rng(seed).normal(size=(STEPS, n, n)) / np.sqrt(n)


def changed(place, value):
    factors = normal_factors()
    factors[place] = value
    return factors


def constant(factor):
    return np.broadcast_to(factor, (STEPS, SIZE, SIZE))


def permutations():
    draw = np.random.default_rng(1)
    return np.stack([np.eye(SIZE)[draw.permutation(SIZE)] for _ in range(STEPS)])


def orthogonal():
    return np.stack([np.linalg.qr(factor)[0] for factor in normal_factors()])


FAR_FROM_NORMAL = np.triu(np.full((SIZE, SIZE), 9.0), 1) + np.eye(SIZE)
ASCENDING = np.triu(np.full((SIZE, SIZE), 0.5), 1) + np.diag(0.5 * 1.3 ** np.arange(SIZE))
GAP = np.diag([1.0, 0, 1, 1, 1, 1])  # its zero column stands before others
NOISY = np.eye(SIZE)
NOISY[4:, 4:] = [[1, 1 - 2.0**-16], [1, 1]]  # and nothing right of the small pivot

CHAINS = {
    "1 unit": normal_factors(1),
    "2 units": normal_factors(2),
    "20 units": normal_factors(20),
    "normal": normal_factors(),
    "a dead unit in every step": changed((slice(None), 2), 0),
    "one singular factor": changed((50, 3), 0),
    "a direction lost at once": changed((0, 5), 0),
    "a zero column in the middle": changed((0, slice(None), 2), 0),
    "a gap on the diagonal": changed(50, GAP),
    "a gap and then another": changed(slice(50, 52), np.stack([GAP, GAP[::-1, ::-1]])),
    "two equal columns": changed((50, slice(None), 3), normal_factors()[50, :, 0]),
    "a zero column late": changed((50, slice(None), 2), 0),
    "a noisy step": changed(slice(2), np.stack([np.eye(SIZE), NOISY])),
    "far from normal": constant(FAR_FROM_NORMAL),
    "ascending": constant(ASCENDING),
    "Jordan": constant(np.eye(SIZE) + np.eye(SIZE, k=1)),
    "permutations": permutations(),
    "orthogonal": orthogonal(),
}
LOST = {
    "a dead unit in every step": 1,
    "one singular factor": 1,
    "a direction lost at once": 1,
    "a zero column in the middle": 1,
    "a gap on the diagonal": 1,
    "a gap and then another": 2,
}
# lost up to rounding: what is left of them must not be trusted
DROWNED = ("two equal columns", "a zero column late")
OTHER_SIZES = ("1 unit", "2 units", "20 units")
PLAIN = ("1 unit", "2 units", "20 units", "normal", "a direction lost at once")


def spectra(dtype, names=CHAINS):
    """Values and errors of chains."""
    found = {}
    for name in names:
        factors = CHAINS[name]
        result = rnnjac.product_spectrum(jnp.asarray(factors, dtype))
        found[name] = np.asarray(result.log_singular_values, float), np.asarray(result.error, float)
    return found


@pytest.fixture(scope="module")
def in_blocks(dtype):
    return spectra(dtype)


@pytest.fixture(scope="module")
def one_by_one(dtype, in_blocks):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "BLOCK", 1)
        jax.clear_caches()
        found = spectra(dtype, [name for name in CHAINS if name not in OTHER_SIZES])
    jax.clear_caches()
    for name in OTHER_SIZES:  # each would be another program: exact arithmetic says as much
        logs = oracles.exact_log_singular_values(np.asarray(CHAINS[name].astype(dtype), float))
        found[name] = logs, np.zeros_like(logs)
    return found


@pytest.mark.parametrize("name", CHAINS)
def test_the_same_values_as_step_by_step(name, in_blocks, one_by_one):
    """Within what both claim; what is lost is lost in both, and for certain."""
    (values, claimed), (wanted, also_claimed) = in_blocks[name], one_by_one[name]
    if name not in DROWNED:
        lost = np.isneginf(wanted)
        np.testing.assert_array_equal(np.isneginf(values), lost)
        assert lost.sum() == LOST.get(name, 0)
        np.testing.assert_array_equal(claimed[lost], 0)
        np.testing.assert_array_equal(also_claimed[lost], 0)
    error = oracles.log_sigma_error(values, wanted)
    assert np.mean(error <= claimed + also_claimed) >= ROW_COVERAGE
    assert (error <= TAIL * (claimed + also_claimed)).all()


@pytest.mark.parametrize("name", PLAIN)
def test_errors_of_ordinary_chains_are_small(name, in_blocks, dtype):
    values, claimed = in_blocks[name]
    assert claimed[np.isfinite(values)].max() <= 10 * promised_log_sigma(dtype, STEPS)


@pytest.mark.parametrize("name", [*LOST, *DROWNED, "Jordan", "ascending"])
def test_values_and_errors_against_many_digits(name, in_blocks, dtype):
    factors = np.asarray(jnp.asarray(CHAINS[name], dtype), float)
    wanted = exact_log_sigma(factors)
    values, claimed = in_blocks[name]
    assert (oracles.log_sigma_error(values, wanted) <= TAIL * claimed).all()


def test_directions_that_outgrow_others_lose_few_digits(in_blocks, dtype):
    """A block that leaves its rows too steep would lose a hundred times as much."""
    factors = np.asarray(jnp.asarray(CHAINS["ascending"], dtype), float)
    error = oracles.log_sigma_error(in_blocks["ascending"][0], exact_log_sigma(factors))
    assert error.max() <= FEW_STEPS * SIZE * jnp.finfo(dtype).eps


def system_of(factors):
    return bind(apply_factor, None, jnp.zeros(SIZE, factors.dtype), factors, None)


@jax.jit
def block(factors, before):
    return flow._block(system_of(factors), before, jnp.asarray(STEPS, jnp.int32))


@jax.jit
def pivoted(factors, before):
    return flow._pivoted_step(system_of(factors), before)


rebalanced = jax.jit(flow._rebalanced)


def walked(name, dtype):
    """The lengths of the blocks of a chain, the times of its pivoted steps and rebalancings."""
    factors = jnp.asarray(CHAINS[name], dtype)
    now = flow.start(system_of(factors), error=True)
    lengths, stuck, degraded = [], [], []
    while now.time < STEPS:
        turn = block(factors, now)
        if turn.stuck:
            assert turn.flow.time == now.time
            stuck.append(int(now.time))
            now = rebalanced(pivoted(factors, turn.flow))
        else:
            lengths.append(int(turn.flow.time) - int(now.time))
            now = turn.flow
            if turn.degraded:
                degraded.append(int(now.time))
                now = rebalanced(now)
        in_order = np.asarray(is_lost(now.product.exponent)).astype(int)
        assert (np.diff(in_order) >= 0).all() or name == "a gap on the diagonal"
    return lengths, stuck, degraded


@pytest.mark.parametrize("name", ["permutations", "orthogonal"])
def test_steps_go_together(name, dtype):
    lengths, stuck, _ = walked(name, dtype)
    assert lengths == [flow.BLOCK] * (STEPS // flow.BLOCK) and not stuck


def test_few_dense_steps_are_noisy(dtype):
    lengths, stuck, _ = walked("normal", dtype)
    assert sum(lengths) == STEPS and len(lengths) <= 1.1 * STEPS // flow.BLOCK and not stuck


@pytest.mark.parametrize("name", ["ascending", "Jordan"])
def test_an_order_that_no_longer_fits_is_mended_now_and_then(name, dtype):
    _, stuck, degraded = walked(name, dtype)
    assert 1 <= len(stuck) + len(degraded) <= STEPS // flow.BLOCK // 2


@pytest.mark.parametrize("name", ["permutations", "orthogonal"])
def test_an_order_that_fits_is_left_alone(name, dtype):
    assert walked(name, dtype)[1:] == ([], [])


def test_zero_rows_call_for_nothing(dtype):
    """A dead unit costs no pivoted step: its row comes last by itself."""
    assert walked("a dead unit in every step", dtype)[1] == []


def test_a_direction_lost_in_another_way_is_pivoted(dtype):
    lengths, stuck, _ = walked("a zero column in the middle", dtype)
    assert stuck == [0]
    assert sum(lengths) + len(stuck) == STEPS
    assert lengths[:10] == [flow.BLOCK] * 10  # and then all goes on in blocks


def test_a_noisy_step_is_the_last_of_its_block(dtype):
    """It is on the last one that the noise of a block is modelled."""
    assert walked("a noisy step", dtype)[0][:2] == [2, flow.BLOCK]


def test_error_covers_a_near_singular_factor_at_any_place_of_a_block(dtype):
    """One of condition 2^16 among others, at each place of a block, in eight chains."""
    covered = []
    for seed in range(8):
        draw = np.random.default_rng(seed + 100)
        left, right = (np.linalg.qr(draw.normal(size=(SIZE, SIZE)))[0] for _ in range(2))
        near = left @ np.diag([1, 1, 1, 1, 1, 2.0**-16]) @ right
        for place in range(48, 48 + flow.BLOCK):
            factors = normal_factors(seed=seed)
            factors[place] = near
            found = rnnjac.product_spectrum(jnp.asarray(factors, dtype))
            wanted = exact_log_sigma(np.asarray(jnp.asarray(factors, dtype), float))
            values = np.asarray(found.log_singular_values, float)
            error = oracles.log_sigma_error(values, wanted)
            covered.append(error <= found.error)
            assert (error <= TAIL * found.error).all()
    assert np.mean(covered) >= ROW_COVERAGE  # the four chains of a seed share their errors


def test_recorded_times_end_a_block(dtype):
    factors = jnp.asarray(normal_factors(), dtype)
    found = rnnjac.product_spectrum(factors, at=[0, 1, 7, 40, STEPS, 40])
    np.testing.assert_array_equal(found.log_singular_values[0], np.zeros(SIZE))
    np.testing.assert_array_equal(found.log_singular_values[3], found.log_singular_values[5])
    whole = rnnjac.product_spectrum(factors)
    error = np.abs(found.log_singular_values[4] - whole.log_singular_values)
    assert (error <= found.error[4] + whole.error).all()


def test_directions_that_cross_within_a_block(dtype):
    """One shrinks 4 steps and grows back in 4 more: the tilt of the first steps grows with it."""
    shrink = 100.0 if dtype == jnp.float64 else 10.0

    def rotation(angle):
        return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    gains = [1 / shrink if step < 4 else shrink for step in range(8)]
    factors = [
        rotation(step + 1.0) @ np.diag([1, gain]) @ rotation(float(step)).T
        for step, gain in enumerate(gains)
    ]
    factors = jnp.asarray(np.stack(factors), dtype)
    found = rnnjac.product_spectrum(factors)
    error = oracles.log_sigma_error(
        np.asarray(found.log_singular_values, float), exact_log_sigma(np.asarray(factors))
    )
    assert (error <= found.error).all()
    # 100^4 eps, 10^4 eps: what single steps lose, too
    assert error.max() > 1e-10


def test_a_zero_that_cancelled_after_being_filled_in_is_not_certain(dtype):
    """c a - c b = 0 in floats, in an entry that is zero in J: the smallest value is not lost."""
    draw = np.random.default_rng(5)
    while True:
        a, c = (np.asarray(draw.uniform(0.5, high), dtype) for high in (0.9, 0.7))
        b = np.nextafter(a, np.asarray(1, dtype))
        if c * a == c * b:
            break
    factor = np.array([[1, a, b, 0], [0, 1, 0, 0.5], [0, 0, 1, -0.5], [c, 0, 0, 0]], dtype)
    found = rnnjac.product_spectrum(jnp.asarray(factor[None]))
    assert np.isfinite(exact_log_sigma(factor[None])).all()
    assert np.isinf(found.error[-1])


def exact_log_sigma(factors):
    """Logs of the singular values of a product of few small factors, -inf where one is zero."""
    with mpmath.workdps(400):
        product = mpmath.eye(factors.shape[1])
        for factor in factors.astype(float):
            product = mpmath.matrix(factor.tolist()) * product
        sigma = mpmath.svd_r(product, compute_uv=False)
        lost = sigma[0] * mpmath.mpf(10) ** -300
        return np.array([float(mpmath.log(s)) if s > lost else -np.inf for s in sigma])
