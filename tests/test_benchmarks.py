"""A fair comparison: all packages find the same exponents, and clocks and tables are right."""

import json

import jax
import numpy as np
import pytest

import rnnjac
from analyses.common import record
from benchmarks import figure, measure, parts, peers, table, timing, workloads
from benchmarks.__main__ import run, store
from tests.tolerances import GATED_CONDITION, PEER_EXPONENT

OTHERS = [name for name in peers.installed() if name != "rnnjac"]


def problem_of(case, dtype):
    if case == "batch":
        return workloads.tanh_nets(3, 6, 20, dtype)
    if case in ("lstm", "gru"):
        return workloads.gated_net(case, 4, 20, dtype)
    return workloads.tanh_net(6, 20, dtype) if case == "tanh" else workloads.lorenz(50, dtype)


@pytest.fixture(params=["tanh", "lorenz"])
def problem(request, dtype):
    return problem_of(request.param, dtype)


def tolerance(problem):
    """Of an exponent, given the rounding of each of the factorisations and the unit of time."""
    eps = np.finfo(problem.start.dtype).eps
    if problem.torch_step is not None:
        eps = eps * GATED_CONDITION
    return PEER_EXPONENT * eps * problem.start.size * problem.unit


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # from torch.func itself
@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("case", ["tanh", "lorenz", "lstm", "gru", "batch"])
def test_every_peer_finds_the_same_exponents(name, case, dtype):
    if (name, case) == ("torch", "lorenz"):
        return  # not among the runs of that case
    problem = problem_of(case, dtype)
    ours, theirs = peers.with_rnnjac(problem)(), peers.PEERS[name](problem)()
    assert theirs.dtype == dtype
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=tolerance(problem))


def test_the_agreement_is_not_one_of_loose_tolerances(problem):
    other = problem._replace(frame=problem.frame[::-1])
    apart = np.abs(peers.with_plain_jax(other)() - peers.with_rnnjac(problem)()).max()
    assert apart > 1000 * tolerance(problem)


def test_the_common_exponents_are_right(problem):
    """Against the QR recursion in NumPy."""
    jacobian = jax.jacfwd(problem.step, argnums=1)
    state, frame, total = problem.start, problem.frame, np.zeros(problem.start.size)
    for _ in range(problem.length):
        image = np.asarray(jacobian(problem.params, state, None)) @ frame
        state = np.asarray(problem.step(problem.params, state, None))
        frame, triangle = np.linalg.qr(image)
        total += np.log(np.abs(np.diag(triangle)))
    expected = np.sort(total)[::-1] * problem.unit / problem.length
    np.testing.assert_allclose(peers.with_rnnjac(problem)(), expected, atol=tolerance(problem))


def test_the_torch_loop_refuses_what_it_does_not_know(dtype):
    pytest.importorskip("torch")
    with pytest.raises(ValueError, match="expected a network"):
        peers.with_torch(workloads.lorenz(20, dtype))


def test_the_limit_multiplies_as_often_as_there_are_steps(dtype):
    problem = workloads.tanh_net(4, 7, dtype)
    expected = np.linalg.matrix_power(problem.frame.astype(np.float64), 8)
    atol = PEER_EXPONENT * 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(parts.products(problem)(), expected, rtol=0, atol=atol)


def test_the_exact_spectrum_is_that_of_the_library(dtype):
    problem = workloads.tanh_net(5, 10, dtype)
    found = rnnjac.spectrum(problem.step, problem.params, problem.start, length=10)
    np.testing.assert_array_equal(parts.exact(problem)(), found.log_singular_values)


def test_a_batch_has_the_exponents_of_each_network(dtype):
    problem = problem_of("batch", dtype)
    together, alone = peers.with_rnnjac(problem)(), peers.with_rnnjac_in_a_loop(problem)()
    assert together.shape == alone.shape == (3, 6)
    assert np.abs(np.diff(alone, axis=0)).max() > 0.01  # three different networks
    np.testing.assert_allclose(together, alone, rtol=0, atol=tolerance(problem))


@pytest.mark.parametrize("name", ["LU only", "QR only", "permutation only"])
def test_the_pieces_run(name, dtype):
    found = parts.PARTS[name](workloads.tanh_net(4, 3, dtype))()
    assert found.shape == (4, 4) and found.dtype == dtype and np.isfinite(found).all()


