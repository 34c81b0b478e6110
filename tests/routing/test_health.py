"""What is known of deployments, and how it is shown."""

from __future__ import annotations

import pytest

from proxy.errors import UpstreamCut
from proxy.routing.health import Board
from tests.support.routes import Clock, refused


def test_what_was_measured_long_ago_counts_for_less() -> None:
    clock = Clock()
    health = Board(clock=clock).of("a/x")
    assert health.latency_s(clock.now, streamed=True) == 0.0
    health.measure(1.0, clock.now, streamed=True)
    health.measure(2.0, clock.now, streamed=True)
    health.measure(9.0, clock.now, streamed=False)
    assert health.latency_s(clock.now, streamed=True) == pytest.approx(1.3)
    assert health.latency_s(clock.now + 60, streamed=True) == pytest.approx(0.65)
    assert health.latency_s(clock.now, streamed=False) == 9.0


def test_a_standing_says_why_and_for_how_long() -> None:
    clock = Clock()
    board = Board(clock=clock)
    for name in ("b/x", "a/x"):
        board.begin(board.of(name))
    board.failed(board.of("b/x"), refused(429, retry_after_s=7.0), alone=True)
    board.succeeded(board.of("a/x"), 0.25, streamed=True)
    good, bad = board.standings()
    assert (good.deployment, good.state, good.first_token_s, good.because) == ("a/x", "up", 0.25, None)
    assert (bad.state, bad.cooling_for_s, bad.because) == ("cooling", 7.0, "rate_limit")
    assert (bad.failed, bad.in_flight) == (1, 0)
    clock.now += 7
    assert [one.state for one in board.standings()] == ["up", "probing"]


def test_failures_in_a_row_are_counted_from_the_last_success() -> None:
    board = Board(failures=2)
    health = board.of("a/x")
    for outcome in ("fail", "succeed", "fail"):
        board.begin(health)
        if outcome == "fail":
            board.failed(health, UpstreamCut("x"), alone=False)
        else:
            board.succeeded(health, None, streamed=False)
    assert not health.cooled


def test_7_4_what_was_let_in_before_a_cooldown_does_not_end_it() -> None:
    clock = Clock()
    board = Board(clock=clock)
    health = board.of("a/x")
    for _ in range(3):
        board.begin(health)
    began = clock.now
    clock.now += 1
    board.failed(health, refused(429, retry_after_s=30.0), alone=False)
    board.succeeded(health, 1.0, streamed=False, began=began)
    assert (health.is_ready(clock.now), health.why) == (False, "rate_limit")
    clock.now += 30
    assert health.is_ready(clock.now)
    board.begin(health)
    board.leave(health, began=began)
    assert not health.is_ready(clock.now), "one probe at a time"
    board.succeeded(health, 1.0, streamed=False, began=clock.now)
    assert (health.is_ready(clock.now), health.in_flight, health.why) == (True, 0, None)


def test_the_board_is_bounded() -> None:
    board = Board()
    board.begin(board.of("busy/x"))
    for number in range(5000):
        board.of(f"a/{number}")
    assert board.of("busy/x").in_flight == 1
    assert len(list(board.standings())) < 4200
