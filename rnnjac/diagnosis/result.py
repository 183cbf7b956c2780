"""What a diagnosis holds: figures by subject, curves, and what follows from them."""

import importlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Rate(NamedTuple):
    """Log singular value per step: median over the sequences, largest error, and the range."""

    value: float
    error: float
    low: float
    high: float


class Rates(NamedTuple):
    """Rates of the leading, the middle and the last direction."""

    leading: Rate
    median: Rate
    last: Rate


class Lyapunov(NamedTuple):
    """Leading exponent after half of each sequence, and its standard error, nat per step.

    ``parallel``: whether the recurrence can be solved in parallel over time; None if unclear.
    """

    exponent: float
    stderr: float
    parallel: bool | None


class Horizon(NamedTuple):
    """Steps back until a gradient is down by e, and (``far``) by 1000: the leading and the loss's.

    ``window`` is the length for truncated backpropagation; ``whole`` tells whether it was cut short
    by the sequence. Steps of the loss are None without one.
    """

    leading: int
    leading_far: int
    loss: int | None
    loss_far: int | None
    window: int
    whole: bool


class Explosion(NamedTuple):
    """Share of the sequences in which a gradient grows by more than 1000, and the largest growth.

    ``growth`` is a natural log; ``unbounded`` tells whether the states grow along with it.
    """

    share: float
    growth: float
    unbounded: bool


class Transient(NamedTuple):
    """Largest log singular value from the start to any step, where, and what is left at the end."""

    peak: float
    step: int
    end: float


class Units(NamedTuple):
    """Directions and units; None where the slopes of the units are not known.

    ``survivors`` directions keep a thousandth of their size over the sequence, ``lost`` ones are
    zero, exactly or as far as rounding can tell. ``saturated`` is the share of slopes below 0.1,
    ``log_slope`` the mean log of slopes, ``dead`` the share of units that never pass anything on.
    """

    survivors: int
    lost: int
    saturated: float | None
    log_slope: float | None
    dead: float


class Recurrent(NamedTuple):
    """Spectral radius and norm of the recurrent matrix, and gamma sigma_max.

    Of a leaky network with leak a', radius and norm are those of a' I + (1 - a') W, and ``bound``
    is a' + (1 - a') gamma sigma_max(W). ``decides`` says which condition settles it, if one does.
    """

    radius: float
    norm: float
    bound: float | None
    activation: str | None
    decides: str


class Gates(NamedTuple):
    """Forget gates of an LSTM, or update gates of a GRU, over all layers, units and steps.

    ``horizon`` is -1 / mean log f, ``longest`` that of the unit which keeps most. ``open`` and
    ``shut`` are the shares above 0.9 and below 0.1. ``path`` carries the ``carried`` share of the
    leading gradient (of its mean square).
    """

    kind: str
    mean: float
    horizon: float
    longest: float
    open: float
    shut: float
    path: str
    carried: float


class Precision(NamedTuple):
    """Decimal digits that the gradient keeps, in the dtype in use and in bfloat16."""

    dtype: str
    digits: float
    bfloat16: float


class Finding(NamedTuple):
    """What was seen, the figure that shows it, what to change, and who says so."""

    name: str
    seen: str
    figure: float
    change: str
    source: str


class Curves(NamedTuple):
    """Arrays behind the figures, one row a sequence; NaN behind its end.

    ``logs`` and ``error`` (B, n) of the whole product; ``growth`` (B, T+1) by time; ``leading`` and
    ``loss`` (B, T+1) by lag; ``slopes`` and ``keep`` are all values that were looked at.
    """

    logs: np.ndarray
    error: np.ndarray
    growth: np.ndarray
    leading: np.ndarray
    loss: np.ndarray | None
    slopes: np.ndarray | None
    keep: np.ndarray | None


class Diagnosis(NamedTuple):
    """Result of `rnnjac.diagnose`: figures by subject, and at most five findings.

    ``print`` shows it as a table, `plot` as a figure of four panels, `save` as a page, `to_dict` as
    numbers. ``findings`` is empty for a healthy network; the first one matters most. ``breaks`` is
    the first step after which a number is NaN or infinite, None if all are finite.
    """

    size: int
    steps: tuple[int, ...]
    breaks: int | None
    rates: Rates
    lyapunov: Lyapunov
    horizon: Horizon
    explosion: Explosion
    clipping: Any
    recurrent: Recurrent | None
    transient: Transient
    units: Units
    gates: Gates | None
    precision: Precision
    curves: Curves
    findings: tuple[Finding, ...] = ()

    def __repr__(self) -> str:
        """Table of at most 40 lines, for a terminal."""
        return _shown_by("text").table(self)

    def to_dict(self) -> dict[str, float | int | str | None]:
        """Plain numbers and words under flat names, such as "rates_leading_value", for a log.

        ``findings`` joins the names of the findings with commas. Nothing of the curves.
        """
        flat: dict[str, Any] = {"size": self.size, "sequences": len(self.steps)}
        flat |= {"steps": int(np.median(self.steps)), "breaks": self.breaks}
        for section in self._fields[3:-2]:
            _flatten(section, getattr(self, section), flat)
        return flat | {"findings": ",".join(finding.name for finding in self.findings)}

    def plot(self) -> Any:
        """Matplotlib figure of four panels, in the style of `rnnjac.plot`."""
        return _shown_by("figure").four_panels(self)

    def save(self, path: str | Path) -> Path:
        """One HTML page that holds all of it and needs nothing else, light and dark.

        It is written beside ``path`` and put in its place when complete. Returns the path.
        """
        return _shown_by("page").save(self, path)


def _shown_by(name: str) -> Any:
    """The module that shows a diagnosis in one way; it knows this one, and comes when asked."""
    return importlib.import_module(f"rnnjac.diagnosis.{name}")


def _flatten(name: str, value: Any, flat: dict[str, Any]) -> None:
    if hasattr(value, "_asdict"):
        for key, entry in value._asdict().items():
            _flatten(f"{name}_{key}", entry, flat)
    elif isinstance(value, (bool, np.bool_)) or value is None or isinstance(value, str):
        flat[name] = bool(value) if isinstance(value, np.bool_) else value
    elif isinstance(value, (int, np.integer)):
        flat[name] = int(value)
    else:
        flat[name] = float(value)
