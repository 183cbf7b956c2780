"""Training on the temporal order task: plain gradient descent, clipped, and clipped with Ω."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from analyses.common import resume
from analyses.temporal_order import networks
from rnnjac import clipping, regularizers, training

PLAIN, CLIPPED, OMEGA = range(3)
METHODS = ("SGD", "SGD + clipping", "SGD + clipping + Ω")
FORM = "public_code"  # of Ω: what the published experiments were run with


class Recipe(NamedTuple):
    """How every network is trained, with values that Pascanu et al. publish.

    Step size and batch are those of the ICML text and of the code; threshold and weight are those
    of arXiv v2 (the ICML text has 1 and 4, the code 1 and 2).
    """

    hidden: int = 50
    batch: int = 20
    rate: float = 0.01
    clip: float = 6.0  # norm of the gradient from which on it is clipped
    weight: float = 2.0  # of Ω


class Case(NamedTuple):
    """One cell of the table: all its seeds are trained side by side."""

    start: str
    method: int
    length: int
    updates: int
    every: int  # updates between two looks


def optimizer(method: int, recipe: Recipe) -> optax.GradientTransformation:
    """Gradient descent with a constant step size and no momentum."""
    descent = optax.sgd(recipe.rate)
    if method == PLAIN:
        return descent
    return optax.chain(clipping.clip_at_threshold(recipe.clip), descent)


def train(
    case: Case,
    recipe: Recipe,
    *,
    key: jax.Array,
    seeds: int,
    tested: int,
    watched: int,
    checkpoint: Path | None = None,
) -> training.Training:
    """All seeds of one case; goes on from ``checkpoint``, unless that is of another run."""
    start = networks.STARTS[case.start]
    cell = networks.network(start.activation, recipe.hidden)
    value_and_grad = regularizers.with_omega(
        networks.loss,
        weight=recipe.weight if case.method == OMEGA else None,
        form=FORM,
        activation=start.activation,
    )

    return resume.train(
        value_and_grad,
        lambda k: networks.begin(start, recipe.hidden, k),
        lambda k: networks.batch(k, case.length, recipe.batch),
        optimizer(case.method, recipe),
        key=key,
        seeds=seeds,
        updates=case.updates,
        every=case.every,
        measure=networks.watch(cell, case.length, tested, watched),
        solved=lambda seen: seen["error"] < networks.SOLVED,
        checkpoint=checkpoint,
    )


def starts(name: str, recipe: Recipe, key: jax.Array, seeds: int) -> Any:
    """The weights that `train` starts from, seed as the leading axis."""

    def nothing(params: Any, batch: Any) -> tuple[jax.Array, Any]:
        del batch
        return jax.numpy.zeros(()), params

    begun = training.train(
        nothing,
        lambda k: networks.begin(networks.STARTS[name], recipe.hidden, k),
        lambda k: k,
        optax.sgd(recipe.rate),
        key=key,
        seeds=seeds,
        updates=0,
        every=1,
        progress=False,
    )
    return begun.params


def history(found: training.Training, rows: int) -> dict[str, np.ndarray]:
    """Metrics of a run, (seeds, rows); NaN after the last row, and once a seed has stopped."""
    names = ("loss", "gradient_norm", "largest_norm", "error", "gradient", "radius")
    stopped = np.maximum(found.solved, found.diverged)
    late = (stopped[:, None] >= 0) & (found.at[None] > stopped[:, None])
    kept = {name: np.where(late, np.nan, found.metrics[name]) for name in names}
    space = [(0, 0), (0, rows - found.at.size)]
    return {name: np.pad(a, space, constant_values=np.nan) for name, a in kept.items()}


def stack(found: Sequence[dict[str, np.ndarray]], shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Arrays of all cases, with the axes of ``shape`` in front."""
    return {
        name: np.stack([one[name] for one in found]).reshape(*shape, *found[0][name].shape)
        for name in found[0]
    }
