"""Weights of Keras' recurrent layers as layers of rnnjac.

Keras' kernels are (inputs, g units), with the blocks i, f, c, o (LSTM) or z, r, h (GRU) side by
side; they are named in memory (``lstm/lstm_cell/recurrent_kernel``) and numbered in a .weights.h5
(``layers/lstm/cell/vars/1``).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from rnnjac._support import checks
from rnnjac.interop import _network, _weights
from rnnjac.interop._network import Layer

# blocks of the recurrent kernel
KINDS = {1: "SimpleRNN", 3: "GRU", 4: "LSTM"}
# Keras' name and that of rnnjac, where both mean the same function
ACTIVATIONS = {name: name for name in ("tanh", "relu", "sigmoid", "softplus", "softsign", "mish")}
ACTIVATIONS |= {name: name for name in ("elu", "selu", "gelu", "silu", "hard_tanh")}
ACTIVATIONS |= {"linear": "identity"}

# the weights of one layer by name: how an error calls them, and what they are
Named = dict[str, tuple[str, Any]]


def in_mapping(given: Mapping[str, Any]) -> dict[str, Named]:
    """Recurrent layers by place: those of a mapping that have a recurrent kernel."""
    places: dict[str, Named] = {}
    for full, value in given.items():
        if value is not None and (match := _weights.KERAS.fullmatch(full)):
            places.setdefault(match["place"], {})[_weights.keras_part(match)] = (full, value)
    return {place: named for place, named in places.items() if _is_recurrent(named)}


def in_list(given: Sequence[Any]) -> Named:
    """The weights of one layer in the order of ``get_weights()``."""
    if len(given) not in (2, 3):
        expected = "2 or 3 arrays, as get_weights() of one layer has them: "
        raise checks.error("source", expected + ", ".join(_weights.KERAS_PARTS), str(len(given)))
    names = _weights.KERAS_PARTS[: len(given)]
    return {
        name: (f"source[{i}]", value)
        for i, (name, value) in enumerate(zip(names, given, strict=True))
    }


def layer(named: Named, activation: str, reset_after: bool | None) -> Layer:
    """Layer of rnnjac with these weights; the kind shows in the shape of the recurrent kernel."""
    arrays = {part: (full, _weights.array(full, value)) for part, (full, value) in named.items()}
    full, W = arrays["recurrent_kernel"]
    gates, rest = divmod(W.shape[1], W.shape[0]) if W.ndim == 2 and W.shape[0] else (0, 0)
    if gates not in KINDS or rest:
        expected = "shape (n, g n) with n >= 1 units and g = 1 (SimpleRNN), 3 (GRU) or 4 (LSTM)"
        raise checks.error(full, expected, f"shape {W.shape}")
    _check_shapes(arrays, gates, W.shape[0])
    _weights.one_dtype(arrays.values())
    kernel, bias = arrays["kernel"][1], arrays["bias"][1] if "bias" in arrays else None
    if gates != 3 and reset_after is not None:
        raise checks.error("reset_after", f"None for {_article(gates)}", repr(reset_after))
    if gates == 1:
        return _elman(kernel, W, bias, activation)
    if activation != "tanh":
        raise checks.error("activation", f"'tanh' of {_article(gates)}", repr(activation))
    if gates == 3:
        return _gru(kernel, W, bias, _resets_after(bias, reset_after))
    return _network.lstm(_rows(kernel), _rows(W), _rows(_or_zeros(bias, W)))


def _is_recurrent(named: Named) -> bool:
    return "recurrent_kernel" in named and np.ndim(named["recurrent_kernel"][1]) == 2


def _check_shapes(arrays: dict[str, tuple[str, np.ndarray]], gates: int, n: int) -> None:
    columns = gates * n
    if "kernel" not in arrays:
        full = arrays["recurrent_kernel"][0]
        name = full.replace("recurrent_kernel", "kernel").replace("vars/1", "vars/0")
        raise checks.error(name, f"shape (inputs, {columns})", f"none beside {full}")
    full, kernel = arrays["kernel"]
    if kernel.ndim != 2 or kernel.shape[1] != columns:
        raise checks.error(full, f"shape (inputs, {columns})", f"shape {kernel.shape}")
    if "bias" in arrays:
        full, bias = arrays["bias"]
        allowed = [(columns,), (2, columns)] if gates == 3 else [(columns,)]
        if bias.shape not in allowed:
            shown = " or ".join(map(str, allowed))
            raise checks.error(full, f"shape {shown}", f"shape {bias.shape}")


def _resets_after(bias: np.ndarray | None, told: bool | None) -> bool:
    """Whether the reset gate acts after the product: two rows of biases, or what was told."""
    if told is not None and not isinstance(told, bool):
        raise checks.error("reset_after", "True or False", checks.describe(told), TypeError)
    if bias is None:
        if told is None:
            expected = "True or False (to interop.keras.load), as a GRU without bias does not tell"
            raise checks.error("reset_after", expected, "None")
        return told
    seen = bias.ndim == 2
    if told not in (None, seen):
        raise checks.error("reset_after", f"{seen}, as a bias of shape {bias.shape} says", told)
    return seen


def _article(gates: int) -> str:
    return f"{'an' if gates == 4 else 'a'} {KINDS[gates]}"


def _elman(kernel: np.ndarray, W: np.ndarray, bias: np.ndarray | None, activation: str) -> Layer:
    b = _rows(_or_zeros(bias, W))
    return _network.elman(_rows(kernel), _rows(W), b, ACTIVATIONS[activation])


def _gru(kernel: np.ndarray, W: np.ndarray, bias: np.ndarray | None, after: bool) -> Layer:
    none = np.zeros(W.shape[1], W.dtype)
    below, recurrent = (none, none) if bias is None else bias if after else (bias, none)
    arrays = (_rows(_reset_first(a)) for a in (kernel, W, below, recurrent))
    return _network.gru(*arrays, reset="after" if after else "before")


def _reset_first(array: np.ndarray) -> np.ndarray:
    """Blocks of columns z, r, h in the order r, z, h."""
    z, r, h = np.split(array, 3, axis=-1)
    return np.concatenate([r, z, h], axis=-1)


def _or_zeros(bias: np.ndarray | None, W: np.ndarray) -> np.ndarray:
    return np.zeros(W.shape[1], W.dtype) if bias is None else bias


def _rows(array: np.ndarray) -> Any:
    """A copy with blocks of rows in place of blocks of columns."""
    return jnp.array(array.T, copy=True)