def test_rounds_time_every_run_equally_often_after_one_warm_up():
    calls, ticks = [], []
    runs = {name: lambda name=name: calls.append(name) for name in "abc"}
    seconds = timing.interleaved(runs, 4, lambda: ticks.append(1))
    assert calls[:3] == ["a", "b", "c"] and len(calls) == len(ticks) == 15
    assert all(sorted(calls[i : i + 3]) == ["a", "b", "c"] for i in range(3, 15, 3))
    assert all(len(times) == 4 and min(times) >= 0 for times in seconds.values())


def test_the_spread_is_the_quartile_range_over_the_median():
    assert timing.spread([1.0, 2.0, 4.0, 6.0, 9.0]) == (6 - 2) / 4


def test_a_second_call_of_the_library_compiles_nothing(monkeypatch):
    monkeypatch.setattr(measure, "LATENCY_SIZE", 3)
    monkeypatch.setattr(measure, "LATENCY_LENGTH", 4)
    monkeypatch.setattr(measure, "LATENCY_DTYPE", str(np.asarray(jax.numpy.zeros(())).dtype))
    for row in measure.latency():
        assert row["first_compilations"] > 0 and row["second_compilations"] == 0


TANH_RUNS = [name for name in [*peers.PEERS, *parts.PARTS] if name != measure.RECOMPILING]


def result_of(seconds):
    """A stored run in which run i takes ``seconds(i)`` whatever the size."""
    rows = []
    for dtype in measure.DTYPES:
        sizes = [(measure.TANH, 32), (measure.TANH, 64), (measure.LORENZ, 3), (measure.BATCH, 64)]
        for case, n in [*sizes, *((name, n) for name, (_, n) in measure.GATED.items())]:
            names = TANH_RUNS if case == measure.TANH else ["rnnjac", "lyapax"]
            shared = {"case": case, "n": n, "steps": 100, "dtype": dtype}
            times = [[seconds(i), seconds(i), 9.0] for i in range(len(names))]
            rows += [{**shared, "run": r, "seconds": t} for r, t in zip(names, times, strict=True)]
    latency = {"run": "spectrum", "n": 64, "steps": 100, "second_compilations": 0}
    latency |= {"first_seconds": 1.0, "second_seconds": 0.1, "first_compilations": 1}
    meta = record.provenance(0, np.float64) | {"lyapax": None, "torch": None, "threads": {}}
    return {"meta": meta, "rows": rows, "latency": [latency]}


def test_a_stored_run_is_printed_and_drawn(tmp_path):
    store(result_of(lambda i: 0.1 * (i + 1)), tmp_path / "run.json")
    result = json.loads((tmp_path / "run.json").read_text())
    text = table.text(result)
    row = next(line.split() for line in text.splitlines() if line.split()[:1] == ["32"])
    # rnnjac 1 ms a step; the peers follow in the order of PEERS, then the products
    assert row == ["32", "1.0000", "2.00x", "3.00x", "4.00x", "2.00x", "0.20x"]
    assert next(line.split()[-1] for line in text.splitlines() if "LSTM, n = 64" in line) == "2.00x"
    figure.draw(result, tmp_path / "run.svg")
    assert (tmp_path / "run.svg").stat().st_size > 0


def test_a_run_that_was_cut_off_is_printed_as_far_as_it_went(tmp_path):
    result = result_of(lambda i: 0.1 * (i + 1))
    done = [row for row in result["rows"] if row["dtype"] == "float64" and row["case"] != "LSTM"]
    text = table.text(result | {"rows": done, "memory": []})
    assert "float64" in text and "GRU" in text and "float32" not in text and "LSTM" not in text


def test_each_case_is_stored_as_soon_as_it_is_timed(tmp_path, monkeypatch):
    class CutOff(Exception):
        pass

    def prepare():
        raise CutOff

    one = measure.Case("tanh net", 4, 3, "float64", ("rnnjac",), lambda: {"rnnjac": lambda: None})
    monkeypatch.setattr(measure, "cases", lambda sizes: [one, one._replace(prepare=prepare)])
    monkeypatch.setattr(measure, "latency", list)
    with pytest.raises(CutOff):
        run(measure.QUICK, tmp_path / "run.json", ())
    (row,) = json.loads((tmp_path / "run.json").read_text())["rows"]
    assert row["run"] == "rnnjac" and len(row["seconds"]) == measure.QUICK.rounds


def test_peers_that_are_missing_are_left_out(monkeypatch):
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    assert peers.installed() == ["rnnjac", "plain JAX"]
    found = {case.name: case.runs[:2] for case in measure.cases(measure.QUICK)}
    assert set(found) == {measure.TANH, measure.LORENZ, measure.BATCH, *measure.GATED}
    assert set(found.values()) == {("rnnjac", "plain JAX")}
