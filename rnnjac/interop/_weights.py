"""Recurrent weights from a mapping, a .npz, .safetensors or .h5 file; no pickle is ever opened."""

import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from rnnjac._support import checks
from rnnjac.interop import _network

PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")
ADVICE = (
    "a pickle, which can run any code when opened; save arrays from torch instead: "
    "numpy.savez('weights.npz', **{k: v.cpu().numpy() for k, v in module.state_dict().items()}) "
    "or safetensors.torch.save_file(module.state_dict(), 'weights.safetensors')"
)
# a weight or a bias, or one of the parts that torch stores it in
STORED = re.compile(
    r"(?P<place>(?:.*?\.)??)(?:parametrizations\.)?"
    r"(?P<name>(?:weight_(?:ih|hh|hr)|bias_(?:ih|hh))(?:_l\d+)?(?:_reverse)?)"
    r"(?P<part>|_raw|_g|_v|_u|_orig|\.original[01]?|\.\d+\..*)"
)
# of a Flax cell: a kernel for each gate (linen, nnx.LSTMCell), or one for all of them (nnx)
FLAX = re.compile(
    r"(?P<place>(?:.*[./])?)(?:(?P<side>[ih])(?P<gate>[ifgorzn]?)_?|dense_(?P<all>[ih]))"
    r"[./](?P<part>kernel|bias)"
)
# Equinox has one bias where torch has two; its weights are named as those of torch's cells
EQUINOX = re.compile(r"(?P<place>(?:.*\.)?)(?P<name>weight_ih|weight_hh|bias|bias_n)")
# Keras names its weights in memory and numbers them in a file; ":0" is of older files
KERAS_PARTS = ("kernel", "recurrent_kernel", "bias")
KERAS = re.compile(
    r"(?P<place>(?:.*/)?)(?:vars/(?P<number>[012])|(?P<name>(?:recurrent_)?kernel|bias)(?::0)?)"
)

# A pickle of protocol 2 to 5 opens with 0x80 and the protocol, then an opcode. A .safetensors file
# may open alike (its first eight bytes are a length, low byte first) but goes on with zeros and a
# brace.
SAFETENSORS = re.compile(rb".{4}\0{4}\{", re.DOTALL)
PICKLED = re.compile(rb"\x80[\x02-\x05]")
ZIPPED = b"PK\x03\x04"


def read(source: Any) -> Mapping[str, Any]:
    """Tensors of a source by their full names; of a file the recurrent ones, None for the rest."""
    if isinstance(source, Mapping):
        return source
    if not isinstance(source, (str, os.PathLike)):
        expected = "a mapping from names to arrays, or a path"
        raise checks.error("source", expected, type(source).__name__, TypeError)
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix in PICKLES or _holds_pickle(path):
        expected = "arrays in a .npz, .safetensors or .h5 file"
        raise checks.error("source", expected, f"{path.name}, {ADVICE}")
    if suffix == ".npz":
        return _read_npz(path)
    if suffix == ".safetensors":
        return _read_safetensors(path)
    if suffix == ".h5":
        return _read_h5(path)
    hint = " (from Keras: model.save_weights('model.weights.h5'))" if suffix == ".keras" else ""
    expected = "a file named .npz, .safetensors or .h5"
    raise checks.error("source", expected, path.name + hint)


def flat(tree: Mapping[Any, Any], place: str = "") -> dict[str, Any]:
    """Leaves of mappings in mappings, by their names with slashes between."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        inside = isinstance(value, Mapping)
        found |= flat(value, f"{place}{name}/") if inside else {f"{place}{name}": value}
    return found


def array(name: str, value: Any) -> np.ndarray:
    """``value`` as a finite floating-point array; torch's tensors by their own methods."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        # numpy has no bfloat16 of its own, so torch hands none out; float32 holds it exactly
        value = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
    found = np.asarray(value)
    if not jnp.issubdtype(found.dtype, jnp.floating):
        raise checks.error(name, "real floating-point entries", f"dtype {found.dtype}", TypeError)
    finite = np.isfinite(found)
    if not finite.all():
        first = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise checks.error(name, "finite entries", f"{found[first]} at {first}")
    return found


def one_dtype(named: Iterable[tuple[str, np.ndarray]]) -> None:
    """Raise unless the arrays, each with its name, have one dtype."""
    first, kind = "", None
    for name, array in named:
        first, kind = (first, kind) if first else (name, array.dtype)
        if array.dtype != kind:
            raise checks.error(name, f"dtype {kind}, as {first} has", array.dtype)


def keras_part(match: re.Match[str]) -> str:
    """Which weight of a layer a name of Keras means."""
    return match["name"] or KERAS_PARTS[int(match["number"])]


def _holds_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    if head.startswith(ZIPPED):
        try:
            with zipfile.ZipFile(path) as archive:
                return any(name.endswith(".pkl") for name in archive.namelist())
        except zipfile.BadZipFile:
            return False
    return bool(PICKLED.match(head)) and not SAFETENSORS.match(head)


def _read_npz(path: Path) -> dict[str, Any]:
    if not zipfile.is_zipfile(path):
        raise _unreadable(".npz archive", path, "cut short, or not an archive")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return _recurrent(archive.files, archive.__getitem__)
    # what a damaged archive raises depends on the damage; an array of objects is a ValueError
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError) as problem:
        raise _unreadable(".npz archive", path, problem) from problem


def _read_safetensors(path: Path) -> dict[str, Any]:
    safetensors = _network.require("safetensors")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return _recurrent(file.keys(), file.get_tensor)
    except safetensors.SafetensorError as problem:
        raise _unreadable(".safetensors file", path, problem) from problem


def _read_h5(path: Path) -> dict[str, Any]:
    h5py = _network.require("h5py")
    shapes: dict[str, tuple[int, ...]] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            shapes[name] = item.shape

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
            wanted = _keras_names(shapes)
            return {name: _dataset(file[name]) if name in wanted else None for name in shapes}
    # what a damaged file raises depends on the damage
    except (OSError, RuntimeError, KeyError, ValueError) as problem:
        raise _unreadable(".h5 file", path, problem) from problem


def _dataset(dataset: Any) -> np.ndarray:
    """Array of a dataset; bfloat16, which HDF5 does not know, is there as two bytes and a word."""
    word = dataset.attrs.get("dtype")
    return dataset[()].view(jnp.dtype(word)) if word == "bfloat16" else dataset[()]


def _keras_names(shapes: Mapping[str, tuple[int, ...] | None]) -> set[str]:
    """Names of Keras' recurrent layers, whose second weight is a matrix, if shapes are known."""
    found = {name: match for name in shapes if (match := KERAS.fullmatch(name))}
    second = {name: m for name, m in found.items() if keras_part(m) == "recurrent_kernel"}
    places = {
        m["place"]
        for name, m in second.items()
        if (shape := shapes[name]) is None or len(shape) == 2
    }
    return {name for name, match in found.items() if match["place"] in places}


def _recurrent(names: Iterable[str], get: Callable[[str], Any]) -> dict[str, Any]:
    names = list(names)
    forms, wanted = (STORED, FLAX, EQUINOX), _keras_names(dict.fromkeys(names))
    wanted |= {name for name in names if any(form.fullmatch(name) for form in forms)}
    return {name: get(name) if name in wanted else None for name in names}


def _unreadable(kind: str, path: Path, problem: Exception | str) -> Exception:
    return checks.error("source", f"an intact {kind}", f"{path.name} ({problem})")
