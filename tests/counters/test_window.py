"""The arithmetic of the sliding window."""

from __future__ import annotations

from proxy.counters.window import RING, SLOTS, Window


def test_a_request_counts_for_the_window_and_at_most_a_slot_more() -> None:
    for offset in range(20):
        began = 600.0 + offset / 10
        window = Window(60.0)
        window.used(began)
        window.add()
        assert window.used(began + 60.0) == 1
        assert window.used(began + 62.0) == 0


def test_the_wait_is_exact() -> None:
    window = Window(30.0)
    for moment, count in ((300.2, 2), (310.7, 1), (329.0, 3)):
        window.used(moment)
        for _ in range(count):
            window.add()
    assert window.used(329.5) == 6
    for below in range(1, 7):
        wait = window.wait_s(329.5, below)
        copy = Window(30.0, window.newest, list(window.counts))
        assert copy.used(329.5 + wait - 0.001) >= below
        assert copy.used(329.5 + wait) < below
    assert window.wait_s(329.5, 7) == 0


def test_a_clock_that_was_read_earlier_takes_nothing_back() -> None:
    window = Window(60.0)
    assert window.used(1000.0) == 0
    window.add()
    assert window.used(990.0) == 1
    assert (RING, len(window.counts)) == (SLOTS + 1, RING)
