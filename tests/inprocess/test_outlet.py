"""The client's side within the process: what it hands over, and when it pauses."""

from __future__ import annotations

import asyncio
import threading

from proxy.api.responses.event_writer import payloads
from proxy.inprocess.outlet import MOST, Delivery, Outlet, to_nobody
from tests.support.inprocess import soon

EVENT = b"event: a\ndata: {}\n\n"


class Flow:
    """Notes what the upstream is told."""

    def __init__(self, outlet: Outlet) -> None:
        self.said: list[str] = []
        self.resumed = asyncio.Event()
        outlet.on_flow(lambda: self.said.append("pause"), self._resume)

    def _resume(self) -> None:
        self.said.append("resume")
        self.resumed.set()


async def test_events_are_handed_over_as_json() -> None:
    came: list[Delivery] = []
    outlet = Outlet(came.append, payloads)
    assert not outlet.opened
    outlet.open({"x-a": "b"})
    await soon(outlet.ready())
    outlet.write(EVENT + b": a comment\n\n" + EVENT)
    outlet.write(b"data: [DONE]\n\n")
    outlet.finish()
    outlet.end()
    assert came == [(2 * len(EVENT) + 13, [b"{}", b"{}"]), None]
    assert (outlet.opened, outlet.headers) == (True, {"x-a": "b"})


async def test_an_end_without_a_beginning_ends_the_waiting() -> None:
    outlet = Outlet(to_nobody, payloads)
    outlet.end()
    await soon(outlet.ready())
    assert not outlet.opened


async def test_a_reader_that_lags_pauses_the_upstream_once() -> None:
    outlet = Outlet(to_nobody, payloads)
    flow = Flow(outlet)
    outlet.hand_over([b"{}"], MOST)
    assert (outlet.paused, flow.said) == (False, [])
    outlet.hand_over([b"{}"], 1)
    outlet.hand_over([b"{}"], 1)
    assert (outlet.paused, flow.said) == (True, ["pause"])
    outlet.take(MOST // 2)
    await asyncio.sleep(0)
    assert (outlet.paused, flow.said) == (True, ["pause"])
    outlet.take(MOST // 2 + 2)
    await soon(flow.resumed.wait())
    assert (outlet.paused, flow.said) == (False, ["pause", "resume"])


async def test_a_reader_in_another_thread_never_leaves_the_upstream_paused() -> None:
    outlet = Outlet(lambda delivery: None, payloads)
    flow = Flow(outlet)
    total, size = 400, MOST // 3
    given = threading.Semaphore(0)

    def read() -> None:
        for _ in range(total):
            given.acquire()
            outlet.take(size)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(total):
        if outlet.paused:
            flow.resumed.clear()
            if outlet.paused:
                await soon(flow.resumed.wait())
        outlet.hand_over([b"{}"], size)
        given.release()
    await asyncio.to_thread(reader.join, 5)
    if outlet.paused:
        await soon(flow.resumed.wait())
    assert not outlet.paused
    assert flow.said.count("pause") - flow.said.count("resume") in (0, 1)


def test_taking_from_a_loop_that_is_closed_does_no_harm() -> None:
    async def lag() -> Outlet:
        outlet = Outlet(to_nobody, payloads)
        outlet.hand_over([b"{}"], MOST + 1)
        return outlet

    asyncio.run(lag()).take(MOST + 1)
