"""What a traced function is made of, where that decides how it can be differentiated."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr

# JAX puts this in place of a rule that it has in reverse mode alone, and complains when the program
# is lowered; a function that is not differentiated through the rule does not have it.
REVERSE_ONLY = "custom_lin"


def has_own_rule(traced: ClosedJaxpr) -> bool:
    """Whether a `jax.custom_vjp` is in it: only those have no derivative in forward mode."""
    return any(name.startswith("custom_vjp_call") for name in _names(traced))


def works_forward(function: Callable, argument: Any, *others: Any) -> bool:
    """Whether ``function(argument, *others)`` has a derivative in forward mode by the first."""

    def pushed(argument: Any, *others: Any) -> Any:
        tangent = jax.tree.map(jnp.ones_like, argument)
        return jax.jvp(lambda moved: function(moved, *others), (argument,), (tangent,))

    try:
        return REVERSE_ONLY not in _names(jax.make_jaxpr(pushed)(argument, *others))
    except TypeError:  # the same complaint, where the rule is met at once
        return False


def _names(traced: Any) -> Iterator[str]:
    """Names of all primitives in a jaxpr, or in whatever holds some."""
    if isinstance(traced, (tuple, list)):
        for part in traced:
            yield from _names(part)
    elif isinstance(traced, (ClosedJaxpr, Jaxpr)):  # one and the same from jax 0.12 on
        for equation in traced.eqns:
            yield equation.primitive.name
            yield from _names(list(equation.params.values()))
