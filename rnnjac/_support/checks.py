"""Checks made while tracing: structure only, one message form.

Values are never looked at here: inside compiled code a bad value shows as NaN or -inf, not as an
exception.
"""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def error(name: str, expected: str, got: Any, kind: type[Exception] = ValueError) -> Exception:
    """Exception whose message names the argument, what was expected and what came."""
    return kind(f"{name}: expected {expected}; got {got}")


def one_of(name: str, value: Any, allowed: Iterable[str]) -> None:
    """Raise unless ``value`` is one of the ``allowed`` strings."""
    allowed = tuple(allowed)
    if value not in allowed:
        raise error(name, "one of " + ", ".join(repr(a) for a in allowed), repr(value))


def integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    """``value`` as a Python int, after checking ``low <= value <= high``."""
    bounds = f"an integer >= {low}" if high is None else f"an integer from {low} to {high}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise error(name, bounds, describe(value), TypeError)
    if value < low or (high is not None and value > high):
        raise error(name, bounds, value)
    return int(value)


def matrix(name: str, value: Any, *, square: bool = False, floating: bool = True) -> jax.Array:
    """``value`` as an array, after checking that it is a (square) floating-point matrix."""
    array = jnp.asarray(value)
    wanted = "a square matrix" if square else "a matrix"
    if array.ndim != 2 or (square and array.shape[0] != array.shape[1]):
        raise error(name, f"{wanted} (two axes)", f"shape {array.shape}")
    if array.size == 0:
        raise error(name, f"{wanted} with at least one entry", f"shape {array.shape}")
    if floating and not jnp.issubdtype(array.dtype, jnp.floating):
        raise error(name, "real floating-point entries", f"dtype {array.dtype}", TypeError)
    return array


def describe(value: Any) -> str:
    """Short words for a value that may be an array, a pytree or anything else."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"an array of shape {tuple(value.shape)} and dtype {value.dtype}"
    return f"{value!r} ({type(value).__name__})"
