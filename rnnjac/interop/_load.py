"""Weights of a recurrent layer from a file or a mapping, whichever library they come from."""

import os
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac._support import checks
from rnnjac.cells import LSTMState
from rnnjac.interop import (
    _flax_weights,
    _keras_weights,
    _network,
    _places,
    _stored,
    _weights,
    torch,
)
from rnnjac.interop._network import Layer, Network

CELLS = ("tanh", "relu", "gru", "lstm")
GATES = {"rzn": 3, "ifgo": 4}  # and their number


def load(
    source: Mapping[str, Any] | str | os.PathLike[str],
    prefix: str = "",
    *,
    cell: str | None = None,
    direction: str | None = None,
    dtype: Any = None,
) -> Network:
    """Network with the weights of a recurrent layer of PyTorch, Equinox, Flax or Keras.

    Whose they are shows in their names, which cell it is and how large in their shapes.

    Parameters
    ----------
    source : mapping from names to arrays, or path of a .npz, .safetensors or .weights.h5 file
        PyTorch: ``weight_hh_l0`` and so on, all that `interop.torch.load` takes. Equinox:
        ``weight_ih``, ``weight_hh``, ``bias`` and, of a GRU, ``bias_n``. Flax: ``hi/kernel`` and so
        on, or ``dense_h/kernel``, with dots or slashes, or mappings in mappings: the variables of
        linen, the state of nnx. Keras: what `interop.keras.load` takes. No pickle is opened.
    prefix : str
        Where the layer is in a larger network, such as "encoder.rnn", with dots or slashes; not
        needed if there is one. But for PyTorch, anything that holds it alone will do.
    cell : "tanh", "relu", "gru" or "lstm", optional
        What the layer is expected to be. Weights do not tell tanh from relu: tanh by default.
    direction, dtype
        As for `interop.torch.load`.

    Returns
    -------
    Network
        ``step(params, state, x)``, the parameters, and zeros as the start.

    Raises
    ------
    ValueError, TypeError
        As `interop.torch.load` and `interop.keras.load`; or if the weights are of another cell than
        ``cell``.

    Examples
    --------
    >>> weights = {"h/kernel": jnp.zeros((2, 2)), "i/kernel": jnp.zeros((3, 2))}
    >>> load(weights, cell="relu").state.shape
    (2,)
    """
    if cell is not None:
        checks.one_of("cell", cell, CELLS)
    read = _weights.read(source)
    given = {name: value for name, value in read.items() if isinstance(name, str)}
    nested = _weights.flat(read)
    layer = _keras(nested, prefix, cell) or _flax(nested, prefix, cell) or _equinox(given, prefix)
    if layer is None:
        if not _stored.of(read).places:
            _no_part_of_flax(nested)
        prefix = prefix or _stored.of(read).only_place()
        found = torch.load(read, prefix, direction=direction, dtype=dtype)
        if cell == "relu" and _kind(found) == "tanh":
            found = torch.load(read, prefix, nonlinearity="relu", direction=direction, dtype=dtype)
    elif direction is not None:
        raise checks.error("direction", "None but for a layer of PyTorch", repr(direction))
    else:
        found = _network.network([layer], dtype)
    kind = _kind(found)
    if cell is not None and kind != ("tanh" if cell == "relu" else cell):
        shown = {"tanh": "'tanh' or 'relu'"}.get(kind, repr(kind))
        raise checks.error("cell", f"{shown}, as the shapes of the weights say", repr(cell))
    return found


def _kind(found: Network) -> str:
    """Cell of a network, or of its lowest layer; a relu counts as tanh."""
    state = found.state if isinstance(found.params, dict) else found.state[0]
    params = found.params if isinstance(found.params, dict) else found.params[0]
    if isinstance(state, LSTMState):
        return "lstm"
    return "gru" if "b_h" in params else "tanh"


def _keras(given: Mapping[str, Any], prefix: str, cell: str | None) -> Layer | None:
    """Layer of Keras; None if there is none."""
    places = _keras_weights.in_mapping(given)
    if not places:
        return None
    named = places[_places.only(places, prefix)]
    return _keras_weights.layer(named, "relu" if cell == "relu" else "tanh", None)


