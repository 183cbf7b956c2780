"""How seldom a frame is factorised: fewer times where little is lost, again where much is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac.measures.lyapunov import LOST
from rnnjac.system.dynamics import bind
from rnnjac.system.interval import Factorisation, as_needed, every_step
from tests.tolerances import FEW_STEPS


def linear(params, state, factor):
    return factor * state


def counting(loss_of, limit):
    """A frame of one number; the carry counts factorisations, pushes and what is left of it."""

    def begin(carry):
        return carry[2], jnp.zeros_like(carry[2])

    def push(system, frame, x):
        return frame[0] * x, jnp.maximum(frame[1], loss_of(x))

    def end(carry, frame):
        return (carry[0] + 1, carry[1] + jnp.log(jnp.abs(frame[0])), jnp.ones_like(frame[0])), (
            frame[1]
        )

    return Factorisation(begin, push, end, limit)


def run(rule, factors):
    system = bind(linear, None, jnp.ones(()), factors, None)
    start = jnp.zeros((), jnp.int32), jnp.zeros(()), jnp.ones(())
    one = jnp.ones((), jnp.int32)
    carry, interval = as_needed(rule, system, start, one, factors, len(factors))
    plain = every_step(rule, system, start, factors, len(factors))
    return int(carry[0]), float(carry[1]), int(plain[0]), float(plain[1]), int(interval)


def test_a_frame_that_loses_nothing_is_factorised_ever_less(dtype):
    factors = jnp.linspace(0.5, 2.0, 90)
    few, found, all_steps, expected, interval = run(counting(lambda x: x * 0, 1e-3), factors)
    assert all_steps == 90
    # intervals of 1, 2, ..., 8, then 8 at a time, and what is left
    assert (few, interval) == (8 + 6 + 1, 8)
    np.testing.assert_allclose(found, expected, rtol=90 * float(jnp.finfo(dtype).eps))


@pytest.mark.parametrize("loss", [1e3, 1e6])
def test_what_lost_too_much_is_done_again(loss, dtype):
    """One step in the middle may share its interval with no other; 100 would be allowed."""
    factors = jnp.ones(40).at[20].set(3.0)
    limit = float(jnp.finfo(dtype).eps) * 100
    rule = counting(lambda x: jnp.where(x == 3.0, loss, 0.0), limit)
    few, found, _, expected, _ = run(rule, factors)
    assert found == pytest.approx(expected)
    # 1 to 5 steps, 5 up to the one that loses, that one, 1 to 5 again, and what is left
    assert few == 5 + 1 + 1 + 5 + 1
    rejected = counting(lambda x: jnp.full_like(x, jnp.nan), limit)
    assert run(rejected, factors)[0] == 40


def test_an_interval_that_might_lose_too_much_is_not_tried(dtype):
    """A loss of 6 in one step is one of 36 in two, and may be 4 times that: over 100, under 150."""
    rule = lambda limit: counting(lambda x: jnp.full_like(x, 6.0), limit)  # noqa: E731
    eps = float(jnp.finfo(dtype).eps)
    assert run(rule(100 * eps), jnp.ones(40))[0] == 40
    assert run(rule(150 * eps), jnp.ones(40))[0] < 40


def test_exponents_are_those_of_a_factorisation_at_every_step(dtype):
    draw = np.random.default_rng(0)
    weights = jnp.asarray(1.5 * draw.normal(size=(12, 12)) / np.sqrt(12), dtype)
    start = jnp.asarray(np.tanh(draw.normal(size=12)), dtype)

    def exponents(state):
        step = lambda w, s, x: jnp.tanh(w @ s)  # noqa: E731
        return rnnjac.lyapunov_exponents(step, weights, state, length=300).exponents

    # beside a derivative every step is factorised
    expected, _ = jax.jvp(exponents, (start,), (jnp.zeros_like(start),))
    tolerance = max(LOST, FEW_STEPS * float(jnp.finfo(dtype).eps))
    np.testing.assert_allclose(exponents(start), expected, atol=tolerance, rtol=0)
