import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import cells, gates
from rnnjac.measures.carousel import carousel_products
from tests import cells_numpy, tolerances
from tests.cells_numpy import close, in_float64, normal

INPUTS, N, T = 3, 4, 15
RESETS = ["after", "before"]


def sample(make=cells.lstm, steps=T, **options):
    return cells_numpy.sample(make(INPUTS, N, **options), (steps, INPUTS))


def along(function, cell, params, state, inputs):
    states = rnnjac.trajectory(cell.step, params, state, inputs)
    before = jax.tree.map(lambda rows: rows[:-1], states)
    return jax.jit(jax.vmap(function, (None, 0, 0)))(params, before, inputs), before


def test_lstm_paths_assemble_to_the_jacobian(dtype):
    cell, params, state, inputs = sample()
    paths, _ = along(gates.lstm_paths, cell, params, state, inputs)
    exact = rnnjac.jacobians(cell.step, params, state, inputs)
    assert paths.carousel.shape == (T, N, N) and exact.shape == (T, 2 * N, 2 * N)
    close(paths.jacobian(), in_float64(exact), tolerances.CELL_JACOBIAN)


@pytest.mark.parametrize("reset", RESETS)
def test_gru_paths_add_up_to_the_jacobian(reset, dtype):
    cell, params, state, inputs = sample(cells.gru, reset=reset)
    paths, _ = along(
        lambda p, s, x: gates.gru_paths(p, s, x, reset=reset), cell, params, state, inputs
    )
    exact = rnnjac.jacobians(cell.step, params, state, inputs)
    close(paths.jacobian(), in_float64(exact), tolerances.CELL_JACOBIAN)


def frozen_lstm(params, before, x, live):
    """One step with the gates held at their values except those in ``live``, by plain jnp."""
    cut = jax.lax.stop_gradient
    n = before.c.shape[0]
    a = params["W_x"] @ x + params["b"] + params["W_h"] @ before.h
    a = {k: a[j * n : (j + 1) * n] for j, k in enumerate("ifgo")}
    a = {k: v if k in live else cut(v) for k, v in a.items()}
    c = before.c if "c" in live else cut(before.c)
    C = rnnjac.activations.sigmoid(a["f"]) * c
    C = C + rnnjac.activations.sigmoid(a["i"]) * rnnjac.activations.tanh(a["g"])
    return cells.LSTMState(C, rnnjac.activations.sigmoid(a["o"]) * rnnjac.activations.tanh(C))


@pytest.mark.parametrize(
    ("live", "name", "block"),
    [
        ("c", "carousel", ("c", "c")),
        ("f", "forget_gate", ("c", "h")),
        ("i", "input_gate", ("c", "h")),
        ("g", "candidate", ("c", "h")),
        ("o", "output_gate", ("h", "h")),
    ],
)
def test_each_lstm_path_is_the_derivative_with_the_others_held(live, name, block):
    _, params, state, inputs = sample()
    held = jax.jacfwd(frozen_lstm, argnums=1)(params, state, inputs[0], live)
    want = getattr(getattr(held, block[0]), block[1])
    got = getattr(gates.lstm_paths(params, state, inputs[0]), name)
    close(got, in_float64(want), tolerances.CELL_JACOBIAN)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize(
    ("zeroed", "name"), [(0, "reset_gate"), (1, "update_gate"), (2, "candidate")]
)
def test_a_gru_path_vanishes_with_its_block_and_the_rest_stays(zeroed, name, reset):
    _, params, state, inputs = sample(cells.gru, reset=reset)
    rows = slice(zeroed * N, (zeroed + 1) * N)
    # The block's share of the argument becomes a bias: values stay, the path is cut.
    drive = params["W_h"][rows] @ state
    bias = params["b_h"].at[rows].add(drive)
    if zeroed == 2 and reset == "before":
        r = gates_of_reset(params, state, inputs[0])
        bias = params["b_h"].at[rows].add(params["W_h"][rows] @ (r * state))
    cut = params | {"W_h": params["W_h"].at[rows].set(0), "b_h": bias}
    whole = gates.gru_paths(params, state, inputs[0], reset=reset)
    part = gates.gru_paths(cut, state, inputs[0], reset=reset)
    dropped = {name} | ({"reset_gate"} if zeroed == 2 and reset == "before" else set())
    for field in whole._fields:
        if field in dropped:
            assert not getattr(part, field).any()
        else:
            want = in_float64(getattr(whole, field))
            close(getattr(part, field), want, tolerances.CELL_JACOBIAN)


