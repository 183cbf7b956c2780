"""Reference checks on networks and maps: mean-field theory, fixed points, identities, closed forms.

Each check is a generator of rows (quantity, expected, measured, tolerance, why that tolerance).
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac
from analyses.common import meanfield
from analyses.reference_checks.products import EPS, TIMES, gaussian, spectra


def tanh_map(coupling, state, drive):
    """x' = J tanh(x) + drive."""
    return coupling @ rnnjac.activations.tanh(state) + drive


def quiet_tanh_map(coupling, state, _):
    return coupling @ rnnjac.activations.tanh(state)


def fixed_point(settings, key):
    """At the fixed point 0 of a tanh net the Jacobian is W: exponents are ln|eig W|."""
    n, gain, length = 100, 0.9, settings.map_steps // 10
    coupling = gain * gaussian(key, n, n)
    found = rnnjac.lyapunov_exponents(quiet_tanh_map, coupling, jnp.zeros(n), length=length)
    values = np.asarray(found.exponents)
    eigenvalues, vectors = np.linalg.eig(np.asarray(coupling))
    logs = np.sort(np.log(np.abs(eigenvalues)))[::-1]
    wide = 2 * math.log(np.linalg.cond(vectors)) / length
    reason = "2 ln κ(eigenvectors)/T"
    yield "λ₁ − ln ρ(W) at gain 0.9", 0, values[0] - logs[0], wide, reason
    yield "sum of exponents − ln|det W|", 0, values.sum() - logs.sum(), 1e-10 * n, "1e-10 per unit"
    levels = np.sort(np.exp(2 * values)) / gain**2
    gap = np.abs(np.arange(1, n + 1) / n - np.minimum(levels, 1)).max()
    yield "circular law: sup |F(λ) − e^{2λ}/g²|", 0, gap, 1 / math.sqrt(n), "1/√n, the edge's width"
    norm = math.log(float(rnnjac.spectral_norm(coupling)))
    wide = n ** (-2 / 3)
    yield "ln σ_max(W): the norm bound is silent", math.log(2 * gain), norm, wide, "edge: n^(−2/3)"


def mean_field(settings, key):
    """Random tanh networks, autonomous and driven by noise."""
    published = (
        *((gain, 0.0, value, 5e-6) for gain, value in ((1.1, 0.00507), (1.5, 0.06522))),
        *((gain, 0.0, value, 5e-6) for gain, value in ((2, 0.15472), (3, 0.31025))),
        *((gain, 0.0, value, 5e-6) for gain, value in ((5, 0.53243), (10, 0.85644))),
        *((2, noise, value, 5e-5) for noise, value in ((0.5, 0.1204), (1, 0.0460), (2, -0.1148))),
    )
    for gain, noise, value, half in published:
        theory = meanfield.exponent(gain, noise)
        yield f"λ₁, theory, g = {gain}, noise {noise:g}", value, theory, half, "last printed digit"

    crossing = meanfield.quieting_noise(2)
    quiet = meanfield.exponent(2, crossing)
    yield f"λ₁, theory, g = 2, noise {crossing:.6f}, its zero", 0, quiet, 1e-12, "root finding"

    n, length = settings.net_size, settings.net_steps
    keys = jax.random.split(key, 2)
    unit = gaussian(keys[0], n, n)
    noise_path = jax.random.normal(keys[1], (length, n))
    reason = "finite size: 15/n (10/n seen at g = 10 for n = 500 and 800)"
    for gain, noise in ((2, 0.0), (2, 1.0), (2, crossing), (2, 2.0), (5, 0.0), (10, 0.0)):
        found = rnnjac.lyapunov_exponents(
            tanh_map, gain * unit, noise_path[0], noise * noise_path, top=1, warmup=length // 10
        )
        yield (
            f"λ₁, network of n = {n}, g = {gain}, noise {noise:.4g}",
            meanfield.exponent(gain, noise),
            found.exponents[0],
            15 / n,
            reason,
        )


def critical_line(settings, key):
    """σ_w² of the critical line χ = 1 of tanh networks with biases."""
    for bias, printed in (
        (2.01e-5, 1.0499956),
        (0.01, 1.4242053),
        (0.05, 1.7609546),
        (0.1, 1.9860726),
    ):
        weight = meanfield.critical_weight(bias)
        yield f"σ_w² at σ_b² = {bias:g}", printed, weight, 5e-8, "last printed digit"


def logistic(r, x, _):
    return r * x * (1 - x)


def tent(slope, x, _):
    return slope * jnp.minimum(x, 1 - x)


def cat(matrix, x, _):
    return jnp.mod(matrix @ x, 1.0)


def henon(params, s, _):
    a, b = params
    return jnp.stack([1 - a * s[0] ** 2 + s[1], b * s[0]])


