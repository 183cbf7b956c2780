"""Arguments, commands, and what they print."""

import argparse
import importlib.metadata
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac import interop
from rnnjac._support import checks
from rnnjac._support.files import write_atomically
from rnnjac.batches import in_chunks
from rnnjac.command_line import data
from rnnjac.diagnosis.diagnose import diagnose
from rnnjac.interop import Network
from rnnjac.measures.lyapunov import lyapunov_exponents
from rnnjac.measures.spectrum import spectrum

GOOD, FINDINGS, BAD_INPUT = 0, 1, 2
DESCRIPTION = "What a trained recurrent network does to its gradients."
EPILOG = """\
WEIGHTS is a .safetensors or .npz file of PyTorch, Equinox, Flax or Keras, or a .weights.h5; which
cell it is shows in the names and shapes. DATA is .npy, .npz or .csv: one sequence (T, width), a
batch (B, T, width), or several sequences of any lengths in a .npz. Results go to standard output,
progress to standard error. Exit codes: 0, 1 (findings, with --strict), 2 (bad input).

  rnnjac diagnose lstm.safetensors --prefix encoder.rnn --inputs batch.npy --out page.html
  rnnjac exponents gru.npz --inputs sequence.csv --json
"""


class Given(NamedTuple):
    """What the files hold."""

    network: Network
    sequences: data.Sequences


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.dtype == "float64":
        jax.config.update("jax_enable_x64", True)
    try:
        return options.run(_read(options), options)
    except (ValueError, TypeError, OSError, ImportError) as problem:
        print(f"rnnjac: {_one_line(problem)}", file=sys.stderr)
        return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    style = {"formatter_class": argparse.RawDescriptionHelpFormatter, "epilog": EPILOG}
    parser = argparse.ArgumentParser(prog="rnnjac", description=DESCRIPTION, **style)
    parser.add_argument(
        "--version", action="version", version=f"rnnjac {importlib.metadata.version('rnnjac')}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (run, what) in COMMANDS.items():
        one = commands.add_parser(name, help=what, description=what, **style)
        one.set_defaults(run=run)
        one.add_argument("weights", metavar="WEIGHTS", type=Path)
        one.add_argument("--inputs", metavar="DATA", type=Path, required=True)
        one.add_argument("--prefix", default="", help='place of the layer, such as "encoder.rnn"')
        one.add_argument("--cell", help="tanh (else assumed for an RNN), relu, gru or lstm")
        one.add_argument("--direction", help="forward or backward, of a bidirectional layer")
        one.add_argument("--dtype", choices=("float32", "float64"), default="float32")
        one.add_argument("--json", action="store_true", help="print numbers as JSON")
        kind = "page (.html)" if name == "diagnose" else "arrays (.npz)"
        one.add_argument("--out", metavar="FILE", type=Path, help=f"write {kind} to a file")
        if name == "diagnose":
            one.add_argument("--strict", action="store_true", help="exit code 1 on findings")
        if name == "exponents":
            one.add_argument("--warmup", type=int, default=0, help="steps that are not counted")
            one.add_argument("--top", type=int, help="how many exponents; all by default")
    return parser


def _read(options: argparse.Namespace) -> Given:
    """The network and its inputs, in the precision asked for, which fit each other."""
    for name in ("weights", "inputs"):
        path = getattr(options, name)
        if not path.is_file():
            raise checks.error(name, "an existing file", path)
    wanted = ".html" if options.command == "diagnose" else ".npz"
    if options.out is not None and options.out.suffix != wanted:
        raise checks.error("out", f"a file named {wanted}", options.out.name)
    network = interop.load(
        options.weights,
        options.prefix,
        cell=options.cell,
        direction=options.direction,
        dtype=jnp.dtype(options.dtype),
    )
    sequences = data.read(options.inputs)
    lowest = network.params if isinstance(network.params, dict) else network.params[0]
    width, got = lowest["W_x"].shape[1], sequences.inputs.shape[-1]
    if got != width:
        wanted = f"sequences of {width} numbers a step, as the weights have it"
        raise checks.error("inputs", wanted, f"{got} in {options.inputs.name}")
    inputs = sequences.inputs.astype(options.dtype)
    return Given(network, sequences._replace(inputs=inputs))


def _diagnose(given: Given, options: argparse.Namespace) -> int:
    inputs, lengths, alone = given.sequences
    if alone:
        found = diagnose(*given.network, inputs[0])
    else:
        found = diagnose(*given.network, inputs, lengths=lengths)
    print(_as_json(found.to_dict()) if options.json else found)
    if options.out is not None:
        print(f"wrote {found.save(options.out)}", file=sys.stderr)
    return FINDINGS if options.strict and found.findings else GOOD


def _spectrum(given: Given, options: argparse.Namespace) -> int:
    return _show(_each(spectrum, given), options)


def _exponents(given: Given, options: argparse.Namespace) -> int:
    counted = {"warmup": options.warmup, "top": options.top}

    def exponents(*system: Any, length: Any) -> Any:
        return lyapunov_exponents(*system, length=length, **counted)

    return _show(_each(exponents, given), options)


COMMANDS: dict[str, tuple[Callable[[Given, argparse.Namespace], int], str]] = {
    "diagnose": (_diagnose, "vanishing or exploding, over how many steps, why, and what to change"),
    "spectrum": (_spectrum, "every log singular value of the product over a sequence"),
    "exponents": (_exponents, "Lyapunov exponents along a sequence"),
}


def _each(measure: Callable, given: Given) -> Any:
    """The result of one sequence, or of a batch with an axis in front, by one program."""
    inputs, lengths, alone = given.sequences
    if alone:
        return measure(*given.network, inputs[0], length=None)
    step, params, state = given.network

    def one(item: tuple, params: Any, state: Any) -> Any:
        return measure(step, params, state, item[0], length=item[1])

    items = inputs, np.array(lengths, np.int32)
    shown = len(lengths) > 1 and sys.stderr.isatty()
    return in_chunks(one, chunk=1, progress=shown)(items, params, state)


def _show(found: Any, options: argparse.Namespace) -> int:
    """Print a result of arrays, and write it if that is asked for."""
    arrays = {name: np.asarray(value) for name, value in found._asdict().items()}
    if options.json:
        print(_as_json({name: value.tolist() for name, value in arrays.items()}))
    else:
        print(found)
    if options.out is not None:
        write_atomically(options.out, lambda file: np.savez_compressed(file, **arrays))  # type: ignore
        print(f"wrote {options.out}", file=sys.stderr)
    return GOOD


def _as_json(value: Any) -> str:
    """JSON, which has neither NaN nor infinity: these are null and the words "inf" and "-inf"."""
    return json.dumps(_plain(value), allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else str(value)
    return value


def _one_line(problem: BaseException) -> str:
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.filename}: {problem.strerror}"
    return next(iter(str(problem).strip().splitlines()), type(problem).__name__)
