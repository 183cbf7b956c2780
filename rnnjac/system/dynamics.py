"""Run a step function along its inputs, on a flat view of its pytree state."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from rnnjac._support import checks
from rnnjac._support.compiled import compiled
from rnnjac._support.fixed import fix, is_array, release
from rnnjac._support.precision import at_least_float32
from rnnjac._support.undifferentiable import undifferentiable
from rnnjac.system.inputs import number_of_steps, until
from rnnjac.system.points import Form, Point, of_state
from rnnjac.system.primitives import has_own_rule, works_forward

Step = Callable[[Any, Any, Any], Any]
REAL = "real floating"


class System(NamedTuple):
    """A step function with its checked arguments, acting on points: n floats, and what is not.

    ``advance(params, point, x)`` is one step, ``start`` the point at time 0, ``inputs`` a pytree
    with ``length`` rows or None, ``form`` turns points back into the user's pytree, and ``forward``
    tells whether a step has derivatives in forward mode.
    """

    advance: Callable[[Any, Point, Any], Point]
    params: Any
    start: Point
    inputs: Any
    length: int
    form: Form
    forward: bool

    def opened(self) -> tuple[Any, Callable[[Any], "System"]]:
        """Every value that the system computes with, and the system as a function of them.

        What the user's step closes over may be traced, and is among them: custom rules of
        differentiation and batching do not see what a function closes over.
        """
        traced = jax.make_jaxpr(self.advance)(self.params, self.start, _row_of(self.inputs))

        def system(values: Any) -> System:
            params, start, inputs, enclosed = values
            run = jaxpr_as_fun(ClosedJaxpr(traced.jaxpr, enclosed))

            def advance(*arguments: Any) -> Point:
                flat, *rest = run(*jax.tree.leaves(arguments))
                return Point(flat, tuple(rest))

            return self._replace(advance=advance, params=params, start=start, inputs=inputs)

        return (self.params, self.start, self.inputs, traced.consts), system


def undifferentiated(system: System, name: str) -> System:
    """The same system, with an error once anything that it computes with is differentiated."""
    values, opened = system.opened()
    return opened(undifferentiable(name, values))


def bind(step: Step, params: Any, state: Any, inputs: Any, length: Any) -> System:
    """System for checked arguments; see `System`.

    Where ``length`` is an array, the system stands still after so many steps: its Jacobians are
    exactly the identity there.
    """
    state, form = of_state(state)
    steps = number_of_steps(inputs, length)
    params, inputs = _widen(fix("params", params, counts=True)), _widen(inputs)
    start = form.ravel(state)
    traced = _checked_step(step, params, state, _row_of(inputs))

    def advance(params: Any, point: Point, x: Any) -> Point:
        return form.ravel(step(release(params), form.unravel(point), x))

    def until_end(params: Any, point: Point, row: Any) -> Point:
        real, x = row
        new = advance(params, point, x)
        new = jax.tree.map(lambda new, old: jnp.where(real, new, old), new, point)
        return new._replace(flat=new.flat * defined)

    # a length that the rows do not have leaves everything undefined
    outside = (length < 0) | (length > steps) if is_array(length) else False
    defined = jnp.where(outside, jnp.nan, jnp.ones((), start.dtype))
    inputs = until(inputs, steps, length)
    run = until_end if is_array(length) else advance

    def of_floats(flat: jax.Array, row: Any) -> jax.Array:
        return run(params, start._replace(flat=flat), row).flat

    forward = not has_own_rule(traced) or works_forward(of_floats, start.flat, _row_of(inputs))
    return System(run, params, start, inputs, steps, form, forward)


def flat_trajectory(system: System) -> Point:
    """States at times 0 to T as a point whose arrays have T+1 rows."""

    def one(point: Point, x: Any) -> tuple[Point, Point]:
        return system.advance(system.params, point, x), point

    last, before = jax.lax.scan(one, system.start, system.inputs, length=system.length)
    return jax.tree.map(lambda rows, end: jnp.concatenate([rows, end[None]]), before, last)


@compiled("step", "length")
def trajectory(
    step: Step,
    params: Any,
    state: Any,
    inputs: Any = None,
    *,
    length: int | jax.Array | None = None,
) -> Any:
    """States of a recurrent system at times 0 to T.

    ``s_0 = state`` and ``s_t = step(params, s_{t-1}, inputs[t-1])``.

    Parameters
    ----------
    step : callable
        ``step(params, state, x)``, pure; the next state has the form of the old one.
    params : pytree
        Passed to ``step``: arrays and floats as arrays, anything else (names, functions, flags,
        counts) as it is. The program is compiled for what is no array.
    state : pytree
        Start; at least one float, and all floats of one precision. float16 and bfloat16 are
        computed in float32. A complex number counts as two. Integers, masks and random keys are
        carried along and are no part of any Jacobian.
    inputs : pytree, optional
        Leaves of shape (T, ...), row t-1 feeds step t; no lists. None for an autonomous system.
    length : int or array of one integer, optional
        Number of steps; needed, as an int, when ``inputs`` is None. An int below T cuts the inputs.
        An array, which may be traced, is the length of a sequence that is padded to T rows: all
        shapes are those of T steps, after its end the system stands still, and whatever the padding
        holds is of no effect. One outside 0 to T makes NaN.

    Returns
    -------
    pytree
        Like ``state`` with a leading axis of T+1; row 0 is ``state`` itself. The last state of a
        padded sequence is repeated.

    Raises
    ------
    ValueError
        If the inputs differ in length, or are shorter than ``length``, or both are missing; if the
        state has no float; or if ``step`` changes the form of the state.
    TypeError
        If the floats of the state or of the inputs are of another precision than the rest, or if
        ``inputs`` is or holds a list.

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
    return jax.vmap(system.form.unravel)(flat_trajectory(system))


