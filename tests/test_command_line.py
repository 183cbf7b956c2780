"""The command line: results equal the library's, and bad input is one line and exit code 2."""

import json
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import interop
from rnnjac.command_line.run import _as_json, main
from tests import oracles
from tests.tolerances import TAIL

UNITS, WIDTH = 4, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weights of an LSTM and inputs, in files of every kind."""
    root, draw = tmp_path_factory.mktemp("files"), np.random.default_rng(0)

    def of(*shape):
        return draw.normal(size=shape).astype(np.float32) / 2

    weights = {
        "rnn.weight_ih_l0": of(4 * UNITS, WIDTH),
        "rnn.weight_hh_l0": of(4 * UNITS, UNITS),
        "rnn.bias_ih_l0": of(4 * UNITS),
        "rnn.bias_hh_l0": of(4 * UNITS),
        "head.weight": of(2, UNITS),
    }
    np.savez(root / "lstm.npz", **weights)
    np.savez(root / "nan.npz", **{k: np.full_like(v, np.nan) for k, v in weights.items()})
    one = of(30, WIDTH)
    np.save(root / "one.npy", one)
    np.savetxt(root / "one.csv", one, delimiter=",", header="a,b,c", comments="", fmt="%.9g")
    np.save(root / "batch.npy", np.stack([one, one[::-1]]))
    np.savez(root / "ragged.npz", one[:20], one)
    np.save(root / "wide.npy", of(30, WIDTH + 1))
    np.save(root / "nan.npy", np.full((30, WIDTH), np.nan, np.float32))
    np.save(root / "objects.npy", np.array([None, 1]))
    (root / "empty.csv").write_text("")
    (root / "words.csv").write_text("a,b,c\n1,2,x\n")
    (root / "uneven.csv").write_text("1,2,3\n1,2\n")
    (root / "model.pt").write_bytes(b"\x80\x02}.")
    (root / "cut.npy").write_bytes((root / "one.npy").read_bytes()[:100])
    return root


def run(folder, command, data="one.npy", *more, weights="lstm.npz"):
    return main([command, str(folder / weights), "--inputs", str(folder / data), *more])


@pytest.fixture(scope="module")
def network(folder):
    return interop.load(folder / "lstm.npz", "rnn", dtype=jnp.float32)


def test_a_diagnosis_is_the_librarys(folder, network, capsys, tmp_path):
    page = tmp_path / "page.html"
    assert run(folder, "diagnose", "one.npy", "--json", "--out", str(page)) == 0
    printed = json.loads(capsys.readouterr().out)
    expected = rnnjac.diagnose(*network, jnp.load(folder / "one.npy")).to_dict()
    assert printed.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, float) and np.isfinite(value):
            assert printed[name] == pytest.approx(value), name
        elif not isinstance(value, float):
            assert printed[name] == value, name
    assert page.read_text().rstrip().endswith("</html>")


def test_findings_are_an_exit_code_where_that_is_asked_for(folder, capsys):
    assert run(folder, "diagnose", "ragged.npz") == 0
    shown = capsys.readouterr().out
    assert "2 sequences of 20 to 30 steps" in shown and "forgets" in shown
    assert run(folder, "diagnose", "ragged.npz", "--strict") == 1


def test_a_table_of_text_is_read_as_the_array_is(folder, capsys):
    assert run(folder, "exponents", "one.csv", "--top", "2", "--json") == 0
    from_text = json.loads(capsys.readouterr().out)
    run(folder, "exponents", "one.npy", "--top", "2", "--json")
    assert from_text == json.loads(capsys.readouterr().out)
    assert len(from_text["exponents"]) == 2


def test_sequences_of_two_lengths_are_each_as_alone(folder, network, capsys, tmp_path):
    out = tmp_path / "spectra.npz"
    assert run(folder, "spectrum", "ragged.npz", "--out", str(out)) == 0
    with np.load(out) as saved:
        logs, errors, steps = (saved[k] for k in ("log_singular_values", "error", "steps"))
    assert steps.tolist() == [20, 30]
    one = jnp.load(folder / "one.npy")
    factors = np.asarray(rnnjac.jacobians(*network, one), float)
    for row, error, sequence in zip(logs, errors, (factors[:20], factors), strict=True):
        good = np.isfinite(error)
        assert good.sum() >= UNITS
        off = oracles.log_sigma_error(row, oracles.exact_log_singular_values(sequence))[good]
        assert (off <= TAIL * error[good]).all()


def test_a_batch_in_one_array(folder, capsys):
    assert run(folder, "exponents", "batch.npy", "--json") == 0
    assert np.shape(json.loads(capsys.readouterr().out)["exponents"]) == (2, 2 * UNITS)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("gone.npy", (), "inputs: expected an existing file; got"),
        ("wide.npy", (), "inputs: expected sequences of 3 numbers a step, as the weights have it"),
        ("nan.npy", (), "inputs: expected finite numbers; got nan at (0, 0)"),
        ("empty.csv", (), "inputs: expected steps: an array of shape (T, width)"),
        ("words.csv", (), "inputs: expected numbers with commas between them"),
        ("uneven.csv", (), "inputs: expected equally many numbers in each row; got [2, 3]"),
        ("objects.npy", (), "inputs: expected arrays of numbers in an intact .npy file"),
        ("cut.npy", (), "inputs: expected arrays of numbers in an intact .npy file"),
        ("model.pt", (), "inputs: expected a file named .npy, .npz, .csv; got model.pt"),
        ("one.npy", ("--cell", "gru"), "cell: expected 'lstm', as the shapes of the weights say"),
        ("one.npy", ("--cell", "lstms"), "cell: expected one of 'tanh', 'relu', 'gru', 'lstm'"),
        ("one.npy", ("--prefix", "head"), "prefix: expected one of 'rnn'; got 'head'"),
        ("one.npy", ("--out", "page.txt"), "out: expected a file named .html; got page.txt"),
        ("one.npy", ("--weights", "nan.npz"), "rnn.weight_hh_l0: expected finite entries; got nan"),
        ("one.npy", ("--weights", "model.pt"), "source: expected arrays in a .npz, .safetensors"),
        ("one.npy", ("--weights", "gone.npz"), "weights: expected an existing file; got"),
    ],
)
def test_bad_input_is_one_line(folder, capsys, data, options, message):
    weights = options[1] if options[:1] == ("--weights",) else "lstm.npz"
    more = () if weights != "lstm.npz" else options
    assert run(folder, "diagnose", data, *more, weights=weights) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"rnnjac: {message}"), shown.err
    assert shown.err.count("\n") == 1


def test_json_has_words_for_what_it_has_no_numbers_for():
    text = _as_json({"logs": [[-np.inf, 1.0], [np.nan, np.inf]]})
    assert text == '{"logs": [["-inf", 1.0], [null, "inf"]]}'


def test_it_explains_itself_and_runs_as_a_module():
    command = [sys.executable, "-m", "rnnjac"]
    done = subprocess.run([*command, "diagnose", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "Exit codes" in done.stdout
    done = subprocess.run([*command, "diagnose"], capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
