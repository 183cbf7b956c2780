"""Captions of the figures of the digit readers; every number in them is measured."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.common.words import listed

Arrays = Mapping[str, np.ndarray]

# claims by the figure that shows them
CLAIMS = {
    "training": ("S4",),
    "gradients": ("S4", "S9", "S10"),
    "slopes": ("S1", "S7", "S10"),
}


def captions(arrays: Arrays, facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """File, caption and alternative text of each figure."""
    return [
        {
            "file": f"trained_digits_{name}.svg",
            "caption": caption,
            "alt": alt,
            "claims": CLAIMS.get(name, ()),
        }
        for name, (caption, alt) in {
            "training": _training(arrays, facts),
            "gradients": _gradients(arrays),
            "spectra": _spectra(arrays),
            "reach": _reach(arrays),
            "slopes": _slopes(facts),
        }.items()
    ]


def _training(arrays: Arrays, facts: Mapping[str, Any]) -> tuple[str, str]:
    ends = 100 * arrays["accuracy"][:, :, -1].mean(1)
    logs = arrays["spectra"][..., -1, 0]
    leading = np.median(logs, axis=-1).mean(1) / arrays["times"][-1]
    seeds = arrays["losses"].shape[1]
    window = max(1, arrays["losses"].shape[-1] // 60)
    each = "one line" if seeds == 1 else f"{seeds} lines, one for each seed,"
    caption = (
        f"Training, {each} for each gain of the orthogonal start. Loss and gradient norm "
        f"(before clipping) are medians of {window} updates; accuracy is that on the "
        f"{facts['tested']} test images, {_each(arrays, ends, '{:.1f} %')} at the end. The "
        "leading exponent, the log of the largest singular value of the product of all 64 steps "
        f"over 64 (median of {arrays['spectra'].shape[3]} test images), is, in nat per step, "
        f"{_moves(arrays, leading, '{:.2f}')}."
    )
    alt = "Six line plots against the number of updates: loss, accuracy, gradient norm, spectral "
    alt += "radius, spectral norm and leading exponent, with one colour for each of three gains. "
    alt += f"Accuracy at the end: {_each(arrays, ends, '{:.1f} %')}."
    return caption, alt


def _gradients(arrays: Arrays) -> tuple[str, str]:
    logs = arrays["gradients"][:, 0]
    whole = np.median(logs[..., 0] - logs[..., -1], axis=-1)
    caption = (
        "Norm of the gradient of the loss with respect to the state at each lag, divided by that "
        f"at lag 0: median and 10 to 90 % band of {logs.shape[2]} test images (first seed; each "
        "panel has its own scale). Over all 64 pixels the median log changes, in nat, by "
        f"{_moves(arrays, whole, '{:+.1f}')}."
    )
    alt = "Three panels, gains 0.3, 1 and 3: log gradient norm against lag, with one line and band "
    alt += "for each of the stops of training shown. Change over 64 pixels, in nat: "
    alt += f"{_moves(arrays, whole, '{:+.1f}')}."
    return caption, alt


def _spectra(arrays: Arrays) -> tuple[str, str]:
    spectra = arrays["spectra"][:, 0, :, :, -1]
    growing = np.median((spectra > 0).sum(-1), axis=-1)
    span = np.median(spectra[..., 0] - spectra[..., -1], axis=-1)
    caption = (
        f"Every singular value of the Jacobian product of the first {arrays['times'][0]} and of "
        f"all {arrays['times'][-1]} steps, in nat per step: median and 10 to 90 % band of "
        f"{spectra.shape[2]} test images (first seed; each panel has its own scale). Directions "
        f"that grow over the whole sequence: {_moves(arrays, growing, '{:.0f}')}. From the "
        "largest to the smallest log singular value, in nat: "
        f"{_moves(arrays, span, '{:.0f}')}."
    )
    alt = "Panels for three gains and two lengths of product: exponents in descending order, with "
    alt += "one line for each of the stops of training shown. Exponents above 0 over 64 steps: "
    alt += f"{_moves(arrays, growing, '{:.0f}')}."
    return caption, alt


def _reach(arrays: Arrays) -> tuple[str, str]:
    corner = arrays["reach"][:, :, -1, 0]
    caption = (
        "Log of the largest singular value of the Jacobian product between every two times while "
        "one test image is read, on one colour scale: red, a small change of the state at the "
        "start has grown by the end; blue, it has shrunk; grey, no product. From the first pixel "
        f"to the last, in nat: {_moves(arrays, corner, '{:+.1f}')}. "
        "The colours are linear from −1 to 1 and logarithmic beyond."
    )
    alt = "Six triangular heat maps, before and after training for the gains 0.3, 1 and 3, with "
    alt += "the start of the product along the horizontal and its end along the vertical axis. "
    alt += f"Their corners, first pixel to last, in nat: {_moves(arrays, corner, '{:+.1f}')}."
    return caption, alt


def _slopes(facts: Mapping[str, Any]) -> tuple[str, str]:
    caption = (
        f"Left: share of tanh slopes above {facts['near_one']:g}. Middle: accuracy on the test "
        "images, and on images whose first 32 pixels are those of another one: what that takes "
        "away is what the early pixels count for. Right: norm of what the step of each pixel adds "
        "to the gradient of the recurrent weights, one image, gain 1; the first half of the steps "
        f"gives {100 * facts['terms_early']:.1f} % of the norm of the whole."
    )
    alt = "Three line plots: slopes near 1 against the updates; accuracy with own and with swapped "
    alt += "pixels against the updates; and norms of the terms against the pixel."
    return caption, alt


def _each(arrays: Arrays, values: np.ndarray, form: str) -> str:
    """``values`` (gain,) as text."""
    texts = [form.format(value) for value in values]
    gains = [f"{gain:g}" for gain in arrays["gains"]]
    return f"{listed(texts)} for the gains {listed(gains)}"


def _moves(arrays: Arrays, values: np.ndarray, form: str) -> str:
    """First and last of ``values`` (gain, stop), before and after training, as text."""
    return ", ".join(
        f"{form.format(row[0])} before and {form.format(row[-1])} after (gain {gain:g})"
        for gain, row in zip(arrays["gains"], values, strict=True)
    )
