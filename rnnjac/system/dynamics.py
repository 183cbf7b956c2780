"""Run a step function along its inputs, on a flat view of its pytree state."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun
from jax.flatten_util import ravel_pytree

from rnnjac._support import checks
from rnnjac._support.compiled import compiled
from rnnjac._support.precision import at_least_float32
from rnnjac._support.undifferentiable import undifferentiable

Step = Callable[[Any, Any, Any], Any]


class System(NamedTuple):
    """A step function with its checked arguments, acting on a flat state of size n.

    ``advance(params, flat, x)`` is one step, ``start`` the flat state at time 0, ``inputs`` a
    pytree with ``length`` rows or None, and ``unravel`` turns a flat state back into the user's
    pytree.
    """

    advance: Callable[[Any, jax.Array, Any], jax.Array]
    params: Any
    start: jax.Array
    inputs: Any
    length: int
    unravel: Callable[[jax.Array], Any]

    def opened(self) -> tuple[Any, Callable[[Any], "System"]]:
        """Every value that the system computes with, and the system as a function of them.

        What the user's step closes over may be traced, and is among them: custom rules of
        differentiation and batching do not see what a function closes over.
        """
        row = jax.tree.map(
            lambda rows: jax.ShapeDtypeStruct(rows.shape[1:], rows.dtype), self.inputs
        )
        traced = jax.make_jaxpr(self.advance)(self.params, self.start, row)

        def system(values: Any) -> System:
            params, start, inputs, enclosed = values
            run = jaxpr_as_fun(ClosedJaxpr(traced.jaxpr, enclosed))
            advance = lambda *arguments: run(*jax.tree.leaves(arguments))[0]  # noqa: E731
            return self._replace(advance=advance, params=params, start=start, inputs=inputs)

        return (self.params, self.start, self.inputs, traced.consts), system


def undifferentiated(system: System, name: str) -> System:
    """The same system, with an error once anything that it computes with is differentiated."""
    values, opened = system.opened()
    return opened(undifferentiable(name, values))


def bind(step: Step, params: Any, state: Any, inputs: Any, length: int | None) -> System:
    """System for checked arguments; see `System`."""
    state = _floating("state", state)
    params, inputs = _widen(params), _widen(inputs)
    length = number_of_steps(inputs, length)
    start, unravel = ravel_pytree(state)
    if start.size == 0:
        raise checks.error("state", "at least one number", "an empty pytree")

    def advance(params: Any, flat: jax.Array, x: Any) -> jax.Array:
        return ravel_pytree(step(params, unravel(flat), x))[0]

    first = jax.tree.map(lambda rows: jax.ShapeDtypeStruct(rows.shape[1:], rows.dtype), inputs)
    following = jax.eval_shape(step, params, state, first)
    _same_form(state, following)
    return System(advance, params, start, inputs, length, unravel)


def flat_trajectory(system: System) -> jax.Array:
    """States at times 0 to T as rows of a (T+1, n) array."""

    def one(flat: jax.Array, x: Any) -> tuple[jax.Array, jax.Array]:
        return system.advance(system.params, flat, x), flat

    last, before = jax.lax.scan(one, system.start, system.inputs, length=system.length)
    return jnp.concatenate([before, last[None]])


@compiled("step", "length")
def trajectory(
    step: Step, params: Any, state: Any, inputs: Any = None, *, length: int | None = None
) -> Any:
    """States of a recurrent system at times 0 to T.

    ``s_0 = state`` and ``s_t = step(params, s_{t-1}, inputs[t-1])``.

    Parameters
    ----------
    step : callable
        ``step(params, state, x) -> state``, pure; the next state has the form of the old one.
    params : pytree
        Passed to ``step`` as it is.
    state : pytree of floats
        Start; all leaves of one real dtype. float16 and bfloat16 are computed in float32.
    inputs : pytree, optional
        Leaves of shape (T, ...), row t-1 feeds step t. None for an autonomous system.
    length : int, optional
        Number of steps T; needed when ``inputs`` is None.

    Returns
    -------
    pytree
        Like ``state`` with a leading axis of T+1; row 0 is ``state`` itself.

    Raises
    ------
    ValueError
        If the input lengths differ from each other or from ``length``, if both are missing, if the
        state is empty, or if ``step`` changes the form of the state.
    TypeError
        If the state is not real floating point.

    Notes
    -----
    Memory is O(T n). Differentiable.

    Examples
    --------
    >>> step = lambda gain, s, x: gain * s
    >>> trajectory(step, 0.5, jnp.ones(1), length=2)[:, 0].tolist()
    [1.0, 0.5, 0.25]
    """
    system = bind(step, params, state, inputs, length)
    return jax.vmap(system.unravel)(flat_trajectory(system))


def _widen(tree: Any) -> Any:
    """Leaves as arrays, with half precision raised to float32."""

    def widen(leaf: Any) -> jax.Array:
        array = jnp.asarray(leaf)
        return at_least_float32(array) if jnp.issubdtype(array.dtype, jnp.floating) else array

    return jax.tree.map(lambda leaf: widen(leaf) if _is_numeric(leaf) else leaf, tree)


def _is_numeric(leaf: Any) -> bool:
    return isinstance(leaf, (bool, int, float, complex)) or hasattr(leaf, "dtype")


def _floating(name: str, state: Any) -> Any:
    state = jax.tree.map(lambda leaf: jnp.asarray(leaf), _widen(state))
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(state)}
    if any(not jnp.issubdtype(dtype, jnp.floating) for dtype in dtypes):
        shown = ", ".join(sorted(str(dtype) for dtype in dtypes))
        raise checks.error(name, "real floating-point leaves", f"dtype {shown}", TypeError)
    if len(dtypes) > 1:
        shown = " and ".join(sorted(str(dtype) for dtype in dtypes))
        raise checks.error(name, "leaves of one dtype", shown, TypeError)
    # A Python float is weakly typed; a scan carry must not be.
    return jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, leaf.dtype), state)


def number_of_steps(inputs: Any, length: int | None) -> int:
    """Rows of the inputs, or ``length`` where there are none."""
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(inputs)]
    if () in shapes:
        raise checks.error("inputs", "leaves with time as their first axis", "a scalar leaf")
    lengths = sorted({shape[0] for shape in shapes})
    if len(lengths) > 1:
        raise checks.error("inputs", "leaves with equally many rows", f"{lengths} rows")
    if length is not None:
        length = checks.integer("length", length, 0)
        if lengths and lengths[0] != length:
            raise checks.error("length", f"{lengths[0]}, the rows of inputs", length)
        return length
    if not lengths:
        raise checks.error("length", "a number of steps when inputs is None", None)
    return lengths[0]


def _same_form(before: Any, after: Any) -> None:
    old, new = jax.tree.structure(before), jax.tree.structure(after)
    if old != new:
        raise checks.error("step", f"a state of structure {old}", new)
    for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            wanted = f"a state leaf of shape {a.shape} and dtype {a.dtype}"
            raise checks.error("step", wanted, f"shape {b.shape} and dtype {b.dtype}")
