"""Sick networks get their finding first, healthy ones none; bad arguments are named."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import cells
from rnnjac.diagnosis import rules
from tests.sick_networks import HEALTHY, SICK, T, too_large
from tests.tolerances import FEW_STEPS

SEEDS = 2


def diagnoses(make):
    return [rnnjac.diagnose(**make(jax.random.key(seed))) for seed in range(SEEDS)]


@pytest.mark.parametrize("name", SICK)
def test_each_disease_is_found_first(name):
    for d in diagnoses(SICK[name]):
        assert d.findings[0].name == name
        assert len(d.findings) <= rules.MOST


@pytest.mark.parametrize("name", HEALTHY)
def test_the_healthy_are_left_alone(name):
    for d in diagnoses(HEALTHY[name]):
        assert d.findings == ()
        assert str(d).endswith("nothing to change")


def test_every_rule_has_a_reason_a_source_and_a_network():
    names = [rule.name for rule in rules.RULES]
    assert len(set(names)) == len(names)
    # those that no network above has first are tested by themselves below
    assert set(names) - set(SICK) == {"not finite", "vanishes", "radius misleads"}
    for rule in rules.RULES:
        assert rule.reason and "(" in rule.source
        assert set(rule.after) <= set(names)


def test_gain_is_known_where_nothing_saturates():
    """The tanh network with gain 1.2 is linear for 60 steps: all of its rates are log 1.2."""
    d = rnnjac.diagnose(**too_large(jax.random.key(0)))
    # inputs of 1e-6 have grown to 0.1 at most in the end, where tanh' is above 0.99
    close = {"atol": 1e-2}
    np.testing.assert_allclose(d.rates.leading.value, np.log(1.2), **close)
    np.testing.assert_allclose(d.explosion.growth, 60 * np.log(1.2), atol=60 * 1e-2)
    assert d.recurrent is not None and d.recurrent.activation == "tanh"


# a matrix that no leaf of the parameters has, so that only its effect is known
def scaled(params, state, x):
    return params * state


def test_an_unknown_cell_that_vanishes_is_told_so():
    params = jnp.array([0.5, 0.4, 0.1])
    d = rnnjac.diagnose(scaled, params, jnp.ones(3), lengths=T)
    assert [finding.name for finding in d.findings] == ["vanishes"]
    assert (d.recurrent, d.gates, d.units.saturated) == (None, None, None)
    assert d.horizon.leading == round(-1 / np.log(0.5)) == 1
    assert d.lyapunov.parallel is True


def test_what_is_not_finite_is_found_where_it_begins():
    params = jnp.array([100.0, 0.4, 0.1])
    d = rnnjac.diagnose(scaled, params, jnp.ones(3), lengths=T)
    assert [finding.name for finding in d.findings] == ["not finite"]
    assert d.breaks == 1 + int(np.log10(float(jnp.finfo(params.dtype).max)) / 2)


def test_a_radius_above_one_misleads_where_slopes_make_up_for_it():
    d = rnnjac.diagnose(**SICK["saturated"](jax.random.key(0)))
    found = {finding.name: finding for finding in d.findings}
    assert found["radius misleads"].figure == d.recurrent.radius > 1
    assert d.recurrent.decides == "none"


CELL = cells.elman(2, 3)


def given(batch=4, steps=6):
    params = CELL.init(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (batch, steps, 2))
    return CELL.step, params, CELL.initial_state(), x


def last_square(state, number):
    return jnp.sum(state**2) * (1 + jnp.asarray(number, state.dtype))


def products(step, params, state, x):
    """P[t, 0] for all t, multiplied out: short enough for that."""
    found = [np.eye(3)]
    for factor in np.asarray(rnnjac.jacobians(step, params, state, x), float):
        found.append(factor @ found[-1])
    return found


def test_a_batch_is_its_sequences_one_by_one(dtype):
    step, params, state, x = given()
    lengths = [6, 3, 5, 1]
    d = rnnjac.diagnose(step, params, state, x, lengths=lengths, loss=last_square)
    assert d.steps == tuple(lengths)
    # products of up to six factors of order 1, conditioned by the ratio of their singular values
    near = {"atol": FEW_STEPS * float(jnp.finfo(dtype).eps)}
    for b, count in enumerate(lengths):
        states = np.asarray(rnnjac.trajectory(step, params, state, x[b]), float)
        P = products(step, params, state, x[b])
        factors = np.asarray(rnnjac.jacobians(step, params, state, x[b]), float)
        sigma = np.linalg.svd(P[count], compute_uv=False)
        np.testing.assert_allclose(np.exp(d.curves.logs[b]), sigma, **near)
        arriving = 2 * (b + 1) * states[count]
        for lag in range(count + 1):
            norm = np.exp(d.curves.loss[b, lag])
            np.testing.assert_allclose(norm, np.linalg.norm(arriving), rtol=near["atol"], **near)
            arriving = factors[count - lag - 1].T @ arriving if lag < count else arriving
        assert np.isnan(d.curves.loss[b, count + 1 :]).all()
        assert np.isnan(d.curves.growth[b, count + 1 :]).all()


def test_padding_is_never_looked_at():
    step, params, state, x = given()
    padded = x.at[:, 4:].set(jnp.nan)
    both = (
        rnnjac.diagnose(step, params, state, a, lengths=4, loss=last_square) for a in (x, padded)
    )
    numbers = [d.to_dict() for d in both]
    assert numbers[0] == numbers[1]
    assert all(np.isfinite(v) for v in numbers[0].values() if isinstance(v, float))


def test_the_parameter_gradient_is_that_of_autodiff(dtype):
    step, params, state, x = given()
    d = rnnjac.diagnose(step, params, state, x, lengths=6, loss=last_square)

    def loss(params, b):
        return last_square(rnnjac.trajectory(step, params, state, x[b])[-1], b)

    norms = [float(rnnjac.clipping.norm(jax.grad(loss)(params, b))) for b in range(4)]
    wanted = rnnjac.clipping.suggest(norms)
    rtol = FEW_STEPS * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(d.clipping, wanted, rtol=rtol)


def test_growth_is_that_of_the_spectrum(dtype):
    step, params, state, x = given()
    d = rnnjac.diagnose(step, params, state, x, lengths=6, loss=last_square)
    each = [[np.linalg.norm(P, 2) for P in products(step, params, state, row)] for row in x]
    short = np.log(each) - d.curves.growth
    # the power method is never above the truth; it starts from a vector that is as good as any
    assert short.min() > -FEW_STEPS * float(jnp.finfo(dtype).eps)
    assert short.max() < 0.2 and short[:, 3:].max() < 0.01


def test_one_step_and_one_number_will_do():
    d = rnnjac.diagnose(scaled, jnp.full(1, 0.9), jnp.ones(1), jnp.zeros((1, 1)))
    assert d.findings == () and d.size == 1 and d.steps == (1,)
    assert len(str(d).splitlines()) <= 40


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"loss": lambda s: s}, ValueError, r"loss: expected a real scalar; got shape \(3,\)"),
        ({"loss": 3}, TypeError, "loss: expected a function of the last state; got 3"),
        ({"loss": lambda s: (s[0], s[1])}, ValueError, "loss: expected a real scalar; got"),
        ({"lengths": [6, 7, 1, 1]}, ValueError, "lengths: expected an integer from 1 to 6; got 7"),
        ({"lengths": [6, 0, 1, 1]}, ValueError, "lengths: expected an integer from 1 to 6; got 0"),
        ({"lengths": [6, 6]}, ValueError, "lengths: expected one number for each of 4 .*; got 2"),
        ({"lengths": [6.0] * 4}, TypeError, "lengths: expected an integer, or one for each"),
        ({"inputs": None}, ValueError, "lengths: expected a number of steps when inputs is None"),
        ({"inputs": jnp.zeros((0, 2))}, ValueError, "inputs: expected at least one step"),
        (
            {"inputs": jnp.zeros(4), "lengths": 2},
            ValueError,
            r"inputs: expected leaves of shape \(B, T, ...\), as lengths are given; got shapes",
        ),
    ],
)
def test_errors_name_the_argument(changes, kind, message):
    step, params, state, x = given()
    batched = "lengths" in changes
    arguments = {"inputs": x if batched else x[0]} | changes
    with pytest.raises(kind, match=message):
        rnnjac.diagnose(step, params, state, **arguments)


def test_the_public_name_is_the_function():
    """Whatever was imported before, and though a module is called alike."""
    code = (
        "import sys, rnnjac; assert 'rnnjac.diagnosis' not in sys.modules; "
        "from rnnjac import diagnose, memory_horizon; import rnnjac.diagnosis.diagnose; "
        "assert {'diagnose', 'memory_horizon'} <= set(dir(rnnjac)); "
        "print(callable(rnnjac.diagnose) and rnnjac.diagnose is diagnose)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_it_is_not_to_be_traced():
    step, params, state, x = given()
    with pytest.raises(TypeError, match="params: expected known values .* got a traced array"):
        jax.jit(lambda p: rnnjac.diagnose(step, p, state, x[0]).rates.leading.value)(params)
