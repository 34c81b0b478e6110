"""What was spent, by whom and on what: sums of the ledger's days."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args

import msgspec

from ..config.types import Duration, Mistake, Sources
from ..counters.limits import NANO

By = Literal["key", "team", "user", "end_user", "model", "upstream", "day"]
"""What spending can be told apart by."""
BY: tuple[By, ...] = get_args(By)
_MOST = 10_000
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: sums by some names, of the days from `since` up to `until` (both included, `2026-11-22`).

    `only` are names that must be these; at most so many rows are returned, those that have cost most.
    """

    by: tuple[By, ...] = ("key",)
    since: str = ""
    until: str = "9999"
    only: Mapping[str, str] = {}
    most: int = _MOST

    def __post_init__(self) -> None:
        names = {*self.by, *self.only}
        if "end_user" in names and "upstream" in names:
            raise Mistake("what end users spend is not kept by upstream", "ask for one of the two")


class Spent(msgspec.Struct, kw_only=True):
    """One sum. Tokens and requests are counts; `nano_dollars` is exact, `cost` the same in dollars.

    Of the requests, so many have a usage that is `estimated`, so many used tokens that nobody knows a price for
    (`unpriced`), and of so many less is known than should be (`partial`).
    """

    names: dict[str, str]
    requests: int
    input: int
    cached: int
    output: int
    reasoning: int
    cost: float
    nano_dollars: int
    estimated: int
    unpriced: int
    partial: int

    def to_dict(self) -> dict[str, object]:
        """Returns it as it is shown to programs: the names beside the sums."""
        rest = {name: getattr(self, name) for name in self.__struct_fields__ if name != "names"}
        return {**self.names, **rest}


def spend(connection: sqlite3.Connection, asked: Question) -> list[Spent]:
    """Returns the sums, the dearest first, days in their order; raises sqlite3.Error."""
    found = connection.execute(*statement(asked)).fetchall()
    count = len(asked.by)
    return [
        Spent(
            names=dict(zip(asked.by, row[:count], strict=True)),
            requests=row[count],
            input=row[count + 1],
            cached=row[count + 2],
            output=row[count + 3],
            reasoning=row[count + 4],
            cost=row[count + 5] / NANO,
            nano_dollars=row[count + 5],
            estimated=row[count + 6],
            unpriced=row[count + 7],
            partial=row[count + 8],
        )
        for row in found
        if row[count] is not None
    ]


def statement(asked: Question) -> tuple[str, list[str | int]]:
    """Returns the SQL of a question and its values. Only tables of sums are in it, by their primary key."""
    table = "end_user_days" if "end_user" in (*asked.by, *asked.only) else "days"
    sums = ("requests", "input", "cached", "output", "reasoning", "cost", "estimated", "unpriced", "partial")
    columns = [*asked.by, *(f"sum({name})" for name in sums)]
    wanted = [f"{name} = ?" for name in asked.only]
    sql = f"SELECT {', '.join(columns)} FROM {table} WHERE {' AND '.join(['day >= ?', 'day <= ?', *wanted])}"
    if asked.by:
        sql += f" GROUP BY {', '.join(asked.by)}"
    order = [*(["day"] if "day" in asked.by else []), "sum(cost) DESC", "sum(requests) DESC", *asked.by]
    sql += f" ORDER BY {', '.join(order)} LIMIT ?"
    return sql, [asked.since, asked.until, *asked.only.values(), asked.most]


def read_by(text: str) -> tuple[By, ...]:
    """Returns the names in a list such as `key,day`; raises Mistake."""
    names = [one.strip().replace("-", "_") for one in text.split(",") if one.strip()]
    found = tuple(by for name in dict.fromkeys(names) for by in BY if by == name)
    unknown = [name for name in names if name not in BY]
    if unknown or not found:
        raise Mistake(f'spending is not kept by "{unknown[0] if unknown else ""}"', f"one of: {', '.join(BY)}")
    return found


def read_day(text: str, today: date | None = None) -> str:
    """Returns the day that a text means: `2026-11-01`, or `7d` for that long ago; raises Mistake."""
    today = today or datetime.now(UTC).date()
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text).isoformat()
        return (today - timedelta(seconds=float(Duration.parse(text, Sources({}))))).isoformat()
    except (ValueError, OverflowError):
        raise Mistake(f'"{text}" is no day', "write 2026-11-01, or 7d for that long ago") from None


def question(
    by: str = "key", since: str = "30d", until: str | None = None, only: Mapping[str, str] | None = None
) -> Question:
    """Returns the question that texts ask, as they stand on a command line or in a query; raises Mistake."""
    return Question(
        by=read_by(by),
        since=read_day(since),
        until="9999" if until is None else read_day(until),
        only={read_by(name)[0]: value for name, value in (only or {}).items()},
    )


def total(rows: Sequence[Spent]) -> Spent:
    """Returns the sum of sums, under no name."""
    names = [name for name in Spent.__struct_fields__ if name not in ("names", "cost")]
    sums = {name: sum(getattr(row, name) for row in rows) for name in names}
    return Spent(names={}, cost=sums["nano_dollars"] / NANO, **sums)
