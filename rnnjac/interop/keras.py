"""Weights of Keras' recurrent layers: SimpleRNN, LSTM and GRU."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from rnnjac._support import checks
from rnnjac.interop import _keras_weights, _network, _places, _weights
from rnnjac.interop._network import Network


def load(
    source: Sequence[Any] | Mapping[str, Any] | str | os.PathLike[str],
    prefix: str = "",
    *,
    activation: str = "tanh",
    reset_after: bool | None = None,
    dtype: Any = None,
) -> Network:
    """Network with the weights of a Keras ``SimpleRNN``, ``LSTM`` or ``GRU``, without Keras.

    Which of them it is shows in the shape of the recurrent kernel: n rows and g n columns, with
    g = 1, 4 or 3. It becomes `rnnjac.cells.elman`, `lstm` or `gru`, the latter with the reset gate
    "after" the product or "before" it.

    Parameters
    ----------
    source : list of arrays, mapping from names to arrays, or path of a .weights.h5 or .npz file
        ``layer.get_weights()`` of one layer (kernel, recurrent kernel, bias); or what
        ``model.save_weights("model.weights.h5")`` has written; or
        ``{v.path: v.numpy() for v in model.weights}``, which may be saved as a .npz.
    prefix : str
        Where the layer is in a larger network: "lstm_1", "encoder.gru", or anything that holds it
        alone. In a .weights.h5 the layers of a model are numbered by class (lstm, lstm_1, ...),
        whatever their own names; the halves of "bidirectional" are "bidirectional.forward_layer"
        and "bidirectional.backward_layer".
    activation : str
        Of a SimpleRNN, whose weights do not tell; Keras' default. One of "tanh", "relu", "linear",
        "sigmoid", "elu", "selu", "gelu", "silu", "softplus", "softsign", "mish", "hard_tanh". An
        LSTM or GRU is taken to have tanh, and sigmoid in its gates, as is Keras' default.
    reset_after : bool, optional
        Of a GRU without bias, which does not tell; one with a bias tells by its rows.
    dtype : floating-point dtype, optional
        Precision of the network; that of the arrays by default.

    Returns
    -------
    Network
        ``step(params, state, x)``, the parameters, and zeros as the start. For one sequence: ``x``
        of shape (inputs,), or None for no input. State of n units: (n,), or
        `rnnjac.cells.LSTMState` (c first, then h; Keras has them the other way round). ``x`` is
        rounded to the precision of the weights. The arrays are copied.

    Raises
    ------
    ValueError
        If the file is damaged or of another kind; if there is no recurrent layer under ``prefix``;
        if an array is missing, misshapen, not finite, or of another dtype than the rest (each by
        its name); if ``activation`` or ``reset_after`` does not fit, or is needed.
    TypeError
        If ``source`` is none of these, or an array does not hold real floats.
    ImportError
        If h5py is needed and missing.
    FileNotFoundError
        If there is no such file.

    Notes
    -----
    Networks of one architecture share one step function, and so their compiled code. Dropout is
    left out, as in inference; ``unit_forget_bias`` is in the bias that is stored. One that goes
    backwards wants its inputs in reverse order. States and Jacobians equal those of Keras to a few
    eps; where units saturate, the Jacobians are righter.

    Examples
    --------
    >>> import numpy as np
    >>> kernel, recurrent, bias = np.zeros((3, 6)), np.zeros((2, 6)), np.zeros((2, 6))
    >>> load([kernel, recurrent, bias]).state.shape  # two rows, six columns: a GRU
    (2,)
    """
    checks.one_of("activation", activation, _keras_weights.ACTIVATIONS)
    if isinstance(source, (list, tuple)):
        if prefix:
            raise checks.error("prefix", "'' for the arrays of one layer", repr(prefix))
        named = _keras_weights.in_list(source)
    else:
        read = _weights.read(source)
        given = {name: value for name, value in read.items() if isinstance(name, str)}
        places = _keras_weights.in_mapping(given)
        if not places:
            some = ", ".join(map(repr, list(given)[: _places.NEAR])) or "none"
            expected = "a recurrent layer, with a recurrent_kernel of two axes"
            raise checks.error("source", expected, f"no such among {some}")
        named = places[_places.only(places, prefix)]
    return _network.network([_keras_weights.layer(named, activation, reset_after)], dtype)


def convert(layer: Any, *, dtype: Any = None) -> Network:
    """Network with the weights of a Keras layer in the cell of rnnjac that computes the same.

    Parameters
    ----------
    layer : keras.layers.SimpleRNN, LSTM or GRU, one of their cells, or an RNN around one
        Built, with tanh and sigmoid in LSTM and GRU; a SimpleRNN may have any activation that
        `load` takes. Any backend will do.
    dtype : floating-point dtype, optional
        Precision of the network; that of the weights by default.

    Returns
    -------
    Network
        Of `rnnjac.cells.elman`, `gru` or `lstm`; the start is zero. As for `load`.

    Raises
    ------
    TypeError
        If ``layer`` is another one.
    ValueError
        If it is not built yet, or has other activations.
    ImportError
        If keras is missing.

    Examples
    --------
    >>> import keras
    >>> layer = keras.layers.LSTM(3)
    >>> layer.build((None, None, 2))
    >>> convert(layer).state.c.shape
    (3,)
    """
    keras = _network.require("keras")
    known = (keras.layers.SimpleRNNCell, keras.layers.GRUCell, keras.layers.LSTMCell)
    cell = getattr(layer, "cell", layer)
    if not isinstance(cell, known):
        expected = "a SimpleRNN, LSTM or GRU of Keras, or a cell of theirs"
        raise checks.error("layer", expected, type(layer).__name__, TypeError)
    if not cell.built:
        expected = "a layer that has its weights (call it, or build it, once)"
        raise checks.error("layer", expected, f"{layer.name}, not built yet")
    _usual_gates(keras, cell)
    stored = {part: getattr(cell, part) for part in _weights.KERAS_PARTS}
    named = {
        part: (f"{layer.name}.{part}", keras.ops.convert_to_numpy(value.value))
        for part, value in stored.items()
        if value is not None
    }
    reset_after = getattr(cell, "reset_after", None)
    found = _keras_weights.layer(named, _activation(keras, cell), reset_after)
    return _network.network([found], dtype)


def _usual_gates(keras: Any, cell: Any) -> None:
    gate = getattr(cell, "recurrent_activation", keras.activations.sigmoid)
    if gate is not keras.activations.sigmoid:
        raise checks.error("layer", "recurrent_activation sigmoid", _name(gate))


def _activation(keras: Any, cell: Any) -> str:
    """Name of a cell's activation, if it is one that its counterpart can have."""
    simple = isinstance(cell, keras.layers.SimpleRNNCell)
    known = _keras_weights.ACTIVATIONS if simple else ("tanh",)
    for name in known:
        if cell.activation is getattr(keras.activations, name, None):
            return name
    expected = f"activation {', '.join(known)}"
    raise checks.error("layer", expected, _name(cell.activation))


def _name(function: Any) -> str:
    return getattr(function, "__name__", repr(function))
