"""What the page says about clipping and Ω on real text."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.char_text.outcome import NAMES, shown_figures, thrown_off
from analyses.char_text.training import AHEAD, THRESHOLD, WEIGHT
from analyses.common.words import Words


def words(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Words:
    """Title, summary and captions; no claim is put to the test here."""
    return Words(
        title="Clipping and Ω on real text",
        summary=_summary(arrays, facts),
        figures=_captions(arrays, facts),
        place=90,
    )


def _best(a: Mapping[str, np.ndarray], f: Mapping[str, Any], name: str) -> np.ndarray:
    """Means over the seeds of the chosen runs; axes method, ahead."""
    return a[name][np.array(f["best"])].mean(axis=-1)


def _summary(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> str:
    """What was done and what came of it."""
    recipe, text = f["recipe"], f["text"]
    held, rates = _best(a, f, "held_out"), _rates(f)
    said = "; ".join(
        f"{AHEAD[k]} ahead: "
        + ", ".join(f"{name} {held[m, k]:.2f}" for m, name in enumerate(NAMES))
        + f" (counts of single characters give {f['alone'][k]:.2f}, of pairs "
        f"{f['one_before'][k]:.2f})"
        for k in range(len(AHEAD))
    )
    stable = [[f"{rates[m][k]:g}" for k in range(len(AHEAD))] for m in range(len(NAMES))]
    chosen = ", ".join(f"{n} {' and '.join(s)}" for n, s in zip(NAMES, stable, strict=True))
    return (
        f"Networks of {recipe['hidden']} units learn to predict the documentation of Python "
        f"{text['python']} ({text['characters']} characters once repeated paragraphs, "
        f"{text['repeated']} characters, are left out; sha256 {text['sha256'][:12]}), one or five "
        f"characters ahead: {recipe['updates']} updates on {recipe['batch']} sequences of "
        f"{recipe['length']}, {recipe['seeds']} {_plural('seed', recipe['seeds'])}. C: gradient "
        f"clipped to norm {THRESHOLD:g}; R: Ω with weight {WEIGHT:g}, which is defined for the "
        f"tanh network only and does not decay here. The loss is the mean over the steps. Bits per "
        f"held-out character, for the step size with the least training loss, {said}. Step sizes, "
        f"1 and 5 ahead: {chosen}."
    )


def _plural(word: str, count: int) -> str:
    return word + "s" * (count != 1)


def _rates(f: Mapping[str, Any]) -> list[list[float]]:
    return [[f["runs"][i]["rate"] for i in row] for row in f["best"]]


def _half_lag(logs: np.ndarray) -> int:
    """Lag at which the norm is first below a hundredth of what it was at lag 0; -1 if never."""
    below = np.flatnonzero(logs < logs[0] - np.log(100))
    return int(below[0]) if below.size else -1


def _captions(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> list[dict[str, str]]:
    """Entry of the report for every figure that is drawn."""
    shown = {f"char_{name}.svg" for name in shown_figures(f)}
    return [row for row in _all_captions(a, f) if row["file"] in shown]


def _all_captions(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> list[dict[str, str]]:
    held, seen = _best(a, f, "held_out"), _best(a, f, "seen")
    lags = a["lags"].mean(axis=3)
    reach = [_half_lag(lags[m, 0, -1]) for m in range(len(NAMES))]
    most = lags.shape[-1] - 1
    spans = ", ".join(
        f"{name} {lag if lag >= 0 else f'over {most}'}"
        for name, lag in zip(NAMES, reach, strict=True)
    )
    worst = _worst(a, f)
    top = [
        (a[f"spectrum_{kind}"][m, 0, look, :, 0].mean())
        for m, kind in ((1, "tanh"), (4, "LSTM"))
        for look in (0, -1)
    ]
    return [
        {
            "file": "char_bits.svg",
            "caption": f"Bits per character: held out (full) and of the text trained on (hollow), "
            f"each seed. Lines: what counts of single characters and of pairs give. Means held "
            f"out and in training, one ahead: {_pairs(held[:, 0], seen[:, 0])}; five ahead: "
            f"{_pairs(held[:, 1], seen[:, 1])}.",
            "alt": "Two panels of dots, one column for each method, and two dashed lines.",
        },
        {
            "file": "char_training.svg",
            "caption": f"Training loss (top, mean over {f['recipe']['every']} updates) and "
            f"gradient norm (bottom; dots, the largest in between) at the step size with the least "
            f"loss; the dotted line is the threshold {THRESHOLD:g}. {worst}",
            "alt": "Above, falling losses, one line for each method; below, gradient norms on a "
            "logarithmic axis.",
        },
        {
            "file": "char_steps.svg",
            "caption": f"Held-out bits at the end against the step size, each seed and the mean. "
            f"Triangles: thrown off, so that a seed diverged or is worse than the counts of single "
            f"characters (dashed). {_thrown(a, f)}",
            "alt": "Two panels of dots and lines over the step size, with triangles at the upper "
            "edge where a network was thrown off.",
        },
        {
            "file": "char_gradients.svg",
            "caption": f"Norm of the gradient of one character's loss with respect to the state, "
            f"by its lag, geometric mean over {f['sequences']} held-out sequences and the seeds, "
            f"after training (lines) and before (thin, grey). It is below a hundredth of its first "
            f"value at lag, one ahead: {spans}.",
            "alt": "Two panels of curves that fall with the lag, one for each method.",
        },
        {
            "file": "char_spectra.svg",
            "caption": f"All singular values of the Jacobian product along {f['probe']} held-out "
            f"characters, in logs per step, before (grey), midway (thin) and after training, one "
            f"ahead; tanh + C (left) and LSTM + C (right, state of cell and output). The largest "
            f"goes from {_signed(top[0])} to {_signed(top[1])} and from {_signed(top[2])} to "
            f"{_signed(top[3])} nat per step.",
            "alt": "Two panels of descending curves, three shades for three times.",
        },
    ]


def _signed(value: float) -> str:
    return f"{value:.3f}"


def _pairs(one: np.ndarray, other: np.ndarray) -> str:
    rows = zip(NAMES, one, other, strict=True)
    return ", ".join(f"{name} {x:.2f} and {y:.2f}" for name, x, y in rows)


def _thrown(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> str:
    """How many trainings of each method were thrown off."""
    counts = []
    for m, name in enumerate(NAMES):
        off = [thrown_off(a, f, i) for i, run in enumerate(f["runs"]) if run["method"] == m]
        counts.append(f"{name} {int(np.sum(off))} of {np.size(off)}")
    return "Thrown off: " + ", ".join(counts) + "."


def _worst(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> str:
    """The largest gradient that any unclipped tanh run met, and at which step size."""
    mine = [i for i, run in enumerate(f["runs"]) if run["method"] == 0]
    peaks = [float(np.nanmax(a["largest"][i])) for i in mine]
    i = mine[int(np.argmax(peaks))]
    run = f["runs"][i]
    return (
        f"The largest gradient that an unclipped tanh network met is {max(peaks):.2g}, at step "
        f"size {run['rate']:g}, {run['ahead']} ahead."
    )