def _flax(given: Mapping[str, Any], prefix: str, cell: str | None) -> Layer | None:
    """Layer of a Flax cell with a kernel for each gate, or one for all; None if there is none."""
    places = {
        place: blocks for place, blocks in _blocks(given).items() if _gates(blocks) is not None
    }
    if not places:
        return None
    named = places[_places.only(places, prefix)]
    gates = _gates(named) or ""
    below, recurrent = _flax_arrays([[named[side + g] for g in gates or [""]] for side in "ih"])
    kernel, bias = _flax_weights.kernel, _flax_weights.bias
    W_x, W_h = kernel(below), kernel(recurrent)
    ratio = W_h.shape[0] // W_h.shape[1]
    if ratio == GATES["ifgo"]:
        return _network.lstm(W_x, W_h, bias(recurrent))
    if ratio == GATES["rzn"]:
        return _network.gru(W_x, W_h, bias(below), bias(recurrent))
    return _network.elman(W_x, W_h, bias(below), "relu" if cell == "relu" else "tanh")


def _blocks(given: Mapping[str, Any]) -> dict[str, dict[str, dict[str, tuple[str, Any]]]]:
    """Kernels and biases with their full names, by place and block."""
    places: dict[str, dict[str, dict[str, tuple[str, Any]]]] = {}
    for name, value in given.items():
        if match := _weights.FLAX.fullmatch(name):
            block = match["all"] or match["side"] + match["gate"]
            parts = places.setdefault(match["place"], {}).setdefault(block, {})
            parts[match["part"]] = (name, value)
    return places


def _flax_arrays(named: list[list[dict[str, tuple[str, Any]]]]) -> list[list[dict[str, Any]]]:
    """Arrays of the blocks below and recurrent, of the shapes that the first of them call for."""
    (full, first), (_, below) = named[1][0]["kernel"], named[0][0]["kernel"]
    n, columns = np.shape(first) if np.ndim(first) == 2 else (0, 0)
    gates = {n} if len(named[1]) > 1 else {n, *(g * n for g in GATES.values())}
    if not n or columns not in gates:
        shown = "(n, n)" if len(gates) == 1 else "(n, n), (n, 3 n) or (n, 4 n)"
        raise checks.error(full, f"shape {shown} with n >= 1 units", f"shape {np.shape(first)}")
    rows = (np.shape(below) or (0,))[0], n
    for side, size in zip(named, rows, strict=True):
        for name, value in (array for parts in side for array in parts.values()):
            shape = (columns,) if name.endswith("bias") else (size, columns)
            if np.shape(value) != shape:
                raise checks.error(name, f"shape {shape}", f"shape {np.shape(value)}")
    return [
        [
            {part: jnp.asarray(_weights.array(*full)) for part, full in parts.items()}
            for parts in side
        ]
        for side in named
    ]


def _no_part_of_flax(given: Mapping[str, Any]) -> None:
    """Raise if there is most of a Flax cell: by the name of what is missing."""
    for place, blocks in _blocks(given).items():
        found = [block for block, parts in blocks.items() if "kernel" in parts]
        for gates in GATES:
            lacking = [side + g for side in "ih" for g in gates if side + g not in found]
            if 0 < len(lacking) < len(gates):
                full = f"{place}{lacking[0]}/kernel"
                expected = f"the kernels of all gates, {', '.join(gates)}"
                raise checks.error(full, expected, _places.near(full, given))


def _gates(blocks: Mapping[str, Any]) -> str | None:
    """Letters of the gates for which both kernels are there; "" for one kernel without letters."""
    return next(
        (
            gates
            for gates in ("ifgo", "rzn", "")
            if all("kernel" in blocks.get(side + g, {}) for side in "ih" for g in gates or ("",))
        ),
        None,
    )


def _equinox(given: Mapping[str, Any], prefix: str) -> Layer | None:
    """Layer of an Equinox cell, which has one bias where torch has two; None if there is none."""
    places: dict[str, dict[str, jax.Array]] = {}
    for name, value in given.items():
        if (match := _weights.EQUINOX.fullmatch(name)) and value is not None:
            array = jnp.asarray(_weights.array(name, value))
            places.setdefault(match["place"], {})[match["name"]] = array
    wanted = {"weight_ih", "weight_hh", "bias"}
    places = {place: parts for place, parts in places.items() if wanted <= parts.keys()}
    if not places:
        return None
    parts = places[_places.only(places, prefix)]
    W_x, W_h, b = parts["weight_ih"], parts["weight_hh"], parts["bias"]
    if "bias_n" not in parts:
        return _network.lstm(W_x, W_h, b)
    zeros = jnp.zeros(2 * W_h.shape[1], b.dtype)
    return _network.gru(W_x, W_h, b, jnp.concatenate([zeros, parts["bias_n"]]))
