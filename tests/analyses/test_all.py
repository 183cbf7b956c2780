"""What holds for every analysis: claims, captions and figures of its quick report."""

import re

import pytest

from analyses.common import claims, folders
from analyses.common.words import with_minus_signs

NAN = re.compile(r"\bnan")  # not the middle of "dominant"


@pytest.fixture(params=folders.names())
def found(request, quick):
    return quick(request.param)


def test_every_claim_has_a_verdict_and_a_figure(found):
    for number, (verdict, measured) in found.words.claims.items():
        assert number in claims.IDS and verdict in claims.VERDICTS
        assert measured and not NAN.search(measured)


def test_every_figure_is_drawn_and_described(found):
    assert found.words.figures
    for row in found.words.figures:
        assert (found.figures / row["file"]).stat().st_size > 0
        assert row["caption"] and row["alt"]
        assert not NAN.search(row["caption"])


def test_the_summary_is_whole(found):
    assert found.words.title and not NAN.search(found.words.summary)
    assert with_minus_signs(found.words.summary).rstrip().endswith((".", ":"))


def test_every_check_agrees(found):
    assert [row["name"] for row in found.words.checks if row["verdict"] != "agrees"] == []


def test_all_claims_are_measured_and_all_reference_checks_made(quick):
    whole = [quick(name).words for name in folders.names()]
    assert {number for words in whole for number in words.claims} == claims.IDS
    assert sum(len(words.checks) for words in whole) == 115
