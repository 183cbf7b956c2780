"""Sequences from a file, one or a batch of any lengths."""

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnjac._support import checks

SUFFIXES = (".npy", ".npz", ".csv")


class Sequences(NamedTuple):
    """Inputs (B, T, width), padded with zeros, and how many steps each sequence has.

    ``alone`` tells that the file holds one sequence and no batch.
    """

    inputs: np.ndarray
    lengths: list[int]
    alone: bool


def read(path: Path) -> Sequences:
    """Sequences of a file: (T, width) or (B, T, width), or in a .npz several of (T_i, width).

    A row of a .csv is one step; a first row of names is passed over. An array of one axis is a
    sequence of single numbers.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise checks.error("inputs", f"a file named {', '.join(SUFFIXES)}", path.name)
    arrays = _csv(path) if suffix == ".csv" else _numpy(path)
    found = {name: _sequence(path, name, array) for name, array in arrays.items()}
    if len(found) == 1:
        (array,) = found.values()
        if array.ndim == 3:
            return Sequences(array, [array.shape[1]] * len(array), False)
        return Sequences(array[None], [len(array)], True)
    return _padded(path, found)


def _padded(path: Path, found: dict[str, np.ndarray]) -> Sequences:
    """Sequences of unequal lengths, in the order of the file, as one array."""
    widths = {name: array.shape[1:] for name, array in found.items()}
    if any(array.ndim != 2 for array in found.values()) or len(set(widths.values())) != 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in found.items())
        wanted = "one array, or several of shape (T, width) with one width"
        raise checks.error("inputs", wanted, f"{shapes} in {path.name}")
    lengths = [len(array) for array in found.values()]
    kind = np.result_type(*found.values())
    inputs = np.zeros((len(found), max(lengths), *next(iter(widths.values()))), kind)
    for row, array in zip(inputs, found.values(), strict=True):
        row[: len(array)] = array
    return Sequences(inputs, lengths, False)


def _numpy(path: Path) -> dict[str, np.ndarray]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"the array": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    # objects, which would be pickles, raise a ValueError, and so does much of what is broken
    except (ValueError, EOFError, zipfile.BadZipFile) as problem:
        wanted = f"arrays of numbers in an intact {path.suffix} file"
        raise checks.error("inputs", wanted, f"{path.name} ({problem})") from problem


def _csv(path: Path) -> dict[str, np.ndarray]:
    lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    if lines and not _is_number(lines[0].split(",")[0]):
        del lines[0]  # names of the columns
    try:
        rows = [[float(entry) for entry in line.split(",")] for line in lines]
    except ValueError as problem:
        wanted = "numbers with commas between them, a row for each step"
        raise checks.error("inputs", wanted, f"{path.name} ({problem})") from problem
    if len({len(row) for row in rows}) > 1:
        counts = sorted({len(row) for row in rows})
        raise checks.error("inputs", "equally many numbers in each row", f"{counts} in {path.name}")
    return {"the table": np.array(rows)}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _sequence(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    """The array, with an axis for the width, after checking that it holds finite numbers."""
    if not array.size or array.ndim not in (1, 2, 3):
        wanted = "steps: an array of shape (T, width) or (B, T, width)"
        raise checks.error("inputs", wanted, f"shape {array.shape} in {path.name}")
    if array.dtype.kind not in "fiub":
        raise checks.error("inputs", "real numbers", f"dtype {array.dtype} of {name}")
    array = array[:, None] if array.ndim == 1 else array
    array = array if array.dtype.kind == "f" else array.astype(float)
    bad = np.argwhere(~np.isfinite(array))
    if bad.size:
        place = tuple(int(i) for i in bad[0])
        wanted = "finite numbers"
        raise checks.error("inputs", wanted, f"{array[place]} at {place} of {name}, {path.name}")
    return array
