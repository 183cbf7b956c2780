"""Weights of PyTorch's recurrent layers, without PyTorch."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from rnnjac._support import checks
from rnnjac.interop import _network, _stored, _weights
from rnnjac.interop._network import Layer, Network
from rnnjac.interop._stored import Stored

# rows of weight_hh per hidden unit
KINDS = {1: "RNN", 3: "GRU", 4: "LSTM"}
ACTIVATIONS = ("tanh", "relu")
DIRECTIONS, REVERSE = ("forward", "backward"), "_reverse"


def load(
    source: Mapping[str, Any] | str | os.PathLike[str],
    prefix: str = "",
    *,
    nonlinearity: str = "tanh",
    direction: str | None = None,
    dtype: Any = None,
) -> Network:
    """Network with the weights of a ``torch.nn.RNN``, ``GRU`` or ``LSTM``, or of one of the cells.

    Which of them it is shows in the shape of ``weight_hh``: g n rows and n columns, with g = 1, 3
    or 4. Sizes, layers, biases and projections (``proj_size``) are read off too. Layers become
    `rnnjac.cells.elman` (b = bias_ih + bias_hh), `gru` (reset "after") or `lstm`, several of them a
    `stack`.

    Parameters
    ----------
    source : mapping from names to arrays, or path of a .npz or .safetensors file
        As ``state_dict()`` has it, or a mapping with one such inside. Weights under weight dropout
        are those before dropout, as torch takes them in evaluation; under ``weight_norm`` they are
        computed from length and direction. Anything that NumPy takes as an array will do; of
        torch's tensors on any device only the methods are used. A pickle (.pt, .pth, .bin) is
        refused: it can run any code when it is opened. From torch, save the arrays instead::

            numpy.savez(path, **{k: v.cpu().numpy() for k, v in module.state_dict().items()})
            safetensors.torch.save_file(module.state_dict(), path)

    prefix : str
        Where the layer is in a larger network, such as "encoder.rnn". Other names are passed over,
        and so are the wrappers ``module.`` and ``_orig_mod.`` of DataParallel and torch.compile.
    nonlinearity : "tanh" or "relu"
        Of an RNN, whose weights do not tell; torch's own default. Not for LSTM and GRU.
    direction : "forward" or "backward", optional
        Which half of a bidirectional layer to take; it must be the only layer. Give the backward
        one its inputs in reverse order.
    dtype : floating-point dtype, optional
        Precision of the network; that of the arrays by default.

    Returns
    -------
    Network
        ``step(params, state, x)``, the parameters, and zeros as the start. For one sequence: ``x``
        of shape (inputs,), or None for no input. State by layer of n units: (n,) for RNN and GRU,
        `rnnjac.cells.LSTMState` (c first, then h, shorter with a projection) for LSTM; a tuple of
        these if there are several layers, lowest first. ``x`` is rounded to the precision of the
        weights. The dtype is that of the arrays (float64 needs JAX_ENABLE_X64, and is
        rounded to float32 without it). The arrays are copied.

    Raises
    ------
    ValueError
        If the file is a pickle, damaged or of another kind; if there are no recurrent weights under
        ``prefix``; if a tensor is missing, misshapen, not finite, or of another dtype than the rest
        (each by its name, with what lies near it); if the layer is bidirectional and ``direction``
        is missing, or kept in other parts than those above.
    TypeError
        If ``source`` is neither mapping nor path, or a tensor does not hold real floats.
    ImportError
        If safetensors is needed and missing.
    FileNotFoundError
        If there is no such file.

    Notes
    -----
    Two networks of one architecture share one step function, and so their compiled code. Dropout
    between layers is left out, as torch leaves it out in evaluation. States and Jacobians equal
    torch's to a few eps; where units saturate, the Jacobians are righter than torch's own, since
    the activations are those of `rnnjac.activations`.

    Examples
    --------
    >>> weights = {"weight_ih_l0": np.zeros((6, 3)), "weight_hh_l0": np.zeros((6, 2))}
    >>> load(weights).state.shape  # six rows and two columns: a GRU
    (2,)
    """
    checks.one_of("nonlinearity", nonlinearity, ACTIVATIONS)
    stored = _stored.of(_weights.read(source))
    place, names = stored.at(prefix)
    layer = _Layer(place, _one_direction(place, names, direction), stored)
    gates, hidden, outputs = _sizes(layer)
    if gates != 1 and nonlinearity != "tanh":
        raise checks.error("nonlinearity", f"'tanh', as {KINDS[gates]} has it", repr(nonlinearity))
    biased = any(name.startswith("bias") for name in layer.found)
    layers, inputs = [], None
    for suffix in _suffixes(layer.found):
        shapes = {"weight_ih": (gates * hidden, inputs), "weight_hh": (gates * hidden, outputs)}
        if outputs != hidden:
            shapes |= {"weight_hr": (outputs, hidden)}
        if biased:
            shapes |= {"bias_ih": (gates * hidden,), "bias_hh": (gates * hidden,)}
        layers.append({part: layer.take(part + suffix, shape) for part, shape in shapes.items()})
        inputs = outputs
    if dtype is None:
        _weights.one_dtype(named for layer in layers for named in layer.values())
    return _network.network([_cell(arrays, gates, nonlinearity) for arrays in layers], dtype)


class _Layer(NamedTuple):
    """A recurrent layer of one direction: where it is, its weights by name, and their source."""

    place: str
    found: dict[str, tuple[str, dict[str, Any]]]
    stored: Stored

    def array(self, name: str, expected: str) -> tuple[str, np.ndarray]:
        """Full name and array."""
        if name not in self.found:
            full = self.place + name
            raise checks.error(full, expected, self.stored.near(full))
        full, parts = self.found[name]
        return full, _stored.weight(full, parts)

    def take(self, name: str, shape: tuple[int | None, ...]) -> tuple[str, np.ndarray]:
        """Full name and array, of the shape given; None stands for any number of inputs."""
        shown = "shape " + str(shape).replace("None", "inputs")
        full, array = self.array(name, shown)
        fits = array.ndim == len(shape) and all(
            want in (None, size) for size, want in zip(array.shape, shape, strict=True)
        )
        if not fits:
            raise checks.error(full, shown, f"shape {array.shape}")
        return full, array


def _one_direction(
    place: str, names: dict[str, dict[str, Any]], direction: str | None
) -> dict[str, tuple[str, dict[str, Any]]]:
    """Weights by their names without a direction, with their full names."""
    if direction is not None:
        checks.one_of("direction", direction, DIRECTIONS)
    back = sorted(name for name in names if name.endswith(REVERSE))
    if direction is not None and not back:
        raise checks.error("direction", "None for a layer of one direction", repr(direction))
    if back and direction is None:
        expected = "one direction, direction='forward' or 'backward'"
        raise checks.error(place + back[0], expected, "a bidirectional layer")
    if back and len(list(_suffixes(dict.fromkeys(back)))) > 1:
        expected = "one layer where there are two directions (upper ones see both)"
        raise checks.error(place + back[-1], expected, "several layers")
    chosen = back if direction == "backward" else [name for name in names if name not in back]
    return {name.removesuffix(REVERSE): (place + name, names[name]) for name in chosen}


def _suffixes(found: Iterable[str]) -> Iterator[str]:
    """Endings of the names, lowest layer first: _l0, _l1, ...; none for torch's cells."""
    depths = [int(match[1]) for name in found if (match := re.search(r"_l(\d+)", name))]
    return (f"_l{depth}" for depth in range(max(depths) + 1)) if depths else iter([""])


