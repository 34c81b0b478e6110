"""How long money is for, as it is written."""

from __future__ import annotations

import pytest

from proxy.config.types import Duration, Mistake, Sources
from proxy.limiting.window import Window


@pytest.mark.parametrize(
    ("said", "seconds", "period", "written"),
    [("30d", 2_592_000, None, "30d"), ("month", 2_592_000, "month", "month"), (60, 60, None, "1m")],
)
def test_a_length_or_a_period_of_the_calendar(said: object, seconds: int, period: str | None, written: str) -> None:
    window = Window.parse(said, Sources())
    assert (float(window), window.period, window.written) == (seconds, period, written)


def test_a_month_is_not_thirty_days() -> None:
    month, days = Window.parse("month", Sources()), Window.parse("30d", Sources())
    assert month != days
    assert len({month, days, Window.parse("month", Sources())}) == 2
    assert days == Window(2_592_000)
    assert month != Duration(2_592_000)


def test_what_is_neither_is_refused_with_both_forms() -> None:
    with pytest.raises(Mistake) as found:
        Window.parse("year", Sources())
    assert "month" in found.value.fix
