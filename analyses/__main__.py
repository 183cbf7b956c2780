"""Compute and draw analyses, write and check the page: what `make report` calls."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analyses.common import command, folders, record


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the command line names."""
    options = _parser().parse_args(arguments)
    name = options.command if options.command in ("page", "check") else options.name
    try:
        if options.command == "compute":
            command.compute(options.name, options.preset, options.build)
        elif options.command == "draw":
            command.draw(options.name, options.preset, options.build)
        else:
            _page(options)
    except record.RecordError as problem:
        text = str(problem)
        sys.exit(text if text.startswith(f"{name}: ") else f"{name}: {text}")


def _page(options: argparse.Namespace) -> None:
    from analyses.report import page

    if options.command == "check":
        print(page.check(options.page))
    else:
        names = options.names or folders.names()
        print(page.build(names, options.preset, options.build, options.out))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analyses", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("compute", "compute an analysis and store its numbers"),
        ("draw", "draw the figures of an analysis from its stored numbers"),
        ("page", "write the page of the analyses, all of them unless some are named"),
    ):
        one = commands.add_parser(name, help=what)
        one.add_argument("--preset", default="quick", help="quick, standard or paper")
        one.add_argument("--build", type=Path, default=Path("build"), help="folder of all results")
        if name == "page":
            one.add_argument("--out", type=Path, required=True, help="page to write (.html)")
            one.add_argument("names", nargs="*", metavar="NAME")
        else:
            one.add_argument("name", metavar="NAME", help=", ".join(folders.names()))
    check = commands.add_parser("check", help="look whether a page is whole and its checks agree")
    check.add_argument("page", type=Path)
    return parser


if __name__ == "__main__":
    main()
