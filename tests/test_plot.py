import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import pyplot as plt

import rnnjac
from rnnjac import plot

INF, NAN = np.inf, np.nan


@pytest.fixture(autouse=True)
def no_figure_left():
    yield
    plt.close("all")


def drawn(ax):
    """Render the figure, which runs layout and locators; warnings are errors."""
    ax.figure.canvas.draw()
    return ax


def legend(ax):
    return [] if ax.get_legend() is None else [t.get_text() for t in ax.get_legend().get_texts()]


def curve(ax, number=0):
    return ax.lines[number].get_xydata()


CALLS = {
    "spectrum": lambda **k: plot.spectrum([0.0, -5.0, -INF], **k),
    "exponents": lambda **k: plot.exponents(np.ones((3, 2)), **k),
    "gradient_norms": lambda **k: plot.gradient_norms([-INF, -3.0, 0.0], **k),
    "reach": lambda **k: plot.reach([[0.0, NAN], [-INF, 0.0]], **k),
}


@pytest.mark.parametrize("name", CALLS)
def test_returns_the_axes_given_or_new_ones(name):
    ax = plt.figure().add_subplot()
    assert CALLS[name](ax=ax) is ax
    assert CALLS[name]() is not ax
    drawn(ax)


@pytest.mark.parametrize("name", CALLS)
def test_labels_have_units_and_nothing_is_cut(name):
    ax = drawn(CALLS[name]())
    words = ax.get_xlabel() + ax.get_ylabel()
    assert "step" in words or "nat" in words
    inside = ax.figure.bbox.padded(1)
    for text in (ax.xaxis.label, ax.yaxis.label, *ax.texts, ax.get_legend()):
        if text is not None and text.get_visible():
            box = text.get_window_extent()
            assert inside.containsx(box.x0) and inside.containsx(box.x1)
            assert inside.containsy(box.y0) and inside.containsy(box.y1)


@pytest.mark.parametrize("name", CALLS)
def test_legend_stands_clear_of_the_data(name):
    ax = drawn(CALLS[name]())
    if ax.get_legend() is not None:
        assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1


@pytest.mark.parametrize(
    "logs",
    [
        [0.0],
        [-INF],
        [NAN],
        [-INF, -INF],
        [1.0, NAN, -INF],
        [1e-16, 0.0, -1e-16],
        [-1e4, -1e5],
        np.linspace(3, -600, 256),
    ],
)
@pytest.mark.parametrize("steps", [None, 0, 10])
def test_spectrum_takes_every_value(logs, steps):
    ax = drawn(plot.spectrum(logs, np.full(len(logs), 0.5), steps))
    assert np.all(np.isfinite([*ax.get_xlim(), *ax.get_ylim()]))


def test_spectrum_draws_what_it_is_given():
    ax = plot.spectrum(jnp.array([2.0, -4.0, -INF, -INF]))
    np.testing.assert_array_equal(curve(ax), [[1, 2], [2, -4]])
    np.testing.assert_array_equal(curve(ax, 1)[:, 0], [3, 4])
    assert legend(ax) == ["2 lost directions (−∞)"]


def test_spectrum_per_step_divides_logs_and_errors():
    ax = plot.spectrum([2.0, -4.0], [1.0, 3.0], 10)
    np.testing.assert_array_equal(curve(ax), [[1, 0.2], [2, -0.4]])
    (bars,) = ax.containers
    lengths = [path[1, 1] - path[0, 1] for path in bars.lines[2][0].get_segments()]
    np.testing.assert_allclose(lengths, [0.2, 0.6])
    assert ax.get_ylabel() == "exponent (nat per step)"


def test_unbounded_errors_and_nan_are_named():
    ax = drawn(plot.spectrum([0.0, -1.0, NAN], [0.1, INF, NAN]))
    assert legend(ax) == ["error not bounded", "1 not defined (NaN), not shown"]


def test_lost_values_lie_below_the_data_and_their_tick_is_not_a_number():
    ax = drawn(plot.spectrum([0.0, -50.0, -INF]))
    low, high = ax.get_ylim()
    strip = low + 0.08 * (high - low)
    assert strip < -50
    assert all(tick >= strip for tick in ax.get_yticks())
    assert [t.get_text() for t in ax.texts] == ["−∞"]


def test_two_spectra_share_one_picture():
    ax = plot.spectrum([0.0, -INF], label="a")
    drawn(plot.spectrum([5.0, -5.0, -INF], ax=ax, label="b"))
    assert legend(ax) == ["a", "a: 1 lost direction (−∞)", "b", "b: 1 lost direction (−∞)"]
    assert [t.get_text() for t in ax.texts] == ["−∞"]
    low, high = ax.get_ylim()
    assert low < -5 and high > 5
    assert ax.lines[0].get_color() != ax.lines[3].get_color()


@pytest.mark.parametrize("shape", [(0, 2), (1, 1), (1, 20), (50, 4), (50, 20)])
def test_exponents_take_every_shape(shape):
    history = np.random.default_rng(0).normal(size=shape)
    ax = drawn(plot.exponents(history, np.arange(shape[0]) * 10))
    assert np.all(np.isfinite(ax.get_ylim()))
    assert len(ax.figure.axes) == (2 if shape[1] > 4 else 1)  # a colour bar for many


