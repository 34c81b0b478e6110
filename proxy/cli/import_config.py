"""Write the pipeline.yaml that does what another gateway's configuration says, and list what it could not carry over.

What is listed has its line. Secrets that stand in the configuration are not written: each gets the name of a variable.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import ConfigError
from ..litellm.loading import Imported, import_litellm
from .report import exit_code, print_json, tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds whose configuration it is, its file, and where ours goes."""
    parser.add_argument("what", choices=("litellm",), help="whose configuration it is")
    parser.add_argument("file", metavar="FILE", help="the configuration, such as config.yaml")
    parser.add_argument("--to", metavar="FILE", help="where the pipeline.yaml goes (default: standard output)")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    parser.add_argument("--json", action="store_true", help="print what was not carried over as JSON (needs --to)")


def run(args: argparse.Namespace) -> int:
    """Writes the file; says on the standard error what is not in it."""
    if args.json and args.to is None:
        print("penstock: --json needs --to: both cannot go to the standard output", file=sys.stderr)
        return 2
    try:
        imported = import_litellm(args.file)
    except ConfigError as error:
        tell(error.problems)
        return exit_code(error)
    if args.to is None:
        sys.stdout.write(imported.written.text)
    elif (wrong := _save(Path(args.to), imported.written.text, force=args.force)) is not None:
        print(f"penstock: {wrong}", file=sys.stderr)
        return 1
    if args.json:
        variables = imported.written.variables
        print_json({"file": args.to, "lost": imported.lost, "hints": imported.hints, "variables": variables})
    else:
        _tell(imported)
    return 0


def _save(path: Path, text: str, *, force: bool) -> str | None:
    """Writes the file; returns why that cannot be done."""
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return f"{path} is there already   (--force writes over it)"
    except OSError as error:
        return f"{path} cannot be written: {(error.strerror or str(error)).lower()}"
    return None


def _tell(imported: Imported) -> None:
    tell(imported.hints)
    if imported.lost:
        print("not carried over:", file=sys.stderr)
        tell(imported.lost)
    for variable, place in imported.written.variables.items():
        print(f"put the secret of {place} into the variable {variable}", file=sys.stderr)
