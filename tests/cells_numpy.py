"""The cells in plain float64 NumPy, each equation as printed, and helpers to compare with them.

The later ones take and return states as the cells have them, and complex numbers too, so that
Jacobians come from a complex step: Im f(s + i h e_j) / h is right to rounding for a tiny h.
"""

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


def jacobian(step, params, state, x):
    """d step / d state of a NumPy step, by complex steps; states flattened leaf by leaf."""
    leaves, form = jax.tree.flatten(state)
    flat = np.concatenate([np.ravel(leaf) for leaf in leaves]).astype(complex)
    ends = np.cumsum([np.size(leaf) for leaf in leaves])[:-1]
    columns = []
    for j in range(flat.size):
        moved = flat.copy()
        moved[j] += 1e-30j
        parts = zip(np.split(moved, ends), leaves, strict=True)
        after = step(params, form.unflatten([p.reshape(np.shape(v)) for p, v in parts]), x)
        columns.append(np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(after)]).imag)
    return np.stack(columns, 1) / 1e-30


def echo_state_network(params, h, x, leak=1.0):
    return (1 - leak) * h + leak * np.tanh(params["W_h"] @ h + params["W_x"] @ x + params["b"])


def min_gru(params, h, x):
    a_z, a_h = np.split(params["W_x"] @ x + params["b"], 2)
    z = sigmoid(a_z)
    return (1 - z) * h + z * a_h


def min_lstm(params, h, x):
    a_f, a_i, a_h = np.split(params["W_x"] @ x + params["b"], 3)
    f, i = sigmoid(a_f), sigmoid(a_i)
    return f / (f + i) * h + i / (f + i) * a_h


def selective_state_space(params, S, x):
    u = params["W_x"] @ x
    delta = np.log1p(np.exp(params["W_delta"] @ params["W_low"] @ u + params["b_delta"]))
    A, B = -np.exp(params["A_log"]), params["W_B"] @ u
    after = np.zeros_like(S)
    for d, n in np.ndindex(S.shape):
        after[d, n] = np.exp(delta[d] * A[d, n]) * S[d, n] + delta[d] * B[n] * u[d]
    return after


def gated_delta_rule(params, S, x):
    k, v = params["W_k"] @ x, params["W_v"] @ x
    k, v = k * sigmoid(k), v * sigmoid(v)
    k = k / np.linalg.norm(k) if k.any() else k
    a_beta, a_alpha = params["W_g"] @ x + params["b_g"]
    alpha = np.exp(-np.exp(params["A_log"]) * np.log1p(np.exp(a_alpha)))
    beta = sigmoid(a_beta)
    return S @ (alpha * (np.eye(len(k)) - beta * np.outer(k, k))) + beta * np.outer(v, k)


def reflections(V):
    """The product of the Householder matrices of the rows of V, right of the diagonal."""
    Q = np.eye(len(V))
    for v in np.triu(V):
        if v.any():
            Q = Q @ (np.eye(len(V)) - 2 * np.outer(v, v) / (v @ v))
    return Q


def orthogonal_rnn(params, h, x):
    return np.tanh(reflections(params["V"]) @ h + params["W_x"] @ x + params["b"])


def antisymmetric_rnn(params, h, x, eps=0.01, gamma=0.01):
    A = params["W_h"] - params["W_h"].T - gamma * np.eye(len(h))
    gate = sigmoid(A @ h + params["W_z"] @ x + params["b_z"]) if "W_z" in params else 1
    return h + eps * gate * np.tanh(A @ h + params["W_x"] @ x + params["b"])


def rg_lru(params, h, x):
    u = params["W_x"] @ x
    r, i = np.split(sigmoid(params["W_g"] @ u + params["b_g"]), 2)
    a = sigmoid(params["Lambda"]) ** (8 * r)
    return a * h + np.sqrt(1 - a**2) * (i * u)


def slstm(params, state, x, forget=sigmoid):
    c, n, m, h = state
    a = split(params, x, h, "ifzo")
    log_f = np.log(forget(a["f"]))
    m_new = np.maximum(log_f + m, a["i"])
    i, f = np.exp(a["i"] - m_new), np.exp(log_f + m - m_new)
    c, n = f * c + i * np.tanh(a["z"]), f * n + i
    return c, n, m_new, sigmoid(a["o"]) * (c / n)


def slstm_without_stabiliser(params, state, x, forget=sigmoid):
    c, n, h = state
    a = split(params, x, h, "ifzo")
    f, i = forget(a["f"]), np.exp(a["i"])
    c, n = f * c + i * np.tanh(a["z"]), f * n + i
    return c, n, sigmoid(a["o"]) * (c / n)


def mlstm_parts(params, x):
    k = params["W_k"] @ x / np.sqrt(len(params["b_k"])) + params["b_k"]
    v = params["W_v"] @ x + params["b_v"]
    return k, v, *(params["W_g"] @ x + params["b_g"])


def mlstm(params, state, x, forget=sigmoid):
    C, n, m = state
    k, v, a_i, a_f = mlstm_parts(params, x)
    log_f = np.log(forget(a_f))
    m_new = np.maximum(log_f + m, a_i)
    i, f = np.exp(a_i - m_new), np.exp(log_f + m - m_new)
    return f * C + i * np.outer(v, k), f * n + i * k, m_new


def mlstm_without_stabiliser(params, state, x, forget=sigmoid):
    C, n = state
    k, v, a_i, a_f = mlstm_parts(params, x)
    return forget(a_f) * C + np.exp(a_i) * np.outer(v, k), forget(a_f) * n + np.exp(a_i) * k


def s5(params, z, x):
    lam = -np.exp(params["log_decay"]) + 1j * params["frequency"]
    kept = np.exp(lam * np.exp(params["log_step"]))
    b = (kept - 1) / lam * ((params["B_re"] + 1j * params["B_im"]) @ x)
    # in real numbers, so that a complex step can pass through
    re, im = z
    return np.stack(
        [kept.real * re - kept.imag * im + b.real, kept.imag * re + kept.real * im + b.imag]
    )
