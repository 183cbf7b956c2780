"""Recurrent cells as triples of pure functions, each loaded when it is first used."""

import importlib
from typing import TYPE_CHECKING, Any

from rnnjac.cells._cell import Cell as Cell

if TYPE_CHECKING:
    from rnnjac.cells._elman import elman as elman
    from rnnjac.cells._gru import gru as gru
    from rnnjac.cells._irnn import irnn as irnn
    from rnnjac.cells._leaky import leaky as leaky
    from rnnjac.cells._linear_recurrent_unit import linear_recurrent_unit as linear_recurrent_unit
    from rnnjac.cells._lstm import LSTMState as LSTMState
    from rnnjac.cells._lstm import lstm as lstm
    from rnnjac.cells._lstm_1997 import lstm_1997 as lstm_1997
    from rnnjac.cells._minimal_rnn import minimal_rnn as minimal_rnn
    from rnnjac.cells._stack import output as output
    from rnnjac.cells._stack import stack as stack

# A program that uses one cell does not depend on the files of the others.
_FILES = {
    "LSTMState": "_lstm",
    "elman": "_elman",
    "gru": "_gru",
    "irnn": "_irnn",
    "leaky": "_leaky",
    "linear_recurrent_unit": "_linear_recurrent_unit",
    "lstm": "_lstm",
    "lstm_1997": "_lstm_1997",
    "minimal_rnn": "_minimal_rnn",
    "output": "_stack",
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
