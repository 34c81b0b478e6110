"""Tell what was spent, from the ledger (stores.ledger of the file), whether or not the server runs.

Sums are by day in UTC, exact to a billionth of a dollar. What the server has not written yet, some 0.2 s of requests,
is not in them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..config.loader import load
from ..config.types import Mistake
from ..errors import ConfigError
from ..ledger.ledger import read_spend
from ..ledger.spend import BY, Question, Spent, question, total
from ..limiting.rules import dollars
from ..stores.store import StoreFailed
from .report import exit_code, print_json, tell

_FILE = "pipeline.yaml"
_NUMBERS = ("requests", "input", "cached", "output", "reasoning")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what to tell apart, the days, the file, and the form of the output."""
    parser.add_argument("--by", default="key", metavar="NAMES", help=f"some of {', '.join(BY)} (default: key)")
    parser.add_argument("--since", default="30d", metavar="DAY", help="2026-11-01, or 7d for that long ago (30d)")
    parser.add_argument("--until", metavar="DAY", help="the last day (default: today)")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME=VALUE", help="only what has this name, such as team=search"
    )
    parser.add_argument("--config", metavar="FILE", help=f"default: {_FILE}")
    parser.add_argument("--ledger", metavar="FILE", help="the ledger itself, instead of the one that the file names")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints what was spent."""
    try:
        asked = question(args.by, args.since, args.until, dict(map(_only, args.only)))
        path = Path(args.ledger) if args.ledger else _path(args.config or _FILE)
        if path is None:
            print("penstock spend: the file keeps no ledger   (add stores: {ledger: {}})", file=sys.stderr)
            return 1
        rows = read_spend(path, asked)
    except ConfigError as error:
        tell(error.problems)
        return exit_code(error)
    except Mistake as mistake:
        print(f"penstock spend: {mistake.what}   ({mistake.fix})", file=sys.stderr)
        return 2
    except StoreFailed as error:
        print(f"penstock spend: {error}", file=sys.stderr)
        return 1
    if args.json:
        data = {"by": asked.by, "since": asked.since, "data": [row.to_dict() for row in rows]}
        print_json({**data, "total": total(rows).to_dict()})
    else:
        print("\n".join(_table(asked, rows)))
    return 0


def _only(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Mistake(f'--only "{text}" has no value', "write NAME=VALUE, such as team=search")
    return name, value


def _path(file: str) -> Path | None:
    ledger = load(file).stores.ledger
    return None if ledger is None else Path(file).parent / Path(ledger.path).expanduser()


def _table(asked: Question, rows: Sequence[Spent]) -> list[str]:
    """Returns the lines of a table, the sum of all at its end, and what to know about its figures."""
    every = total(rows)
    lines = [[*asked.by, *_NUMBERS, "dollars"]]
    lines += [[*(_named(row.names[name]) for name in asked.by), *_numbers(row)] for row in rows]
    lines.append(["total", *([""] * (len(asked.by) - 1)), *_numbers(every)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    named = len(asked.by)
    text = [
        "  ".join(cell.ljust(width) if at < named else cell.rjust(width) for at, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(line, widths, strict=True)) for line in lines)
    ]
    if every.estimated:
        text.append(f"{every.estimated} requests have an estimated usage")
    if every.unpriced:
        text.append(f"{every.unpriced} requests used tokens whose price is not known   (penstock prices --check)")
    if every.partial:
        text.append(f"of {every.partial} requests less is known than should be; the server's log says why")
    return text


def _named(name: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in name) or "-"


def _numbers(row: Spent) -> list[str]:
    return [*(str(getattr(row, name)) for name in _NUMBERS), dollars(row.nano_dollars)]
