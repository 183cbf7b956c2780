"""Recurrent cells as triples of pure functions."""

from rnnjac.cells._cell import Cell as Cell
from rnnjac.cells.elman import elman as elman
