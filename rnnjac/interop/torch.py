"""Weights of PyTorch's recurrent layers, without PyTorch."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from rnnjac._support import checks
from rnnjac.interop import _network, _weights
from rnnjac.interop._network import Layer, Network

# rows of weight_hh per hidden unit
KINDS = {1: "RNN", 3: "GRU", 4: "LSTM"}
ACTIVATIONS = ("tanh", "relu")


def load(
    source: Mapping[str, Any] | str | os.PathLike[str],
    prefix: str = "",
    *,
    nonlinearity: str = "tanh",
) -> Network:
    """Network with the weights of a ``torch.nn.RNN``, ``GRU`` or ``LSTM``, or of one of the cells.

    Which of them it is shows in the shape of ``weight_hh``: g n rows and n columns, with g = 1, 3
    or 4. Sizes, layers and biases are read off too. Layers become `rnnjac.cells.elman`
    (b = bias_ih + bias_hh), `gru` (reset "after") or `lstm`, several of them a `stack`.

    Parameters
    ----------
    source : mapping from names to arrays, or path of a .npz or .safetensors file
        As ``state_dict()`` has it. Anything that NumPy takes as an array will do; of torch's
        tensors on any device only the methods are used. A pickle (.pt, .pth, .bin) is refused: it
        can run any code when it is opened. From torch, save the arrays instead:

            numpy.savez(path, **{k: v.cpu().numpy() for k, v in module.state_dict().items()})
            safetensors.torch.save_file(module.state_dict(), path)

    prefix : str
        Where the layer is in a larger network, such as "encoder.rnn". Other names are passed over.
    nonlinearity : "tanh" or "relu"
        Of an RNN, whose weights do not tell; torch's own default. Not for LSTM and GRU.

    Returns
    -------
    Network
        ``step(params, state, x)``, the parameters, and zeros as the start. For one sequence: ``x``
        of shape (inputs,), or None for no input. State by layer of n units: (n,) for RNN and GRU,
        `rnnjac.cells.LSTMState` (c first, then h) for LSTM; a tuple of these if there are several
        layers, lowest first. The dtype is that of the arrays (float64 needs JAX_ENABLE_X64, and is
        rounded to float32 without it). The arrays are copied.

    Raises
    ------
    ValueError
        If the file is a pickle, damaged or of another kind; if there are no recurrent weights under
        ``prefix``; if a tensor is missing, misshapen, not finite, or of another dtype than the rest
        (each by its name); if the layer is bidirectional or has a projection (``proj_size``).
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
    prefix = f"{prefix}." if prefix and not prefix.endswith(".") else prefix
    found = _under(_weights.read(source), prefix)
    gates, hidden = _sizes(found, prefix)
    if gates != 1 and nonlinearity != "tanh":
        raise checks.error("nonlinearity", f"'tanh', as {KINDS[gates]} has it", repr(nonlinearity))
    biased = any(name.startswith("bias") for name in found)
    layers, inputs = [], None
    for suffix in _suffixes(found):
        shapes = {"weight_ih": (gates * hidden, inputs), "weight_hh": (gates * hidden, hidden)}
        if biased:
            shapes |= {"bias_ih": (gates * hidden,), "bias_hh": (gates * hidden,)}
        named = {part: (prefix, part + suffix, shape) for part, shape in shapes.items()}
        layers.append({part: _take(found, *wanted) for part, wanted in named.items()})
        inputs = hidden
    _one_dtype(layers)
    return _network.network([_layer(layer, gates, nonlinearity) for layer in layers])


def _under(weights: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Weights right below the prefix, by their names there; refuse what no cell here stands for."""
    found = {}
    for name, value in weights.items():
        if name.startswith(prefix) and "." not in name[len(prefix) :]:
            found[name[len(prefix) :]] = value
    if not found and not weights:
        raise checks.error("source", "weights named weight_ih_l0, weight_hh_l0, ...", "none such")
    if not found:
        places = sorted({name.rpartition(".")[0] for name in weights})
        raise checks.error("prefix", "one of " + ", ".join(map(repr, places)), repr(prefix))
    for name in sorted(found):
        if name.endswith("_reverse"):
            expected = "one direction only (a backward layer has no Jacobian product forward)"
            raise checks.error(prefix + name, expected, "a bidirectional layer")
        if name.startswith("weight_hr"):
            expected = "no projection (proj_size = 0)"
            raise checks.error(prefix + name, expected, "a layer with proj_size > 0")
    return found


def _suffixes(found: dict[str, Any]) -> Iterator[str]:
    """Endings of the names, lowest layer first: _l0, _l1, ...; none for torch's cells."""
    depths = [int(match[1]) for name in found if (match := re.search(r"_l(\d+)$", name))]
    return (f"_l{depth}" for depth in range(max(depths) + 1)) if depths else iter([""])


def _sizes(found: dict[str, Any], prefix: str) -> tuple[int, int]:
    """Blocks of rows (1, 3 or 4) and units, from the recurrent matrix of the lowest layer."""
    name = "weight_hh" + next(_suffixes(found))
    expected = "shape (g h, h) with h >= 1 units and g = 1 (RNN), 3 (GRU) or 4 (LSTM)"
    if name not in found:
        raise checks.error(prefix + name, expected, "no tensor of that name")
    shape = np.shape(_weights.array(prefix + name, found[name]))
    if len(shape) == 2 and shape[1] >= 1:
        gates, rest = divmod(shape[0], shape[1])
        if gates in KINDS and not rest:
            return gates, shape[1]
    raise checks.error(prefix + name, expected, f"shape {shape}")


def _take(
    found: dict[str, Any], prefix: str, name: str, shape: tuple[int | None, ...]
) -> tuple[str, np.ndarray]:
    """Full name and array, of the shape given; None stands for any number of inputs."""
    shown = "shape " + str(shape).replace("None", "inputs")
    if name not in found:
        raise checks.error(prefix + name, shown, "no tensor of that name")
    array = _weights.array(prefix + name, found[name])
    fits = array.ndim == len(shape) and all(
        want in (None, size) for size, want in zip(array.shape, shape, strict=True)
    )
    if not fits:
        raise checks.error(prefix + name, shown, f"shape {array.shape}")
    return prefix + name, array


def _one_dtype(layers: list[dict[str, tuple[str, np.ndarray]]]) -> None:
    first, kind = "", None
    for name, array in (named for layer in layers for named in layer.values()):
        first, kind = (first, kind) if first else (name, array.dtype)
        if array.dtype != kind:
            raise checks.error(name, f"dtype {kind}, as {first} has", array.dtype)


def _layer(named: dict[str, tuple[str, np.ndarray]], gates: int, nonlinearity: str) -> Layer:
    # a copy: torch goes on writing into the memory that NumPy shares with it
    arrays = {part: jnp.array(array, copy=True) for part, (_, array) in named.items()}
    W_x, W_h = arrays["weight_ih"], arrays["weight_hh"]
    none = jnp.zeros(W_h.shape[0], W_h.dtype)
    b_x, b_h = arrays.get("bias_ih", none), arrays.get("bias_hh", none)
    if gates == 1:
        return _network.elman(W_x, W_h, b_x + b_h, nonlinearity)
    if gates == 3:
        return _network.gru(W_x, W_h, b_x, b_h)
    return _network.lstm(W_x, W_h, b_x + b_h)
