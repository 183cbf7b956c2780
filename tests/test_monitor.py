"""The monitor of a training loop: its numbers are those of the measures, and it compiles once."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjac
from rnnjac import cells, training
from tests import tolerances

CELL = cells.elman(2, 6)
STATE = CELL.initial_state()
PROBE = np.random.default_rng(0).normal(size=(120, 2))


@pytest.fixture(scope="module")
def probe():
    return jnp.asarray(PROBE)


@pytest.fixture(scope="module")
def params():
    return CELL.init(jax.random.key(0))


@pytest.fixture(scope="module")
def watch(probe):
    return training.monitor(CELL.step, STATE, probe, top=3)


@pytest.fixture(scope="module")
def scalar():
    return training.monitor(lambda p, s, x: p * s, jnp.ones(1), length=40, top=1)


def test_its_numbers_are_those_of_the_measures(watch, params, probe):
    found = watch(params)
    assert all(type(value) is float for value in found.values())
    whole = rnnjac.spectrum(CELL.step, params, STATE, probe).log_singular_values
    few = tolerances.TRAINING * float(jnp.finfo(probe.dtype).eps) * float(-whole[-1])
    np.testing.assert_allclose(found["log_sigma_leading"], whole[0], atol=few, rtol=0)
    np.testing.assert_allclose(found["log_sigma_median"], whole[1], atol=few, rtol=0)
    exponent = rnnjac.lyapunov_exponents(CELL.step, params, STATE, probe, top=1, warmup=12)
    np.testing.assert_allclose(found["lyapunov_exponent"], exponent.exponents[0], atol=few)
    assert found["horizon"] == rnnjac.memory_horizon(CELL.step, params, STATE, probe)
    assert {"gradient_lag_1", "gradient_lag_10", "gradient_lag_100"} <= found.keys()


@pytest.mark.parametrize("kept", [0.9, 0.5, 1.0, 0.0])
def test_the_horizon_of_a_scalar_is_closed(kept, scalar):
    found = scalar(jnp.asarray(kept))
    expected = {0.0: 0, 1.0: 40}.get(kept, round(-1 / np.log(kept)) if 0 < kept < 1 else 0)
    assert found["horizon"] == expected
    assert found["lost"] == (kept == 0)
    assert "gradient_lag_100" not in found


def test_it_is_compiled_once_and_measures_now_and_then():
    traces = []

    def step(p, s, x):
        traces.append(1)
        return p * s

    watch = training.monitor(step, jnp.ones(2), length=5, top=1, every=3)
    rates = [watch(jnp.asarray(0.5 + 0.001 * k)) for k in range(1000)]
    first = len(traces)
    assert [bool(found) for found in rates[:7]] == [True, False, False, True, False, False, True]
    assert len({found["lyapunov_exponent"] for found in rates if found}) == 334
    watch(jnp.asarray(0.1))
    assert len(traces) == first, "a later call is not traced again"


def test_in_a_plain_optax_loop(params, probe):
    rule = optax.sgd(0.01)
    watch = training.monitor(CELL.step, STATE, probe, params=lambda run: run[0], every=2)
    run, log = (params, rule.init(params)), []

    @jax.jit
    def update(run):
        def loss(p):
            return jnp.square(rnnjac.trajectory(CELL.step, p, STATE, probe)[-1]).sum()

        weights, memory = run
        change, memory = rule.update(jax.grad(loss)(weights), memory, weights)
        return optax.apply_updates(weights, change), memory

    for _ in range(4):
        run = update(run)
        log.append(watch(run))
    assert [bool(found) for found in log] == [True, False, True, False]
    assert log[0]["lyapunov_exponent"] != log[2]["lyapunov_exponent"]


def test_with_a_train_state_and_tensorboard(params, probe, tmp_path):
    state = pytest.importorskip("flax.training.train_state")
    writers = pytest.importorskip("tensorboardX")
    run = state.TrainState.create(apply_fn=None, params={"rnn": params}, tx=optax.sgd(0.1))
    watch = training.monitor(CELL.step, STATE, probe, params=lambda run: run.params["rnn"])
    with writers.SummaryWriter(str(tmp_path)) as writer:
        for name, value in watch(run).items():
            writer.add_scalar(name, value, 0)
    (file,) = tmp_path.iterdir()
    assert b"log_sigma_leading" in file.read_bytes()


def test_as_a_measure_of_train_it_gives_arrays(watch, params):
    traced = jax.jit(lambda p: watch(p, jax.random.key(0)))(params)
    plain = watch(params)
    assert traced.keys() == plain.keys()
    np.testing.assert_allclose([traced[k] for k in plain], list(plain.values()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every: expected an integer >= 1; got 0"),
        ({"top": 7}, "top: expected an integer from 1 to 6; got 7"),
    ],
)
def test_bad_settings(options, message, params, probe):
    with pytest.raises(ValueError, match=message):
        training.monitor(CELL.step, STATE, probe, **options)(params)
