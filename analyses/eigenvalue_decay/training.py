"""Tanh networks from common initialisations, trained on two tasks with a long lag.

Watched on fresh sequences at the start and through training: the slopes φ′ = 1 − S², and the rate
at which the gradient of the loss shrinks or grows on its way back.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rnnjac
from analyses.common import meanfield
from analyses.eigenvalue_decay import networks
from rnnjac import tasks

TASKS = ("addition", "temporal order")
BINS = 40
NARROW = 0.1  # deviation of all weights in the "basic tanh" start of Pascanu et al. (2013)
WIDE = 2.0  # gain of the start that is chaotic without input
OUTPUTS = {"addition": (2, 1), "temporal order": (6, 4)}  # sizes of an input and of the output


class Start(NamedTuple):
    """Initialisers of the recurrent and of the input matrix and of the bias."""

    recurrent: Callable
    input: Callable
    bias: Callable


def _starts(hidden: int) -> dict[str, Start]:
    uniform, zeros = rnnjac.initializers.uniform(hidden), rnnjac.initializers.zeros()
    glorot = jax.nn.initializers.glorot_uniform()
    normal = rnnjac.initializers.normal(NARROW)
    return {
        "PyTorch uniform": Start(uniform, uniform, uniform),
        "Gaussian, deviation 0.1": Start(normal, normal, zeros),
        "Glorot uniform": Start(glorot, glorot, zeros),
        "orthogonal": Start(rnnjac.initializers.orthogonal(), glorot, zeros),
        "Gaussian, gain 2": Start(rnnjac.initializers.gaussian(WIDE), glorot, zeros),
    }


STARTS = tuple(_starts(1))
USUAL = STARTS[:4]  # what people start from; the last shows that other starts exist


def measure(settings: Any, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The tasks; axes of the arrays: task, checkpoint, start, seed."""
    runs = [
        _task(name, settings, jax.random.fold_in(key, i))
        for i, name in enumerate(TASKS[: settings.tasks])
    ]
    arrays = {f"train_{name}": np.stack([run[name] for run in runs]) for name in runs[0]}
    return arrays, _facts(arrays, settings)


def draw(task: str, key: jax.Array, length: int) -> tuple[jax.Array, jax.Array]:
    """Inputs and the wanted output of one sequence."""
    if task == "addition":
        example = tasks.addition(key, length, vary=False)
        return example.inputs, example.target[None]
    example = tasks.temporal_order(key, length)
    return example.inputs, jax.nn.one_hot(example.target, OUTPUTS[task][1])


def _loss(task: str, output: jax.Array, target: jax.Array) -> jax.Array:
    if task == "addition":
        return jnp.sum((output - target) ** 2)
    return optax.softmax_cross_entropy(output, target)


def _task(task: str, settings: Any, key: jax.Array) -> dict[str, np.ndarray]:
    hidden, length = settings.train_size, settings.train_steps
    size, outputs = OUTPUTS[task]
    cell = rnnjac.cells.elman(inputs=size, hidden=hidden, activation="tanh")
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(settings.rate))

    def batch(key, count):
        return jax.vmap(lambda k: draw(task, k, length))(jax.random.split(key, count))

    def final_loss(params, state, target):
        return _loss(task, params["W_o"] @ state + params["b_o"], target)

    def mean_loss(params, inputs, targets):
        def one(x, y):
            states = rnnjac.trajectory(cell.step, params["cell"], cell.initial_state(), x)
            return final_loss(params, states[-1], y)

        return jax.vmap(one)(inputs, targets).mean()

    def update(carry, key):
        params, memory = carry
        loss, gradient = jax.value_and_grad(mean_loss)(params, *batch(key, settings.batch))
        with jax.numpy_dtype_promotion("standard"):  # Adam raises a float to its step count
            change, memory = optimiser.update(gradient, memory, params)
        return (optax.apply_updates(params, change), memory), loss

    def train(params, memory, key):
        (params, memory), losses = jax.lax.scan(
            update, (params, memory), jax.random.split(key, settings.updates)
        )
        return params, memory, losses[-20:].mean()

    def watch(params, key):
        inputs, targets = batch(key, settings.watched)
        return jax.vmap(lambda x, y: _watch(cell, final_loss, params, x, y))(inputs, targets)

    starting, training, watching = jax.random.split(key, 3)
    params = jax.jit(lambda key: _draw(key, settings, size, outputs))(starting)
    memory = jax.jit(jax.vmap(jax.vmap(optimiser.init)))(params)
    train, watch = (jax.jit(_over_cells(f)) for f in (train, watch))
    records = []
    for round in range(settings.rounds + 1):
        keys = jax.random.split(jax.random.fold_in(watching, round), settings.train_seeds)
        seen = jax.tree.map(np.asarray, watch(params, keys))
        slopes = _counted(seen.pop("slopes"))
        seen = {name: a.mean(axis=-1) for name, a in seen.items()} | slopes
        seen["radius"] = np.abs(np.linalg.eigvals(params["cell"]["W_s"])).max(axis=-1)
        records.append(seen)
        if round < settings.rounds:
            keys = jax.random.split(jax.random.fold_in(training, round), settings.train_seeds)
            params, memory, _ = train(params, memory, keys)
    return {name: np.stack([seen[name] for seen in records]) for name in records[0]}


def _over_cells(function: Callable) -> Callable:
    """``function`` over starts and seeds; every start sees the same keys, one for each seed."""

    def call(*arguments):
        inner = jax.vmap(function)
        axes = (*(0 for _ in arguments[:-1]), None)
        return jax.vmap(inner, in_axes=axes)(*arguments)

    return call


