"""The derivative of one LSTM cell state by another: its terms, what they leave out, its bounds."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac
from rnnjac import initializers
from rnnjac.cells import LSTMState
from rnnjac.cells.gates import lstm_arguments, lstm_paths
from rnnjac.measures.carousel import carousel_products

UNITS, INPUTS = 4, 3  # of the networks with N(0, 1) weights
LAGS = (1, 2, 5, 15)
DRAWN_LAGS = 15
GROWTH_HIDDEN = 8
KEPT = {"1": 60.0, "sigmoid(1)": 1.0, "sigmoid(4)": 4.0}  # share kept, and the bias that gives it
LIVE = 20  # last steps of a run that are looked at
FORGET_BIASES = tuple(np.arange(0.0, 9.0))


def measure(settings: Any, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Every part; curves for the figures, numbers for the claims."""
    keys = jax.random.split(key, 4)
    arrays, facts = {}, {}
    for part in (
        growth(settings.growth_steps, settings.seeds, keys[0]),
        four_terms(settings.term_networks, keys[1]),
        wide(settings.hidden, settings.wide_lags, settings.seeds, keys[2]),
        gate_paths(settings, keys[3]),
    ):
        arrays |= part[0]
        facts |= part[1]
    return arrays, facts


def growth(steps: int, seeds: int, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """|C_t| with and without forgetting, against t, 2 t and 1/(1 - f_max).

    Three inputs: noise, a constant, and one that holds the input gate and the candidate at 1.
    """
    n = GROWTH_HIDDEN
    new, old = rnnjac.cells.lstm(1, n), rnnjac.cells.lstm_1997(1, n)
    key_p, key_x = jax.random.split(key)
    keys = jax.random.split(key_p, seeds)
    noise = jax.random.normal(key_x, (seeds, steps, 1))
    held = jnp.full_like(noise, 50.0)
    inputs = jnp.stack([noise, jnp.ones_like(noise), held])

    def over_all(cell):
        run = jax.vmap(lambda p, x: rnnjac.trajectory(cell.step, p, cell.initial_state(), x).c)
        return jax.jit(jax.vmap(run, in_axes=(None, 0)))

    # weights of the input are positive, so that the held one saturates gate and candidate
    def positive(params):
        return params | {"W_x": jnp.abs(params["W_x"])}

    modern = positive(jax.vmap(new.init)(keys))
    sizes = [_largest(over_all(old)(positive(jax.vmap(old.init)(keys)), inputs))]
    run = over_all(new)
    forget = slice(n, 2 * n)
    for bias in KEPT.values():
        fixed = {
            "W_x": modern["W_x"].at[:, forget].set(0.0),
            "W_h": modern["W_h"].at[:, forget].set(0.0),
            "b": modern["b"].at[:, forget].set(bias),
        }
        sizes.append(_largest(run(fixed, inputs)))
    sizes = np.stack(sizes)  # (cell, input, seed, time)
    t = np.arange(1, steps + 1)
    kept = np.array([1 / (1 + np.exp(-b)) for b in KEPT.values()])[1:, None]
    bounds = np.stack([2.0 * t, 1.0 * t, *((1 - kept**t) / (1 - kept))])
    early = steps // 10
    # least growth exponent: the slope of log |C| against log t over the last nine tenths
    middle = np.log(np.median(sizes, axis=2))
    slope = (middle[..., -1] - middle[..., early - 1]) / np.log(steps / early)
    share = sizes / bounds[:, None, None]
    return {"growth_size": np.median(sizes, axis=2), "growth_bound": bounds}, {
        "growth_steps": steps,
        "growth_seeds": seeds,
        "growth_share": float(share.max()),
        "growth_share_held": float(share[:, 2, :, -1].min()),
        "growth_slope_noise": float(slope[0, 0]),
        "growth_slope_constant": float(slope[0, 1]),
        "growth_slope_noise_new": float(slope[1, 0]),
        "growth_old": float(sizes[0, 1, :, -1].max()),
        "growth_kept": float(sizes[2].max()),
        "growth_kept_bound": float(bounds[2, -1]),
        "growth_kept_long": float(sizes[3].max()),
        "growth_kept_long_bound": float(1 / (1 - kept[1, 0])),
    }


def _largest(cells: jax.Array) -> np.ndarray:
    """max_i |C_i| at times 1 to T."""
    return np.abs(np.asarray(cells)).max(axis=-1)[..., 1:]


def four_terms(networks: int, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Products of G and of diag(f) against the true dC_t/dC_k, networks of N(0, 1) weights."""
    cell = rnnjac.cells.lstm(INPUTS, UNITS)
    keys = jax.random.split(key, networks)
    params, inputs = jax.vmap(_normal)(keys)
    cut = params | {"W_h": params["W_h"].at[:, 3 * UNITS :].set(0.0)}  # U_o = 0
    start = cell.initial_state()
    both = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), params, cut)
    run = jax.jit(jax.vmap(lambda p, x: carousel_products(p, start, x)))
    products = jax.tree.map(np.asarray, run(both, jnp.concatenate([inputs, inputs])))
    four = np.exp(products.four_term_log_error).reshape(2, networks, -1)
    forget = np.exp(products.forget_only_log_error[:networks])
    one = jax.tree.map(np.asarray, jax.jit(jax.vmap(_one_step))(params, inputs))
    exact, approximate = (
        np.exp(m.log_norm[:networks, 2])[:, None, None] * m.direction[:networks, 2]
        for m in (products.exact, products.four_term)
    )
    size = np.linalg.norm(exact, axis=(1, 2))
    gap = np.linalg.norm(exact - approximate, axis=(1, 2)) / size
    left = np.linalg.norm(exact - approximate - one["missing"], axis=(1, 2)) / size
    facts: dict[str, Any] = {
        "term_networks": networks,
        "term_units": UNITS,
        "term_missing_gap": float(np.median(gap)),
        "term_missing_left": float(left.max()),
        "term_three": float(np.median(one["three"])),
        "term_three_least": float(one["three"].min()),
        "term_four": float(one["four"].max()),
        "term_one_step": float(four[0, :, 1].max()),
        "term_no_output": float(four[1].max()),
    }
    for lag in LAGS:
        for name, errors in (("four", four[0]), ("forget", forget)):
            low, middle, high = np.quantile(errors[:, lag], (0.05, 0.5, 0.95))
            facts |= {
                f"term_{name}_{lag}": float(middle),
                f"term_{name}_{lag}_low": float(low),
                f"term_{name}_{lag}_high": float(high),
            }
    return {"term_four": four[0], "term_no_output": four[1], "term_forget": forget}, facts


def _normal(key: jax.Array):
    """Weights and inputs N(0, 1), biases 0."""
    draw = initializers.normal(1.0)
    cell = rnnjac.cells.lstm(INPUTS, UNITS, recurrent=draw, input=draw, bias=initializers.zeros())
    key_p, key_x = jax.random.split(key)
    return cell.init(key_p), jax.random.normal(key_x, (DRAWN_LAGS + 1, INPUTS))


def _one_step(params, inputs) -> dict[str, jax.Array]:
    """Relative errors of three and of four terms over one step, and the term missing at two.

    The truth is forward mode through C with h = o tanh(c), o held constant.
    """
    cell = rnnjac.cells.lstm(INPUTS, UNITS)
    states = [cell.initial_state()]
    for x in inputs[:3]:
        states.append(cell.step(params, states[-1], x))
    first, second, third = (
        lstm_paths(params, state, x) for state, x in zip(states[:3], inputs[:3], strict=True)
    )
    _, _, _, o = lstm_arguments(params, states[0], inputs[0])
    o = rnnjac.activations.sigmoid(o)

    def next_cell(c):
        return cell.step(params, LSTMState(c, o * rnnjac.activations.tanh(c)), inputs[1]).c

    truth = jax.jacfwd(next_cell)(states[1].c)
    four = second.cell_to_cell(first)
    three = four - second.carousel
    size = jnp.linalg.norm(truth)
    return {
        "three": jnp.linalg.norm(three - truth) / size,
        "four": jnp.linalg.norm(four - truth) / size,
        # A_2 diag(tanh C_1 o_1 (1 - o_1)) U_o diag(o_0 (1 - tanh² C_0))
        "missing": third.from_output() @ second.output_gate @ first.readout,
    }


def wide(
    hidden: int, lags: int, seeds: int, key: jax.Array
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The same errors in LSTMs as they are usually started, biases of the forget gate 1 and 5."""
    cell = rnnjac.cells.lstm(hidden, hidden)
    start = cell.initial_state()

    def run(k, bias):
        key_p, key_x = jax.random.split(k)
        p = with_biases(cell.init(key_p), *bias)
        products = carousel_products(p, start, jax.random.normal(key_x, (lags + 1, hidden)))
        return products.four_term_log_error, products.forget_only_log_error

    biases = jnp.array([[1.0, 0.0], [5.0, -5.0]])  # forget gate, input gate
    over_seeds = jax.vmap(run, in_axes=(0, None))
    errors = jax.jit(jax.vmap(over_seeds, in_axes=(None, 0)))(jax.random.split(key, seeds), biases)
    four, forget = (np.exp(np.median(np.asarray(e), axis=1)) for e in errors)
    return {"wide_four": four, "wide_forget": forget}, {
        "wide_hidden": hidden,
        "wide_lags": lags,
        "wide_four": float(four[0, -1]),
        "wide_forget": float(forget[0, -1]),
        "wide_four_long": float(four[1, -1]),
        "wide_forget_long": float(forget[1, -1]),
    }


def with_biases(params, forget, enter):
    """LSTM parameters with the biases of the forget and of the input gate set."""
    n = params["b"].shape[0] // 4
    b = params["b"]
    return params | {"b": b.at[n : 2 * n].set(forget).at[:n].set(enter)}


def gate_paths(settings: Any, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Size of the paths through the gates beside f, and the distance of G from the identity."""
    n, seeds = settings.hidden, settings.seeds
    cell = rnnjac.cells.lstm(n, n)
    gains = np.geomspace(0.1, 10, settings.path_gains)
    count = len(FORGET_BIASES)
    rows = [(g, 1.0, 0.0) for g in gains]
    rows += [(1.0, b, 0.0) for b in FORGET_BIASES] + [(1.0, b, -b) for b in FORGET_BIASES]

    def run(k, row):
        key_p, key_x = jax.random.split(k)
        p = cell.init(key_p)
        p = with_biases(p | {"W_h": row[0] * p["W_h"]}, row[1], row[2])
        x = jax.random.normal(key_x, (settings.path_steps, n))
        states = rnnjac.trajectory(cell.step, p, cell.initial_state(), x)
        late = jax.tree.map(lambda a: a[-LIVE - 2 : -1], states)
        paths = jax.vmap(lambda s, x: lstm_paths(p, s, x))(late, x[-LIVE - 1 :])
        before, after = (
            jax.tree.map(lambda a, s=s: a[s], paths) for s in (slice(-1), slice(1, None))
        )
        G = jax.vmap(lambda a, b: a.cell_to_cell(b))(after, before)
        f = jnp.diagonal(after.carousel, axis1=1, axis2=2)
        return G, f, after.from_output(), jnp.abs(late.c[1:]).max(axis=1), p["W_h"]

    over_rows = jax.jit(lambda ks, rs: jax.lax.map(lambda r: jax.vmap(run, (0, None))(ks, r), rs))
    found = over_rows(jax.random.split(key, seeds), jnp.array(rows))
    G, f, A, C, W_h = (np.asarray(a) for a in found)
    eye = np.eye(n)
    gate_part = np.linalg.norm(G - f[..., None] * eye, 2, axis=(-2, -1))
    ratio = np.median(gate_part / f.max(axis=-1), axis=(1, 2))
    distance = np.median(np.linalg.norm(G - eye, 2, axis=(-2, -1)), axis=(1, 2))
    # ‖A‖ <= max|C| ‖U_f‖/4 + ‖U_i‖/4 + ‖U_g‖, since σ′ <= 1/4 and all else is at most 1
    U_i, U_f, U_g = np.moveaxis(
        np.linalg.norm(W_h.reshape(*W_h.shape[:2], 4, n, n)[:, :, :3], 2, axis=(-2, -1)), -1, 0
    )
    bound = C * U_f[..., None] / 4 + (U_i / 4 + U_g)[..., None]
    by_gain, raised = ratio[: len(gains)], distance[len(gains) :].reshape(2, count)
    return {"path_gains": gains, "path_ratio": by_gain, "raised_distance": raised}, {
        "path_hidden": n,
        "path_bound": float((np.linalg.norm(A, 2, axis=(-2, -1)) / bound).max()),
        "path_low": float(by_gain[0]),
        "path_one": float(np.exp(np.interp(0.0, np.log(gains), np.log(by_gain)))),
        "path_high": float(by_gain[-1]),
        "path_crossing": float(
            np.exp(np.interp(0.0, np.log(by_gain), np.log(gains), right=np.inf))
        ),
        "raised_alone": float(raised[0, -1]),
        "raised_alone_5": float(raised[0, 5]),
        "raised_both": float(raised[1, -1]),
        "raised_both_5": float(raised[1, 5]),
        "raised_start": float(raised[0, 0]),
    }