def _sizes(layer: _Layer) -> tuple[int, int, int]:
    """Blocks of rows (1, 3 or 4), units, and outputs, from the matrices of the lowest layer."""
    suffix = next(_suffixes(layer.found))
    expected = "shape (g h, h) with h >= 1 units and g = 1 (RNN), 3 (GRU) or 4 (LSTM)"
    full, recurrent = layer.array("weight_hh" + suffix, expected)
    shape = recurrent.shape
    if "weight_hr" + suffix in layer.found:
        expected = "shape (4 h, p) of an LSTM with a projection to p < h"
        if len(shape) == 2 and shape[1] >= 1 and shape[0] % 4 == 0 and shape[0] // 4 > shape[1]:
            return 4, shape[0] // 4, shape[1]
    elif len(shape) == 2 and shape[1] >= 1:
        gates, rest = divmod(shape[0], shape[1])
        if gates in KINDS and not rest:
            return gates, shape[1], shape[1]
    raise checks.error(full, expected, f"shape {shape}")


def _cell(named: dict[str, tuple[str, np.ndarray]], gates: int, nonlinearity: str) -> Layer:
    # a copy: torch goes on writing into the memory that NumPy shares with it
    arrays = {part: jnp.array(array, copy=True) for part, (_, array) in named.items()}
    W_x, W_h = arrays["weight_ih"], arrays["weight_hh"]
    none = jnp.zeros(W_h.shape[0], W_h.dtype)
    b_x, b_h = arrays.get("bias_ih", none), arrays.get("bias_hh", none)
    if gates == 1:
        return _network.elman(W_x, W_h, b_x + b_h, nonlinearity)
    if gates == 3:
        return _network.gru(W_x, W_h, b_x, b_h)
    return _network.lstm(W_x, W_h, b_x + b_h, arrays.get("weight_hr"))
