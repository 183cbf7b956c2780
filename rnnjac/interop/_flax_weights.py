"""Weights of Flax's recurrent cells as layers of rnnjac. Flax's kernels are (inputs, units)."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac.interop import _network, _places
from rnnjac.interop._network import Layer

# linen and nnx both hand on these functions of jax under names of their own
ACTIVATIONS = {jnp.tanh: "tanh", jax.nn.tanh: "tanh", jax.nn.relu: "relu"}
LSTM_BLOCKS, GRU_BLOCKS = "ifgo", "rzn"


def at(variables: Mapping[str, Any], prefix: str, within: bool) -> dict[str, Any]:
    """The variables of the module at ``prefix``; of the cell ``within``, if it is an RNN."""
    if not isinstance(variables, Mapping) or "params" not in variables:
        got = f"{list(variables)}" if isinstance(variables, Mapping) else type(variables).__name__
        raise checks.error("variables", "a mapping with 'params', as `init` returns it", got)
    path = [part for part in re.split(r"[./]", prefix) if part]
    path = path[1:] if path[:1] == ["params"] else path
    tree = variables["params"]
    for depth, name in enumerate(path):
        inside = [key for key, value in tree.items() if isinstance(value, Mapping)]
        if name not in inside:
            raise _places.unknown(prefix, [".".join([*path[:depth], key]) for key in inside])
        tree = tree[name]
    if within and list(tree) == ["cell"]:
        path = [*path, "cell"]
    found = {kind: _down(tree, path) for kind, tree in variables.items()}
    return {kind: tree for kind, tree in found.items() if tree is not None}


def _down(tree: Any, path: Sequence[str]) -> Any:
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def from_linen(linen: Any, cell: Any, params: Mapping[str, Any]) -> Layer:
    """Layer of a linen cell, whose parameters are named ii, if, ..., hi, hf, ...."""
    if isinstance(cell, linen.SimpleCell):
        return _simple(cell, *_blocks(params, "i", [""]), *_blocks(params, "h", [""]))
    if isinstance(cell, linen.GRUCell):
        _usual_gates(cell)
        below, recurrent = _blocks(params, "i", GRU_BLOCKS), _blocks(params, "h", GRU_BLOCKS)
        return _network.gru(kernel(below), kernel(recurrent), bias(below), bias(recurrent))
    if isinstance(cell, (linen.LSTMCell, linen.OptimizedLSTMCell)):
        _usual_gates(cell)
        below, recurrent = _blocks(params, "i", LSTM_BLOCKS), _blocks(params, "h", LSTM_BLOCKS)
        return _network.lstm(kernel(below), kernel(recurrent), bias(recurrent))
    raise _unknown(cell)


def from_nnx(nnx: Any, cell: Any) -> Layer:
    """Layer of an nnx cell, whose blocks lie in one kernel except for LSTMCell."""
    if isinstance(cell, nnx.LSTMCell):
        _usual_gates(cell)
        below = [_parts(cell, name) for name in ("ii", "if_", "ig", "io")]
        recurrent = [_parts(cell, name) for name in ("hi", "hf", "hg", "ho")]
        return _network.lstm(kernel(below), kernel(recurrent), bias(recurrent))
    known = (nnx.SimpleCell, nnx.GRUCell, nnx.OptimizedLSTMCell)
    if not isinstance(cell, known):
        raise _unknown(cell)
    below, recurrent = [_parts(cell, "dense_i")], [_parts(cell, "dense_h")]
    if isinstance(cell, nnx.SimpleCell):
        return _simple(cell, below[0], recurrent[0])
    _usual_gates(cell)
    if isinstance(cell, nnx.GRUCell):
        return _network.gru(kernel(below), kernel(recurrent), bias(below), bias(recurrent))
    return _network.lstm(kernel(below), kernel(recurrent), bias(recurrent))


def _parts(cell: Any, name: str) -> dict[str, jax.Array]:
    dense = getattr(cell, name)
    parts = {"kernel": dense.kernel, "bias": dense.bias}
    return {part: jnp.array(value[...]) for part, value in parts.items() if value is not None}


def _blocks(params: Mapping[str, Any], side: str, gates: Sequence[str]) -> list[Mapping[str, Any]]:
    for name in (side + gate for gate in gates):
        if name not in params:
            raise checks.error("variables", f"a block {name!r} of the cell", f"{list(params)}")
    return [params[side + gate] for gate in gates]


def kernel(denses: Sequence[Mapping[str, Any]]) -> jax.Array:
    """Matrix (blocks x units, columns), blocks one below the other."""
    return jnp.concatenate([jnp.asarray(dense["kernel"]).T for dense in denses])


def bias(denses: Sequence[Mapping[str, Any]]) -> jax.Array:
    """Biases of the blocks one below the other, zeros where a block has none."""
    zeros = [jnp.zeros(d["kernel"].shape[1], d["kernel"].dtype) for d in denses]
    return jnp.concatenate(
        [jnp.asarray(d.get("bias", zero)) for d, zero in zip(denses, zeros, strict=True)]
    )


def _simple(cell: Any, below: Mapping[str, Any], recurrent: Mapping[str, Any]) -> Layer:
    if cell.residual:
        raise checks.error("cell", "a SimpleCell that is not residual", "residual=True")
    if cell.activation_fn not in ACTIVATIONS:
        raise checks.error("cell", "activation_fn tanh or relu", _name(cell.activation_fn))
    activation = ACTIVATIONS[cell.activation_fn]
    return _network.elman(kernel([below]), kernel([recurrent]), bias([below]), activation)


def _usual_gates(cell: Any) -> None:
    if cell.gate_fn is not jax.nn.sigmoid:
        raise checks.error("cell", "gate_fn sigmoid", _name(cell.gate_fn))
    if ACTIVATIONS.get(cell.activation_fn) != "tanh":
        raise checks.error("cell", "activation_fn tanh", _name(cell.activation_fn))


def _name(function: Callable) -> str:
    return getattr(function, "__name__", repr(function))


def _unknown(cell: Any) -> Exception:
    expected = "a SimpleCell, GRUCell, LSTMCell or OptimizedLSTMCell"
    return checks.error("cell", expected, type(cell).__name__, TypeError)
