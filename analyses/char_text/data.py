"""The Python documentation that every CPython brings along, as numbered characters.

``pydoc_data.topics`` repeats itself: some topics contain others. Of paragraphs that occur more than
once only the first is kept, so that nothing held out has been seen in training word for word.
"""

import hashlib
import platform
from typing import NamedTuple

import numpy as np

STRETCHES = 20  # the text is cut into so many; the last tenth of each is held out
RARE = 20  # characters seen less often in training count as one, the last of the alphabet
SMOOTHING = 10.0  # weight of what is known without context, in counts


class Text(NamedTuple):
    """Numbered characters: ``train`` and ``held_out``, a row for each stretch; the ``alphabet``."""

    train: np.ndarray
    held_out: np.ndarray
    alphabet: str
    facts: dict


def load() -> Text:
    """The documentation of the Python that runs this, without repeated paragraphs."""
    from pydoc_data import topics

    parts = [topics.topics[name] for name in sorted(topics.topics)]
    text = unique_paragraphs(parts)
    whole = sum(map(len, parts))
    facts = {
        "python": platform.python_version(),
        "topics": len(parts),
        "characters": len(text),
        "repeated": whole - len(text),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    train, held_out, alphabet = split(text)
    return Text(train, held_out, alphabet, facts)


def unique_paragraphs(parts: list[str]) -> str:
    """All paragraphs in order, each once; what differs only in blanks and line ends is equal."""
    seen = {}
    for part in parts:
        for paragraph in part.split("\n\n"):
            words = " ".join(paragraph.split())
            if words:
                seen.setdefault(words, paragraph)
    return "\n\n".join(seen.values())


def split(text: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Numbers of the characters, training and held-out rows, and the characters they stand for."""
    length = len(text) // STRETCHES
    if length < 10:
        raise ValueError(f"text: expected at least {10 * STRETCHES} characters; got {len(text)}")
    rows = np.array(list(text[: length * STRETCHES])).reshape(STRETCHES, length)
    middle = length - length // 10
    found, counts = np.unique(rows[:, :middle], return_counts=True)
    known = found[counts >= RARE]
    place = np.searchsorted(known, rows).clip(max=max(known.size - 1, 0))
    numbers = np.where(known[place] == rows, place, known.size) if known.size else 0 * place
    numbers = numbers.astype(np.int32)
    return numbers[:, :middle], numbers[:, middle:], "".join(known)


def baseline(text: Text, ahead: int, context: bool) -> float:
    """Bits per held-out character from counts alone, knowing one character or none."""
    size = len(text.alphabet) + 1
    alone = np.bincount(text.train.ravel(), minlength=size) + 1.0
    alone /= alone.sum()
    held = text.held_out
    if not context:
        return float(-np.log2(alone[held[:, ahead:]]).mean())
    pairs = np.zeros((size, size))
    np.add.at(pairs, (text.train[:, :-ahead], text.train[:, ahead:]), 1)
    given = pairs + SMOOTHING * alone
    given /= given.sum(axis=1, keepdims=True)
    return float(-np.log2(given[held[:, :-ahead], held[:, ahead:]]).mean())
