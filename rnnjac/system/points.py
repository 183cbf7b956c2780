"""States as vectors of floats, with the leaves that have no derivative beside them."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac._support.fixed import Fixed
from rnnjac._support.precision import at_least_float32


class Point(NamedTuple):
    """A state: its floats as one vector of size n, and the ``rest`` of its leaves.

    A complex leaf counts as its real part, then its imaginary part. Counters, masks and keys are in
    the rest: a step carries them along, and no derivative is taken with respect to them.
    """

    flat: jax.Array
    rest: tuple[Any, ...]

    @property
    def size(self) -> int:
        """Number of floats n."""
        return self.flat.size

    @property
    def dtype(self) -> Any:
        """Precision of the floats."""
        return self.flat.dtype


class Form(NamedTuple):
    """How a state is laid out: ``ravel`` and ``unravel`` between it and a `Point`."""

    structure: Any
    leaves: tuple[jax.ShapeDtypeStruct, ...]

    @property
    def size(self) -> int:
        """Number of floats, two for a complex number."""
        kinds = (jnp.floating, jnp.complexfloating)
        real, pairs = ([x.size for x in self.leaves if jnp.issubdtype(x.dtype, k)] for k in kinds)
        return sum(real) + 2 * sum(pairs)

    def ravel(self, state: Any) -> Point:
        """A state of this form as a point."""
        return of_leaves(self.structure.flatten_up_to(state))

    def unravel(self, point: Point) -> Any:
        """The state at a point."""
        rest, first, leaves = iter(point.rest), 0, []
        for leaf in self.leaves:
            pair = jnp.issubdtype(leaf.dtype, jnp.complexfloating)
            if not pair and not jnp.issubdtype(leaf.dtype, jnp.floating):
                leaves.append(next(rest))
                continue
            parts = []
            for _ in range(2 if pair else 1):
                parts.append(point.flat[first : first + leaf.size].reshape(leaf.shape))
                first += leaf.size
            leaves.append(jax.lax.complex(*parts) if pair else parts[0])
        return jax.tree.unflatten(self.structure, leaves)

    def vector(self, flat: jax.Array) -> Any:
        """A vector of the size of the state, in its form; None for leaves without derivative."""
        return self.unravel(Point(flat, (None,) * len(self.leaves)))


def of_leaves(leaves: list[jax.Array]) -> Point:
    """The leaves of a state as a point."""
    parts, rest = [], []
    for leaf in leaves:
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            parts += [jnp.real(leaf).ravel(), jnp.imag(leaf).ravel()]
        elif jnp.issubdtype(leaf.dtype, jnp.floating):
            parts.append(jnp.ravel(leaf))
        else:
            rest.append(leaf)
    return Point(parts[0] if len(parts) == 1 else jnp.concatenate(parts), tuple(rest))


def of_state(state: Any) -> tuple[Any, Form]:
    """A checked state as arrays, of at least 32 bits, and its form."""
    leaves, structure = jax.tree.flatten(state, is_leaf=lambda node: isinstance(node, Fixed))
    strange = [leaf for leaf in leaves if isinstance(leaf, Fixed)]
    if strange:
        got = checks.describe(strange[0].value)
        raise checks.error("state", "leaves that are arrays or numbers", got, TypeError)
    leaves = [_array(leaf) for leaf in leaves]
    floats = [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    if not sum(leaf.size for leaf in floats):
        kinds = ", ".join(sorted({str(leaf.dtype) for leaf in leaves if leaf.size}))
        wanted = "at least one floating-point number"
        raise checks.error("state", wanted, f"dtype {kinds}" if kinds else "an empty pytree")
    dtypes = sorted({str(jnp.finfo(leaf.dtype).dtype) for leaf in floats})
    if len(dtypes) > 1:
        raise checks.error("state", "leaves of one dtype", " and ".join(dtypes), TypeError)
    shapes = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves)
    return jax.tree.unflatten(structure, leaves), Form(structure, shapes)


def _array(leaf: Any) -> jax.Array:
    array = jnp.asarray(leaf)
    if jnp.issubdtype(array.dtype, jnp.floating):
        array = at_least_float32(array)
    if jnp.issubdtype(array.dtype, jax.dtypes.extended):
        return array
    # a Python number is weakly typed; what a scan carries must not be
    return jax.lax.convert_element_type(array, array.dtype)
