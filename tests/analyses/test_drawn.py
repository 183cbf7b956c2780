"""The table of what a figure shows: every kind of mark, named, in the coordinates of its axes."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from analyses.common import drawn
from tests.analyses.drawn import series


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def table(ax):
    return drawn.table(ax.figure)


def test_a_line_is_given_point_by_point_with_its_name(ax):
    ax.plot([1, 2, 3], [1e-9, np.nan, -3], color="#ff0000", label="falls")
    ax.set(title="one", xlabel="time", ylabel="height")
    text = table(ax)
    assert text.startswith("# panel 1: one; x = time; y = height\n")
    assert "# series 1.1: line, #ff0000, falls\n" in text
    np.testing.assert_array_equal(series(text, 1, 1)[:, :2], [[1, 1e-9], [3, -3]])


def test_lines_across_the_axes_and_empty_ones_are_left_out(ax):
    ax.axhline(3)
    ax.axvline(2)
    ax.axline((0, 0), slope=1)
    ax.axvspan(1, 2)
    ax.plot([], [], label="for the legend")
    ax.plot([5], [6], "o")
    text = table(ax)
    assert text.count("# series") == 1 and text.endswith("\n1,1,5,6,\n")
    assert "dots" in text


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (lambda ax: ax.scatter([1, 2], [3, 4]), [[1, 3], [2, 4]]),
        (lambda ax: ax.bar([1, 2], [3, 4], bottom=5), [[1, 3], [2, 4]]),
        (lambda ax: ax.barh([1, 2], [3, 4]), [[3, 1], [4, 2]]),
        (lambda ax: ax.stairs([3, 4], [0, 1, 2]), [[0, 3], [1, 4]]),
    ],
)
def test_marks_of_other_kinds(ax, draw, expected):
    draw(ax)
    np.testing.assert_allclose(series(table(ax), 1, 1)[:, :2], expected, rtol=10.0**-drawn.DIGITS)


def test_a_band_and_a_histogram_are_given_by_their_outlines(ax):
    ax.fill_between([0, 1], [2, 3], [4, 5])
    ax.hist([1, 1, 2], bins=[0.5, 1.5, 2.5], histtype="step")
    band, bars = (series(table(ax), 1, number) for number in (1, 2))
    assert {tuple(p) for p in band[:, :2]} == {(0, 2), (0, 4), (1, 3), (1, 5)}
    assert band[:, 1].max() == 5 and bars[:, 1].max() == 2


@pytest.mark.parametrize("origin", ["upper", "lower"])
def test_an_image_is_given_cell_by_cell_without_those_undefined(ax, origin):
    image = np.array([[1.0, 2.0], [3.0, np.nan]])
    ax.imshow(image, origin=origin, extent=(0, 2, 0, 2))
    top, bottom = (1.5, 0.5) if origin == "upper" else (0.5, 1.5)
    rows = series(table(ax), 1, 1)
    np.testing.assert_array_equal(rows, [[0.5, top, 1], [1.5, top, 2], [0.5, bottom, 3]])


def test_a_large_image_is_thinned_and_says_so(ax):
    side = 2 * drawn.SIDE
    ax.imshow(np.arange(side * side).reshape(side, side), extent=(0, side, side, 0))
    text = table(ax)
    assert "one cell in 2 along each axis" in text
    rows = series(text, 1, 1)
    assert rows.shape == (drawn.SIDE**2, 3)
    np.testing.assert_array_equal(rows[1], [2.5, 0.5, 2])


def test_shared_labels_and_words_on_an_axis_are_given():
    figure, axes = plt.subplots(1, 2, sharey=True)
    axes[0].set_ylabel("share")
    axes[1].bar([0, 1], [2, 3])
    axes[1].set_xticks([0, 1], ["tanh", "two\nlines"])
    colours = axes[0].imshow([[1.0, 2.0]])
    figure.colorbar(colours, ax=axes[0])  # is no panel
    text = drawn.table(figure)
    plt.close(figure)
    assert "# panel 2: no title; x = not named; y = share\n" in text
    assert "# panel 2, x axis: 0 is tanh; 1 is two lines\n" in text
    assert "# panel 3" not in text
