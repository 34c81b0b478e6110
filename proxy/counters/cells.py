"""The arithmetic of one counter, on a row of integers: in a list, or in memory that processes share.

Neither a token bucket (GCRA) nor two weighted buckets keep the promise "never more than the limit in any window": the
first lets through nearly twice the limit in the first window, the second as much when what was used in the last window
came late in it. Thirty slots a window do keep it: what is used counts until the whole slot that it fell in has left the
window, so for up to a thirtieth of the window longer than needed, and never shorter.

A window of the calendar is one slot. Its number is that of the period times the length of the ring, so that nothing of
the period before it is left in the ring.

Beside what was used there is what is held for what still runs. Both together never exceed the limit. All times are in
microseconds of one clock; one that was set back by more than a window begins anew.
"""

from __future__ import annotations

from typing import Protocol

from .limits import SLOTS, UNITS, Limit, Standing
from .periods import PERIODS, begin_us, number_of

RING = SLOTS + 1
"""One slot more than the window has: the window begins somewhere in the oldest one."""

GENERATION, NEWEST, LAST, USED, HELD, MOST, SLOT_US, TOUCHED, UNIT, NAME_BYTES = range(2, 12)
"""Places in a row; the first two are for what finds it. LAST is the newest slot with something in it.

SLOT_US is the length of a slot; of periods of the calendar, less than 0.
"""
RING_AT = 16
CELLS = 48
"""How long a row is, up to what only shared rows have."""


class Cells(Protocol):
    """Rows of integers below 2^63."""

    def __getitem__(self, at: int, /) -> int: ...
    def __setitem__(self, at: int, value: int, /) -> None: ...


def begin(cells: Cells, at: int, limit: Limit) -> None:
    """Makes a row that is all zeros the counter of a limit."""
    cells[at + SLOT_US] = limit.slot_us
    cells[at + UNIT] = UNITS.index(limit.unit)
    cells[at + MOST] = limit.most


def slot_of(slot_us: int, now_us: int) -> int:
    """Returns the number of the slot that a moment is in."""
    return now_us // slot_us if slot_us > 0 else number_of(PERIODS[~slot_us], now_us) * RING


def look(cells: Cells, at: int, now_us: int) -> None:
    """Forgets what has left the window at this moment. Hot: once a demand."""
    slot = slot_of(cells[at + SLOT_US], now_us)
    newest = cells[at + NEWEST]
    passed = slot - newest
    if not passed or -RING < passed < 0:  # another process may have looked at the clock a moment later
        return
    if cells[at + USED]:
        used = cells[at + USED]
        for gone in range(newest + 1, slot + 1) if 0 < passed < RING else range(RING):
            place = at + RING_AT + gone % RING
            if cells[place]:
                used -= cells[place]
                cells[place] = 0
        cells[at + USED] = used
    cells[at + NEWEST] = slot


def fits(cells: Cells, at: int, most: int, amount: int) -> bool:
    """Tells whether a demand can be met; one for nothing only while something is left."""
    return cells[at + USED] + cells[at + HELD] + (amount or 1) <= most


def post(cells: Cells, at: int, amount: int) -> int:
    """Counts what was used at the moment of the last look; returns the slot it fell in."""
    newest = cells[at + NEWEST]
    cells[at + RING_AT + newest % RING] += amount
    cells[at + USED] += amount
    if cells[at + LAST] != newest:
        cells[at + LAST] = newest
    return newest


def take_back(cells: Cells, at: int, slot: int, amount: int) -> None:
    """Uncounts what was counted in a slot, if that is still in the window."""
    if 0 <= cells[at + NEWEST] - slot < RING:
        place = at + RING_AT + slot % RING
        amount = min(amount, cells[place])
        cells[place] -= amount
        cells[at + USED] -= amount


def standing(limit: Limit, used: int, held: int, last: int, now_us: int) -> Standing:
    """Returns how a counter stands that has so much in it; `last` is the newest slot with something in it.

    What is held counts as if it were used now. Hot: once a demand.
    """
    left, reset_us, slot_us = limit.most - used - held, 0, limit.slot_us
    if used:
        reset_us = ((last + RING) * slot_us if slot_us > 0 else leaves_us(slot_us, last)) - now_us
    if held:
        full_us = limit.window_us
        if limit.period is not None:
            full_us = leaves_us(slot_us, slot_of(slot_us, now_us)) - now_us
        reset_us = max(reset_us, full_us)
    return Standing(used, held, left if left > 0 else 0, reset_us / 1e6 if reset_us > 0 else 0.0)


def leaves_us(slot_us: int, slot: int) -> int:
    """Returns when what was used in a slot leaves the window."""
    if slot_us > 0:
        return (slot + RING) * slot_us
    return begin_us(PERIODS[~slot_us], slot // RING + 1)


def wait_s(cells: Cells, at: int, limit: Limit, amount: int, now_us: int) -> float | None:
    """Returns the seconds until a demand fits if nothing more comes; None when only what runs can make room."""
    excess = cells[at + USED] + cells[at + HELD] + (amount or 1) - limit.most
    slot = cells[at + NEWEST] - SLOTS
    for number in range(slot, slot + RING):
        count = cells[at + RING_AT + number % RING]
        if count:
            excess -= count
            if excess <= 0:
                return max(0, leaves_us(limit.slot_us, number) - now_us) / 1e6
    return None
