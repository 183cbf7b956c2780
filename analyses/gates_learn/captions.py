"""Captions of the figures of the forget gates; every number in them is measured."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.gates_learn.selection import CENTRAL, INDICES, example, shown
from analyses.gates_learn.training import CONSTANT, LEARNED

Arrays = Mapping[str, np.ndarray]
Found = Mapping[str, Any]  # what estimates.estimates gives


def captions(arrays: Arrays, found: Found) -> list[dict[str, str]]:
    """File, caption and alternative text of each figure."""
    return [
        {"file": f"gates_learn_{name}.svg", "caption": caption, "alt": alt, "claims": ["S25"]}
        for name, (caption, alt) in {
            "gates": _gates(found),
            "units": _units(arrays),
            "gradient": _gradient(arrays),
            "digits": _digits(found),
        }.items()
    ]


def _gates(f: Found) -> tuple[str, str]:
    caption = (
        "What happens at a step, against its distance from the marker, which is read at 0; means "
        "over all test sequences, thick over the networks that learned the task. Above: log of "
        f"the forget gate; through training it changes at the markers by {f['order_shift'].text} "
        "nat against its neighbours. Below: by how much the log norm of the gradient of the "
        "loss changes on its way back over the step. At a marker less at its neighbours: "
        f"{f['order_growth'].text} nat with learned gates, {f['order_growth_constant'].text} with "
        "constant ones."
    )
    alt = (
        "Four line plots around marker 1 and marker 2. The forget gates after training show "
        "a dip at the marker; those that are constant are flat. The growth of the gradient dips "
        "there after training, not equally for the two kinds of gate, and hardly before."
    )
    return caption, alt


def _units(arrays: Arrays) -> tuple[str, str]:
    seed = example(arrays)
    size = np.sqrt((arrays["order_unit_contrast"][LEARNED, seed] ** 2).mean(-1))
    response = arrays["order_unit_contrast"][LEARNED, seed, 1]
    caption = (
        "Every forget gate of one network (blue: more closed than usual, red: more open; grey: no "
        "sequence reaches there). Units stand in the order of their response to a marker after "
        f"training, from {response.min():+.2f} to {response.max():+.2f} nat. Root mean square of "
        f"the response over units: {size[0]:.2f} nat before, {size[1]:.2f} after: single gates "
        "respond more than their mean, both ways, and random weights respond too."
    )
    alt = (
        "Four heat maps, units against steps from the marker. A vertical stripe stands at the "
        "marker in all four, blue in the upper units and red in the lower ones after training, "
        "mixed before."
    )
    return caption, alt


def _gradient(arrays: Arrays) -> tuple[str, str]:
    at = {
        (kind, when): arrays["order_gradients"][kind, shown(arrays, kind), when][
            :, arrays["span"] == 0
        ].mean()
        for kind, when in ((LEARNED, 0), (LEARNED, 1), (CONSTANT, 1))
    }
    lead = {key: _mean(arrays, "order_spectra", *key)[-1, 0] for key in at}
    kept = {key: _mean(arrays, "order_kept", *key) for key in at}
    parts = [
        f"{name} {at[key]:+.1f}, {lead[key]:+.1f} and {kept[key]:.1f}"
        for name, key in (
            ("before", (LEARNED, 0)),
            ("after", (LEARNED, 1)),
            ("after with constant gates", (CONSTANT, 1)),
        )
    ]
    caption = (
        "From the end back to the first marker. Left: log norm of the gradient of the loss with "
        "respect to the state. Middle: largest log singular value of the Jacobian product from the "
        f"state that has just read marker 1. Right: the {INDICES} largest ones at the end of the "
        "sequence. Gradient at marker 1, largest log singular value, and how many of the "
        f"{arrays['order_spectra'].shape[-1]} directions keep a tenth of their length: "
        f"{'; '.join(parts)}."
    )
    alt = (
        "Left, the gradient falls steadily towards the marker before training and stays much "
        "flatter after it, for both kinds of gate. Middle, the leading singular value falls before "
        "training and stays much higher after. Right, spectra fall with their index."
    )
    return caption, alt


def _mean(arrays: Arrays, name: str, kind: int, when: int) -> np.ndarray:
    return arrays[name][kind, shown(arrays, kind), when].mean(0)


def _digits(f: Found) -> tuple[str, str]:
    caption = (
        "Digits, read row by row from the upper left; each square is one pixel, that is one step; "
        f"means over test images and {f['digits_seeds']} networks. Left: log of the forget gate. "
        "Middle: by how much it is larger when that pixel is ink than when it is blank (grey: "
        "too few images of either). Right: change of the log norm of the gradient on its way back "
        f"over the step; colours end at the {CENTRAL:.0%} quantile. Through training the response "
        f"to ink changes by {f['digits_shift'].text} nat."
    )
    alt = (
        "Six maps of 8 by 8 pixels, before training above and after it below, of the gate, its "
        "response to ink, and the growth of the gradient."
    )
    return caption, alt