def test_exponents_mark_where_one_is_lost():
    history = np.array([[0.5, -1.0], [0.4, -INF], [0.3, -INF]])
    ax = drawn(plot.exponents(history, [10, 20, 30]))
    np.testing.assert_array_equal(curve(ax)[:, 0], [10, 20, 30])
    lost = [line for line in ax.lines if line.get_gid() == "lost"]
    np.testing.assert_array_equal(lost[0].get_xdata(), [20])
    assert "1 lost exponent (−∞)" in legend(ax)


def test_gradient_norms_are_drawn_against_the_lag():
    ax = drawn(plot.gradient_norms([-INF, -6.0, -2.0, 0.0], label="net"))
    np.testing.assert_array_equal(curve(ax), [[0, 0], [1, -2], [2, -6], [3, NAN]])
    assert legend(ax) == ["net", "net: 1 exactly zero gradient (−∞)"]


@pytest.mark.parametrize("norms", [[0.0], [-INF], [NAN], [-INF] * 300 + [-700.0, 0.0]])
def test_gradient_norms_take_every_value(norms):
    assert np.all(np.isfinite(drawn(plot.gradient_norms(norms)).get_ylim()))


def colour_at(ax, end, start):
    return ax.images[0].get_array()[end, start]


def test_reach_colours_are_centred_at_zero():
    logs = np.array([[0.0, NAN, NAN], [-4.0, 0.0, NAN], [-INF, 1.0, 0.0]])
    ax = drawn(plot.reach(logs))
    red, _, blue, _ = colour_at(ax, 1, 0)
    assert blue > red  # shrinking
    red, _, blue, _ = colour_at(ax, 2, 1)
    assert red > blue  # growing
    np.testing.assert_allclose(*(colour_at(ax, i, i) for i in (0, 1)))
    assert np.ptp(colour_at(ax, 0, 0)[:3]) < np.ptp(colour_at(ax, 2, 1)[:3])
    assert legend(ax) == ["lost (−∞)", "no product"]
    assert ax.figure.axes[1].get_ylim() == (-4, 1)


def test_reach_picks_one_singular_value_and_limits_its_colours():
    logs = np.zeros((2, 2, 2))
    logs[1, 0] = [-1.0, -30.0]
    ax = drawn(plot.reach(logs, index=1, limit=10.0))
    np.testing.assert_allclose(colour_at(ax, 1, 0), plt.get_cmap("RdBu_r")(0.0))
    assert "sigma_{2}" in ax.figure.axes[1].get_ylabel()


@pytest.mark.parametrize("logs", [[[0.0]], [[NAN]], [[-INF]], np.full((3, 3), 1e-12)])
def test_reach_takes_every_value(logs):
    drawn(plot.reach(logs))


def test_style_is_undone_afterwards():
    before = plt.rcParams["axes.spines.top"], plt.rcParams["figure.constrained_layout.use"]
    with plot.style():
        assert not plt.rcParams["axes.spines.top"]
    after = plt.rcParams["axes.spines.top"], plt.rcParams["figure.constrained_layout.use"]
    assert after == before


def test_colours_are_distinct_in_lightness():
    from matplotlib.colors import to_rgb

    def lightness(colour):
        return float(np.dot(to_rgb(colour), [0.2126, 0.7152, 0.0722]))

    first = [lightness(c) for c in plot.COLOURS[:2]]
    assert abs(first[0] - first[1]) > 0.2


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match=r"log_singular_values: expected 1 axis, not empty; got"):
        plot.spectrum(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"error: expected shape \(2,\); got shape \(3,\)"):
        plot.spectrum(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match=r"history: expected 2 axes, not empty; got shape \(3,\)"):
        plot.exponents(np.zeros(3))
    with pytest.raises(ValueError, match=r"times: expected shape \(3,\); got shape \(2,\)"):
        plot.exponents(np.zeros((3, 1)), np.zeros(2))
    with pytest.raises(ValueError, match=r"log_norms: expected 1 axis, not empty; got shape \(0,"):
        plot.gradient_norms([])
    with pytest.raises(ValueError, match=r"logs: expected shape .*; got shape \(2, 3, 1\)"):
        plot.reach(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="index: expected an integer from 0 to 0; got 1"):
        plot.reach(np.zeros((2, 2)), index=1)


def test_results_are_drawn_as_they_are():
    """A Spectrum with its errors; exponents at their true times."""
    step = lambda params, state, x: jnp.array([2.0, 0.5]) * state  # noqa: E731
    one = rnnjac.spectrum(step, None, jnp.ones(2), length=6)
    (line,) = drawn(plot.spectrum(one)).lines[:1]
    np.testing.assert_allclose(line.get_ydata(), one.log_singular_values)
    found = rnnjac.lyapunov_exponents(step, None, jnp.ones(2), length=50, warmup=3)
    (line,) = drawn(plot.exponents(found)).lines[:1]
    np.testing.assert_array_equal(line.get_xdata(), found.times)