def lorenz(dt, s, _):
    """One fourth-order Runge–Kutta step of the Lorenz system at 10, 28, 8/3."""

    def flow(s):
        x, y, z = s
        return jnp.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])

    k1 = flow(s)
    k2 = flow(s + dt / 2 * k1)
    k3 = flow(s + dt / 2 * k2)
    k4 = flow(s + dt * k3)
    return s + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def small_maps(settings, key):
    """Maps whose exponents are known in closed form, or to many published digits."""
    length = settings.map_steps

    def run(step, params, start, **options):
        options = {"length": length, "warmup": 100} | options
        return rnnjac.lyapunov_exponents(step, params, jnp.array(start), **options)

    def statistical(found, digit):
        return max(digit, 4 * float(found.stderr[0])), "four standard errors, or the printed digits"

    found = run(logistic, 4.0, [0.3])
    yield "logistic map, r = 4: ln 2", math.log(2), found.exponents[0], *statistical(found, 1e-3)
    slope = 1.9
    found = run(tent, slope, [0.3])
    wide = length * EPS
    yield "tent map of slope 1.9", math.log(slope), found.exponents[0], wide, "T roundings of a sum"

    golden = math.log((3 + math.sqrt(5)) / 2)
    values = run(cat, jnp.array([[2.0, 1.0], [1.0, 1.0]]), [0.3, 0.4], length=1000).exponents
    yield "cat map: λ₁", golden, values[0], 1e-10, "1e-10 per step"
    yield "cat map: sum", 0, values.sum(), 1e-10, "determinant 1; 1e-10 per step"

    found = run(henon, (1.4, 0.3), [0.1, 0.1])
    yield "Hénon map: λ₁", 0.41922, found.exponents[0], *statistical(found, 1e-3)
    yield "Hénon map: sum = ln 0.3", math.log(0.3), found.exponents.sum(), 1e-10, "1e-10 per step"
    dimension = rnnjac.kaplan_yorke_dimension(found.exponents)
    wide = 1e-3 + 4 * float(found.stderr[0]) / 1.6
    yield "Hénon map: Kaplan–Yorke dimension", 1.258, dimension, wide, "that of λ₁, over |λ₂|"

    dt = 0.01
    found = run(lorenz, dt, [1.0, 1.0, 20.0], length=4 * length, warmup=1000)
    values, stderr = np.asarray(found.exponents) / dt, np.asarray(found.stderr) / dt
    reason = "four standard errors, or the printed digits"
    yield "Lorenz: λ₁ per unit time", 0.9056, values[0], max(1e-3, 4 * stderr[0]), reason
    yield "Lorenz: λ₂", 0, values[1], max(1e-3, 4 * stderr[1]), reason
    yield "Lorenz: sum = −41/3", -41 / 3, values.sum(), 1e-3, "Runge–Kutta error, (14 dt)⁵/5!/dt"
    dimension = rnnjac.kaplan_yorke_dimension(found.exponents)
    wide = 1e-3 + 4 * stderr[0] / 14.5
    yield "Lorenz: Kaplan–Yorke dimension", 2.062, dimension, wide, "that of λ₁, over |λ₃|"


