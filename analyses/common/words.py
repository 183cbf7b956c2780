"""What the page says about an analysis, and how numbers stand in a sentence."""

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

Panel = Callable[[Any], None]


class Words(NamedTuple):
    """The text of one analysis; made with the page, so that a new word needs no new number.

    ``figures`` has rows "file", "caption", "alt" and, where a figure shows claims, "claims", their
    numbers. ``claims`` gives for the number of a claim the verdict (see claims) and the figure
    found. ``checks`` has rows of `checks.row`. On the page the analyses stand by ``place``, then by
    name.
    """

    title: str
    summary: str = ""
    figures: Sequence[Mapping[str, Any]] = ()
    claims: Mapping[str, tuple[str, str]] = MappingProxyType({})
    checks: Sequence[Mapping[str, Any]] = ()
    place: int = 100


class Answer(NamedTuple):
    """One of the questions at the head of the page, answered in one sentence and one panel.

    ``panel`` draws on an Axes, ``alt`` says what; ``figure`` is the file of the figure that shows
    all of it and ``claims`` are the numbers of those decided. They stand by ``place``.
    """

    question: str
    sentence: str
    panel: Panel
    alt: str
    figure: str
    claims: Sequence[str]
    place: int


_MINUS = re.compile(r"(?<![\w⁻])-(?=\d)")  # a minus sign, not the hyphen of 1e-16


def with_minus_signs(text: str) -> str:
    """``text`` with true minus signs and ∞; the page does this to all words."""
    return re.sub(r"\binf\b", "∞", _MINUS.sub("−", text)).replace("-∞", "−∞")


def listed(items: Sequence[str], last: str = "and") -> str:
    """The items as a reader wants them: "a, b and c"."""
    return f" {last} ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))
