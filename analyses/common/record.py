"""How results are stored: arrays and their provenance in one .npz, written whole or not at all.

Values are looked at here and nowhere earlier: compiled code lets NaN and inf pass, this boundary
names them.
"""

import datetime
import importlib.metadata
import json
import math
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rnnjac._support import files

META = "meta.json"  # the entry of the archive that holds everything that is no array
PACKAGES = ("jax", "jaxlib", "numpy", "rnnjac", "matplotlib", "optax")
ROOT = Path(__file__).resolve().parents[2]
LOADED = time.monotonic()


class RecordError(Exception):
    """Data or an analysis that is missing or holds what it must not; one line says which."""


class DamagedError(RecordError):
    """A data file that is there and cannot be read."""


def provenance(seed: int, dtype: Any) -> dict[str, Any]:
    """What a reader needs to obtain the same numbers again, and when and how long it took here."""
    import jax

    device = jax.devices()[0]
    return {
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "device": f"{device.platform} ({device.device_kind}), {os.cpu_count()} cores",
        "dtype": np.dtype(dtype).name,
        "seed": seed,
        "commit": _commit(),
        "utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "wall_seconds": round(time.monotonic() - LOADED, 2),
    }


def save(path: str | Path, arrays: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
    """Write ``arrays`` and ``meta`` to ``path`` (.npz)."""
    if META in arrays:
        raise RecordError(f"arrays: expected no array named {META!r}")
    text = json.dumps(_to_json(meta), allow_nan=False)
    entries = {name: np.asarray(value) for name, value in arrays.items()}
    entries[META] = np.array(text)
    for name, value in entries.items():
        if value.dtype.hasobject:
            raise RecordError(f"{name}: expected numbers or text; got dtype {value.dtype}")
    write_atomically(path, lambda file: np.savez_compressed(file, **entries))


def load(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and meta that ``save`` wrote to ``path``."""
    if not os.path.isfile(path):
        raise RecordError(f"{path}: no such data file")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = _from_json(json.loads(str(arrays.pop(META))))
    except Exception as problem:  # damaged bytes raise whatever zipfile, zlib and NumPy trip over
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise DamagedError(
            f"{path}: damaged or not written by this project ({reason})"
        ) from problem
    return arrays, meta


def write_atomically(path: str | Path, write: Callable[[Any], object]) -> None:
    """`write_atomically` of the library, in a folder that is made if there is none."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    files.write_atomically(path, write)


def require_finite(name: str, array: Any, *, lost_allowed: bool = False) -> np.ndarray:
    """``array`` on the host, after checking that it is finite; axis 0 is time.

    ``lost_allowed`` lets -inf pass, the value of a direction that a product has lost exactly.
    """
    array = np.asarray(array)
    good = np.isfinite(array)
    if lost_allowed:
        good |= np.isneginf(array)
    if not good.all():
        first = np.argwhere(~good)[0]
        where = f"time index {first[0]}" if array.ndim else "its only value"
        value = array[tuple(first)]
        wanted = "finite values or -inf" if lost_allowed else "finite values"
        raise RecordError(f"{name}: expected {wanted}; got {value} at {where}")
    return array


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Commit of the work tree, with "+changes" when tracked files differ from it, or None."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
        return done.stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != ROOT:
            return None  # an unpacked archive inside somebody else's repository
        commit = git("rev-parse", "--short=12", "HEAD")
        return commit + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


# JSON has no inf and no NaN. They are written as {"float": "-inf"}, which no reader can miss.


def _to_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(item) for item in value]
    if hasattr(value, "tolist"):  # a NumPy or JAX scalar or array
        return _to_json(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"float"}:
            return float(value["float"])
        return {key: _from_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    return value
