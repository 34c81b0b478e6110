"""Writes what the matrix found as the tables of `docs/providers.md`: `python -m tests.support.matrix.page`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from tests.support.fixtures import ROOT
from tests.support.matrix.features import TABLES, Feature
from tests.support.matrix.rows import ROWS, Row
from tests.support.matrix.run import WORKS, Found, Matrix, Tried, run

PAGE = ROOT / "docs" / "providers.md"
BEGIN = "<!-- found by python -m tests.support.matrix.page: do not edit -->\n"
END = "<!-- end of what was found -->\n"

_APIS = {"responses": "over the Responses API", "chat": "over chat completions"}


def tables(matrix: Matrix) -> str:
    """Returns the tables and their notes."""
    notes: list[str] = []
    written = [_table(features, matrix, notes) for features in TABLES]
    listed = "".join(f"{number}. {note}\n" for number, note in enumerate(notes, 1))
    return "\n".join([*written, listed])


def _table(features: Sequence[Feature], matrix: Matrix, notes: list[str]) -> str:
    lines = [["upstream", *(feature.heading for feature in features)], ["---"] * (len(features) + 1)]
    for row in ROWS:
        cells = [_cell(row, matrix.found[row.name, feature.heading], notes) for feature in features]
        lines.append([row.label, *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(row: Row, found: Found, notes: list[str]) -> str:
    """Returns what stands in the table: `yes` where anything works, and the numbers of notes on what does not."""
    if not found:
        return "–"
    numbers = []
    for what in dict.fromkeys(said for said in found.values() if said != WORKS):
        note = _where([way for way, said in found.items() if said == what], found) + what
        if note not in notes:
            notes.append(note)
        numbers.append(f"[{notes.index(note) + 1}]")
    return " ".join([*(["yes"] if WORKS in found.values() else []), *numbers])


def _where(ways: list[Tried], found: Found) -> str:
    """Returns over which APIs something came, if not wherever it was tried."""
    if len(ways) == len(found):
        return ""
    apis = list(dict.fromkeys(way.api for way in ways))
    tried = [way for way in found if way.api in apis]
    streamed = "" if len(tried) == len(ways) else "streamed " if all(way.stream for way in ways) else "not streamed "
    return f"{streamed}{' and '.join(_APIS[api] for api in apis)}: "


def with_tables(page: str, found: str) -> str:
    """Returns the page with other tables in it."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    assert after, f"{PAGE.name} has no place for the tables"
    return f"{before}{BEGIN}\n{found}\n{END}{after}"


def main() -> int:
    """Runs the matrix and writes the page; returns the exit code."""
    matrix = asyncio.run(run())
    for wrong in (*matrix.wrong, *matrix.mistakes):
        print(wrong, file=sys.stderr)
    if matrix.wrong or matrix.mistakes:
        return 1
    PAGE.write_text(with_tables(PAGE.read_text("utf-8"), tables(matrix)), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
