"""One pass forward along a sequence and one back: every curve that a diagnosis reads."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from rnnjac._support.compiled import compiled
from rnnjac.linalg import jacobi
from rnnjac.linalg.signs import normals
from rnnjac.system.dynamics import Step, System, bind
from rnnjac.system.jacobians import pull_back, push_forward
from rnnjac.system.points import Point

# Steps, evenly spread, at which whole Jacobians are looked at: of a share p of 16 n slopes the
# standard error is at most 1 / (8 n^(1/2)), 1.6 % for 64 units.
SAMPLES = 16


class Samples(NamedTuple):
    """What is known at some steps, each leaf with a leading axis of `SAMPLES`.

    States ``before`` and ``after`` the step, its ``inputs``, its Jacobian ``factors`` (n, n), and
    the leading gradient ``arriving`` at the state after it.
    """

    before: Any
    after: Any
    inputs: Any
    factors: jax.Array
    arriving: Any


class Along(NamedTuple):
    """Curves along one sequence, by time 0 to T; they stand still after its last step.

    ``growth`` is log sigma_1(P[t, 0]); ``gradients`` (k, T+1) are log norms of what is carried back
    from the end: the direction that survives best, then the loss's; ``sizes`` log norms of states.
    ``rows`` and ``columns`` (n,) tell which ever had an entry that is not 0 in a Jacobian.
    """

    growth: jax.Array
    gradients: jax.Array
    sizes: jax.Array
    rows: jax.Array
    columns: jax.Array
    leading: jax.Array
    samples: Samples


class _Forward(NamedTuple):
    """A state, the product so far (its images of unit vectors as rows), log of its scale."""

    point: Point
    product: jax.Array
    scale: jax.Array
    right: jax.Array
    largest: jax.Array
    rows: jax.Array
    columns: jax.Array


@compiled("step", "length", "loss")
def along(
    step: Step,
    params: Any,
    state: Any,
    inputs: Any,
    end: jax.Array,
    number: jax.Array | None,
    *,
    length: int | None,
    loss: Callable | None,
) -> Along:
    """Curves of the first ``end`` steps; others are padding, whose values are not looked at."""
    system = bind(step, params, state, inputs, length)
    times = jnp.arange(system.length)
    n, dtype = system.start.size, system.start.dtype

    def ahead(carry: _Forward, at: tuple) -> tuple[_Forward, tuple]:
        time, x = at
        after = jax.lax.cond(time < end, lambda c: _step_forward(system, c, x), lambda c: c, carry)
        return after, (after.point, after.largest)

    nothing, zero = jnp.zeros(n, bool), jnp.zeros((), dtype)
    right = _unit(normals(1, n)[0].astype(dtype))
    start = _Forward(system.start, jnp.eye(n, dtype=dtype), zero, right, zero, nothing, nothing)
    last, (states, growth) = jax.lax.scan(ahead, start, (times, system.inputs))
    states = jax.tree.map(lambda a, rows: jnp.concatenate([a[None], rows]), system.start, states)
    growth = jnp.concatenate([zero[None], growth])

    left = last.right @ last.product
    # behind a product that is 0, every direction is as good as another
    left = _unit(jnp.where(jnp.any(left != 0), left, right))
    arriving = left[None]
    if loss is not None:
        arriving = jnp.stack([left, loss_gradient(system, loss, last.point, number)])

    def back(carry: tuple, at: tuple) -> tuple[tuple, tuple]:
        time, point, x = at
        before = jax.lax.cond(
            time < end, lambda c: _step_back(system, c, point, x), lambda c: c, carry
        )
        return before, before

    final = jacobi.normalise_rows(jnp.zeros(len(arriving), dtype), arriving)
    earlier = jax.tree.map(lambda rows: rows[:-1], states)
    _, (logs, vectors) = jax.lax.scan(back, final, (times, earlier, system.inputs), reverse=True)
    gradients = jnp.concatenate([logs, final[0][None]]).T
    vectors = jnp.concatenate([vectors, final[1][None]])[:, 0]
    samples = _samples(system, states, vectors, end)
    # relative to the largest entry, whose square would overflow where states diverge
    largest = jnp.max(jnp.abs(states.flat), axis=1)
    scale = jnp.where((largest > 0) & (largest < jnp.inf), largest, 1)
    sizes = jacobi.normalise_rows(jnp.log(scale), states.flat / scale[:, None])[0]
    return Along(growth, gradients, sizes, last.rows, last.columns, left, samples)


def loss_gradient(system: System, loss: Callable, last: Point, number: Any) -> jax.Array:
    """Gradient of the loss with respect to the floats of the last state."""
    numbers = () if number is None else (number,)

    def of_floats(flat: jax.Array) -> jax.Array:
        state = system.form.unravel(last._replace(flat=flat))
        return loss(state, *numbers).astype(flat.dtype)

    return jax.grad(of_floats)(last.flat)


def _step_forward(system: System, carry: _Forward, x: Any) -> _Forward:
    identity = jnp.eye(carry.point.size, dtype=carry.point.dtype)
    point, images = push_forward(system, carry.point, x, identity)
    grown = carry.product @ images
    size = jnp.max(jnp.abs(grown))
    safe = jnp.where(size == 0, 1, size)
    product, scale = grown / safe, carry.scale + jnp.where(size == 0, -jnp.inf, jnp.log(safe))
    right = carry.right
    # The right vector turns little from step to step, and only the norm is wanted, whose error is
    # the square of the vector's: three rounds of the power method a step keep up with it.
    for _ in range(3):
        turned = product @ (right @ product)
        right = jnp.where(jnp.any(turned != 0), _unit(turned), right)
    largest = scale + jnp.where(size == 0, 0, jnp.log(jnp.linalg.norm(right @ product)))
    rows, columns = (carry.rows | jnp.any(images != 0, axis=0)), jnp.any(images != 0, axis=1)
    return _Forward(point, product, scale, right, largest, rows, carry.columns | columns)


def _step_back(system: System, carry: tuple, point: Point, x: Any) -> tuple:
    logs, vectors = carry
    return jacobi.normalise_rows(logs, jax.vmap(pull_back(system, point, x))(vectors))


def _samples(system: System, states: Point, vectors: jax.Array, end: jax.Array) -> Samples:
    times = jnp.arange(SAMPLES) * end // SAMPLES
    rows = jax.tree.map(lambda leaf: leaf[times], system.inputs)
    identity = jnp.eye(system.start.size, dtype=system.start.dtype)

    def factor(at: tuple[Point, Any]) -> jax.Array:
        return push_forward(system, *at, identity)[1].T

    before, after = (jax.tree.map(lambda a, t=t: a[t], states) for t in (times, times + 1))
    factors = jax.lax.map(factor, (before, rows))
    unravel, arriving = jax.vmap(system.form.unravel), vectors[times + 1]
    arriving = jax.vmap(system.form.vector)(arriving)
    return Samples(unravel(before), unravel(after), rows, factors, arriving)


def _unit(vector: jax.Array) -> jax.Array:
    return vector / jnp.linalg.norm(vector)


def floating_leaves(tree: Any) -> tuple[list[jax.Array], Callable[[list], Any]]:
    """The floating-point leaves of a pytree, and the pytree with others in their place."""
    leaves, structure = jax.tree.flatten(tree)
    kinds = [jnp.result_type(leaf) for leaf in leaves]
    places = [i for i, kind in enumerate(kinds) if jnp.issubdtype(kind, jnp.floating)]

    def rebuilt(others: list) -> Any:
        changed = list(leaves)
        for place, leaf in zip(places, others, strict=True):
            changed[place] = leaf
        return structure.unflatten(changed)

    return [jnp.asarray(leaves[place]) for place in places], rebuilt


def flattened(leaves: list) -> jax.Array:
    """All entries of some arrays in one vector."""
    return ravel_pytree(leaves)[0]
