"""Networks of other libraries as ``(step, params, state)``, for every function of rnnjac.

`load` reads the weights of a recurrent layer from arrays or a file, whichever library wrote them,
and needs none of them. `torch` and `keras` do so with more options; `flax` and `equinox` take cells
as they are, or their weights. Nothing optional is imported before a function needs it, so the
modules share their names with the packages without being in the way:

    import rnnjac
    from rnnjac import interop
    step, params, state = interop.load("weights.safetensors", "encoder.rnn")
    rnnjac.spectrum(step, params, state, inputs)

`without_output` adapts a step that returns (state, output).

flax, equinox, keras, safetensors and h5py come with ``pip install "rnnjac[interop]"``.
"""

from rnnjac.interop import equinox as equinox
from rnnjac.interop import flax as flax
from rnnjac.interop import keras as keras
from rnnjac.interop import torch as torch
from rnnjac.interop._load import load as load
from rnnjac.interop._network import Network as Network
from rnnjac.interop._output import without_output as without_output
