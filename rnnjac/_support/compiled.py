"""How every public function is compiled."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax

from rnnjac._support import checks
from rnnjac._support.fixed import fix, is_array


def compiled(*static: str) -> Callable[[Callable], Callable]:
    """Decorator: ``jax.jit`` with full-precision products, for arguments of any kind.

    Accelerators multiply float32 in tf32 or bfloat16 unless told otherwise, which would cost four
    or more of the seven digits; the context covers the user's step too, since it is traced within.
    A ``static`` argument that comes as an array is traced. What cannot be traced in the others
    comes as `Fixed`: the code is compiled for it.
    """

    def decorate(function: Callable) -> Callable:
        signature = inspect.signature(function)

        @functools.partial(jax.jit, static_argnums=0)
        @functools.wraps(function)
        def precise(known: tuple, given: dict[str, Any]) -> Any:
            with jax.default_matmul_precision("highest"):
                return function(**dict(known), **given)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            known, given = {}, {}
            for name, value in bound.arguments.items():
                if name in static and not is_array(value):
                    known[name] = _hashable(name, value)
                else:
                    # a flag or a count in the parameters (a number of layers) may steer a step
                    given[name] = fix(name, value, counts=name == "params")
            return precise(tuple(known.items()), given)

        return call

    return decorate


def _hashable(name: str, value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        expected = "a value that can be hashed, which tells compiled programs apart"
        raise checks.error(name, expected, checks.describe(value), TypeError) from None
    return value
