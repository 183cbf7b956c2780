"""What torch stores of a recurrent weight, and the weight that it stands for.

A plain tensor; the whole one under weight dropout (``weight_hh_l0_raw``); or the length and the
direction of each row under ``weight_norm``, by hooks (``_g`` and ``_v``) or as a parametrization
(``parametrizations.weight_hh_l0.original0`` and ``original1``). Wrappers (``module.`` of
DataParallel and of weight dropout, ``_orig_mod.`` of ``torch.compile``) lie around the layer.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnjac._support import checks
from rnnjac.interop import _places, _weights

WRAPPERS = ("module", "_orig_mod")
DROPPED = "_raw"
LENGTH_AND_DIRECTION = (("_g", "_v"), (".original0", ".original1"))


class Stored:
    """The recurrent weights of one file or mapping, by place and name."""

    def __init__(self, source: Mapping[str, Any]):
        self.names = [name for name in source if isinstance(name, str)]
        self.places: dict[str, dict[str, dict[str, Any]]] = {}
        for full in self.names:
            if match := _weights.STORED.fullmatch(full):
                names = self.places.setdefault(match["place"], {})
                names.setdefault(match["name"], {})[match["part"]] = source[full]
        self._move_dropped()

    def _move_dropped(self) -> None:
        """Weights before dropout, stored in a wrapper around their layer, into the layer."""
        for place in list(self.places):
            within = self.places.get(f"{place}module.")
            if within is None:
                continue
            for name, parts in self.places[place].items():
                if DROPPED in parts and name in within:
                    within[name] |= parts

    def at(self, prefix: str) -> tuple[str, dict[str, dict[str, Any]]]:
        """The place that a prefix means, and what is stored there."""
        if not self.places:
            some = ", ".join(map(repr, self.names[: _places.NEAR])) or "none"
            expected = "weights named weight_ih_l0, weight_hh_l0, ..."
            raise checks.error("source", expected, f"no such among {some}")
        wanted = _path(prefix)
        exact = [place for place in self.places if place.rstrip(".") == prefix.rstrip(".")]
        # a wrapper with nothing but weights before dropout is not the layer
        exact = [place for place in exact if f"{place}module." not in self.places]
        alike = exact or [place for place in self.places if _path(place) == wanted]
        alike = [place for place in alike if f"{place}module." not in self.places]
        if len(alike) != 1:
            raise _places.unknown(prefix, [place.rstrip(".") for place in self.places])
        return alike[0], self.places[alike[0]]

    def only_place(self) -> str:
        """Prefix of the one layer there is; empty if there are several, or none."""
        layers = [place for place in self.places if f"{place}module." not in self.places]
        return layers[0].rstrip(".") if len(layers) == 1 else ""

    def near(self, full: str) -> str:
        """Words for the names that lie nearest to one that is missing."""
        return _places.near(full, self.names)


def of(source: Mapping[str, Any]) -> Stored:
    """What a mapping stores, or the one mapping of weights inside it (``state_dict``)."""
    found = Stored(source)
    if found.places:
        return found
    inside = {k: Stored(v) for k, v in source.items() if isinstance(v, Mapping)}
    inside = {name: stored for name, stored in inside.items() if stored.places}
    if len(inside) > 1:
        several = " and ".join(map(repr, inside))
        raise checks.error("source", "one mapping of weights", f"weights in {several}")
    return next(iter(inside.values()), found)


def weight(full: str, parts: dict[str, Any]) -> np.ndarray:
    """The weight that the parts of one name stand for."""
    if DROPPED in parts:
        return _weights.array(full + DROPPED, parts[DROPPED])
    for length, direction in LENGTH_AND_DIRECTION:
        if length in parts and direction in parts:
            g = _weights.array(full + length, parts[length])
            v = _weights.array(full + direction, parts[direction])
            return _of_length(full, g, v)
    if "" in parts:
        return _weights.array(full, parts[""])
    expected = "a plain tensor, one under weight dropout or weight_norm"
    got = f"{', '.join(full + part for part in sorted(parts))} (take it off first: "
    got += "torch.nn.utils.parametrize.remove_parametrizations)"
    raise checks.error(full, expected, got)


def _of_length(full: str, g: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Rows g v / |v|, the norm over the axes that g does not have, as torch's weight_norm."""
    axes = tuple(range(v.ndim)) if g.ndim == 0 else tuple(np.flatnonzero(np.array(g.shape) == 1))
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(v.shape))
    if g.ndim and g.shape != kept:
        raise checks.error(full, f"lengths of shape {kept}", f"shape {g.shape}")
    wide = v.astype(np.promote_types(np.float32, v.dtype) if v.dtype.kind == "f" else np.float32)
    norm = np.sqrt(np.sum(wide * wide, axis=axes, keepdims=g.ndim > 0))
    return (wide * (g.astype(wide.dtype) / norm)).astype(v.dtype)


def _path(place: str) -> list[str]:
    return [part for part in place.split(".") if part and part not in WRAPPERS]
