"""Recurrent weights from a mapping, an .npz or a .safetensors file; no pickle is ever opened."""

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
        expected = "arrays in a .npz or .safetensors file"
        raise checks.error("source", expected, f"{path.name}, {ADVICE}")
    if suffix == ".npz":
        return _read_npz(path)
    if suffix == ".safetensors":
        return _read_safetensors(path)
    raise checks.error("source", "a file named .npz or .safetensors", path.name)


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


def _recurrent(names: Iterable[str], get: Callable[[str], Any]) -> dict[str, Any]:
    wanted = (STORED, FLAX, EQUINOX)
    found = {name: any(form.fullmatch(name) for form in wanted) for name in names}
    return {name: get(name) if recurrent else None for name, recurrent in found.items()}


def _unreadable(kind: str, path: Path, problem: Exception | str) -> Exception:
    return checks.error("source", f"an intact {kind}", f"{path.name} ({problem})")
