"""What holds for every analysis: claims, captions and figures of its quick report."""

import re

import numpy as np
import pytest

from analyses.common import claims, folders, pictures
from analyses.common.words import with_minus_signs
from rnnjac import plot
from tests.analyses import drawn

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


def test_every_claim_is_shown_by_a_figure(found):
    shown = {number for row in found.words.figures for number in row.get("claims", ())}
    assert shown >= set(found.words.claims) and shown <= claims.IDS


def test_figures_have_one_width_so_that_letters_have_one_size(found):
    for row in found.words.figures:
        data = (found.figures / row["file"]).read_bytes()
        if row["file"].endswith(".png"):
            inches = int.from_bytes(data[16:20], "big") / plot._STYLE["savefig.dpi"]
        else:
            inches = float(re.search(rb'width="([0-9.]+)pt"', data)[1]) / 72
        assert inches == pytest.approx(pictures.WIDTH, abs=0.01)  # whole pixels


def test_the_data_of_every_figure_are_beside_it(found):
    for row in found.words.figures:
        table = drawn.read((found.figures / row["file"]).with_suffix(".csv").read_text())
        for panel in {int(number) for number in table[:, 0]}:
            points = table[table[:, 0] == panel]
            assert len(points) > 1 and np.isfinite(points[:, 2]).all()


def test_the_summary_is_whole(found):
    assert found.words.title and not NAN.search(found.words.summary)
    assert with_minus_signs(found.words.summary).rstrip().endswith((".", ":"))


def test_every_check_agrees(found):
    assert [row["name"] for row in found.words.checks if row["verdict"] != "agrees"] == []


def test_all_claims_are_measured_and_all_reference_checks_made(quick):
    whole = [quick(name).words for name in folders.names()]
    assert {number for words in whole for number in words.claims} == claims.IDS
    assert sum(len(words.checks) for words in whole) == 115
