"""What a run gives, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .measure import Timing
from .results import BUSY, Result, Summary, summary
from .tables import number, table

Cell = Callable[[Result, str, Summary], str]


def _plain(value: float | None) -> str:
    return number(value) if value is not None else "-"


def _range(pair: tuple[float | None, float | None] | None) -> str:
    if pair is None or pair[0] is None or pair[1] is None:
        return "-"
    return f"{number(pair[0])}..{number(pair[1])}"


def _count(value: float | None) -> str:
    return f"{value:,.0f}" if value is not None else "-"


def _reads(result: Result, name: str) -> str:
    reports = [run.report for run in result.of(name)]
    return number(sum(one.pieces for one in reports) / max(sum(one.reads for one in reports), 1))


def _megabytes(kb: int) -> str:
    return f"{kb / 1000:.0f}" if kb else "-"


COSTS: dict[str, Cell] = {
    "CPU": lambda _, __, found: _plain(found.cost),
    "range": lambda _, __, found: _range((found.low, found.high)),
    "ratio": lambda _, __, found: _plain(found.ratio),
    "its range": lambda _, __, found: _range((found.ratio_low, found.ratio_high)),
    "instructions": lambda _, __, found: _count(found.instructions),
    "ratio, user": lambda _, __, found: _plain(found.instructions_ratio),
    "user + kernel": lambda _, __, found: _plain(found.counted_ratio),
    "cycles": lambda _, __, found: _plain(found.cycles_ratio),
    "pieces a read": lambda result, name, _: _reads(result, name),
    "peak MB": lambda result, name, _: _megabytes(result.peak_kb[name]),
    "kB a stream": lambda result, name, _: _plain(result.stream_kb(name)),
    "wrong": lambda result, name, _: str(sum(run.report.errors for run in result.of(name))),
}
"""The columns of what a target costs; CPU is in the scenario's unit."""

TIMES: dict[str, Cell] = {
    "first p50..p99": lambda _, __, found: _range(found.first),
    "added": lambda _, __, found: _range(found.added_first),
    "late p50..p99": lambda _, __, found: _range(found.late),
    "added ": lambda _, __, found: _range(found.added_late),
}
"""The columns of how long pieces took, in ms. Added are differences of percentiles of the same round."""


def cells(columns: dict[str, Cell], result: Result, names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Returns the head and the rows of a table, without columns in which nothing stands."""
    found = {name: summary(result, name) for name in names}
    rows = [[cell(result, name, found[name]) for cell in columns.values()] for name in names]
    kept = [place for place in range(len(columns)) if any(row[place] != "-" for row in rows)]
    head = [f"CPU {result.unit}" if title == "CPU" else title.strip() for title in columns]
    return (
        ["target", *(head[place] for place in kept)],
        [[name, *(row[place] for place in kept)] for name, row in zip(names, rows, strict=True)],
    )


def result_tables(result: Result, names: Sequence[str]) -> str:
    """Returns all that is to be said of a scenario."""
    rounds = 1 + max(run.round for run in result.runs)
    parts = [f"{result.number} {result.scenario}: {result.words}; {rounds} rounds; ratios to {result.base}"]
    parts += [f"{name} had less to do: {words}" for name, words in result.lighter.items()]
    parts.append("\n" + table(*cells(COSTS, result, names)))
    head, rows = cells(TIMES, result, names)
    if len(head) > 1:
        parts.append(f"\nms; added to {result.against}\n" + table(head, rows))
    parts.append("\n" + busy_words(result))
    return "\n".join(parts)


def busy_words(result: Result) -> str:
    """Returns how busy the load generator and the upstream were, and what follows of it."""
    busy = result.busy()
    said = f"load generator and upstream busy for {100 * busy:.0f} % of their cores' time"
    if busy <= BUSY:
        return said
    paced = any(run.report.late_ms for run in result.runs)
    return f"{said}: {'too much, times are partly their own' if paced else 'they set the pace, not the target'}"


def micro_table(timings: Sequence[Timing]) -> str:
    """Returns the table of the operations in process."""
    rows = [
        [
            one.name,
            number(one.best_us),
            number(one.median_us),
            number(one.ratio),
            _count(one.instructions),
            one.note,
        ]
        for one in timings
    ]
    return table(["operation", "best", "median", "x reference", "instructions", ""], rows)
