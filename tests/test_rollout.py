"""An assignment on its way: one worker after the other, all or none."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from proxy.rollout import COMMIT, DROP, PREPARE, Assignment, Rollout, answer_to, heard, pair, tell
from tests.support.routes import Clock

ASSIGNMENT = Assignment(2, lambda index, line: 0, "pipeline.yaml", "abc")
ASKED = PREPARE + b"7 abc"
READY_7, REFUSED_7 = answer_to(ASKED, ready=True), answer_to(ASKED, ready=False)


@pytest.fixture
def lines() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """Three lines, each by its two ends: the supervisor's and the worker's."""
    with ExitStack() as stack:
        made = [pair() for _ in range(3)]
        for ends in made:
            for end in ends:
                stack.enter_context(end)
        yield made


def test_one_after_the_other_prepares_and_then_all_take_it(lines: list[tuple[socket.socket, socket.socket]]) -> None:
    rollout = Rollout(ASSIGNMENT, [ours for ours, _ in lines], 7)
    for at, (_, worker) in enumerate(lines):
        assert rollout.step() is None
        assert heard(worker) == ASKED
        assert [heard(other) for _, other in lines[at + 1 :]] == [b""] * (2 - at)
        tell(worker, READY_7)
    assert rollout.step() is True
    assert [heard(worker) for _, worker in lines] == [COMMIT] * 3


@pytest.mark.parametrize("way", ["refuses", "dies", "is silent"])
def test_when_one_cannot_none_changes(lines: list[tuple[socket.socket, socket.socket]], way: str) -> None:
    clock = Clock()
    rollout = Rollout(ASSIGNMENT, [ours for ours, _ in lines], 7, clock)
    rollout.step()
    tell(lines[0][1], READY_7)
    assert rollout.step() is None
    if way == "refuses":
        tell(lines[1][1], REFUSED_7)
    elif way == "dies":
        lines[1][1].close()
    else:
        clock.now += 121
    assert rollout.step() is False
    assert [heard(lines[0][1]), heard(lines[0][1])] == [ASKED, DROP]
    assert heard(lines[2][1]) == b""


def test_an_answer_that_comes_too_late_is_not_taken_for_another(
    lines: list[tuple[socket.socket, socket.socket]],
) -> None:
    ours, worker = lines[0]
    clock = Clock()
    late = Rollout(ASSIGNMENT, [ours], 6, clock)
    late.step()
    clock.now += 121
    assert late.step() is False
    rollout = Rollout(ASSIGNMENT, [ours], 7, clock)
    assert rollout.step() is None
    asked = [heard(worker) for _ in range(3)]
    assert asked == [PREPARE + b"6 abc", DROP, ASKED]
    tell(worker, answer_to(asked[0], ready=True))
    assert rollout.step() is None
    tell(worker, REFUSED_7)
    assert rollout.step() is False


def test_one_that_died_before_it_was_asked_is_passed_over(lines: list[tuple[socket.socket, socket.socket]]) -> None:
    rollout = Rollout(ASSIGNMENT, [ours for ours, _ in lines], 7)
    assert rollout.step() is None
    lines[1][1].close()
    lines[2][0].close()  # as the supervisor does when it has seen the end of a worker
    tell(lines[0][1], READY_7)
    assert rollout.step() is True
    assert [heard(lines[0][1]) for _ in range(2)] == [ASKED, COMMIT]


def test_without_workers_it_is_done_at_once() -> None:
    assert Rollout(ASSIGNMENT, [], 7).step() is True
