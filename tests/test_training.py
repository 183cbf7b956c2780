"""The training loop: what it computes, when a seed stops, what it refuses."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnjac import clipping, training
from tests import tolerances

SETTINGS = {"key": jax.random.key(0), "seeds": 3, "updates": 12, "every": 4, "progress": False}


def start(key):
    return {"w": jax.random.uniform(key, (2,)), "b": jnp.zeros(())}


def sample(key):
    return jax.random.uniform(key, (2,))


def fit(params, batch):
    """A line fitted to the batch; the draw is reported as ``extra``."""

    def loss(params):
        return jnp.sum((params["w"] - batch) ** 2) + (params["b"] - 1) ** 2

    value, gradient = jax.value_and_grad(loss)(params)
    return (value, {"draw": batch}), gradient


RULE = optax.chain(clipping.clip_by_average_norm(1.0), optax.adam(0.1))


def measure(params, key):
    return {"length": jnp.sum(params["w"] ** 2), "noise": jax.random.uniform(key, ())}


def run(**changes):
    settings = {"value_and_grad": fit, "init": start, "sample": sample, "optimizer": RULE}
    return training.train(**{**settings, **SETTINGS, "measure": measure, **changes})


def same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.fixture(scope="module")
def whole():
    return run()


@pytest.fixture(scope="module")
def fine():
    return run(every=1, measure=None)


def test_the_loop_is_the_plain_one(whole, fine, dtype):
    """Batches are reported, so the loop can be written out for each seed."""
    params = jax.tree.map(lambda a: a[1], run(updates=0, measure=None).params)
    memory = RULE.init(params)
    losses, norms = [], []

    @jax.jit
    def update(params, memory, batch):
        (loss, _), gradient = fit(params, batch)
        with jax.numpy_dtype_promotion("standard"):
            change, memory = RULE.update(gradient, memory, params)
        return optax.apply_updates(params, change), memory, loss, clipping.norm(gradient)

    for batch in fine.metrics["draw"][1, 1:]:
        params, memory, loss, norm = update(params, memory, jnp.asarray(batch))
        losses.append(loss)
        norms.append(norm)
    rtol = tolerances.TRAINING * jnp.finfo(dtype).eps
    for trained in (whole.params, fine.params):
        found = jax.tree.map(lambda a: a[1], trained)
        close = functools.partial(np.testing.assert_allclose, rtol=rtol, atol=rtol)
        jax.tree.map(close, found, params)
    means = np.reshape(losses, (3, 4)).mean(1)
    np.testing.assert_allclose(whole.metrics["loss"][1, 1:], means, rtol=rtol)
    of_norms = np.reshape(norms, (3, 4))
    np.testing.assert_allclose(whole.metrics["gradient_norm"][1, 1:], of_norms.mean(1), rtol=rtol)
    np.testing.assert_allclose(whole.metrics["largest_norm"][1, 1:], of_norms.max(1), rtol=rtol)


def test_rows_and_shapes(whole):
    assert whole.at.tolist() == [0, 4, 8, 12]
    assert {name: rows.shape for name, rows in whole.metrics.items()} == {
        **dict.fromkeys(["loss", "gradient_norm", "largest_norm", "length", "noise"], (3, 4)),
        "draw": (3, 4, 2),
    }
    for name, rows in whole.metrics.items():
        assert np.isnan(rows[:, 0]).all() == (name not in ("length", "noise")), name
        assert np.isfinite(rows[:, 1:]).all()
    np.testing.assert_array_equal(whole.metrics["length"][:, -1], (whole.params["w"] ** 2).sum(1))
    assert whole.diverged.tolist() == whole.solved.tolist() == [-1, -1, -1]


def test_every_draw_is_another(whole, fine):
    draws = fine.metrics["draw"][:, 1:]
    assert np.unique(draws).size == draws.size
    assert np.unique(whole.metrics["noise"]).size == whole.metrics["noise"].size


def test_the_optimizer_changes_no_draw(whole):
    other = run(optimizer=optax.sgd(0.1), measure=None)
    same(other.metrics["draw"], whole.metrics["draw"])
    assert not np.array_equal(other.params["w"], whole.params["w"])


# --- seeds that stop ---


def falls(params, batch):
    """Loss log(p) with a gradient of 1: with a rate of 1, p falls by 1 until the log is NaN."""
    return jnp.log(params), jnp.ones_like(params)


def high(key):
    return jax.random.uniform(key, (), minval=1.0, maxval=12.0)


def fall(**changes):
    settings = {"key": jax.random.key(4), "seeds": 6, "updates": 8, "every": 4, "progress": False}
    step = optax.sgd(1.0)
    return training.train(
        changes.pop("value_and_grad", falls), high, sample, step, **{**settings, **changes}
    )


@pytest.fixture(scope="module")
def begun():
    return np.asarray(fall(updates=0).params)


def test_a_diverged_seed_keeps_what_it_had_and_the_others_go_on(begun):
    found = fall()
    turned = np.ceil(begun).astype(int)  # the first u with p0 - u < 0
    assert (turned < 8).any() and (turned >= 8).any()
    assert found.diverged.tolist() == np.where(turned < 8, turned, -1).tolist()
    np.testing.assert_allclose(
        found.params,
        begun - np.minimum(turned, 8),
        rtol=tolerances.TRAINING * jnp.finfo(found.params.dtype).eps,
    )
    lived = np.minimum(np.maximum(turned - 4, 0), 4)  # updates in the second interval
    assert np.isnan(found.metrics["loss"][lived == 0, 2]).all()
    assert np.isfinite(found.metrics["loss"][lived > 0, 2]).all()


def test_an_infinite_gradient_stops_a_seed_too(begun):
    def steep(params, batch):
        return params, jnp.where(params < 3, jnp.inf, 1)

    found = fall(value_and_grad=steep)
    turned = np.maximum(np.ceil(begun - 3), 0)  # the first u with p0 - u < 3
    assert found.diverged.tolist() == np.where(turned < 8, turned, -1).tolist()
    assert np.isfinite(found.params).all()


def test_parameters_that_overflow_stop_a_seed_too(dtype):
    def leap(params, batch):
        return params, jnp.full_like(params, -0.75 * jnp.finfo(params.dtype).max)

    found = fall(value_and_grad=leap)
    assert (found.diverged == 1).all()  # loss and gradient are still finite at the second update
    assert np.isfinite(found.params).all()


def test_solved_seeds_stop_and_when_none_is_left_the_loop_ends(begun):
    found = fall(updates=1000, every=1, measure=lambda p, k: {"p": p}, solved=lambda m: m["p"] < 2)
    wanted = np.maximum(np.floor(begun - 2) + 1, 0).astype(int)
    assert found.solved.tolist() == wanted.tolist()
    assert found.at[-1] == wanted.max()
    np.testing.assert_allclose(
        found.params, begun - wanted, rtol=tolerances.TRAINING * jnp.finfo(found.params.dtype).eps
    )
    assert (found.diverged == -1).all()


def test_a_diverged_seed_is_not_solved_whatever_is_measured_of_it(begun):
    found = fall(measure=lambda p, k: {"p": p}, solved=lambda m: m["p"] < 0)
    turned = np.ceil(begun).astype(int)  # what it keeps from before the update is below 0
    assert (found.params[turned < 8] < 0).all() and (turned < 8).any()
    assert (found.diverged >= 0).tolist() == (turned < 8).tolist()
    assert (found.solved[turned < 8] == -1).all()


# --- odds and ends ---


def test_the_bar_shows_rate_loss_and_what_stopped(capsys, monkeypatch, begun):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    highest = begun.max()
    fall(progress=True, measure=lambda p, k: {"p": p}, solved=lambda m: m["p"] == highest)
    shown = capsys.readouterr().err
    for part in ("8/8", "update/s", "loss ", "solved", "diverged"):
        assert part in shown
    fall(updates=0)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 0}, r"seeds: expected an integer >= 1; got 0"),
        ({"every": 0}, r"every: expected an integer >= 1; got 0"),
        ({"updates": -4}, r"updates: expected an integer >= 0; got -4"),
        ({"updates": 10}, r"updates: expected a multiple of every \(4\); got 10"),
        (
            {"measure": lambda params, key: {"loss": jnp.zeros(())}},
            r"metrics: expected one source for each name; got two for 'loss'",
        ),
    ],
)
def test_bad_settings(change, message):
    with pytest.raises(ValueError, match=message):
        run(**change)
