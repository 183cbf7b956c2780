"""The cells of today and two older ones: a table of small ones and of ones with some 64 numbers."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac
from rnnjac import cells
from tests import cells_numpy

INPUTS, T = 3, 8

# Cells of a few numbers of state, and those of about 64, each with its NumPy twin.
SMALL = {
    "echo_state_network": (partial(cells.echo_state_network, hidden=4, leak=0.3), {"leak": 0.3}),
    "min_gru": (partial(cells.min_gru, hidden=4), {}),
    "min_lstm": (partial(cells.min_lstm, hidden=4), {}),
    "selective_state_space": (partial(cells.selective_state_space, hidden=2, states=2), {}),
    "gated_delta_rule": (partial(cells.gated_delta_rule, hidden=2), {}),
    "orthogonal_rnn": (partial(cells.orthogonal_rnn, hidden=4), {}),
    "antisymmetric_rnn": (partial(cells.antisymmetric_rnn, hidden=4), {}),
    "gated antisymmetric_rnn": (
        partial(cells.antisymmetric_rnn, hidden=4, step_size=0.2, diffusion=0.1, gated=True),
        {"eps": 0.2, "gamma": 0.1},
    ),
    "rg_lru": (partial(cells.rg_lru, hidden=4), {}),
    "slstm": (partial(cells.slstm, hidden=2), {}),
    "exp slstm": (partial(cells.slstm, hidden=2, forget="exp"), {"forget": np.exp}),
    "mlstm": (partial(cells.mlstm, hidden=2), {}),
    "exp mlstm": (partial(cells.mlstm, hidden=2, forget="exp"), {"forget": np.exp}),
    "s5": (partial(cells.s5, hidden=2), {}),
}
OF_64 = {
    "echo_state_network": partial(cells.echo_state_network, hidden=64, leak=0.3),
    "min_gru": partial(cells.min_gru, hidden=64),
    "min_lstm": partial(cells.min_lstm, hidden=64),
    "selective_state_space": partial(cells.selective_state_space, hidden=4),
    "gated_delta_rule": partial(cells.gated_delta_rule, hidden=8),
    "orthogonal_rnn": partial(cells.orthogonal_rnn, hidden=64),
    "antisymmetric_rnn": partial(cells.antisymmetric_rnn, hidden=64),
    "rg_lru": partial(cells.rg_lru, hidden=64),
    "slstm": partial(cells.slstm, hidden=16),
    "mlstm": partial(cells.mlstm, hidden=8),
    "s5": partial(cells.s5, hidden=32),
}


def twin(name):
    make, options = SMALL[name]
    return partial(getattr(cells_numpy, make.func.__name__), **options)


@cache
def sample(name):
    cell = SMALL[name][0](INPUTS)
    params = cells_numpy.draw(jax.eval_shape(cell.init, jax.random.key(0)))
    state = cells_numpy.draw(jax.eval_shape(cell.initial_state), seed=1)
    if hasattr(state, "n"):  # a sum of positive numbers
        state = state._replace(n=jnp.abs(state.n) + 1)
    return cell, params, state, jax.random.normal(jax.random.key(2), (T, INPUTS))


@cache
def factors(name):
    cell, params, state, inputs = sample(name)
    return rnnjac.jacobians(cell.step, params, state, inputs)
