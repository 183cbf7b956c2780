"""The claims put to the test, one plain sentence each, and what the analyses found about them."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

HOLDS, CONDITION, REFUTED = VERDICTS = ("holds", "holds with a condition", "refuted")
UNMEASURED = "not yet measured"

POST = "2018 post"
PASCANU = "2018 post, citing Pascanu et al. (2013)"
LSTM97 = "2018 post, citing Hochreiter and Schmidhuber (1997)"
POST17 = "2018 post, after a 2017 post"


class Finding(NamedTuple):
    """What one analysis found about one claim."""

    verdict: str
    measured: str
    analysis: str
    figures: tuple[Mapping[str, Any], ...] = ()  # those that show it


class Claim(NamedTuple):
    """A claim, who makes it, and the findings on it; the severest of them is its verdict."""

    id: str
    text: str
    said_by: str
    findings: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> str:
        """The severest of the findings: one counterexample refutes, whatever else holds."""
        if not self.findings:
            return UNMEASURED
        return max((finding.verdict for finding in self.findings), key=VERDICTS.index)


CLAIMS = tuple(
    Claim(*row)
    for row in (
        ("S1", "Weights receive gradients from far back only through the state.", POST),
        (
            "S2",
            "The derivative of one state by the one before is the diagonal matrix of tanh slopes "
            "times the recurrent weights.",
            PASCANU,
        ),
        (
            "S3",
            "The derivative across many steps is the product of the one-step derivatives.",
            PASCANU,
        ),
        (
            "S4",
            "A recurrent weight matrix whose dominant eigenvalue exceeds 1 makes gradients "
            "explode.",
            PASCANU,
        ),
        ("S5", "A dominant eigenvalue below 1 makes gradients vanish.", PASCANU),
        (
            "S6",
            "The slope of tanh is always less than 1 (English text), or at most 1 (Chinese text).",
            POST,
        ),
        (
            "S7",
            "The slope of tanh is below 1 through most of training, because a pre-activation of "
            "exactly 0 is rare.",
            POST,
        ),
        (
            "S8",
            "Small recurrent weights make the product vanish, and large ones drive it to infinity "
            "because their powers outgrow the tanh slopes.",
            POST,
        ),
        ("S9", "In practice gradients vanish more often than they explode.", POST),
        (
            "S10",
            "Once its gradient has vanished an early state has no effect any more, so nothing "
            "lasting can be learned.",
            POST,
        ),
        (
            "S11",
            "With a single unit the product tends to 0 for a recurrent weight between 0 and 1, "
            "and to infinity for a large one.",
            POST,
        ),
        (
            "S12",
            "The cure is to hold each one-step derivative near 1 or near 0, which is what an LSTM "
            "does.",
            POST,
        ),
        (
            "S13",
            "With ReLU the product becomes a plain power of the recurrent weights, which explodes "
            "when an eigenvalue exceeds 1.",
            POST,
        ),
        ("S14", "ReLU cures vanishing in part.", POST),
        (
            "S15",
            "Conflicting demands on the input and output weights call for gates, and the LSTM "
            "brought in three.",
            LSTM97,
        ),
        (
            "S16",
            "Constant error flow through a unit asks for a self-connection whose weight times "
            "slope has modulus 1.",
            LSTM97,
        ),
        ("S17", "Because the cell adds to its memory, the memory does not decay.", POST),
        (
            "S18",
            "The cell of the LSTM without a forget gate has recursive derivative exactly 1, since "
            "gradients into its gates are cut off.",
            LSTM97,
        ),
        (
            "S19",
            "The 1997 list of truncated quantities is cell output, input, forget and candidate "
            "gates.",
            "gloss added to a quotation in the 2018 post",
        ),
        (
            "S20",
            "Without a forget gate the cell state grows without control; hence the forget gate.",
            POST,
        ),
        (
            "S21",
            "To say that the recursive derivative equals the forget gate leaves out the paths "
            "through the gates.",
            POST17,
        ),
        (
            "S22a",
            "The first chain rule written for the cell state names all paths of one step.",
            POST,
        ),
        (
            "S22b",
            "A sum of four terms is the derivative of one cell state by the one before, and its "
            "product gives the derivative across many steps.",
            POST17,
        ),
        (
            "S23",
            "Factors of a plain recurrent net are in the end all above 1 or all below, whereas an "
            "LSTM's may change side at every step, so they need not tend to 0 or infinity.",
            POST17,
        ),
        (
            "S24",
            "Raising the forget gate can always pull the derivative of the cell state to 1.",
            POST17,
        ),
        (
            "S25",
            "Gates are learned, so the net itself decides when a gradient shall vanish.",
            POST17,
        ),
        (
            "S26",
            "Two things make the LSTM work: its update adds, and its gates multiply.",
            POST,
        ),
        ("S27", "The LSTM does nothing against exploding gradients.", PASCANU),
        (
            "S28",
            "Against explosion one can hope or clip, and clipping succeeds more often.",
            POST,
        ),
    )
)
IDS = frozenset(claim.id for claim in CLAIMS)


def validate(measured: Iterable[Mapping[str, Any]]) -> None:
    """Raise ValueError unless every entry names a known claim and gives a verdict and a figure."""
    for entry in measured:
        if entry.get("id") not in IDS:
            raise ValueError(f"id: expected one of S1 to S28; got {entry.get('id')!r}")
        if entry.get("verdict") not in VERDICTS:
            expected = ", ".join(VERDICTS)
            raise ValueError(f"verdict: expected one of {expected}; got {entry.get('verdict')!r}")
        if not entry.get("measured"):
            raise ValueError(f"measured: expected the figure found for {entry['id']}; got nothing")


def merge(measured: Iterable[Mapping[str, Any]]) -> list[Claim]:
    """The whole table, each claim with every finding on it, in the order of ``measured``."""
    measured = list(measured)
    validate(measured)
    return [
        claim._replace(
            findings=tuple(
                Finding(**{name: entry[name] for name in Finding._fields if name in entry})
                for entry in measured
                if entry["id"] == claim.id
            )
        )
        for claim in CLAIMS
    ]
