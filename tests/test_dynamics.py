"""Trajectories, and the checks every entry point shares."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import cells
from tests.cells_numpy import normal
from tests.tolerances import ELMAN_STEP


def counter(params, state, x):
    return {"sum": state["sum"] + x["a"], "last": x["b"]}


def test_equals_a_python_loop(dtype):
    cell = cells.elman(2, 3)
    params = cell.init(jax.random.key(0))
    inputs = normal(1, (4, 2))
    states = rnnjac.trajectory(cell.step, params, cell.initial_state(), inputs)
    state = cell.initial_state()
    assert states.shape == (5, 3)
    for t in range(4):
        state = cell.step(params, state, inputs[t])
        tolerance = ELMAN_STEP * float(jnp.finfo(dtype).eps)
        np.testing.assert_allclose(states[t + 1], state, rtol=tolerance, atol=tolerance)


def test_pytrees_of_states_and_inputs(dtype):
    start = {"sum": jnp.zeros(2), "last": jnp.zeros(())}
    inputs = {"a": jnp.ones((3, 2)), "b": jnp.arange(3.0)}
    states = rnnjac.trajectory(counter, None, start, inputs)
    np.testing.assert_array_equal(states["sum"][:, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(states["last"], [0, 0, 1, 2])


def test_no_steps_return_the_start():
    states = rnnjac.trajectory(lambda p, s, x: 2 * s, None, jnp.ones(2), length=0)
    np.testing.assert_array_equal(states, [[1, 1]])


def test_python_floats_are_states():
    assert rnnjac.trajectory(lambda p, s, x: p * s, 0.5, 1.0, length=2).tolist() == [1, 0.5, 0.25]


HALVES = ((jnp.float16, rnnjac.spectrum), (jnp.bfloat16, rnnjac.lyapunov_exponents))


@pytest.mark.parametrize(("half", "function"), HALVES)
def test_half_precision_is_computed_in_float32(half, function):
    cell = cells.elman(0, 4, dtype=jnp.float32)
    params = cell.init(jax.random.key(0))
    start = jnp.ones(4, half)
    low = jax.tree.map(lambda a: a.astype(half), params)
    wide = jax.tree.map(lambda a: a.astype(jnp.float32), low)
    found = function(cell.step, low, start, length=5)
    expected = function(cell.step, wide, start.astype(jnp.float32), length=5)
    assert found[0].dtype == jnp.float32
    np.testing.assert_array_equal(found[0], expected[0])


def step(params, state, x):
    return 0.5 * state


FUNCTIONS = {
    "trajectory": rnnjac.trajectory,
    "jacobians": rnnjac.jacobians,
    "spectrum": rnnjac.spectrum,
    "lyapunov_exponents": rnnjac.lyapunov_exponents,
    "reach": rnnjac.reach,
    "gradient_norms": lambda *a, **k: rnnjac.gradient_norms(*a, cotangent=jnp.ones(2), **k),
}
BAD = {
    "neither inputs nor length": (
        (step, None, jnp.ones(2)),
        {},
        ValueError,
        "length: expected a number of steps when inputs is None; got None",
    ),
    "length disagrees": (
        (step, None, jnp.ones(2), jnp.ones((3, 1))),
        {"length": 4},
        ValueError,
        "length: expected at most 3, the rows of inputs; got 4",
    ),
    "negative length": (
        (step, None, jnp.ones(2)),
        {"length": -1},
        ValueError,
        "length: expected an integer >= 0; got -1",
    ),
    "fractional length": (
        (step, None, jnp.ones(2)),
        {"length": 2.5},
        TypeError,
        "length: expected an integer >= 0; got 2.5",
    ),
    "inputs of unequal length": (
        (step, None, jnp.ones(2), (jnp.ones(3), jnp.ones(4))),
        {},
        ValueError,
        r"inputs: expected leaves with equally many rows; got \[3, 4\] rows",
    ),
    "scalar inputs": (
        (step, None, jnp.ones(2), jnp.ones(())),
        {},
        ValueError,
        "inputs: expected leaves with time as their first axis; got a scalar leaf",
    ),
    "integer state": (
        (step, None, jnp.ones(2, jnp.int32)),
        {"length": 1},
        ValueError,
        "state: expected at least one floating-point number; got dtype int32",
    ),
    "a list of steps": (
        (step, None, jnp.ones(2), [jnp.ones(2), jnp.ones(2)]),
        {},
        TypeError,
        r"inputs: expected an array, or .* \(stack the steps .* as tuple.* or as a dict",
    ),
    "a list within": (
        (step, None, jnp.ones(2), {"x": [1.0, 2.0]}),
        {},
        TypeError,
        r"inputs: expected an array, or .*; got a list of 2",
    ),
    "names as inputs": (
        (step, None, jnp.ones(2), ("a", "b")),
        {},
        TypeError,
        r"inputs: expected an array, or .*; got 'a' \(str\)",
    ),
    "a name as state": (
        (step, None, {"h": jnp.ones(2), "kind": "lstm"}),
        {"length": 1},
        TypeError,
        r"state: expected leaves that are arrays or numbers; got 'lstm' \(str\)",
    ),
    "a traced length without inputs": (
        (step, None, jnp.ones(2)),
        {"length": jnp.array(3)},
        TypeError,
        "length: expected an int when inputs is None.*; got an array",
    ),
    "lengths of several": (
        (step, None, jnp.ones(2), jnp.ones((4, 1))),
        {"length": jnp.array([3, 2])},
        TypeError,
        r"length: expected one integer; got an array of shape \(2,\)",
    ),
    "a parameter that nothing can tell apart": (
        (step, {"w": jnp.ones(2), "kind": {1, 2}}, jnp.ones(2)),
        {"length": 1},
        TypeError,
        r"params: expected leaves that are arrays or numbers, or can be hashed .*; got {1, 2}",
    ),
    "a state and an output": (
        (lambda p, s, x: (s, s), None, jnp.ones(2)),
        {"length": 1},
        ValueError,
        r"step: expected .*; got a pair \(state, output\): pass rnnjac.interop.without_output",
    ),
    "empty state": (
        (step, None, jnp.ones(0)),
        {"length": 1},
        ValueError,
        "state: expected at least one floating-point number; got an empty pytree",
    ),
    "shape changes": (
        (lambda p, s, x: s[:1], None, jnp.ones(2)),
        {"length": 1},
        ValueError,
        r"step: expected a state leaf of shape \(2,\) and dtype float..; got shape \(1,\)",
    ),
    "structure changes": (
        (lambda p, s, x: (s, s, s), None, jnp.ones(2)),
        {"length": 1},
        ValueError,
        "step: expected a state of structure",
    ),
}
# there is one precision only without JAX_ENABLE_X64
if jax.config.jax_enable_x64:
    BAD |= {
        "inputs of another precision": (
            (lambda p, s, x: s + x, None, jnp.ones(2), np.ones((3, 2), np.float32)),
            {},
            TypeError,
            "inputs: expected dtype float64, as the state has .*; got dtype float32",
        ),
        "floats of two precisions": (
            (step, None, (jnp.ones(2, jnp.float32), np.ones(2, np.complex128))),
            {"length": 1},
            TypeError,
            "state: expected leaves of one dtype; got float32 and float64",
        ),
    }


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_bad_input_gets_one_clear_line(function, case):
    arguments, options, kind, message = case
    with pytest.raises(kind, match=message):
        function(*arguments, **options)
