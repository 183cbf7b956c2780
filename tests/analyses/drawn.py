"""The table of a figure, read as a reader of the page would."""

import io

import numpy as np


def read(text):
    """Columns panel, series, x, y and value; what is not given is NaN."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines[0] == "panel,series,x,y,value"
    held = io.StringIO("\n".join(lines[1:]))
    return np.genfromtxt(held, delimiter=",", ndmin=2)


def series(text, panel, number):
    """Columns x, y and value of one series."""
    table = read(text)
    return table[(table[:, 0] == panel) & (table[:, 1] == number), 2:]
