"""Days, weeks and months in UTC, numbered, for limits whose windows are those of the calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal

Period = Literal["day", "week", "month"]
"""A week begins on Monday."""

PERIODS: tuple[Period, ...] = ("day", "week", "month")

_DAY_US = 86_400_000_000
_WEEK_US = 7 * _DAY_US
_MONDAY_US = 4 * _DAY_US
"""The first Monday of 1970."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def number_of(period: Period, now_us: int) -> int:
    """Returns the number of the period that a moment is in."""
    if period == "day":
        return now_us // _DAY_US
    if period == "week":
        return (now_us - _MONDAY_US) // _WEEK_US
    return _month_of(now_us // _DAY_US)


def begin_us(period: Period, number: int) -> int:
    """Returns when a period begins, in microseconds of Unix time."""
    if period == "day":
        return number * _DAY_US
    if period == "week":
        return number * _WEEK_US + _MONDAY_US
    year, month = divmod(number, 12)
    return (datetime(1970 + year, month + 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=16)
def _month_of(day: int) -> int:
    date = _EPOCH + timedelta(days=day)
    return (date.year - 1970) * 12 + date.month - 1
