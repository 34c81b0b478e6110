"""The arithmetic of the sliding window."""

from __future__ import annotations

from proxy.counters import Limit, cells
from proxy.counters.limits import SLOTS

MINUTE = Limit(unit="requests", most=6, window_s=60)


def row(limit: Limit = MINUTE) -> list[int]:
    made = [0] * cells.CELLS
    cells.begin(made, 0, limit)
    return made


def at(seconds: float) -> int:
    return round(seconds * 1e6)


def test_what_was_used_counts_for_the_window_and_at_most_a_slot_more() -> None:
    for offset in range(20):
        began = 600.0 + offset / 10
        one = row()
        cells.look(one, 0, at(began))
        cells.post(one, 0, 5)
        cells.look(one, 0, at(began + 60.0))
        assert one[cells.USED] == 5
        cells.look(one, 0, at(began + 62.0))
        assert one[cells.USED] == 0


def test_the_wait_is_exact() -> None:
    limit = Limit(unit="requests", most=6, window_s=30)
    one = row(limit)
    for moment, count in ((300.2, 2), (310.7, 1), (329.0, 3)):
        cells.look(one, 0, at(moment))
        cells.post(one, 0, count)
    now = at(329.5)
    cells.look(one, 0, now)
    assert one[cells.USED] == 6
    for amount in range(1, 7):
        wait = cells.wait_s(one, 0, limit, amount, now)
        assert wait is not None
        later = list(one)
        cells.look(later, 0, now + at(wait) - 1000)
        assert not cells.fits(later, 0, limit.most, amount)
        cells.look(later, 0, now + at(wait))
        assert cells.fits(later, 0, limit.most, amount)
    assert cells.wait_s(one, 0, limit, 7, now) is None, "more than there ever is"


def test_a_clock_that_was_read_earlier_takes_nothing_back() -> None:
    one = row()
    cells.look(one, 0, at(1000.0))
    cells.post(one, 0, 1)
    cells.look(one, 0, at(990.0))
    assert one[cells.USED] == 1
    cells.look(one, 0, at(1062.1))
    assert one[cells.USED] == 0


def test_a_clock_that_was_set_back_far_begins_anew() -> None:
    one = row()
    cells.look(one, 0, at(10_000.0))
    cells.post(one, 0, 6)
    cells.look(one, 0, at(1000.0))
    assert (one[cells.USED], sum(one[cells.RING_AT : cells.RING_AT + cells.RING])) == (0, 0)
    assert cells.RING == SLOTS + 1


def test_only_what_is_still_counted_can_be_taken_back() -> None:
    one = row()
    cells.look(one, 0, at(1000.0))
    slot = cells.post(one, 0, 2)
    cells.take_back(one, 0, slot, 1)
    assert one[cells.USED] == 1
    cells.look(one, 0, at(1070.0))
    cells.post(one, 0, 3)
    cells.take_back(one, 0, slot, 1)
    assert one[cells.USED] == 3