def gates_of_reset(params, state, x):
    a = params["W_x"] @ x + params["b_x"] + params["W_h"] @ state + params["b_h"]
    return rnnjac.activations.sigmoid(a[:N])


def complex_step_cell_to_cell(params, state, inputs):
    """dC_t/dC_1 for t = 1 .. T in NumPy by a step of 1e-30 i, h_1 = o_1 tanh(C_1), o_1 held."""
    p, (c, h), xs = in_float64((params, state, inputs))
    c, h = cells_numpy.lstm(p, c, h, xs[0])
    o, rows = h / np.tanh(c), []
    for direction in 1e-30j * np.eye(N):
        cell, column = c + direction, []
        output = o * np.tanh(cell)
        for x in xs[1:]:
            column.append(cell.imag / 1e-30)
            cell, output = cells_numpy.lstm(p, cell, output, x)
        rows.append([*column, cell.imag / 1e-30])
    return np.moveaxis(np.array(rows), 0, -1)


def matrices(scaled):
    return np.exp(np.float64(scaled.log_norm))[:, None, None] * np.float64(scaled.direction)


def relative_errors(got, want):
    return np.linalg.norm(got - want, axis=(1, 2)) / np.linalg.norm(want, axis=(1, 2))


def test_block_product_against_the_derivative_of_numpy(dtype):
    _, params, state, inputs = sample()
    products = carousel_products(params, state, inputs)
    want = complex_step_cell_to_cell(params, state, inputs)
    np.testing.assert_array_equal(products.exact.direction[0] * N**0.5, np.eye(N))
    bound = tolerances.CAROUSEL_PRODUCT * float(jnp.finfo(dtype).eps)
    assert relative_errors(matrices(products.exact), want).max() <= bound
    # The approximations, each against its own definition, and their errors against the exact one.
    for approximate, log_error in (
        (products.four_term, products.four_term_log_error),
        (products.forget_only, products.forget_only_log_error),
    ):
        expected = relative_errors(matrices(approximate), want)
        assert np.all(np.abs(np.exp(np.float64(log_error)) - expected) <= bound * (1 + expected))


def test_four_terms_are_exact_for_one_step_and_wrong_after(dtype):
    _, params, state, inputs = sample()
    products = carousel_products(params, state, inputs)
    error = np.exp(np.float64(products.four_term_log_error))
    assert error[0] == 0
    assert error[1] <= tolerances.CAROUSEL_PRODUCT * float(jnp.finfo(dtype).eps)
    assert error[2:].min() > 0.01
    assert np.exp(products.forget_only_log_error)[1:].min() > 0.1


def test_four_terms_are_exact_when_the_output_gate_does_not_see_h(dtype):
    _, params, state, inputs = sample()
    params = params | {"W_h": params["W_h"].at[3 * N :].set(0)}
    products = carousel_products(params, state, inputs)
    bound = tolerances.CAROUSEL_PRODUCT * float(jnp.finfo(dtype).eps)
    assert np.exp(np.float64(products.four_term_log_error)).max() <= bound
    assert np.exp(products.forget_only_log_error)[1:].min() > 0.1


def test_all_three_agree_without_recurrent_weights(dtype):
    _, params, state, inputs = sample()
    params = params | {"W_h": jnp.zeros_like(params["W_h"])}
    products = carousel_products(params, state, inputs)
    bound = tolerances.CAROUSEL_PRODUCT * float(jnp.finfo(dtype).eps)
    for log_error in (products.four_term_log_error, products.forget_only_log_error):
        assert np.exp(np.float64(log_error)).max() <= bound


