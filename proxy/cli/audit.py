"""Find the first line of an audit log that was changed, removed or inserted.

Give all files of one chain: the log, and the old ones beside it (compressed or not), in any order. The anchor is looked
for beside them, and may be among them. Exit code 0 when the chain holds, 1 when it is broken, 2 when something cannot
be read.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..logs.chain import Anchor, anchor_of, read_anchor
from ..logs.verify import Verdict, verify
from .report import print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what to do, with which files, key and anchor."""
    parser.add_argument("what", choices=["verify"], help="what to do")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="the log, and its old files")
    parser.add_argument(
        "--key", metavar="env:NAME|file:PATH", help="where the key is, for a chain that was made with one (audit.key)"
    )
    parser.add_argument("--anchor", type=Path, metavar="FILE", help="the anchor (default: FILE.anchor, if it is there)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints whether the chain holds, or where it is broken."""
    try:
        key = None if args.key is None else _key(args.key)
        files = [path for path in args.files if path.suffix != ".anchor"]
        verdict = verify(files, key, _anchor(files, args.anchor))
    except (OSError, EOFError, ValueError) as error:
        print(f"penstock audit: {error}", file=sys.stderr)
        return 2
    if args.json:
        print_json({"ok": verdict.broken is None, **msgspec.structs.asdict(verdict)})
    else:
        _tell(verdict)
    return 0 if verdict.broken is None else 1


def _tell(verdict: Verdict) -> None:
    for note in verdict.notes:
        print(f"note: {note}", file=sys.stderr)
    if verdict.broken is not None:
        print(f"broken: {verdict.broken}")
    elif verdict.rows:
        print(f"the chain holds: {verdict.rows} rows, {verdict.first} to {verdict.last}")
    else:
        print("there are no rows")


def _key(source: str) -> str:
    """Returns the key; raises OSError and ValueError. It is not taken from the command line: others can read that."""
    kind, _, name = source.partition(":")
    if kind == "env":
        if not (value := os.environ.get(name, "").strip()):
            raise ValueError(f"environment variable {name} is not set")
        return value
    if kind == "file":
        return Path(name).expanduser().read_text("utf-8").strip()
    raise ValueError("say where the key is: env:NAME or file:PATH")


def _anchor(files: Sequence[Path], given: Path | None) -> Anchor | None:
    """Returns the anchor that is given, else the one that is there; raises OSError and ValueError."""
    if given is not None:
        anchor = read_anchor(given)
        if anchor is None:
            raise ValueError(f"there is no anchor in {given}")
        return anchor
    return next((anchor for path in files if (anchor := read_anchor(anchor_of(path))) is not None), None)
