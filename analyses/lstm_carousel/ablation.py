"""What addition and gating each contribute: one cell with both, either or none of them.

    c_t = F c_{t-1} + I tanh(a_g),    h_t = O φ(c_t)

F = I = O = 1 without gates, F = 0 without addition; φ is tanh, or the identity without addition, so
that neither gives the plain tanh network. The switches are data, hence one compilation for all.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rnnjac
from analyses.lstm_carousel.rates import leading
from analyses.lstm_carousel.terms import with_biases
from rnnjac.activations import sigmoid, tanh
from rnnjac.cells import LSTMState

# name: (addition, gates of input and output, forget gate, bias of the forget gate at the start)
VARIANTS = {
    "neither": (0.0, 0.0, 0.0, 0.0),
    "addition": (1.0, 0.0, 0.0, 0.0),
    "gates": (0.0, 1.0, 0.0, 0.0),
    "both": (1.0, 1.0, 0.0, 0.0),
    "both, forget bias 1": (1.0, 1.0, 1.0, 1.0),
    "both, forget bias 4": (1.0, 1.0, 1.0, 4.0),
}
LONG = 200  # steps over which rates and the size of the cell state are taken
SOLVED = 0.1  # of the variance of the marked value


def step(params: dict[str, jax.Array], state: LSTMState, x: jax.Array) -> LSTMState:
    """One step of the variant that ``params["switches"]`` names."""
    add, gate, forget = params["switches"]
    a_i, a_f, a_g, a_o = jnp.split(params["W_x"] @ x + params["W_h"] @ state.h + params["b"], 4)
    enter, leave = (1 - gate + gate * sigmoid(a) for a in (a_i, a_o))
    keep = add * (1 - forget + forget * sigmoid(a_f))
    c = keep * state.c + enter * tanh(a_g)
    return LSTMState(c, leave * (add * tanh(c) + (1 - add) * c))


def measure(settings: Any, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Rates at the start, and the error on a task that asks for one value out of many."""
    n, seeds = settings.task_hidden, settings.task_seeds
    cell = rnnjac.cells.lstm(2, n)
    start = cell.initial_state()
    key_p, key_x, key_t = jax.random.split(key, 3)
    switches = jnp.array(list(VARIANTS.values()))

    def init(k, s):
        p = with_biases(cell.init(k), s[3], 0.0)
        return p | {"switches": s[:3], "v": jnp.zeros(n), "v_0": jnp.zeros(())}

    over_seeds = jax.vmap(init, in_axes=(0, None))
    make = jax.jit(jax.vmap(over_seeds, in_axes=(None, 0)))
    params = make(jax.random.split(key_p, seeds), switches)
    x = jax.random.normal(key_x, (LONG, 2))

    def look(p):
        states = rnnjac.trajectory(step, p, start, x)
        logs = leading(step, p, start, x)
        return jnp.cumsum(logs), jnp.max(jnp.abs(states.c), axis=1)

    logs, sizes = (np.asarray(a) for a in jax.jit(jax.vmap(jax.vmap(look)))(params))
    curves = np.asarray(_train(settings, params, start, jax.random.split(key_t, seeds)))
    final = curves[..., -max(1, curves.shape[-1] // 10) :].mean(axis=-1)
    facts: dict[str, Any] = {
        "task_steps": settings.task_steps,
        "task_updates": settings.task_updates,
        "task_seeds": seeds,
        "task_long": LONG,
    }
    for i, name in enumerate(VARIANTS):
        facts |= {
            f"task_error_{name}": float(np.median(final[i])),
            f"task_solved_{name}": int((final[i] < SOLVED).sum()),
            f"task_rate_{name}": float(np.median(logs[i, :, -1]) / LONG),
            f"task_size_{name}": float(np.median(sizes[i, :, -1])),
        }
    return {"task_curves": curves, "task_logs": logs, "task_sizes": sizes}, facts


def batch(key: jax.Array, count: int, steps: int) -> tuple[jax.Array, jax.Array]:
    """Sequences of values U(-√3, √3), one in the first tenth marked, which is the target."""
    key_v, key_m = jax.random.split(key)
    values = jax.random.uniform(key_v, (count, steps), minval=-(3**0.5), maxval=3**0.5)
    at = jax.random.randint(key_m, (count,), 0, max(1, steps // 10))
    marks = jax.nn.one_hot(at, steps, dtype=values.dtype)
    return jnp.stack([values, marks], axis=-1), jnp.sum(values * marks, axis=1)


def _train(settings: Any, params: Any, start: LSTMState, keys: jax.Array) -> jax.Array:
    """Mean squared error of every update, (variant, seed, update); the target has variance 1."""
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(settings.task_rate))

    def loss(p, x, y):
        last = jax.vmap(lambda x: _last(p, start, x))(x)
        return jnp.mean((last @ p["v"] + p["v_0"] - y) ** 2)

    def train(p, k):
        fixed = p["switches"]

        def update(carry, k):
            p, memory = carry
            value, grad = jax.value_and_grad(loss)(
                p, *batch(k, settings.task_batch, settings.task_steps)
            )
            with jax.numpy_dtype_promotion("standard"):  # optax mixes its counters with floats
                change, memory = optimizer.update(grad, memory)
            p = optax.apply_updates(p, change) | {"switches": fixed}
            return (p, memory), value

        each = jax.random.split(k, settings.task_updates)
        return jax.lax.scan(update, (p, optimizer.init(p)), each)[1]

    return jax.jit(jax.vmap(jax.vmap(train), in_axes=(0, None)))(params, keys)


def _last(params: Any, start: LSTMState, inputs: jax.Array) -> jax.Array:
    """Output after the last step."""
    return jax.lax.scan(lambda s, x: (step(params, s, x), None), start, inputs)[0].h
