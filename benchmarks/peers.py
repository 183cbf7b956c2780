"""Lyapunov exponents of one problem by each package, as a user of that package would ask for them.

Each function takes a `Problem`, prepares everything that can be prepared once, and returns a call
without arguments that does the work and waits for it. The result is (n,), descending, or
(networks, n).
"""

import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac
from benchmarks.workloads import Problem, tanh_step

Run = Callable[[], np.ndarray]


def with_rnnjac(problem: Problem) -> Run:
    """The public function, on blocks of ``interval`` steps."""
    interval = problem.interval

    def block(params, state, x):
        return jax.lax.fori_loop(0, interval, lambda _, s: problem.step(params, s, x), state)

    step = problem.step if interval == 1 else block
    params, start, _ = _arguments(problem)
    blocks = problem.length // interval

    def exponents(params, start):
        return rnnjac.lyapunov_exponents(step, params, start, length=blocks).exponents

    if problem.networks:
        exponents = jax.jit(jax.vmap(exponents))
    return lambda: np.asarray(exponents(params, start)) * (problem.unit / interval)


def with_rnnjac_in_a_loop(problem: Problem) -> Run:
    """Several networks one after the other."""
    count = problem.networks or 1
    each = problem._replace(networks=None)
    runs = [
        with_rnnjac(each._replace(params=problem.params[i], start=problem.start[i]))
        for i in range(count)
    ]
    return lambda: np.stack([run() for run in runs])


def with_lyapax(problem: Problem) -> Run:
    """``lyapax.lyapunov_spectrum`` under ``jax.jit``, so that the second call compiles nothing."""
    spectrum = jax.jit(_lyapax(problem))
    arguments = _arguments(problem)
    # it mixes integers with Python floats, which strict promotion refuses
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        compiled = spectrum.lower(*arguments).compile()
    return lambda: np.asarray(compiled(*arguments))


def with_lyapax_uncompiled(problem: Problem) -> Run:
    """The same call as its guide shows it, without ``jax.jit``: every call compiles its loop."""
    spectrum, arguments = _lyapax(problem), _arguments(problem)

    def run():
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return np.asarray(spectrum(*arguments))

    return run


def _lyapax(problem: Problem) -> Callable:
    import lyapax

    def spectrum(params, start, frame):
        zero = jnp.zeros((), start.dtype)
        # a checkpoint at time 0 is how it takes a given frame
        origin = lyapax.LyapunovCheckpoint(start, frame, jnp.zeros_like(start), zero)
        with warnings.catch_warnings():
            # it warns of float32 under JAX's default precision: that is what is asked for here
            warnings.filterwarnings("ignore", message="lyapax: jax_enable_x64")
            return lyapax.lyapunov_spectrum(
                lambda state: problem.step(params, state, None),
                start,
                dt=1 / problem.unit,
                n_steps=problem.length,
                renorm_every=problem.interval,
                resume=origin,
            ).exponents

    return _several(problem, spectrum)


def with_plain_jax(problem: Problem) -> Run:
    """What one writes without a package: jacfwd, a product and ``jnp.linalg.qr``, in a scan."""
    jacobian = jax.jacfwd(problem.step, argnums=1)

    def exponents(params, start, frame):
        def one(_, carry):
            state, frame = carry
            return problem.step(params, state, None), jacobian(params, state, None) @ frame

        def block(carry, _):
            once = problem.interval == 1
            carry = one(0, carry) if once else jax.lax.fori_loop(0, problem.interval, one, carry)
            state, frame = carry
            frame, triangle = jnp.linalg.qr(frame)
            return (state, frame), jnp.log(jnp.abs(jnp.diagonal(triangle)))

        blocks = problem.length // problem.interval
        _, logs = jax.lax.scan(block, (start, frame), length=blocks)
        return -jnp.sort(-jnp.sum(logs, axis=0)) * (problem.unit / problem.length)

    arguments, compiled = _arguments(problem), jax.jit(_several(problem, exponents))
    return lambda: np.asarray(compiled(*arguments))


def with_torch(problem: Problem) -> Run:
    """A Python loop with ``torch.linalg.qr``.

    The Jacobian of the tanh network, diag(1 - s^2) W, is written by hand, which is faster than any
    automatic one; that of a gated cell comes from ``torch.func.jacfwd``.
    """
    import torch

    if problem.interval != 1 or (problem.step is not tanh_step and problem.torch_step is None):
        raise ValueError("problem: expected a network; the torch loop knows no other")
    on_gpu = jax.default_backend() == "gpu" and torch.cuda.is_available()
    params, start, frame = jax.tree.map(
        lambda a: torch.tensor(a, device="cuda" if on_gpu else "cpu"),
        (problem.params, problem.start, problem.frame),
    )
    push = _torch_push(problem, params)

    @torch.no_grad()
    def run():
        state, q, logs = start, frame.expand(*start.shape, -1), torch.zeros_like(start)
        for _ in range(problem.length):
            state, image = push(state, q)
            q, triangle = torch.linalg.qr(image)
            logs = logs + torch.log(torch.abs(torch.diagonal(triangle, dim1=-2, dim2=-1)))
        logs = torch.sort(logs, descending=True).values
        return (logs * (problem.unit / problem.length)).cpu().numpy()

    return run


def _torch_push(problem: Problem, params: Any) -> Callable:
    """``(state, frame) -> (next state, Jacobian @ frame)``."""
    import torch

    step = problem.torch_step
    if step is None:

        def by_hand(state, q):
            state = torch.tanh((params @ state[..., None])[..., 0])
            return state, (1 - state * state)[..., None] * (params @ q)

        return by_hand
    jacobian = torch.func.jacfwd(lambda state: step(params, state))
    return lambda state, q: (step(params, state), jacobian(state) @ q)


PEERS: dict[str, Callable[[Problem], Run]] = {
    "rnnjac": with_rnnjac,
    "lyapax": with_lyapax,
    "lyapax, not jitted": with_lyapax_uncompiled,
    "plain JAX": with_plain_jax,
    "torch": with_torch,
}


def installed() -> list[str]:
    """Names in `PEERS` that this environment can run."""
    optional = ("lyapax", "torch")
    absent = {name for name in optional if importlib.util.find_spec(name) is None}
    return [name for name in PEERS if name.split(",")[0] not in absent]


def _several(problem: Problem, exponents: Callable) -> Callable:
    """The function of params, start and frame for each of several networks, if there are any."""
    return jax.vmap(exponents, in_axes=(0, 0, None)) if problem.networks else exponents


def _arguments(problem: Problem) -> tuple[Any, jax.Array, jax.Array]:
    return jax.tree.map(jnp.asarray, (problem.params, problem.start, problem.frame))
