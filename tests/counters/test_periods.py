"""Days, weeks and months of the calendar."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from proxy.counters.periods import Period, begin_us, number_of


def at(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp() * 1e6)


@pytest.mark.parametrize(
    ("period", "moment", "begins", "ends"),
    [
        ("day", at(2026, 2, 28, 23), at(2026, 2, 28), at(2026, 3, 1)),
        ("week", at(2026, 11, 22, 23), at(2026, 11, 16), at(2026, 11, 23)),
        ("week", at(2026, 11, 23), at(2026, 11, 23), at(2026, 11, 30)),
        ("month", at(2024, 2, 29, 5), at(2024, 2, 1), at(2024, 3, 1)),
        ("month", at(2026, 12, 31, 23), at(2026, 12, 1), at(2027, 1, 1)),
        ("month", at(1970, 1, 1), at(1970, 1, 1), at(1970, 2, 1)),
    ],
)
def test_a_period_goes_from_its_first_moment_to_that_of_the_next(
    period: Period, moment: int, begins: int, ends: int
) -> None:
    number = number_of(period, moment)
    assert begin_us(period, number) == begins
    assert begin_us(period, number + 1) == ends
    assert number_of(period, begins) == number_of(period, ends - 1) == number
    assert number_of(period, ends) == number + 1
    assert number_of(period, begins - 1) == number - 1
