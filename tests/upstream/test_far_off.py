"""What is far off: looked at in its second, by one timer for all."""

from __future__ import annotations

import gc
from typing import Any
from weakref import ref

import pytest

from proxy.upstream.far_off import FarOff, far_off
from tests.support.turned_clock import Clock


class One:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.looked: list[float] = []

    def look(self) -> None:
        self.looked.append(self.clock.now)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def waiting_in(clock: Clock) -> FarOff:
    loop: Any = clock
    return far_off(loop)


def test_each_is_looked_at_in_its_second_by_one_timer(clock: Clock) -> None:
    waiting = waiting_in(clock)
    assert waiting is waiting_in(clock)
    ones = [One(clock) for _ in range(4)]
    for one, second in zip(ones, (160, 220, 160, 130), strict=True):
        waiting.add(second, one)
        assert len(clock.live) == 1
    clock.turn(500)
    assert [one.looked for one in ones] == [[160], [220], [160], [130]]
    assert clock.live == []


def test_who_waits_no_more_is_not_looked_at(clock: Clock) -> None:
    waiting, one, other = waiting_in(clock), One(clock), One(clock)
    waiting.add(130, one)
    waiting.add(140, other)
    waiting.discard(130, one)
    waiting.discard(130, one)
    clock.turn(500)
    assert (one.looked, other.looked) == ([], [140])
    waiting.add(700, one)  # the timer is set again
    clock.turn(500)
    assert one.looked == [700]


def test_a_loop_that_has_gone_is_not_kept(clock: Clock) -> None:
    gone = Clock()
    waiting_in(gone).add(130, One(clock))
    gone.timers.clear()
    seen = ref(gone)
    del gone
    gc.collect()
    assert seen() is None
