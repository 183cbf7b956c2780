"""Networks made sick on purpose, and healthy ones, for the tests of `diagnose`.

Each function takes a key and gives the arguments of `diagnose`. Where it can be they share one step
and the shapes of everything, so that they share what is compiled.
"""

import jax
import jax.numpy as jnp

from rnnjac import cells, initializers

N, T = 24, 200
TANH = cells.elman(N, N, "tanh")
RELU = cells.elman(N, N, "relu")
LEAKY = cells.leaky(N, N, dt=0.01)
LSTM_UNITS, LSTM_STEPS = N // 2, T
LSTM = cells.lstm(4, LSTM_UNITS)


def plain(cell, W, drive=0.0, bias=0.0, *, key, steps=T, start=0.0):
    """An Elman or leaky network with normal inputs of some size; ``steps`` of its T are used."""
    kind = W.dtype
    params = {"W_x": jnp.eye(N, dtype=kind), "W_s": W, "b": jnp.full(N, bias, kind)}
    x = drive * jax.random.normal(key, (1, T, N), kind)
    return {
        "step": cell.step,
        "params": params,
        "state": jnp.full(N, start, kind),
        "inputs": x,
        "lengths": [steps],
    }


def gaussian(gain, key):
    return initializers.gaussian(gain)(key, (N, N))


def orthogonal(gain, key):
    return initializers.orthogonal(gain)(key, (N, N))


def keys(key):
    return jax.random.split(key)


def too_small(key):
    a, b = keys(key)
    return plain(TANH, gaussian(0.5, a), 0.1, key=b)


def too_large(key):
    """Gain 1.2, and inputs so weak that nothing is saturated yet after 60 steps."""
    a, b = keys(key)
    return plain(TANH, orthogonal(1.2, a), 1e-6, key=b, steps=60)


def saturated(key):
    a, b = keys(key)
    return plain(TANH, orthogonal(1.0, a), 5.0, key=b)


def dead(key):
    a, b = keys(key)
    return plain(RELU, gaussian(1.0, a), 0.1, -1.0, key=b)


def exploding_relu(key):
    a, b = keys(key)
    return plain(RELU, gaussian(3.0, a), 0.1, key=b, steps=60)


def transient(key):
    """Strictly triangular: every eigenvalue 0, and entries that make powers grow at first."""
    a, b = keys(key)
    upper = jnp.triu(1 + 0.1 * jax.random.normal(a, (N, N)), 1)
    return plain(TANH, upper, 1e-8, key=b)


def chaotic(key):
    a, b = keys(key)
    return plain(TANH, orthogonal(6.0, a), 0.1, key=b)


def bottleneck(key):
    """Rank 4, and orthogonal within it."""
    a, b = keys(key)
    frame = orthogonal(1.0, a)[:, :4]
    return plain(TANH, frame @ frame.T, 0.01, key=b)


def clock(params, state, x):
    """Vectors turned by phases that are summed up: orthogonal, while the phases have digits."""
    phase = state["phase"] + params
    cos, sin = jnp.cos(phase), jnp.sin(phase)
    a, b = state["vector"]
    return {"phase": phase, "vector": jnp.stack([cos * a - sin * b, sin * a + cos * b])}


def of_vector(state):
    return jnp.sum(state["vector"][0])


def without_digits(key):
    """After 200 steps of 1e5 radians float32 rounds a phase by one or two."""
    a, b = keys(key)
    frequency = jax.random.uniform(a, (N // 3,), jnp.float32, 1e5, 2e5)
    vector = 1e-3 * jax.random.normal(b, (2, N // 3), jnp.float32)
    state = {"phase": jnp.zeros(N // 3, jnp.float32), "vector": vector}
    return {"step": clock, "params": frequency, "state": state, "lengths": T, "loss": of_vector}


def one_explodes(key):
    """Inputs hold the units where slopes make up for the gain; one of the sequences is silent."""
    a, b = keys(key)
    found = plain(TANH, orthogonal(1.5, a), key=b)
    x = 0.35 * jax.random.normal(b, (8, T, N))
    return found | {"inputs": x.at[3].set(0.0), "lengths": 100}


def lstm(bias, key, scale=0.3):
    a, b = keys(key)
    cell = cells.lstm(
        4,
        LSTM_UNITS,
        recurrent=initializers.gaussian(scale),
        input=initializers.gaussian(scale),
        bias=bias,
    )
    x = jax.random.normal(b, (LSTM_STEPS, 4))
    return {
        "step": LSTM.step,
        "params": cell.init(a),
        "state": LSTM.initial_state(),
        "inputs": x,
    }


def shut(key):
    return lstm(initializers.forget_bias(-4.0), key)


def forgetful(key):
    return lstm(initializers.forget_bias(1.0), key)


def chrono(key):
    return lstm(initializers.chrono(LSTM_STEPS), key)


def orthogonal_start(key):
    a, b = keys(key)
    return plain(TANH, orthogonal(1.0, a), 0.01, key=b)


def leaky_near_one(key):
    a, b = keys(key)
    return plain(LEAKY, gaussian(0.9, a), 1.0, key=b)


SICK = {
    "small weights": too_small,
    "explodes": too_large,
    "saturated": saturated,
    "dead units": dead,
    "states diverge": exploding_relu,
    "forget gates shut": shut,
    "forgets": forgetful,
    "transient": transient,
    "chaotic": chaotic,
    "digits lost": without_digits,
    "directions lost": bottleneck,
    "some sequences explode": one_explodes,
}
HEALTHY = {"orthogonal": orthogonal_start, "chrono": chrono, "leaky": leaky_near_one}
