"""What the page says about the digit readers: claims S1, S4, S7, S9 and S10."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.common.claims import CONDITION, HOLDS, REFUTED
from analyses.common.words import Words
from analyses.trained_digits.captions import captions

RATE = 0.02  # nat per step: slower than that (a factor 3.6 over 64 steps) is neither

Arrays = Mapping[str, np.ndarray]
Facts = Mapping[str, Any]


def words(arrays: Arrays, facts: Facts) -> Words:
    """Title, summary, captions and verdicts."""
    return Words(
        title="A tanh network learns to read digits",
        summary=_summary(arrays, facts),
        figures=captions(arrays, facts),
        claims={
            "S1": _state_alone(arrays, facts),
            "S4": _radius(arrays),
            "S7": _slope(arrays, facts),
            "S9": _vanishing(arrays),
            "S10": _early_effect(arrays),
        },
        place=50,
    )


def _summary(arrays: Arrays, facts: Facts) -> str:
    reached = ", ".join(
        f"{100 * values.min():.0f} to {100 * values.max():.0f} %"
        if values.size > 1
        else f"{100 * values[0]:.1f} %"
        for values in arrays["accuracy"][:, :, -1]
    )
    return (
        "A tanh network reads the 64 pixels of a handwritten digit (scikit-learn's 8 by "
        "8 images, 1797 in all, a fifth of them for testing) one at a time, and names the digit "
        f"after the last one. Its {facts['hidden']} units start with an orthogonal recurrent "
        f"matrix times a gain of 0.3, 1 or 3; all else is the same: Adam, {facts['updates']} "
        f"batches of {facts['batch']}, step size {facts['rate']:g} falling to 0, gradients "
        f"clipped to norm {facts['clip']:g}. Test accuracy at the end: {reached} for the three "
        "gains."
    )


def _state_alone(arrays: Arrays, facts: Facts) -> tuple[str, str]:
    exact = (
        facts["terms_early_when_cut"] == 0
        and facts["terms_mismatch"] < 1e4 * np.finfo(arrays["weight_terms"].dtype).eps
    )
    return HOLDS if exact else REFUTED, (
        "Trained digit reader (gain 1), one image: the terms of the 64 steps add up to "
        f"the gradient of the recurrent weights within {facts['terms_mismatch']:.0e} of its norm; "
        f"the first 32 steps give {100 * facts['terms_early']:.1f} % of that norm, and exactly "
        f"{facts['terms_early_when_cut']:g} once no gradient passes the state at pixel 32."
    )


def _radius(arrays: Arrays) -> tuple[str, str]:
    rates = _rates(arrays)
    above = arrays["radius"] > 1
    grows = (rates > RATE).mean(-1)[above]
    last = [
        f"gain {gain:g}: radius {radius:.2f}, {rate:+.3f} nat per step"
        for gain, radius, rate in zip(
            arrays["gains"],
            np.median(arrays["radius"][:, :, -1], axis=1),
            np.median(rates[:, :, -1], axis=(1, 2)),
            strict=True,
        )
    ]
    return _verdict(grows.mean()), (
        f"Digit readers through training, at the {above.sum()} stops with a spectral "
        f"radius above 1: the gradient grows on its way back over 64 pixels for "
        f"{100 * grows.mean():.0f} % of the images. At the end, median: {'; '.join(last)}."
    )


def _slope(arrays: Arrays, facts: Facts) -> tuple[str, str]:
    near, log = (arrays[name].mean(1) for name in ("slope_near_one", "slope_log"))
    parts = [
        f"gain {gain:g}: {100 * n[0]:.0f} % before, {100 * n[-1]:.0f} % after (mean log slope "
        f"{s[0]:.2f}, {s[-1]:.2f})"
        for gain, n, s in zip(arrays["gains"], near, log, strict=True)
    ]
    exact = arrays["slope_is_one"]
    return CONDITION if near.max() > 0.1 else HOLDS, (
        f"Digit readers: the slope is exactly 1 in {100 * exact[:, :, 0].mean():.1f} % "
        f"of cases before training (black pixels, zero bias) and {100 * exact[:, :, -1].mean():.1g}"
        f" % after; but below 1 is not far below: above {facts['near_one']} in "
        + "; ".join(parts)
        + "."
    )


def _vanishing(arrays: Arrays) -> tuple[str, str]:
    rates = _rates(arrays)
    fewer, more = ((rates < -RATE).mean((1, 3)), (rates > RATE).mean((1, 3)))
    parts = [
        f"gain {gain:g}: {100 * f[0]:.0f} % / {100 * m[0]:.0f} % before training, "
        f"{100 * f.mean():.0f} % / {100 * m.mean():.0f} % over all stops"
        for gain, f, m in zip(arrays["gains"], fewer, more, strict=True)
    ]
    return _verdict((fewer.mean(1) > more.mean(1)).mean()), (
        f"Digit readers, images whose gradient vanishes / explodes by more than {RATE} "
        f"nat per step over 64 pixels: {'; '.join(parts)}."
    )


def _early_effect(arrays: Arrays) -> tuple[str, str]:
    logs = arrays["gradients"][0]
    change = np.median((logs[..., 0] - logs[..., -1]), axis=(0, 2))
    whole, swapped = (100 * arrays[n][0, :, -1].mean() for n in ("accuracy", "accuracy_swapped"))
    return CONDITION if whole - swapped > 10 else HOLDS, (
        f"Digit reader, gain {arrays['gains'][0]:g}: before training the gradient at the first "
        f"pixel is e^{change[0]:.0f} of that at the last, at the first stop in training already "
        f"e^{change[1]:.0f}. After training {whole:.0f} % of the test digits are named rightly, "
        f"and {swapped:.0f} % if the first 32 pixels are those of another image: they do matter."
    )


def _rates(arrays: Arrays) -> np.ndarray:
    """Growth of the gradient per step on its way from the last state to the first."""
    logs = arrays["gradients"]
    return (logs[..., 0] - logs[..., -1]) / (logs.shape[-1] - 1)


def _verdict(share: float) -> str:
    if share in (0, 1):
        return HOLDS if share else REFUTED
    return CONDITION
