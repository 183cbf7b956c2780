"""State of an unfinished run in one .npz file, replaced whole or not at all."""

import io
import json
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac._support import checks

FACTS = "facts.json"  # the entry of the archive that holds what is no array


def save(path: Path, trees: dict[str, Any], facts: dict[str, Any]) -> None:
    """Write the leaves of ``trees`` and the ``facts`` (JSON) to ``path``.

    Whoever reads sees the old file or the new one: the bytes go to a file of another name beside
    it, reach the disk, and only then take its name. What a killed process leaves is written over by
    the next one and read by none.
    """
    entries = {FACTS: np.array(json.dumps(facts))}
    for name, tree in trees.items():
        for i, leaf in enumerate(jax.tree.leaves(tree)):
            entries[f"{name}/{i}"] = _to_numpy(leaf)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    with open(partial, "wb") as file:
        np.savez(file, **entries)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Entries and facts that `save` wrote to ``path``; None if there is no such file."""
    if not path.exists():
        return None
    data = io.BytesIO(path.read_bytes())  # a file that cannot be read is not a damaged one
    try:
        with np.load(data, allow_pickle=False) as archive:
            entries = {name: archive[name] for name in archive.files}
        facts = json.loads(str(entries.pop(FACTS)))
    except Exception as problem:  # damaged bytes raise whatever zipfile, zlib and NumPy trip over
        got = f"{path}, which is damaged or of another origin"
        raise checks.error("checkpoint", "a file that train wrote", got) from problem
    return entries, facts


def restore(name: str, entries: dict[str, np.ndarray], like: Any) -> Any:
    """The tree that was saved as ``name``, in the form of ``like``."""
    leaves, structure = jax.tree.flatten(like)
    saved = [entries[f"{name}/{i}"] for i in range(len(leaves))]
    return jax.tree.unflatten(structure, map(_from_numpy, saved, leaves))


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _to_numpy(leaf: Any) -> np.ndarray:
    return np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _from_numpy(saved: np.ndarray, like: Any) -> Any:
    if isinstance(like, np.ndarray):
        return saved
    if _is_key(like):
        return jax.random.wrap_key_data(jnp.asarray(saved), impl=jax.random.key_impl(like))
    # NumPy stores bfloat16 and its kin as bytes without a type
    return jnp.asarray(saved.view(like.dtype))
