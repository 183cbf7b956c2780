"""One-step Jacobians, and products with them, in the mode that the step has derivatives in.

Forward mode is the rule: k tangent products for k vectors. A step that has derivatives in reverse
mode only (`jax.custom_vjp`: surrogate slopes, the adjoints of solvers) gets its Jacobian row by row
from n reverse passes, and one that has them in forward mode only (a `jax.lax.while_loop`) column by
column, where a gradient is to be carried back. Spectrum of a tanh net, float64, milliseconds a step
on a busy CPU, forward and reverse: 0.08 and 0.07 (n = 16), 0.27 and 0.36 (64), 0.53 and 0.83 (128).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac._support.compiled import compiled
from rnnjac._support.fixed import Fixed, is_array
from rnnjac.system.dynamics import Step, System, bind, flat_trajectory
from rnnjac.system.points import Point
from rnnjac.system.primitives import works_forward


def push_forward(
    system: System, point: Point, x: Any, vectors: jax.Array
) -> tuple[Point, jax.Array]:
    """Next state and J v of each tangent vector v, a row of (k, n); J itself is never formed.

    A vector to a row: that is the order in which LAPACK wants the columns of a frame, so that none
    of the factorisations that follow has to copy it. Entries of J v below the smallest normal
    number are 0, as CPUs round them by themselves: the LU of a GPU, which multiplies by 1 / pivot,
    would make them inf.
    """
    moved = _moved(system, point, x)

    def along(tangent: jax.Array) -> tuple[jax.Array, jax.Array, tuple]:
        return jax.jvp(moved, (point.flat,), (tangent,), has_aux=True)

    if system.forward:
        # what does not depend on the tangent is computed once
        flat, images, rest = jax.vmap(along, out_axes=(None, 0, None))(vectors)
    else:
        flat, jacobian, rest = _by_rows(moved, point.flat)
        images = jnp.matmul(vectors, jacobian.T, precision="highest")
    subnormal = jnp.abs(images) < float(jnp.finfo(images.dtype).tiny)
    return Point(flat, rest), jnp.where(subnormal, 0, images)


def pull_back(system: System, point: Point, x: Any) -> Callable[[jax.Array], jax.Array]:
    """Function that carries a gradient g back over a step, J^T g."""
    moved = _moved(system, point, x)

    def in_reverse(flat: jax.Array) -> Callable[[jax.Array], jax.Array]:
        back = jax.vjp(moved, flat, has_aux=True)[1]
        return lambda gradient: back(gradient)[0]

    try:
        jax.eval_shape(lambda flat: in_reverse(flat)(flat), point.flat)
    except (ValueError, TypeError, NotImplementedError) as problem:
        if not system.forward:
            wanted = "a function with derivatives in forward or in reverse mode"
            raise checks.error("step", wanted, f"one without: {problem}", TypeError) from problem
        jacobian = jax.jacfwd(moved, has_aux=True)(point.flat)[0]
        return lambda gradient: jnp.matmul(gradient, jacobian, precision="highest")
    return in_reverse(point.flat)


def _moved(system: System, point: Point, x: Any) -> Callable[[jax.Array], tuple[jax.Array, tuple]]:
    """The next floats as a function of the floats alone, with the rest beside."""

    def moved(flat: jax.Array) -> tuple[jax.Array, tuple]:
        following = system.advance(system.params, point._replace(flat=flat), x)
        return following.flat, following.rest

    return moved


def _by_rows(moved: Callable, flat: jax.Array) -> tuple[jax.Array, jax.Array, tuple]:
    """Next floats, Jacobian and the rest, by n reverse passes."""
    following, back, rest = jax.vjp(moved, flat, has_aux=True)
    eye = jnp.eye(flat.size, dtype=flat.dtype)
    return following, jax.vmap(lambda row: back(row)[0])(eye), rest


@compiled("step", "length")
def jacobians(
    step: Step,
    params: Any,
    state: Any,
    inputs: Any = None,
    *,
    length: int | jax.Array | None = None,
) -> jax.Array:
    """One-step Jacobians along a trajectory.

    ``jacobians[j] = d s_{j+1} / d s_j``, numerator layout: row i is the gradient of entry i of the
    later state. The product over a span has the latest factor on the left.

    Parameters
    ----------
    step, params, state, inputs, length
        As for `trajectory`.

    Returns
    -------
    Array
        Shape (T, n, n), n the size of the flattened state: its floats, leaf by leaf, of a complex
        leaf the real part first. The identity after the end of a padded sequence.

    Raises
    ------
    ValueError, TypeError
        As `trajectory`.

    Notes
    -----
    Exact up to rounding (`jax.jacfwd`; `jax.jacrev` for a step without derivatives in forward
    mode). O(T n^2) memory: for a spectrum alone use `spectrum`, which stores no Jacobian.
    Differentiable.

    Examples
    --------
    >>> jacobians(lambda w, s, x: jax.numpy.tanh(w * s), 2.0, 0.0, length=1).tolist()
    [[[2.0]]]
    """
    system = bind(step, params, state, inputs, length)

    def jacobian(params: Any, point: Point, x: Any) -> jax.Array:
        moved = _moved(system, point, x)
        if system.forward:
            return jax.jacfwd(moved, has_aux=True)(point.flat)[0]
        return _by_rows(moved, point.flat)[1]

    return _along(system, jacobian)


@compiled("step", "length")
def input_jacobians(
    step: Step,
    params: Any,
    state: Any,
    inputs: Any,
    *,
    length: int | jax.Array | None = None,
) -> Any:
    """Derivatives of each state with respect to the input of the same step.

    ``d s_{j+1} / d x_j`` at constant ``s_j``.

    Parameters
    ----------
    step, params, state, inputs, length
        As for `trajectory`; at least one of the inputs must be floating point.

    Returns
    -------
    pytree
        Like ``inputs``; a leaf of shape (T, ...) becomes (T, n, ...), one that is not floating
        point None. Zero after the end of a padded sequence.

    Raises
    ------
    ValueError, TypeError
        As `trajectory`.

    Notes
    -----
    Exact up to rounding; one forward-mode pass per input entry, or one reverse-mode pass
    per state entry where there is no other. Differentiable.
    """
    system = bind(step, params, state, inputs, length)

    def jacobian(params: Any, point: Point, x: Any) -> Any:
        moving, moved = _floats("inputs", x, lambda x: system.advance(params, point, x).flat)
        forward = works_forward(moved, moving)
        return (jax.jacfwd if forward else jax.jacrev)(moved)(moving)

    found = _along(system, jacobian)
    return found[1] if is_array(length) else found  # without the flags of `until`


@compiled("step", "length")
def parameter_jacobians(
    step: Step,
    params: Any,
    state: Any,
    inputs: Any = None,
    *,
    length: int | jax.Array | None = None,
) -> Any:
    """Immediate derivatives of each state with respect to the parameters.

    ``d+ s_{j+1} / d theta`` with ``s_j`` held constant, the ``d+ x_k / d theta`` of Pascanu,
    Mikolov & Bengio (2013), eq. 4: the gradient of a loss is ``sum_k dE/ds_k  d+ s_k / d theta``.

    Parameters
    ----------
    step, params, state, inputs, length
        As for `trajectory`; at least one of the parameters must be floating point.

    Returns
    -------
    pytree
        Like ``params``; a leaf of shape (...) becomes (T, n, ...), one that is not floating point
        None. Zero after the end of a padded sequence.

    Raises
    ------
    ValueError, TypeError
        As `trajectory`.

    Notes
    -----
    One reverse-mode pass per state entry (forward mode, p passes, where there is no other);
    O(T n p) memory for p parameters. Differentiable.
    """
    system = bind(step, params, state, inputs, length)

    def jacobian(params: Any, point: Point, x: Any) -> Any:
        moving, moved = _floats("params", params, lambda p: system.advance(p, point, x).flat)
        try:
            return jax.jacrev(moved)(moving)
        except (ValueError, TypeError, NotImplementedError):  # as of a while loop
            return jax.jacfwd(moved)(moving)

    return _along(system, jacobian)


def _along(system: System, derivative: Callable) -> Any:
    """``derivative(params, point, x)`` at every step of the trajectory."""
    points = jax.tree.map(lambda rows: rows[:-1], flat_trajectory(system))
    return jax.vmap(derivative, in_axes=(None, 0, 0))(system.params, points, system.inputs)


def _floats(name: str, tree: Any, function: Callable) -> tuple[Any, Callable]:
    """The floating-point leaves of a tree, None for the others, and the function of them alone."""
    is_gap = lambda node: node is None or isinstance(node, Fixed)  # noqa: E731

    def moves(leaf: Any) -> bool:
        return not is_gap(leaf) and jnp.issubdtype(leaf.dtype, jnp.floating)

    moving = jax.tree.map(lambda leaf: leaf if moves(leaf) else None, tree, is_leaf=is_gap)
    if not jax.tree.leaves(moving):
        raise checks.error(name, "at least one floating-point leaf", "none", TypeError)

    def of_floats(moved: Any) -> Any:
        fill = lambda old, new: old if new is None else new  # noqa: E731
        return function(jax.tree.map(fill, tree, moved, is_leaf=is_gap))

    return moving, of_floats
