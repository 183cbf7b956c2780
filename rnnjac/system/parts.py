"""What is looked at, at the end of a span, and what is varied at its start.

``of`` is a function of a state (a leaf, some entries, a readout). ``wrt`` is a function that picks
leaves or entries of the state, or "inputs" for the input of the first step.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac._support import checks
from rnnjac.system.dynamics import System
from rnnjac.system.points import Form, Point, of_leaves

INPUTS = "inputs"


class End(NamedTuple):
    """The readout R (q, n) at a point, as a function of it, and the form of what is read."""

    readout: Callable[[Point], jax.Array]
    form: Form


class Start(NamedTuple):
    """The frame B (n, p) that turns what is varied into a state, and its form."""

    frame: jax.Array
    form: Form


def end(system: System, of: Callable[[Any], Any]) -> End:
    """What ``of`` reads from a state of the system."""
    form = _form("of", jax.eval_shape(lambda p: of(system.form.unravel(p)), system.start), system)

    def readout(point: Point) -> jax.Array:
        def read(flat: jax.Array) -> jax.Array:
            state = system.form.unravel(point._replace(flat=flat))
            return form.ravel(of(state)).flat

        return jax.jacrev(read)(point.flat)

    return End(readout, form)


def picked(system: System, wrt: Any) -> Start:
    """The entries of the state that ``wrt`` picks: columns of the identity."""
    if not callable(wrt):
        expected = 'a function that picks a part of the state, or "inputs"'
        raise checks.error("wrt", expected, checks.describe(wrt), TypeError)
    n, dtype = system.start.size, system.start.dtype

    def places(first: int) -> tuple[Any, np.ndarray]:
        """Where each entry of the part stands, if places are counted from ``first``."""
        part = wrt(system.form.vector(first + jnp.arange(n, dtype=dtype)))
        leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(part)]
        return part, np.asarray(of_leaves(leaves).flat) - first if leaves else np.zeros(0)

    with jax.ensure_compile_time_eval():
        part, index = places(0)
        moved = places(n)[1]  # 2 x could pass for another entry, but does not move along
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)), part)
    form = _form("wrt", shapes, system)
    if (index != moved).any() or not np.isin(index, np.arange(n)).all():
        raise checks.error("wrt", "a function that picks entries of the state", "other numbers")
    if len(set(index.tolist())) < index.size:
        raise checks.error("wrt", "a function that picks each entry at most once", "one twice")
    return Start(jnp.eye(n, dtype=dtype)[:, index.astype(int)], form)


def first_input(system: System) -> Start:
    """The input of the first step; the frame is d s_1 / d x_1."""
    row = jax.tree.map(lambda rows: rows[0], system.inputs)
    return Start(input_frame(system, system.start, row), input_form(system))


def input_form(system: System) -> Form:
    """The form of one row of inputs."""
    rows = system.inputs
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), rows)
    if not system.length or not jax.tree.leaves(rows):
        raise checks.error("wrt", "inputs of at least one step to vary", "none")
    return _form("wrt", shapes, system)


def input_frame(system: System, point: Point, x: Any) -> jax.Array:
    """Derivative d s / d x of one step from a point, shape (n, d)."""
    form = input_form(system)
    before = form.ravel(x)

    def moved(flat: jax.Array) -> jax.Array:
        return system.advance(system.params, point, form.unravel(before._replace(flat=flat))).flat

    derivative = jax.jacfwd if system.forward else jax.jacrev
    return derivative(moved)(before.flat)


def _form(name: str, shapes: Any, system: System) -> Form:
    """The form of a part; its floats are those of the system."""
    leaves, structure = jax.tree.flatten(shapes)
    floats = [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    if not sum(leaf.size for leaf in floats):
        raise checks.error(name, "at least one floating-point number", "none")
    other = {str(x.dtype) for x in floats if jnp.finfo(x.dtype).dtype != system.start.dtype}
    if other:
        expected = f"numbers of dtype {system.start.dtype}, as the state"
        raise checks.error(name, expected, f"dtype {' and '.join(sorted(other))}", TypeError)
    return Form(structure, tuple(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in leaves))