def _row_of(inputs: Any) -> Any:
    """Shapes and dtypes of one row of the inputs."""
    return jax.tree.map(lambda rows: jax.ShapeDtypeStruct(rows.shape[1:], rows.dtype), inputs)


def _widen(tree: Any) -> Any:
    """Leaves as arrays, with half precision raised to float32."""

    def widen(leaf: Any) -> jax.Array:
        array = jnp.asarray(leaf)
        return at_least_float32(array) if jnp.issubdtype(array.dtype, jnp.floating) else array

    return jax.tree.map(widen, tree)


def _checked_step(step: Step, params: Any, state: Any, x: Any) -> Any:
    """One step as a jaxpr, after checking that it keeps the form of the state."""

    def attempt(x: Any) -> Any:
        run = lambda params, state, x: step(release(params), state, x)  # noqa: E731
        traced, following = jax.make_jaxpr(run, return_shape=True)(params, state, x)
        _same_form(state, following)
        return traced

    try:
        return attempt(x)
    except Exception:
        _blame_inputs(attempt, state, x)
        raise


def _blame_inputs(attempt: Callable[[Any], Any], state: Any, x: Any) -> None:
    """Raise if the step works for inputs of the precision of the state."""
    floats = [leaf.dtype for leaf in jax.tree.leaves(state) if jnp.isdtype(leaf.dtype, REAL)]
    given = {leaf.dtype for leaf in jax.tree.leaves(x) if jnp.isdtype(leaf.dtype, REAL)}
    if not floats or given <= {floats[0]}:
        return

    def cast(leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        other = jnp.isdtype(leaf.dtype, REAL)
        return jax.ShapeDtypeStruct(leaf.shape, floats[0]) if other else leaf

    try:
        attempt(jax.tree.map(cast, x))
    except Exception:  # then it is not the precision
        return
    wanted = f"dtype {floats[0]}, as the state has (cast one to the other; interop takes dtype=)"
    got = f"dtype {' and '.join(sorted(map(str, given)))}"
    raise checks.error("inputs", wanted, got, TypeError) from None


def _same_form(before: Any, after: Any) -> None:
    old, new = jax.tree.structure(before), jax.tree.structure(after)
    if old != new:
        got = str(new)
        if isinstance(after, (tuple, list)) and len(after) == 2:
            if jax.tree.structure(after[0]) == old:
                got = "a pair (state, output): pass rnnjac.interop.without_output(step)"
        raise checks.error("step", f"a state of structure {old}", got)
    for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            wanted = f"a state leaf of shape {a.shape} and dtype {a.dtype}"
            raise checks.error("step", wanted, f"shape {b.shape} and dtype {b.dtype}")
