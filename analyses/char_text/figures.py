"""Figures and words of the character models, from stored numbers alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter

from analyses.char_text.training import AHEAD, METHODS, THRESHOLD, WEIGHT
from rnnjac import plot

NAMES = tuple(method.name for method in METHODS)
COLOURS = tuple(plot.COLOURS[i] for i in (1, 0, 2, 3, 4))
STYLES = ("-", "-", "-", "--", "--")  # networks of one kind have one style
DASHED = {"color": plot.INK, "ls": "--", "lw": 1.0}


def _best(a: Mapping[str, np.ndarray], f: Mapping[str, Any], name: str) -> np.ndarray:
    """Means over the seeds of the chosen runs; axes method, ahead."""
    return a[name][np.array(f["best"])].mean(axis=-1)


def summary(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> str:
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


def captions(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> list[dict[str, str]]:
    """Entry of the report for every figure that `draw` writes."""
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
    return f"{value:.3f}".replace("-", "−")


def _pairs(one: np.ndarray, other: np.ndarray) -> str:
    rows = zip(NAMES, one, other, strict=True)
    return ", ".join(f"{name} {x:.2f} and {y:.2f}" for name, x, y in rows)


def _thrown(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> str:
    """How many trainings of each method were thrown off."""
    counts = []
    for m, name in enumerate(NAMES):
        off = [_off(a, f, i) for i, run in enumerate(f["runs"]) if run["method"] == m]
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


def draw(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any], out: Path) -> None:
    """Write every figure."""
    parts = (_bits, _training, _steps, _gradients, _spectra)
    with plot.style(), plt.rc_context({"svg.hashsalt": "rnnjac", "svg.fonttype": "path"}):
        for make, row in zip(parts, captions(arrays, facts), strict=True):
            figure = make(arrays, facts)
            figure.savefig(out / row["file"], metadata={"Date": None})
            plt.close(figure)


def _titled(axes: Any) -> None:
    for ax, ahead in zip(axes, AHEAD, strict=True):
        ax.set_title(f"{ahead} character{'s' * (ahead > 1)} ahead", fontsize=11)


def _bits(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(9.8, 3.9))
    for k, ax in enumerate(axes):
        for m in range(len(NAMES)):
            run = f["best"][m][k]
            look = {"ls": "", "marker": "o", "color": COLOURS[m], "ms": 7}
            held, seen = a["held_out"][run], a["seen"][run]
            ax.plot(np.full(seen.size, m - 0.14), seen, mfc="white", mew=1.4, **look)
            ax.plot(np.full(held.size, m + 0.14), held, **look)
        for value, text in ((f["alone"][k], "single characters"), (f["one_before"][k], "pairs")):
            ax.axhline(value, **DASHED)
            ax.annotate(text, (-0.45, value), (0, 3), textcoords="offset points", fontsize=9)
        ax.set_xticks(range(len(NAMES)), [name.replace(", ", "\n") for name in NAMES])
        ax.margins(y=0.12)
        ax.set_xlim(-0.5, len(NAMES) - 0.5)
    ax = axes[0]
    ax.plot([], [], "o", color=plot.INK, label="held out")
    ax.plot([], [], "o", color=plot.INK, mfc="white", mew=1.4, label="trained on")
    ax.legend(loc="upper left", bbox_to_anchor=(0, 0.85))
    ax.set_ylabel("bits per character")
    _titled(axes)
    return figure


def _training(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(2, 2, figsize=(9.8, 5.8), sharex=True, sharey="row")
    updates = a["updates"][1:]
    for k in range(len(AHEAD)):
        for m, name in enumerate(NAMES):
            run = f["best"][m][k]
            look = {"color": COLOURS[m], "ls": STYLES[m], "lw": 1.6}
            axes[0, k].plot(updates, a["loss"][run, :, 1:].mean(axis=0), label=name, **look)
            axes[1, k].plot(updates, a["norm"][run, :, 1:].mean(axis=0), **look)
            peaks = a["largest"][run, :, 1:].max(axis=0)
            axes[1, k].plot(updates, peaks, color=COLOURS[m], ls="", marker=".", ms=5)
        axes[1, k].axhline(THRESHOLD, **{**DASHED, "ls": ":"})
        axes[1, k].set(yscale="log", xlabel="update")
        axes[1, k].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes[1, k].yaxis.set_major_formatter("{x:g}")
        axes[1, k].yaxis.set_minor_formatter(NullFormatter())
    axes[0, 0].set_ylabel("training loss (bits)")
    axes[1, 0].set_ylabel("gradient norm")
    axes[0, 1].legend(loc="lower left")
    _titled(axes[0])
    return figure


def _off(a: Mapping[str, np.ndarray], f: Mapping[str, Any], run: int) -> np.ndarray:
    """Which seeds of a run were thrown off: diverged, or worse than knowing no character at all."""
    limit = f["alone"][AHEAD.index(f["runs"][run]["ahead"])]
    return ~(a["held_out"][run] <= limit) | (a["diverged"][run] >= 0)


def _steps(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(10.6, 3.7))
    every = sorted({run["rate"] for run in f["runs"]})
    for k, ahead in enumerate(AHEAD):
        for m, name in enumerate(NAMES):
            mine = [
                i for i, run in enumerate(f["runs"]) if (run["method"], run["ahead"]) == (m, ahead)
            ]
            x = np.array([f["runs"][i]["rate"] for i in mine]) * 1.04 ** (m - 2)  # side by side
            off = np.array([_off(a, f, i) for i in mine])
            y = np.where(off, np.nan, a["held_out"][mine])
            mean = np.where(off.any(axis=1), np.nan, a["held_out"][mine].mean(axis=1))
            look = {"color": COLOURS[m], "ls": STYLES[m], "lw": 1.4}
            axes[k].plot(x, mean, label=name, **look)
            axes[k].plot(x, y, ls="", marker="o", ms=5, color=COLOURS[m])
            top = x[off.any(axis=1)]
            place = {"transform": axes[k].get_xaxis_transform(), "clip_on": False}
            lost = {"ls": "", "marker": "^", "ms": 8, "mfc": "white", "color": COLOURS[m]}
            for marks in axes[k].plot(top, np.full(top.size, 0.97), **lost, **place):
                marks.set_in_layout(False)
        axes[k].axhline(f["alone"][k], **DASHED)
        axes[k].set(xscale="log", xlabel="step size")
        axes[k].set_xticks(every, [f"{rate:g}" for rate in every])
        axes[k].minorticks_off()
        axes[k].set_xlim(every[0] / 1.5, every[-1] * 1.5)
        axes[k].margins(y=0.2)
    axes[0].set_ylabel("held-out bits per character")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside center right")
    _titled(axes)
    return figure


def _gradients(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(9.8, 3.9), sharey=True)
    mean = a["lags"].mean(axis=3) / np.log(10)  # (method, ahead, look, lag)
    lag = np.arange(mean.shape[-1])
    for k in range(len(AHEAD)):
        for m, name in enumerate(NAMES):
            axes[k].plot(lag, mean[m, k, 0], color="#aaaaaa", ls=STYLES[m], lw=1)
            look = {"color": COLOURS[m], "ls": STYLES[m], "lw": 1.7}
            axes[k].plot(lag, mean[m, k, -1], label=name, **look)
        axes[k].plot([], [], color="#aaaaaa", lw=1, label="before training")
        axes[k].set_xlabel("lag (characters)")
    axes[0].set_ylabel("log₁₀ of the gradient norm")
    axes[0].legend(loc="lower left")
    _titled(axes)
    return figure


def _spectra(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(9.8, 3.9))
    names = ("before", *("midway",) * (len(a["looks"]) - 2), "after training")
    for ax, (m, kind) in zip(axes, ((1, "tanh"), (4, "LSTM")), strict=True):
        rows = a[f"spectrum_{kind}"][m, 0]  # (look, seed, index)
        index = np.arange(1, rows.shape[-1] + 1)
        for look, name in enumerate(names):
            last = look == len(names) - 1
            colour = "#999999" if look == 0 else COLOURS[m]
            width = 1.9 if last else 1.0
            for seed, row in enumerate(rows[look]):
                shown = np.where(np.isfinite(row), row, np.nan)
                ax.plot(index, shown, color=colour, lw=width, label=None if seed else name)
        ax.axhline(0, color=plot.INK, lw=0.8)
        ax.set_title(NAMES[m], fontsize=11)
        ax.set_xlabel("index")
        ax.legend(loc="lower left")
    axes[0].set_ylabel("log singular value per step (nat)")
    return figure
