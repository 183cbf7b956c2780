"""Omega against NumPy and its hand-derived gradient."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import activations, regularizers
from rnnjac.training.regularizers import FORMS
from tests import tolerances
from tests.cells_numpy import close, in_float64, normal

N, T, BATCH = 4, 6, 3


class Batch(NamedTuple):
    inputs: jax.Array
    target: jax.Array


def omega_numpy(W, slopes, cotangents, form):
    """Omega of a batch (sequences, T, n), as the formulas print it."""
    terms, steps = 0.0, 0
    for d, slope in zip(cotangents.reshape(-1, N), slopes.reshape(-1, N), strict=True):
        if np.linalg.norm(d) == 0 or (form == "public_code" and d @ d < 1e-20):
            continue
        ratio = np.linalg.norm(d @ np.diag(slope) @ W) / np.linalg.norm(d)
        terms += (ratio - 1) ** 2 if form == "icml_eq_9" else (ratio**2 - 1) ** 2
        steps += 1
    return terms / (max(steps, 1) if form == "public_code" else len(cotangents))


def slope_numpy(W, slopes, cotangents, form):
    """dOmega/dW by hand: with u = d diag(phi') and q = |u W|^2 / |d|^2, dq/dW = 2 u^T u W / |d|^2.

    (q^(1/2) - 1)^2 has derivative 1 - q^(-1/2) in q, and (q - 1)^2 has 2 (q - 1).
    """
    total, steps = np.zeros_like(W), 0
    for d, slope in zip(cotangents.reshape(-1, N), slopes.reshape(-1, N), strict=True):
        if d @ d == 0 or (form == "public_code" and d @ d < 1e-20):
            continue
        u, steps = d * slope, steps + 1
        q = (u @ W) @ (u @ W) / (d @ d)
        outer = 1 - q**-0.5 if form == "icml_eq_9" else 2 * (q - 1)
        total += outer * 2 * np.outer(u, u @ W) / (d @ d)
    return total / (max(steps, 1) if form == "public_code" else len(cotangents))


@pytest.fixture(scope="module")
def rows():
    slopes = jnp.abs(jnp.sin(normal(1, (BATCH, T, N))))
    return normal(0, (N, N)), slopes, normal(2, (BATCH, T, N))


@pytest.fixture(scope="module")
def omega():
    return jax.jit(jax.value_and_grad(regularizers.pascanu_omega), static_argnames="form")


@pytest.mark.parametrize("form", FORMS)
def test_omega_and_its_gradient_by_hand(form, rows, omega):
    value, slope = omega(*rows, form=form)
    close(value, omega_numpy(*in_float64(rows), form), tolerances.OMEGA)
    close(slope, slope_numpy(*in_float64(rows), form), tolerances.OMEGA)


@pytest.mark.parametrize("form", FORMS)
def test_the_gradient_is_that_at_fixed_slopes_and_cotangents(form, rows, omega):
    W, slopes, cotangents = in_float64(rows)
    step, slope = np.cbrt(np.finfo(np.float64).eps), omega(*rows, form=form)[1]
    found = np.zeros((N, N))
    for place in np.ndindex(N, N):
        change = np.zeros((N, N))
        change[place] = step
        ends = [omega_numpy(W + s * change, slopes, cotangents, form) for s in (1, -1)]
        found[place] = (ends[0] - ends[1]) / (2 * step)
    atol = tolerances.CENTRAL_DIFFERENCE * step**2 * max(1.0, np.abs(found).max())
    atol += tolerances.OMEGA * jnp.finfo(slope.dtype).eps * max(1.0, np.abs(found).max())
    np.testing.assert_allclose(slope, found, rtol=0, atol=atol)


@pytest.mark.parametrize("form", FORMS)
def test_slopes_and_cotangents_have_no_gradient(form, rows):
    found = jax.grad(regularizers.pascanu_omega, (1, 2))(*rows, form=form)
    assert not any(np.any(a) for a in found)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("where", ["some", "all", "slopes"])
def test_omega_where_the_gradient_has_vanished(form, where, rows, omega):
    W, slopes, cotangents = rows
    if where == "slopes":  # a cotangent arrives and none is passed on
        slopes = slopes.at[:, 2].set(0)
    else:
        cotangents = cotangents.at[:, slice(0, 3) if where == "some" else slice(None)].set(0)
    value, slope = omega(W, slopes, cotangents, form=form)
    close(value, omega_numpy(*in_float64((W, slopes, cotangents)), form), tolerances.OMEGA)
    assert np.isfinite(slope).all()
    if where == "all":
        assert float(value) == 0 and not np.any(slope)
    if where == "some":
        close(slope, slope_numpy(*in_float64((W, slopes, cotangents)), form), tolerances.OMEGA)


@pytest.mark.parametrize("form", ["icml_eq_9", "icml_eq_10"])
def test_tiny_cotangents_count_like_others(form, rows, omega):
    W, slopes, cotangents = rows
    tiny = jnp.finfo(W.dtype).tiny * 2.0**10
    value, slope = omega(W, slopes, cotangents * tiny, form=form)
    wanted, steep = omega(W, slopes, cotangents, form=form)
    close(value, wanted, tolerances.OMEGA)
    close(slope, steep, tolerances.OMEGA)


def test_the_public_code_leaves_out_what_lies_below_its_bound(rows, omega):
    W, slopes, cotangents = rows
    cotangents = cotangents.at[0].multiply(1e-11).at[1, :2].set(0)
    value, slope = omega(W, slopes, cotangents, form="public_code")
    arrays = in_float64((W, slopes, cotangents))
    close(value, omega_numpy(*arrays, "public_code"), tolerances.OMEGA)
    close(slope, slope_numpy(*arrays, "public_code"), tolerances.OMEGA)


@pytest.mark.parametrize("form", FORMS)
def test_no_steps_add_nothing(form, omega):
    for shape in ((0, N), (BATCH, 0, N)):
        value, slope = omega(jnp.ones((N, N)), jnp.ones(shape), jnp.ones(shape), form=form)
        assert float(value) == 0 and not np.any(slope)


def test_one_sequence_is_a_batch_of_one(rows, omega):
    W, slopes, cotangents = rows
    for form in FORMS:
        alone = omega(W, slopes[0], cotangents[0], form=form)[0]
        close(alone, omega(W, slopes[:1], cotangents[:1], form=form)[0], tolerances.OMEGA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"form": "eq_9"}, r"form: expected one of 'icml_eq_9', .*; got 'eq_9'"),
        ({"slopes": jnp.ones((T, 3))}, r"slopes: expected shape \(\.\.\., T, 4\); got shape"),
        ({"cotangents": jnp.ones(N)}, r"cotangents: expected shape \(\.\.\., T, 4\); got shape"),
        ({"cotangents": jnp.ones((2, N))}, r"cotangents: expected shape .*, that of slopes; got"),
        ({"recurrent": jnp.ones((N, 2))}, r"recurrent: expected a square matrix"),
    ],
)
def test_bad_arguments_of_omega(change, message):
    good = {"recurrent": jnp.ones((N, N)), "slopes": jnp.ones((T, N)), "form": "icml_eq_9"}
    with pytest.raises(ValueError, match=message):
        regularizers.pascanu_omega(**{"cotangents": jnp.ones((T, N)), **good, **change})


# --- with_omega ---


def network(activation):
    cell = rnnjac.cells.elman(2, N, activation)
    params = {"cell": cell.init(jax.random.key(0)), "out": normal(1, (N,))}
    batch = Batch(normal(2, (BATCH, T, 2)), jnp.arange(float(BATCH)))
    return cell, params, batch


def loss(params, states, example):
    """Reads several states, and a weight of the cell besides."""
    read = states[-1] @ params["out"] + 0.3 * states[2] @ params["out"]
    return (read - example.target) ** 2 + 0.1 * jnp.sum(params["cell"]["W_s"] ** 2)


def by_perturbation(cell, params, batch, nudges):
    """Mean loss, with ``nudges`` (batch, T, n) added to the states as they arise."""

    def one(example, nudges):
        def advance(state, at):
            state = cell.step(params["cell"], state, at[0]) + at[1]
            return state, state

        start = jnp.zeros(N)
        _, states = jax.lax.scan(advance, start, (example.inputs, nudges))
        return loss(params, jnp.concatenate([start[None], states]), example)

    return jax.vmap(one)(batch, nudges).mean()


@functools.cache
def reference(activation):
    """Loss, gradient, and the arrays that Omega depends on, by plain differentiation."""
    cell, params, batch = network(activation)
    whole = jax.jit(jax.value_and_grad(lambda p, z: by_perturbation(cell, p, batch, z), (0, 1)))
    value, (slope, cotangents) = whole(params, jnp.zeros((BATCH, T, N)))
    weights = params["cell"]
    run = jax.vmap(lambda x: rnnjac.trajectory(cell.step, weights, cell.initial_state(), x))
    arguments = run(batch.inputs)[:, :-1] @ weights["W_s"].T + batch.inputs @ weights["W_x"].T
    slopes = jax.vmap(jax.grad(activations.get(activation)))(arguments.ravel())
    fixed = weights["W_s"], slopes.reshape(arguments.shape), cotangents
    return value, slope, in_float64(fixed)


@pytest.mark.parametrize(
    ("form", "activation"), [*((form, "tanh") for form in FORMS), ("icml_eq_9", "sigmoid")]
)
def test_the_gradient_is_that_of_the_loss_with_omega_at_w_s(form, activation):
    _, params, batch = network(activation)
    wanted, slope, arrays = reference(activation)
    value_and_grad = jax.jit(
        regularizers.with_omega(loss, weight=3.0, form=form, activation=activation)
    )
    (value, extra), gradient = value_and_grad(params, batch)
    close(value, wanted, tolerances.OMEGA)
    close(extra["omega"], omega_numpy(*arrays, form), tolerances.OMEGA)
    recurrent = np.asarray(slope["cell"]["W_s"], np.float64) + 3 * slope_numpy(*arrays, form)
    slope = {**slope, "cell": {**slope["cell"], "W_s": recurrent}}
    jax.tree.map(lambda a, b: close(a, b, tolerances.OMEGA), gradient, slope)


def test_every_product_is_in_full_precision():
    """Accelerators would multiply float32 in fewer digits."""
    _, params, batch = network("tanh")
    value_and_grad = jax.jit(regularizers.with_omega(loss, weight=3.0))
    program = value_and_grad.lower(params, batch).as_text().splitlines()
    products = [line for line in program if "dot_general" in line]
    assert products
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)


def test_without_a_weight_it_is_the_plain_gradient():
    _, params, batch = network("tanh")
    value_and_grad = jax.jit(regularizers.with_omega(loss, weight=None))
    (value, extra), gradient = value_and_grad(params, batch)
    assert extra == {}
    close(value, reference("tanh")[0], tolerances.OMEGA)
    jax.tree.map(lambda a, b: close(a, b, tolerances.OMEGA), gradient, reference("tanh")[1])
    reported = jax.eval_shape(regularizers.with_omega(loss, weight=0.0), params, batch)
    assert set(reported[0][1]) == {"omega"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": -1.0}, r"weight: expected None or a finite number >= 0; got -1\.0"),
        ({"weight": float("nan")}, r"weight: expected None or a finite number >= 0; got nan"),
        ({"weight": True}, r"weight: expected None or a finite number >= 0; got True"),
        ({"weight": 1.0, "form": "eq_9"}, r"form: expected one of .*; got 'eq_9'"),
        ({"weight": 1.0, "activation": "tan"}, r"activation: expected one of .*; got 'tan'"),
    ],
)
def test_bad_options_of_with_omega(options, message):
    with pytest.raises(ValueError, match=message):
        regularizers.with_omega(loss, **options)
