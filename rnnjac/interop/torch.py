"""Weights of PyTorch's recurrent layers, without PyTorch."""

import os
import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac import _checks
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
    """Network with the weights of a ``torch.nn.RNN``, ``LSTM`` or ``GRU``, or of one of their cells.

    Which of them it is shows in the shape of ``weight_hh``: g n rows and n columns, with g = 1, 4
    or 3. Sizes, layers and biases are read off too. Layers become `rnnjac.cells.elman`
    (b = bias_ih + bias_hh), `lstm` or `gru` (reset "after"), several of them a `stack`.

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
    between layers is left out, as torch leaves it out in evaluation. Dropping it aside, states and
    Jacobians equal torch's to a few eps, and saturated units keep their digits: the activations
    are those of `rnnjac.activations`.

    Examples
    --------
    >>> weights = {"weight_ih_l0": np.zeros((6, 3)), "weight_hh_l0": np.zeros((6, 2))}
    >>> load(weights).state.shape  # six rows and two columns: a GRU
    (2,)
    """
    _checks.one_of("nonlinearity", nonlinearity, ACTIVATIONS)
    prefix = f"{prefix}." if prefix and not prefix.endswith(".") else prefix
    weights = _under(_weights.read(source), prefix)
    _refuse(weights, prefix)
    suffixes = _suffixes(weights)
    hidden, gates = _sizes(weights, prefix, suffixes[0])
    if gates != 1 and nonlinearity != "tanh":
        raise _checks.error("nonlinearity", f"'tanh' for torch's {KINDS[gates]}", nonlinearity)
    biased = any(name.startswith("bias") for name in weights)
    layers, below = [], None
    for suffix in suffixes:
        shapes = {
            f"weight_ih{suffix}": (gates * hidden, below),
            f"weight_hh{suffix}": (gates * hidden, hidden),
            f"bias_ih{suffix}": (gates * hidden,),
            f"bias_hh{suffix}": (gates * hidden,),
        }
        wanted = {k: v for k, v in shapes.items() if biased or k.startswith("weight")}
        arrays = [_take(weights, prefix, name, shape) for name, shape in wanted.items()]
        layers.append((arrays, hidden * gates))
        below = hidden
    _one_dtype(weights, prefix, suffixes)
    return _network.network([_layer(arrays, gates, nonlinearity) for arrays, _ in layers])