def identities(settings, key):
    """Exact identities of a driven tanh network."""
    n, length = 16, TIMES[-1]
    keys = jax.random.split(key, 3)
    params = {
        "W_x": jnp.eye(n),
        "W_s": 1.2 * gaussian(keys[0], n, n),
        "b": 0.1 * jax.random.normal(keys[1], (n,)),
    }
    inputs = 0.5 * jax.random.normal(keys[2], (length + 1, n))
    states = rnnjac.cells.elman(inputs=n, hidden=n, activation="tanh")
    fields = rnnjac.cells.elman(inputs=n, hidden=n, activation="tanh", form="preactivation")
    start = states.initial_state()

    jac = rnnjac.jacobians(states.step, params, start, inputs[:-1])
    found = rnnjac.spectrum(states.step, params, start, inputs[:-1], at=TIMES)
    logs = np.asarray(found.log_singular_values)[-1]
    dets = np.asarray(jnp.linalg.slogdet(jac)[1])
    wide, reason = 1e-10 * length, "1e-10 per step"
    yield "Σ log σ − Σ log|det J|", 0, logs.sum() - dets.sum(), wide, reason

    outputs = rnnjac.trajectory(states.step, params, start, inputs[:-1])[1:]
    slopes = np.log1p(-(np.asarray(outputs) ** 2)).sum()
    total = length * np.linalg.slogdet(np.asarray(params["W_s"]))[1] + slopes
    yield "Σ log σ − T ln|det W| − Σ ln φ′", 0, logs.sum() - total, wide, reason

    rates = rnnjac.lyapunov_exponents(states.step, params, start, inputs[:-1]).exponents
    yield "sum of exponents − mean log|det J|", 0, rates.sum() - dets.mean(), 1e-10, reason

    adjoint = spectra(jac[::-1].transpose(0, 2, 1))[-1]
    gap = np.abs(adjoint - logs).max()
    wide = 10 * float(np.max(found.error[-1]))
    yield "adjoint product: worst log σ", 0, gap, wide, "ten times the reported error"

    # x_t = W φ(x_{t−1}) + u_t and h_t = φ(x_t): Pˣ W = W Pʰ, so that log σ differ by ≤ ln κ(W)
    field = params["W_s"] @ start + params["W_x"] @ inputs[0] + params["b"]
    other = spectra(rnnjac.jacobians(fields.step, params, field, inputs[1:]))[-1]
    bound = math.log(np.linalg.cond(np.asarray(params["W_s"])))
    gap = np.abs(other - logs).max()
    yield "inside or outside tanh: worst log σ", 0, gap, bound, "ln κ(W), by Ostrowski"
    gap = np.abs(other.sum() - logs.sum())
    yield "inside or outside tanh: Σ log σ", 0, gap, 1e-10 * length, reason

    norm = math.log(float(rnnjac.spectral_norm(params["W_s"])))
    excess = max(0.0, float(logs[0]) / length - norm)
    yield "log σ₁/T above ln σ_max(W)", 0, excess, 1e-12, "a bound: never above, but for rounding"


def log_sigmoid(a):
    return -np.logaddexp(0, -np.asarray(a))


def gated_closed_forms(settings, key):
    """Cells whose products are known in closed form, with 16 numbers in the state."""
    n, length = 16, TIMES[-1]
    inputs = jax.random.normal(key, (length, 2))
    reason = "one rounding at each step and unit"

    cell = rnnjac.cells.irnn(inputs=2, hidden=n)
    params = cell.init(key)
    worst = np.abs(_log_sigma(cell, params, jnp.ones(n), jnp.zeros_like(inputs))[-1]).max()
    yield f"IRNN, positive state, T = {length}: worst log σ", 0, worst, 0, "exact, bit for bit"

    yield from _gated_lstm(n // 2, inputs, key, reason)

    cell = rnnjac.cells.gru(inputs=2, hidden=n)
    params = cell.init(key) | {"W_h": jnp.zeros((3 * n, n))}
    logs = _log_sigma(cell, params, cell.initial_state(), inputs)[-1]
    update = np.asarray(inputs @ params["W_x"].T)[:, n : 2 * n]
    gap = np.abs(logs - np.sort(log_sigmoid(update).sum(axis=0))[::-1]).max()
    wide = length * n * EPS
    yield "GRU without recurrent weights: worst log σ", 0, gap, wide, reason


def _log_sigma(cell, params, start, inputs):
    return spectra(rnnjac.jacobians(cell.step, params, start, inputs))


def _gated_lstm(n, inputs, key, reason):
    """Without recurrent weights P = [[F, 0], [G F, 0]], F = Π diag f, G = diag(o tanh'(c_T))."""
    cell = rnnjac.cells.lstm(inputs=2, hidden=n)
    params, start = cell.init(key) | {"W_h": jnp.zeros((4 * n, n))}, cell.initial_state()
    states = rnnjac.trajectory(cell.step, params, start, inputs)
    logs = _log_sigma(cell, params, start, inputs)[-1]
    gates = np.asarray(inputs @ params["W_x"].T + params["b"])
    through = np.exp(log_sigmoid(gates[-1, 3 * n :])) / np.cosh(np.asarray(states.c)[-1]) ** 2
    expected = log_sigmoid(gates[:, n : 2 * n]).sum(axis=0) + np.log1p(through**2) / 2
    gap = np.abs(logs[:n] - np.sort(expected)[::-1]).max()
    wide = len(inputs) * n * EPS
    yield "LSTM without recurrent weights: worst log σ", 0, gap, wide, reason
    lost = np.isneginf(logs).sum()
    yield "LSTM without recurrent weights: directions lost", n, lost, 0, "a count"

    # at zero input c stays 0, and the factor from c to h is the same at both lengths
    first, second = _log_sigma(cell, params, start, jnp.zeros_like(inputs))[:2, 0]
    rate = (second - first) / (TIMES[1] - TIMES[0])
    printed = "last printed digit"
    yield "LSTM, forget bias 1, no input: log σ per step", -0.3132617, rate, 5e-8, printed
    half = -math.log(2) / rate
    yield "LSTM, forget bias 1, no input: half-life", 2.2127, half, 5e-5, printed
