"""How every public function is compiled."""

import functools
from collections.abc import Callable
from typing import Any

import jax


def compiled(*static: str) -> Callable[[Callable], Callable]:
    """Decorator: ``jax.jit`` with full-precision products.

    Accelerators multiply float32 in tf32 or bfloat16 unless told otherwise, which would cost four
    or more of the seven digits; the context covers the user's step too, since it is traced within.
    """

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def precise(*args: Any, **kwargs: Any) -> Any:
            with jax.default_matmul_precision("highest"):
                return function(*args, **kwargs)

        return jax.jit(precise, static_argnames=static)

    return decorate