def _draw(key: jax.Array, settings: Any, size: int, outputs: int) -> dict[str, Any]:
    """Parameters with leading axes start, seed."""
    hidden, kind = settings.train_size, jnp.zeros(()).dtype
    every = []
    for start in _starts(hidden).values():

        def draw(key, start=start):
            s, x, b, o = jax.random.split(key, 4)
            recurrent = {
                "W_x": start.input(x, (hidden, size), kind),
                "W_s": start.recurrent(s, (hidden, hidden), kind),
                "b": start.bias(b, (hidden,), kind),
            }
            read = jax.nn.initializers.glorot_uniform()(o, (outputs, hidden), kind)
            return {"cell": recurrent, "W_o": read, "b_o": jnp.zeros(outputs)}

        keys = jax.random.split(key, settings.train_seeds)
        every.append(jax.vmap(draw)(keys))
    return jax.tree.map(lambda *a: jnp.stack(a), *every)


def _watch(cell, final_loss, params, inputs, target) -> dict[str, jax.Array]:
    """Slopes, rate of the gradient, size of the drive and loss of one sequence."""
    weights, start = params["cell"], cell.initial_state()
    states = rnnjac.trajectory(cell.step, weights, start, inputs)[1:]
    drive = inputs @ weights["W_x"].T + weights["b"][None]
    fields = drive + jnp.concatenate([start[None], states[:-1]]) @ weights["W_s"].T
    slopes = jax.vmap(jax.vmap(jax.grad(rnnjac.activations.tanh)))(fields)
    arriving = jax.grad(final_loss, argnums=1)(params, states[-1], target)
    logs = rnnjac.gradient_norms(cell.step, weights, start, inputs, cotangent=arriving)
    return {
        "gradient": -networks.slope(logs),
        "slopes": slopes,
        "drive": jnp.mean(drive**2),
        "loss": final_loss(params, states[-1], target),
    }


def _counted(slopes: np.ndarray) -> dict[str, np.ndarray]:
    """How the slopes of one network are spread, by NumPy: it needs no program."""
    flat = slopes.reshape(*slopes.shape[:2], -1)  # (start, seed, slope)
    counts = np.apply_along_axis(lambda a: np.histogram(a, BINS, (0.0, 1.0))[0], -1, flat)
    return {
        "histogram": counts / flat.shape[-1],
        "below_1": np.mean(flat < 1, axis=-1),
        "above_09": np.mean(flat > 0.9, axis=-1),
        "mean_square": np.mean(flat**2, axis=-1),
    }


def _facts(arrays: dict[str, np.ndarray], settings: Any) -> dict[str, Any]:
    """Cells whose gradient vanishes, holds (within a factor e over the sequence) or explodes."""
    eps = 1 / settings.train_steps
    rate = arrays["train_gradient"]  # (task, checkpoint, start, seed)
    usual = [STARTS.index(name) for name in USUAL]
    facts: dict[str, Any] = {"train_eps": eps, "train_cells": int(rate[:, 0, usual].size)}
    for when, index in (("init", 0), ("trained", -1)):
        now = rate[:, index]
        shares = np.stack([now < -eps, np.abs(now) <= eps, now > eps])  # (3, task, start, seed)
        arrays[f"train_shares_{when}"] = shares.mean(axis=3)
        vanish, hold, explode = shares[:, :, usual].mean(axis=(1, 2, 3))
        facts |= {f"{when}_vanish": vanish, f"{when}_hold": hold, f"{when}_explode": explode}
        facts[f"{when}_explode_wide"] = shares[2][:, STARTS.index("Gaussian, gain 2")].mean()
    below = arrays["train_below_1"]
    whole = (below == 1) & (rate > eps)
    theory = _theory(arrays, settings.train_size)
    arrays["train_theory"] = theory
    start = arrays["train_mean_square"][:, 0].mean(axis=-1)
    independent = [i for i, name in enumerate(STARTS) if name != "orthogonal"]
    facts |= {
        "slope_below_1": float(below.mean()),
        "slope_above_09": float(arrays["train_above_09"][..., usual, :].mean()),
        "slope_square_init": float(start.mean()),
        "slope_square_theory_gap": float(np.abs(start - theory)[:, independent].max()),
        "slope_below_1_yet_growing": int(whole.sum()),
        "slope_runs": int(whole.size),
        "loss_fall": float((arrays["train_loss"][:, -1] / arrays["train_loss"][:, 0]).mean()),
        "train_updates": settings.updates * settings.rounds,
    }
    return {name: float(v) if isinstance(v, np.floating) else v for name, v in facts.items()}


def _theory(arrays: dict[str, np.ndarray], n: int) -> np.ndarray:
    """Mean-field <φ′²> at the start, from the gain of the weights and the size of the drive."""
    gain = {
        "PyTorch uniform": 3**-0.5,
        "Gaussian, deviation 0.1": NARROW * n**0.5,
        "Glorot uniform": 1.0,
        "orthogonal": 1.0,
        "Gaussian, gain 2": WIDE,
    }
    drive = np.sqrt(arrays["train_drive"][:, 0].mean(axis=-1))  # (task, start)
    theory = np.empty_like(drive)
    for task, start in np.ndindex(drive.shape):
        g = gain[STARTS[start]]
        v = meanfield.variance(g, float(drive[task, start]))
        theory[task, start] = math.exp(2 * meanfield.log_slope(g, v)) / g**2
    return theory
