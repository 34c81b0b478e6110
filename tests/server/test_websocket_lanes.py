"""Lanes: order within one, side by side, bounds, the end."""

from __future__ import annotations

import asyncio
import logging

import pytest

from proxy.errors import RateLimited
from proxy.server.websocket_lanes import LaneBounds, Lanes
from proxy.server.websocket_messages import Create


class Desk:
    """Serves when it is told to; notes what began and what ended, and how."""

    def __init__(self, **bounds: int) -> None:
        self.lanes = Lanes(self.serve, LaneBounds(**bounds), self.on_idle)
        self.began: list[int] = []
        self.ended: list[tuple[int, str]] = []
        self.idle = 0
        self._gates: dict[int, asyncio.Event] = {}
        self._changed = asyncio.Event()

    async def serve(self, create: Create) -> None:
        self.began.append(create.size)
        self._changed.set()
        try:
            await self._gates.setdefault(create.size, asyncio.Event()).wait()
            if create.size == 13:
                raise KeyError("a bug")
        except asyncio.CancelledError:
            self.ended.append((create.size, "cancelled"))
            raise
        self.ended.append((create.size, "done"))

    def on_idle(self) -> None:
        self.idle += 1
        self._changed.set()

    def ask(self, number: int, lane: str | None = None) -> None:
        self.lanes.add(Create(None, lane, number))

    def finish(self, *numbers: int) -> None:
        for number in numbers:
            self._gates.setdefault(number, asyncio.Event()).set()

    async def until_begun(self, *numbers: int) -> None:
        async with asyncio.timeout(5):
            while self.began != list(numbers):
                self._changed.clear()
                await self._changed.wait()

    async def until_idle(self) -> None:
        async with asyncio.timeout(5):
            while self.lanes.busy:
                self._changed.clear()
                await self._changed.wait()


async def test_one_lane_serves_one_after_the_other() -> None:
    desk = Desk()
    for number in (1, 2, 3):
        desk.ask(number)
    await desk.until_begun(1)
    desk.finish(2, 3)
    await asyncio.sleep(0)
    assert desk.began == [1]
    desk.finish(1)
    await desk.until_begun(1, 2, 3)
    await desk.until_idle()
    assert [number for number, _ in desk.ended] == [1, 2, 3]
    assert desk.idle == 1


async def test_lanes_run_side_by_side() -> None:
    desk = Desk()
    desk.ask(1)
    desk.ask(2, "a")
    desk.ask(3, "a")
    desk.ask(4, "b")
    await desk.until_begun(1, 2, 4)
    desk.finish(2)
    await desk.until_begun(1, 2, 4, 3)
    desk.finish(1, 3, 4)
    await desk.until_idle()


async def test_a_lane_that_has_nothing_to_do_makes_room_for_another() -> None:
    desk = Desk(lanes=2)
    desk.ask(1, "a")
    desk.ask(2, "b")
    with pytest.raises(RateLimited, match="2 lanes"):
        desk.ask(3, "c")
    desk.finish(1)
    await desk.until_begun(1, 2)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    desk.ask(3, "c")
    desk.finish(2, 3)
    await desk.until_idle()


async def test_only_so_many_may_wait() -> None:
    desk = Desk(waiting=2)
    desk.ask(1)
    await desk.until_begun(1)
    desk.ask(2)
    desk.ask(3)
    with pytest.raises(RateLimited, match="2 requests") as caught:
        desk.ask(4)
    assert caught.value.retry_after_s == 1
    desk.finish(1, 2, 3)
    await desk.until_idle()
    assert [number for number, _ in desk.ended] == [1, 2, 3]


async def test_only_so_many_bytes_may_wait_but_one_request_always() -> None:
    desk = Desk(waiting_bytes=100)
    desk.ask(1)
    await desk.until_begun(1)
    desk.ask(1000)
    with pytest.raises(RateLimited):
        desk.ask(2)
    desk.finish(1, 1000)
    await desk.until_idle()
    desk.ask(3)
    await desk.until_begun(1, 1000, 3)
    desk.ask(60)
    desk.ask(40)
    with pytest.raises(RateLimited):
        desk.ask(5)
    await desk.lanes.close()


async def test_a_bug_with_one_does_not_stop_the_next(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.ask(13)
    desk.ask(2)
    desk.finish(13, 2)
    with caplog.at_level(logging.ERROR):
        await desk.until_begun(13, 2)
        await desk.until_idle()
    assert desk.ended == [(2, "done")]
    assert "over a WebSocket failed" in caplog.text


async def test_closing_ends_what_runs_and_forgets_what_waits() -> None:
    desk = Desk()
    desk.ask(1)
    desk.ask(2)
    desk.ask(3, "a")
    await desk.until_begun(1, 3)
    await desk.lanes.close()
    assert sorted(desk.ended) == [(1, "cancelled"), (3, "cancelled")]
    assert not desk.lanes.busy
    assert desk.began == [1, 3]
    await desk.lanes.close()


async def test_what_runs_is_settled_even_when_the_one_who_waits_is_cancelled() -> None:
    settled = asyncio.Event()
    began = asyncio.Event()

    async def serve(create: Create) -> None:
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.02)
            settled.set()

    lanes = Lanes(serve, LaneBounds(), lambda: None)
    lanes.add(Create(None, None, 1))
    await began.wait()
    closing = asyncio.ensure_future(lanes.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert settled.is_set()
    assert not lanes.busy


async def test_what_waits_can_be_taken_back() -> None:
    desk = Desk()
    desk.ask(1)
    await desk.until_begun(1)
    desk.ask(2)
    desk.ask(3)
    assert [create.size for create in desk.lanes.take_waiting()] == [2, 3]
    desk.finish(1)
    await desk.until_idle()
    assert desk.began == [1]
