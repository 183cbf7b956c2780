"""Figures of the examples, the gain, the single unit and the trained networks."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from analyses.common.pictures import WIDTH
from analyses.eigenvalue_decay import gain, training
from rnnjac import plot

TITLES = ("linear", "tanh", "logistic", "ReLU")
WRONG = "#f3e3ea"  # where the rule has the wrong sign
RULE = {"color": plot.INK, "ls": "--", "lw": 1.2}
SHARES = (("vanishes", "#332288"), ("holds", "#dddddd"), ("explodes", "#cc6677"))


def _examples(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.7))
    t = np.arange(len(a["tilted_held"]))
    left, middle, right = axes
    left.semilogy(t, a["tilted_held"], label="held at (0, 8)")
    left.semilogy(t, a["tilted_alone"], label="linear: $\\|W^t\\|$")
    left.semilogy(t, f["tilted_radius"] ** t, label="rule: $\\rho^t$", **RULE)
    left.set(xlabel="time t (steps)", ylabel="norm of the product $\\|P_{t,0}\\|$")
    norms = a["nilpotent"]
    k = np.arange(len(norms))
    middle.semilogy(k[:-1], norms[:-1], "o-", ms=3.5, label="$\\|W^k\\|$")
    floor = norms[:-1].min() / 300
    middle.plot(k[-1:], [floor], "v", color=plot.COLOURS[0], mfc="white", label="exactly 0")
    middle.set(xlabel="power k", ylabel="spectral norm", ylim=(floor / 5, norms.max() * 10))
    logs = a["unit_log_product"]
    steps = np.arange(len(logs))
    right.semilogy(steps, np.exp(logs), label="tanh, w = 2")
    right.semilogy(steps, f["unit_weight"] ** steps, label="rule: $2^t$", **RULE)
    right.set(xlabel="time t (steps)", ylabel="$|dS_t / dS_0|$")
    for ax in axes:
        _above(ax, 2)
    return figure


def _gain(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, ax = plt.subplots(figsize=(WIDTH, 4.4))
    g = a["gains"]
    markers = ("s", "o", "^", "D")
    names = {gain.LINEAR: "linear", gain.QUIET: "tanh, no input"}
    names |= {gain.NOISY: f"tanh, noise {gain.NOISE:g}", gain.SYMMETRIC: "tanh, symmetric"}
    ax.axhline(0, color=plot.INK, lw=0.8)
    for i, (kind, marker) in enumerate(zip(gain.KINDS, markers, strict=True)):
        x = np.repeat(g[:, None], a["gain_exponents"].shape[2], axis=1)
        style = {"color": plot.COLOURS[i], "ms": 4, "mew": 0, "alpha": 0.75}
        ax.plot(x.ravel(), a["gain_exponents"][i].ravel(), marker, label=names[kind], **style)
    lines = (("ln g", np.log(g), 0), ("mean field, no input", a["gain_theory"], 1))
    lines += ((f"mean field, noise {gain.NOISE:g}", a["gain_theory_noise"], 2),)
    for name, curve, colour in lines:
        ax.plot(g, curve, color=plot.COLOURS[colour], lw=1.2, label=name)
    ax.set_xscale("log")
    ticks = [0.25, 0.5, 1, 2, 5, 10]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.set(xlabel="gain g", ylabel="$\\lambda_1$ (nat per step)")
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def _unit(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(WIDTH, 4.0))
    w = a["scan_weights"]
    left.axhline(0, color=plot.INK, lw=0.8)
    left.plot(w, np.log(w), **RULE, label="linear: ln w")
    left.plot(w[::6], a["scan_rates"][0][::6], "s", ms=3, color=plot.COLOURS[2], label="from 0")
    left.plot(w, a["scan_theory"], color=plot.COLOURS[0], label="theory")
    left.plot(w[3::6], a["scan_rates"][2][3::6], "o", ms=3, color=plot.COLOURS[1], label="from 0.5")
    left.set(xlabel="weight w", ylabel="rate (nat per step)")
    t = np.arange(len(a["latch_logs"]))
    middle.plot(t, a["latch_logs"], label="log $|dS_t/dS_0|$ (noise)")
    middle.set_xlabel("time t (steps)")
    middle.set_ylabel("log gradient (nat)", color=plot.COLOURS[0])
    bits = middle.twinx()
    for name, line in (("quiet", ":"), ("noisy", "-")):
        bits.plot(t, a[f"latch_{name}"], color=plot.COLOURS[1], ls=line)
    middle.plot([], [], color=plot.COLOURS[1], label="information, noise")
    middle.plot([], [], color=plot.COLOURS[1], ls=":", label="no noise")
    bits.set_ylim(0, 1.05)
    bits.set_ylabel("information (bit)", color=plot.COLOURS[1])
    bits.grid(False)
    bits.spines["right"].set_visible(True)
    colours = plt.get_cmap("viridis")(np.linspace(0.85, 0, len(a["latch_effect_at"])))
    for time, curve, shade in zip(a["latch_effect_at"], a["latch_effect"].T, colours, strict=True):
        shown = np.maximum(curve, 1e-17)  # exact zeros stand on the bottom edge
        right.loglog(a["latch_shifts"], shown, color=shade, label=f"t = {time}")
    right.axvline(0.3, color=plot.INK, lw=0.8, ls=":")
    right.set(xlabel="shift of the start", ylabel="effect on $S_t$", ylim=(5e-18, 10))
    for ax, columns in ((left, 2), (middle, 2), (right, 3)):
        _above(ax, columns)
    return figure


def _training(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    names = ("PyTorch\nuniform", "Gaussian,\ndeviation 0.1", "Glorot\nuniform")
    names += ("orthogonal", "Gaussian,\ngain 2")
    figure = plt.figure(figsize=(WIDTH, 6.4))
    above, below = figure.subfigures(2, 1, height_ratios=(1.0, 1.15))
    axes = above.subplots(1, len(names), sharey=True)
    counts = a["train_histogram"].mean(axis=(0, 3))  # (checkpoint, start, bin)
    edges = np.linspace(0, 1, counts.shape[-1] + 1)
    for i, ax in enumerate(axes):
        ax.stairs(counts[-1, i], edges, fill=True, color=plot.COLOURS[2], alpha=0.55)
        ax.stairs(counts[0, i], edges, color=plot.COLOURS[0], lw=1.3)
        ax.set_title(names[i].replace("\n", " "))
        ax.set_yscale("log")
        ax.set_xlabel("slope φ′")
    axes[0].set_ylabel("share of slopes per bin")
    handles = [
        plt.Line2D([], [], color=plot.COLOURS[0], lw=1.3, label="before training"),
        plt.Rectangle((0, 0), 1, 1, color=plot.COLOURS[2], alpha=0.55, label="after training"),
    ]
    above.legend(handles=handles, loc="outside upper center", ncols=2)
    tasks = a["train_shares_init"].shape[1]
    rows = below.subplots(1, tasks, sharey=True, squeeze=False)[0]
    for task, ax in enumerate(rows):
        _bars(ax, a, task, names)
    rows[0].set_ylabel("share of networks")
    handles = [plt.Rectangle((0, 0), 1, 1, color=c, label=f"gradient {n}") for n, c in SHARES]
    below.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


# rows: label, what is right, what is wrong; facts of these names
FORMULAS = (
    ("sum of the lags = gradient", "sum_of_terms", None),
    ("state cut: lags beyond 0", "cut_beyond_lag_0", None),
    ("diag(φ′) W", "diagonal_left", "diagonal_right_wrong"),
    ("latest factor left", "product_ways", "product_reversed"),
)


def _identities(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.2), width_ratios=(1, 1.1))
    lags = np.arange(len(a["term_norms"]))
    left.bar(lags, a["term_norms"] / a["term_norms"].sum(), color=plot.COLOURS[0], lw=0)
    left.set(xlabel="lag (steps)", ylabel="share of the gradient")
    left.grid(axis="x", visible=False)
    rows = np.arange(len(FORMULAS))
    marks = ((1, "o", plot.COLOURS[0], "as claimed"), (2, "X", plot.COLOURS[1], "other order"))
    for column, marker, colour, label in marks:
        chosen = [(row, f[FORMULAS[row][column]]) for row in rows if FORMULAS[row][column]]
        place, values = zip(*chosen, strict=True)
        shown = np.maximum(values, f["eps"] / 10)  # an exact zero stands at the left edge
        right.plot(shown, place, marker, color=colour, ms=7, mew=0, label=label)
    right.axvline(f["eps"], color=plot.INK, lw=0.8, ls=":")
    right.set(xscale="log", xlabel="relative difference", xlim=(f["eps"] / 20, 1e2))
    right.set_xticks(10.0 ** np.arange(-16, 1, 4))
    right.set_yticks(rows, [row[0] for row in FORMULAS])
    right.set_ylim(len(rows) - 0.4, -0.6)
    _above(right, 2)
    return figure


def _bars(ax: Axes, a: Mapping[str, np.ndarray], task: int, names: tuple[str, ...]) -> None:
    """Two stacked bars for each start: before training, and after it."""
    place = np.arange(len(names))
    for shift, when in ((-0.2, "init"), (0.2, "trained")):
        shares, bottom = a[f"train_shares_{when}"][:, task], np.zeros(len(names))
        for share, (_, colour) in zip(shares, SHARES, strict=True):
            ax.bar(place + shift, share, 0.36, bottom=bottom, color=colour, lw=0)
            bottom = bottom + share
        for x in place + shift:
            word = "start" if when == "init" else "end"
            ax.text(x, -0.03, word, ha="center", va="top", fontsize=9)
    ax.set_xticks(place, [f"\n{name}" for name in names])
    ax.tick_params(axis="x", length=0)
    ax.grid(axis="x", visible=False)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_ylim(0, 1)
    ax.set_title(training.TASKS[task])


def _above(ax: Axes, columns: int) -> None:
    """Legend above the axes, clear of the data."""
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.3, ncols=columns, handlelength=1.6
    )


FIGURES = {
    "eigenvalue_decay_identities.svg": _identities,
    "eigenvalue_decay_examples.svg": _examples,
    "eigenvalue_decay_gain.svg": _gain,
    "eigenvalue_decay_unit.svg": _unit,
    "eigenvalue_decay_training.svg": _training,
}
