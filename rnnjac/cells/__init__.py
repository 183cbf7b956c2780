"""Recurrent cells as triples of pure functions, each loaded when it is first used."""

import importlib
from typing import TYPE_CHECKING, Any

from rnnjac.cells._cell import Cell as Cell

if TYPE_CHECKING:
    from rnnjac.cells._antisymmetric_rnn import antisymmetric_rnn as antisymmetric_rnn
    from rnnjac.cells._closed_loop import closed_loop as closed_loop
    from rnnjac.cells._echo_state_network import echo_state_network as echo_state_network
    from rnnjac.cells._elman import elman as elman
    from rnnjac.cells._gated_delta_rule import gated_delta_rule as gated_delta_rule
    from rnnjac.cells._gru import gru as gru
    from rnnjac.cells._irnn import irnn as irnn
    from rnnjac.cells._leaky import leaky as leaky
    from rnnjac.cells._linear_recurrent_unit import linear_recurrent_unit as linear_recurrent_unit
    from rnnjac.cells._lstm import LSTMState as LSTMState
    from rnnjac.cells._lstm import lstm as lstm
    from rnnjac.cells._lstm_1997 import lstm_1997 as lstm_1997
    from rnnjac.cells._min_gru import min_gru as min_gru
    from rnnjac.cells._min_lstm import min_lstm as min_lstm
    from rnnjac.cells._minimal_rnn import minimal_rnn as minimal_rnn
    from rnnjac.cells._mlstm import MLSTMState as MLSTMState
    from rnnjac.cells._mlstm import mlstm as mlstm
    from rnnjac.cells._orthogonal_rnn import orthogonal_rnn as orthogonal_rnn
    from rnnjac.cells._rg_lru import rg_lru as rg_lru
    from rnnjac.cells._s5 import s5 as s5
    from rnnjac.cells._selective_state_space import selective_state_space as selective_state_space
    from rnnjac.cells._slstm import SLSTMState as SLSTMState
    from rnnjac.cells._slstm import slstm as slstm
    from rnnjac.cells._stack import output as output
    from rnnjac.cells._stack import stack as stack

# A program that uses one cell does not depend on the files of the others.
_FILES = {
    "LSTMState": "_lstm",
    "MLSTMState": "_mlstm",
    "SLSTMState": "_slstm",
    "antisymmetric_rnn": "_antisymmetric_rnn",
    "closed_loop": "_closed_loop",
    "echo_state_network": "_echo_state_network",
    "elman": "_elman",
    "gated_delta_rule": "_gated_delta_rule",
    "gru": "_gru",
    "irnn": "_irnn",
    "leaky": "_leaky",
    "linear_recurrent_unit": "_linear_recurrent_unit",
    "lstm": "_lstm",
    "lstm_1997": "_lstm_1997",
    "min_gru": "_min_gru",
    "min_lstm": "_min_lstm",
    "minimal_rnn": "_minimal_rnn",
    "mlstm": "_mlstm",
    "orthogonal_rnn": "_orthogonal_rnn",
    "output": "_stack",
    "rg_lru": "_rg_lru",
    "s5": "_s5",
    "selective_state_space": "_selective_state_space",
    "slstm": "_slstm",
    "stack": "_stack",
}


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module 'rnnjac.cells' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"rnnjac.cells.{_FILES[name]}"), name)
    globals()[name] = found  # so that this is asked once
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_FILES})
