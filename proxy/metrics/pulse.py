"""Counts the gaps between the pieces of one streamed answer, when they are released to the client."""

from __future__ import annotations

from bisect import bisect_left

from ..compiled import compiled_if_built
from .family import GAPS

_BUCKETS = len(GAPS) + 1
_LOWER = (-1.0, *GAPS)
_UPPER = (*GAPS, float("inf"))


@compiled_if_built
class Pulse:
    """The gaps of one stream: how many fell into each bucket, and when the last piece went, on the monotonic clock.

    `begin` is for the first piece, `beat` for every other. Most gaps fall into the bucket of the one before them: those
    are only compared with its bounds.
    """

    __slots__ = ("_at", "_counts", "_lower", "_same", "_upper", "began", "last")

    def __init__(self) -> None:
        self._counts: list[int] | None = None
        self._at = 0
        self._lower = self._upper = 0.0  # no gap is between them
        self._same = 0
        self.began = 0.0
        self.last = 0.0

    def begin(self, now: float) -> None:
        """Takes note of the first piece."""
        self.began = self.last = now

    def beat(self, now: float) -> None:
        """Counts a gap. Hot: once a read."""
        gap = now - self.last
        self.last = now
        if self._lower < gap <= self._upper:
            self._same += 1
        else:
            self._move(gap)

    def counts(self) -> list[int] | None:
        """Returns how many gaps fell into each bucket, the last of which has no bound; None where there was none."""
        if self._counts is not None:
            self._counts[self._at] += self._same
            self._same = 0
        return self._counts

    def _move(self, gap: float) -> None:
        """Counts a gap of another bucket than the one before it."""
        if self.counts() is None:
            self._counts = [0] * _BUCKETS
        at = self._at = bisect_left(GAPS, gap)
        self._lower, self._upper = _LOWER[at], _UPPER[at]
        self._same = 1
