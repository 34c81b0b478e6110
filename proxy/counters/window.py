"""Counts requests in the last so many seconds, in a fixed number of slots.

Neither a token bucket (GCRA) nor two weighted buckets keep the promise "never more than the limit in any window": the
first lets through nearly twice the limit in the first window, the second as much when the requests of the last window
came late in it. Thirty slots a window do keep it: a request is counted until the whole slot that it fell in has left
the window, so for up to a thirtieth of the window longer than needed, and never shorter.
"""

from __future__ import annotations

SLOTS = 30
RING = SLOTS + 1
"""One slot more than the window has: the window begins somewhere in the oldest one."""


class Window:
    """The requests of one subject. `newest` numbers the slot of the last request; times are on one steady clock."""

    __slots__ = ("counts", "newest", "slot_s")

    def __init__(self, window_s: float, newest: int = 0, counts: list[int] | None = None) -> None:
        self.slot_s = window_s / SLOTS
        self.newest = newest
        self.counts = counts if counts is not None else [0] * RING

    def used(self, now: float) -> int:
        """Returns how many requests are counted at this moment; forgets those that have left."""
        slot = int(now / self.slot_s)
        passed = slot - self.newest
        if passed >= RING:
            self.counts = [0] * RING
        else:
            for gone in range(self.newest + 1, slot + 1):
                self.counts[gone % RING] = 0
        self.newest = max(self.newest, slot)  # another process may have looked at the clock a moment later
        return sum(self.counts)

    def add(self) -> None:
        """Counts one request, at the moment that `used` was last asked for."""
        self.counts[self.newest % RING] += 1

    def wait_s(self, now: float, below: int) -> float:
        """Returns the seconds until fewer than `below` requests are counted; 0 when that is so already."""
        used = sum(self.counts)
        slot = self.newest - SLOTS
        left = 0.0
        while used >= below and slot <= self.newest:
            count = self.counts[slot % RING]
            if count:
                used -= count
                left = (slot + RING) * self.slot_s
            slot += 1
        return max(0.0, left - now) if left else 0.0
