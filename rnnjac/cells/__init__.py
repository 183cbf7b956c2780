"""Recurrent cells as triples of pure functions."""

from rnnjac.cells._cell import Cell as Cell
from rnnjac.cells.elman import elman as elman
from rnnjac.cells.gru import gru as gru
from rnnjac.cells.irnn import irnn as irnn
from rnnjac.cells.leaky import leaky as leaky
from rnnjac.cells.linear_recurrent_unit import linear_recurrent_unit as linear_recurrent_unit
from rnnjac.cells.lstm import LSTMState as LSTMState
from rnnjac.cells.lstm import lstm as lstm
from rnnjac.cells.lstm_1997 import lstm_1997 as lstm_1997
from rnnjac.cells.minimal_rnn import minimal_rnn as minimal_rnn
from rnnjac.cells.stack import output as output
from rnnjac.cells.stack import stack as stack
