"""How long money is for: any stretch of some length, or a day, week or month of the calendar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from ..config.types import Duration, Mistake, Sources, shown
from ..counters.periods import PERIODS, Period

_NOMINAL_S: dict[Period, float] = {"day": 86400.0, "week": 7 * 86400.0, "month": 30 * 86400.0}


class Window(Duration):
    """A duration, or `day`, `week` or `month`: those of the calendar, in UTC; a week begins on Monday.

    One of the calendar is as long as it usually is.
    """

    schema: ClassVar[Mapping[str, Any]] = {"anyOf": [{"enum": list(PERIODS)}, dict(Duration.schema)]}
    label = "duration, or `day`, `week`, `month`"
    period: Period | None = None

    @classmethod
    def parse(cls, value: object, sources: Sources) -> Self:
        """Returns the window for its written form."""
        for period in PERIODS:
            if value == period:
                window = cls(_NOMINAL_S[period])
                window.period = period
                return window
        try:
            return super().parse(value, sources)
        except Mistake:
            what = f"{shown(value)} is no window of time"
            raise Mistake(what, "write 1h, 7d or 30d, or day, week or month for those of the calendar") from None

    @property
    def written(self) -> str:
        """The window as it would be written in the file."""
        return self.period or super().written

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) is True and getattr(other, "period", None) == self.period

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((float(self), self.period))


def check_length(*windows: Duration, write: str) -> None:
    """Raises Mistake for a window that is shorter than a second; `write` is what could be written in its place."""
    if any(window < 1 for window in windows):
        raise Mistake("the window is shorter than a second", f"write {write}")
