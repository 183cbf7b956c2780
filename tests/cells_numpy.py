"""The cells in plain float64 NumPy, each equation as printed, and a helper to compare with them."""

import jax
import jax.numpy as jnp
import numpy as np


def in_float64(tree):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def close(got, want, tolerance):
    """Each leaf within ``tolerance`` eps of its dtype, relative to the larger of 1 and its size."""
    got_leaves, want_leaves = jax.tree.leaves(got), jax.tree.leaves(want)
    assert len(got_leaves) == len(want_leaves)
    for a, b in zip(got_leaves, want_leaves, strict=True):
        assert np.shape(a) == np.shape(b)
        bound = tolerance * float(jnp.finfo(jnp.asarray(a).dtype).eps)
        b = np.asarray(b, np.float64)
        np.testing.assert_array_less(
            np.abs(np.asarray(a, np.float64) - b), bound * max(1.0, np.abs(b).max(initial=0))
        )


def normal(seed, shape):
    """Normal entries in the default dtype, from NumPy: JAX compiles a program for each shape."""
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


def draw(tree, seed=0):
    """Normal entries in place of those of a pytree: biases and peepholes too, so none is zero."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape), a.dtype), tree)


def draw_params(cell, seed=0):
    """Parameters of a cell with normal entries."""
    return draw(jax.eval_shape(cell.init, jax.random.key(0)), seed)


def sample(cell, shape):
    """A cell with drawn parameters and state, and inputs for it."""
    return cell, draw_params(cell), draw(cell.initial_state(), seed=1), normal(2, shape)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def split(params, x, h, names):
    a = params["W_x"] @ x + params["W_h"] @ h + params["b"]
    return dict(zip(names, np.split(a, len(names)), strict=True))


def lstm(params, c, h, x):
    a = split(params, x, h, "ifgo" if len(params["b"]) == 4 * len(c) else "fgo")
    f = sigmoid(a["f"] + params.get("p_f", 0) * c)
    i = sigmoid(a["i"] + params.get("p_i", 0) * c) if "i" in a else 1 - f
    c = f * c + i * np.tanh(a["g"])
    return c, sigmoid(a["o"] + params.get("p_o", 0) * c) * np.tanh(c)


def lstm_1997(params, c, h, x):
    a = split(params, x, h, "igo")
    c = c + sigmoid(a["i"]) * (4 * sigmoid(a["g"]) - 2)
    return c, sigmoid(a["o"]) * (2 * sigmoid(c) - 1)


def gru(params, h, x, reset):
    x_r, x_z, x_n = np.split(params["W_x"] @ x + params["b_x"], 3)
    W_r, W_z, W_n = np.split(params["W_h"], 3)
    b_r, b_z, b_n = np.split(params["b_h"], 3)
    r = sigmoid(x_r + W_r @ h + b_r)
    z = sigmoid(x_z + W_z @ h + b_z)
    inner = r * (W_n @ h + b_n) if reset == "after" else W_n @ (r * h) + b_n
    return (1 - z) * np.tanh(x_n + inner) + z * h
