"""Several limits and one timer, on a clock that the test turns."""

from __future__ import annotations

from math import inf
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.upstream.deadlines import Deadlines
from tests.support.turned_clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fired() -> list[tuple[str, float]]:
    return []


@pytest.fixture
def deadlines(clock: Clock, fired: list[tuple[str, float]]) -> Deadlines:
    loop: Any = clock
    return Deadlines(loop, lambda phase, limit: fired.append((phase, limit)))


def test_a_phase_runs_out(clock: Clock, deadlines: Deadlines, fired: list[Any]) -> None:
    deadlines.start("first_byte", 3.0, None, inf)
    clock.turn(2.9)
    assert fired == []
    clock.turn(0.2)
    assert fired == [("first_byte", 3.0)]
    assert clock.live == []


def test_life_puts_it_off_without_a_new_timer_each_time(clock: Clock, deadlines: Deadlines, fired: list[Any]) -> None:
    deadlines.start("idle", 10.0, None, inf)
    for _ in range(1000):
        clock.turn(0.1)
        deadlines.last = clock.now
    assert fired == []
    assert clock.made <= 12
    clock.turn(9.9)
    assert fired == []
    clock.turn(0.2)
    assert fired == [("idle", 10.0)]


def test_signs_may_be_heard_elsewhere(clock: Clock, fired: list[Any]) -> None:
    loop: Any = clock
    hears = SimpleNamespace(last=0.0)
    deadlines = Deadlines(loop, lambda phase, limit: fired.append((phase, limit)), hears)
    deadlines.start("idle", 2.0, None, inf)
    clock.turn(1.5)
    hears.last = clock.now
    clock.turn(1.9)
    assert fired == []
    clock.turn(0.2)
    assert fired == [("idle", 2.0)]


def test_there_is_one_timer_at_most(clock: Clock, deadlines: Deadlines) -> None:
    deadlines.start("first_byte", 300.0, 1000.0, clock.now + 1000.0)
    deadlines.enter("idle", 20.0)
    assert deadlines._timer is None  # all is far off
    deadlines.enter("drain", 1.0)
    assert [timer.due for timer in clock.live if timer is deadlines._timer] == [clock.now + 1.0]
    deadlines.stop()
    clock.turn(1000.0)
    assert clock.live == []


def test_a_shorter_phase_after_a_longer_one(clock: Clock, deadlines: Deadlines, fired: list[Any]) -> None:
    deadlines.start("first_byte", 300.0, None, inf)
    clock.turn(1.0)
    deadlines.enter("idle", 2.0)
    clock.turn(2.1)
    assert fired == [("idle", 2.0)]


def test_a_longer_phase_after_a_shorter_one(clock: Clock, deadlines: Deadlines, fired: list[Any]) -> None:
    deadlines.start("first_byte", 1.0, None, inf)
    clock.turn(0.9)
    deadlines.enter("idle", 5.0)
    clock.turn(4.9)
    assert fired == []
    clock.turn(0.2)
    assert fired == [("idle", 5.0)]


def test_the_total_runs_whatever_happens(clock: Clock, deadlines: Deadlines, fired: list[Any]) -> None:
    deadlines.start("idle", 2.0, 10.0, clock.now + 10.0)
    for _ in range(99):
        clock.turn(0.1)
        deadlines.last = clock.now
    deadlines.pause()
    assert fired == []
    clock.turn(0.2)
    assert fired == [("total", 10.0)]


def test_a_pause_stops_the_phase_and_its_end_begins_it_anew(
    clock: Clock, deadlines: Deadlines, fired: list[Any]
) -> None:
    deadlines.start("idle", 2.0, None, inf)
    clock.turn(1.5)
    deadlines.pause()
    clock.turn(1000.0)
    assert fired == []
    deadlines.resume()
    clock.turn(1.9)
    assert fired == []
    clock.turn(0.2)
    assert fired == [("idle", 2.0)]


def test_no_limits_need_no_timer(clock: Clock, deadlines: Deadlines) -> None:
    deadlines.start("first_byte", None, None, inf)
    deadlines.enter("idle", None)
    assert clock.made == 0


def test_stopped_is_stopped(clock: Clock, deadlines: Deadlines, fired: list[Any]) -> None:
    deadlines.start("first_byte", 1.0, 2.0, clock.now + 2.0)
    deadlines.stop()
    deadlines.stop()
    clock.turn(10.0)
    assert fired == []


def test_a_timer_that_is_a_little_early_is_enough(clock: Clock, deadlines: Deadlines, fired: list[Any]) -> None:
    deadlines.start("idle", 1.0, None, inf)
    timer = clock.live[0]
    clock.timers.clear()
    clock.now += 0.9995
    timer.call()
    assert fired == [("idle", 1.0)]


@pytest.mark.parametrize("second", [30.0, 8.0, 1.0])
def test_what_rests_has_no_limit_until_it_starts_again(
    clock: Clock, deadlines: Deadlines, fired: list[Any], second: float
) -> None:
    deadlines.start("first_byte", 10.0, 15.0, clock.now + 15.0)
    clock.turn(2.0)
    deadlines.rest()
    clock.turn(5.0)
    deadlines.start("first_byte", second, None, inf)
    clock.turn(second - 0.1)
    assert fired == []
    clock.turn(0.2)
    assert fired == [("first_byte", second)]
    deadlines.start("idle", 20.0, None, inf)
    deadlines.rest()
    clock.turn(100.0)
    assert len(fired) == 1
    assert clock.live == []
