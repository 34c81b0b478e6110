"""A plan on its way: one worker after the other, all or none."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from proxy.rollout import COMMIT, DROP, PREPARE, READY, REFUSED, Plan, Rollout, heard, pair, tell
from tests.support.routes import Clock

PLAN = Plan(2, lambda index, line: 0, "pipeline.yaml", "abc")
ASKED = PREPARE + b"abc"


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
    rollout = Rollout(PLAN, [ours for ours, _ in lines])
    for at, (_, worker) in enumerate(lines):
        assert rollout.step() is None
        assert heard(worker) == ASKED
        assert [heard(other) for _, other in lines[at + 1 :]] == [b""] * (2 - at)
        tell(worker, READY)
    assert rollout.step() is True
    assert [heard(worker) for _, worker in lines] == [COMMIT] * 3


@pytest.mark.parametrize("way", ["refuses", "dies", "is silent"])
def test_when_one_cannot_none_changes(lines: list[tuple[socket.socket, socket.socket]], way: str) -> None:
    clock = Clock()
    rollout = Rollout(PLAN, [ours for ours, _ in lines], clock)
    rollout.step()
    tell(lines[0][1], READY)
    assert rollout.step() is None
    if way == "refuses":
        tell(lines[1][1], REFUSED)
    elif way == "dies":
        lines[1][1].close()
    else:
        clock.now += 121
    assert rollout.step() is False
    assert [heard(lines[0][1]), heard(lines[0][1])] == [ASKED, DROP]
    assert heard(lines[2][1]) == b""


def test_without_workers_it_is_done_at_once() -> None:
    assert Rollout(PLAN, []).step() is True