def test_four_term_products_against_the_paths():
    cell, params, state, inputs = sample()
    paths, _ = along(gates.lstm_paths, cell, params, state, inputs)
    earlier = jax.tree.map(lambda a: a[:-1], paths)
    factors = in_float64(jax.tree.map(lambda a: a[1:], paths).cell_to_cell(earlier))
    G, F = np.eye(N), np.eye(N)
    products = carousel_products(params, state, inputs)
    for lag, factor in enumerate(factors, start=1):
        G, F = factor @ G, np.asarray(paths.carousel[lag], np.float64) @ F
        close(products.four_term.direction[lag], G / np.linalg.norm(G), tolerances.CAROUSEL_PRODUCT)
        close(
            products.forget_only.direction[lag], F / np.linalg.norm(F), tolerances.CAROUSEL_PRODUCT
        )


def test_long_lags_neither_underflow_nor_overflow():
    # f = sigmoid(-40): 2000 steps lose e^-80000, far below any float; weights of 0 make all exact.
    steps, bias = 2000, -40.0
    cell = cells.lstm(0, 2)
    params = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0)))
    params["b"] = params["b"].at[2:4].set(bias)
    products = carousel_products(params, cell.initial_state(), length=steps)
    want = -np.arange(steps) * np.log1p(np.exp(-bias)) + np.log(2) / 2
    for scaled in products[:3]:
        close(scaled.log_norm, want, tolerances.CAROUSEL_LOG)
        assert bool(jnp.isfinite(scaled.direction).all())


def test_saturated_gates_keep_their_digits(dtype):
    # f' at an argument of 30, where f rounds to 1 in float32: e^-30 to a few eps.
    cell = cells.lstm(0, 1)
    params = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0)))
    params["b"] = params["b"].at[1].set(30)
    params["W_h"] = jnp.ones_like(params["W_h"])
    state = cells.LSTMState(jnp.ones(1, dtype), jnp.zeros(1, dtype))
    got = float(gates.lstm_paths(params, state).forget_gate[0, 0])
    want = np.exp(-30.0) / (1 + np.exp(-30.0)) ** 2
    assert abs(got / want - 1) <= tolerances.ACTIVATION_SLOPE * float(jnp.finfo(dtype).eps)


def test_no_input_and_single_step():
    cell, params, state, _ = sample()
    paths = gates.lstm_paths(params, state)
    (exact,) = rnnjac.jacobians(cell.step, params, state, length=1)
    close(paths.jacobian(), in_float64(exact), tolerances.CELL_JACOBIAN)
    products = carousel_products(params, state, length=1)
    assert products.exact.direction.shape == (1, N, N)
    assert np.isneginf(products.four_term_log_error).all()


def test_vmap_over_sequences_and_networks_equals_the_loop():
    cell, params, state, _ = sample()
    batch = normal(9, (2, 5, INPUTS))
    networks = jax.tree.map(lambda a: jnp.stack([a, -a]), params)
    got = jax.vmap(carousel_products, (0, None, 0))(networks, state, batch)
    for row in range(2):
        network = jax.tree.map(lambda a, row=row: a[row], networks)
        want = carousel_products(network, state, batch[row])
        single = jax.tree.map(lambda a, row=row: a[row], got)
        for field in ("exact", "four_term", "forget_only"):
            close(
                getattr(single, field),
                in_float64(getattr(want, field)),
                tolerances.CAROUSEL_PRODUCT,
            )


def test_arguments_are_checked():
    cell, params, state, inputs = sample(steps=0)
    with pytest.raises(ValueError, match="inputs: expected at least one step; got none"):
        carousel_products(params, state, inputs)
    with pytest.raises(ValueError, match="length: expected a number of steps"):
        carousel_products(params, state)
    for other in (cells.lstm(INPUTS, N, peepholes=True), cells.lstm(INPUTS, N, coupled=True)):
        with pytest.raises(ValueError, match="params: expected those of cells.lstm without"):
            gates.lstm_paths(other.init(jax.random.key(0)), state)
    with pytest.raises(ValueError, match="params: expected those of cells.gru"):
        gates.gru_paths(params, state.h)
    with pytest.raises(ValueError, match="reset: expected one of 'after', 'before'"):
        gates.gru_paths(params, state.h, reset="never")
