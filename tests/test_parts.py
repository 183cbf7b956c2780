"""Parts of the state, readouts and inputs at either end of a product."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import cells, input_jacobians, jacobians
from tests.oracles import exact_log_singular_values, log_sigma_error
from tests.tolerances import promised_log_sigma

UNITS, WIDTH, STEPS = 4, 3, 1000
SIZE = 2 * UNITS
READOUT = np.random.default_rng(3).normal(size=(5, UNITS))


def hidden(state):
    return state.h


def memory(state):
    return state.c


def logits(state):
    return jnp.asarray(READOUT, state.h.dtype) @ state.h


@pytest.fixture(scope="module")
def lstm():
    """An LSTM of four units that forgets, along 1,000 steps, and its one-step Jacobians."""
    cell = cells.lstm(WIDTH, UNITS)
    inputs = jax.random.normal(jax.random.key(1), (STEPS, WIDTH))
    params = cell.init(jax.random.key(0))
    params = params | {"b": params["b"].at[UNITS:SIZE].set(-2)}  # e^-2 a step, about
    net = (cell.step, params, cell.initial_state(), inputs)
    return net, np.asarray(jacobians(*net), float), np.asarray(input_jacobians(*net), float)


def columns(part):
    """Which entries of the state make up its part."""
    state = cells.LSTMState(c=np.arange(UNITS), h=np.arange(UNITS, SIZE))
    return part(state)


def expected(js, readout, frame):
    """Log singular values of R J_t ... J_1 B, with zeros around R and B until they are square."""
    square = np.zeros((len(js) + 2, SIZE, SIZE))
    square[0, :, : frame.shape[1]] = frame
    square[1:-1] = js
    square[-1, : len(readout)] = readout
    return exact_log_singular_values(square)[: min(SIZE, len(readout), frame.shape[1])]


def matrices(of, wrt, before):
    """R and B of the state's parts, and of the input after which ``before`` is the Jacobian."""
    eye = np.eye(SIZE)
    readout = {hidden: eye[columns(hidden)], memory: eye[columns(memory)], None: eye}.get(of)
    if of is logits:
        readout = np.asarray(jnp.asarray(READOUT), float) @ eye[columns(hidden)]
    frame = before if wrt == "inputs" else eye if wrt is None else eye[:, columns(wrt)]
    return readout, frame


@pytest.mark.parametrize(("of", "wrt"), [(hidden, hidden), (logits, None), (logits, "inputs")])
def test_a_thousand_steps_against_many_digits(lstm, of, wrt, dtype):
    """Far below the range of floats, and the smallest value as well as the largest."""
    net, js, by_input = lstm
    first = 1 if wrt == "inputs" else 0
    found = rnnjac.spectrum(*net, at=[30, STEPS], of=of, wrt=wrt)
    for steps, logs, error in zip(found.steps, found.log_singular_values, found.error, strict=True):
        truth = expected(js[first : int(steps)], *matrices(of, wrt, by_input[0]))
        wrong, error = log_sigma_error(np.asarray(logs), truth), np.asarray(error)
        # five numbers read from four units: the fifth value is zero, which rounding cannot tell
        some = np.isfinite(truth)
        assert some.sum() == len(truth) - (of is logits and wrt is None)
        assert wrong[some].max() <= promised_log_sigma(dtype, int(steps))
        assert (wrong <= error).all() and np.isfinite(error[some]).all()
    assert found.log_singular_values[-1, 0] < -1000


def test_every_pair_is_that_of_its_span(lstm, dtype):
    """Entry [end, start] against many digits, on the diagonal too."""
    (step, params, state, inputs), js, by_input = lstm
    ends = {"of": logits, "wrt": "inputs"}
    found = np.asarray(rnnjac.reach(step, params, state, inputs[:6], top=3, **ends))
    for start, end in [(1, 1), (1, 6), (3, 3), (4, 6)]:
        truth = expected(js[start:end], *matrices(logits, "inputs", by_input[start - 1]))
        assert log_sigma_error(found[end, start], truth).max() <= promised_log_sigma(dtype, 6)
    assert np.isnan(found[2, 3]).all() and np.isnan(found[5, 0]).all()


def test_vectors_of_a_part(lstm, dtype):
    """P right = sigma left, for P multiplied out, and vectors in the form of the parts."""
    (step, params, state, inputs), js, _ = lstm
    found = rnnjac.singular_vectors(step, params, state, inputs[:5], top=2, of=logits, wrt=memory)
    readout, frame = matrices(logits, memory, None)
    product = readout @ functools.reduce(lambda p, j: j @ p, js[:5], np.eye(SIZE)) @ frame
    left, right = (np.asarray(v, float) for v in (found.left, found.right))
    assert left.shape == (2, len(product)) and right.shape == (2, product.shape[1])
    sigma = np.exp(np.asarray(found.log_singular_values, float))
    tolerance = 10 * float(jnp.finfo(dtype).eps) ** 0.5  # what the iteration stops at, residual^1/2
    np.testing.assert_allclose(right @ product.T, sigma[:, None] * left, atol=tolerance * sigma[0])
    np.testing.assert_allclose(sigma, np.linalg.svd(product)[1][:2], rtol=tolerance)


def twice(state):
    return 2 * state.c


def both(state):
    return state.c, state.c


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"wrt": twice}, "wrt: expected a function that picks entries of the state"),
        ({"wrt": both}, "wrt: expected a function that picks each entry at most once"),
        ({"wrt": "state"}, 'wrt: expected a function that picks a part of the state, or "inputs"'),
        ({"wrt": lambda s: ()}, "wrt: expected at least one floating-point number"),
        ({"of": lambda s: s.h > 0}, "of: expected at least one floating-point number"),
        ({"of": lambda s: s.h.astype(jnp.float16)}, "of: expected numbers of dtype"),
        ({"wrt": "inputs", "at": [0]}, "at: expected an integer from 1 to"),
        ({"wrt": "inputs", "length": 0}, "wrt: expected inputs of at least one step"),
    ],
)
def test_what_is_no_part_is_refused(lstm, arguments, problem):
    with pytest.raises((TypeError, ValueError), match=f"^{problem}"):
        rnnjac.spectrum(*lstm[0], **arguments)


def test_no_more_values_than_a_part_has(lstm):
    (step, params, state, inputs), *_ = lstm
    for measure in (rnnjac.reach, rnnjac.singular_vectors):
        with pytest.raises(ValueError, match="^top: expected an integer from 1 to 3"):
            measure(step, params, state, inputs[:2], top=4, wrt="inputs")
