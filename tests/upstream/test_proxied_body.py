"""A body read by a task, on a reply that the test plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from math import inf
from typing import Any

import aiohttp
import pytest

from proxy.errors import UpstreamCut, UpstreamError, UpstreamGarbled, UpstreamTimeout
from proxy.upstream import proxied_body
from proxy.upstream.client import Timeouts
from proxy.upstream.proxied_body import ProxiedBody
from proxy.upstream.response import Response
from tests.support.hostile import PATIENT, until


class FakeReply:
    """aiohttp's response, as far as a body needs it; `say` gives the next read, an exception fails it, b"" ends it."""

    def __init__(self) -> None:
        self.content = self
        self.fate: str | None = None
        self.reads = 0
        self._queue: asyncio.Queue[bytes | Exception] = asyncio.Queue()

    def say(self, *reads: bytes | Exception) -> None:
        for read in reads:
            self._queue.put_nowait(read)

    async def readany(self) -> bytes:
        self.reads += 1
        read = await self._queue.get()
        if isinstance(read, Exception):
            raise read
        return read

    def release(self) -> None:
        self.fate = self.fate or "released"

    def close(self) -> None:
        self.fate = self.fate or "closed"


class Played:
    def __init__(self, timeouts: Timeouts = PATIENT) -> None:
        self.reply = FakeReply()
        self.ended = 0
        reply: Any = self.reply
        self.body = ProxiedBody(reply, "a:1", timeouts, self._on_end)
        self.body.start(inf)
        self.response = self.body.response = Response(200, {}, self.body, "a:1")
        self.data: list[bytes] = []
        self.ends: list[UpstreamError | None] = []

    def _on_end(self, _body: ProxiedBody) -> None:
        self.ended += 1

    def stream(self) -> None:
        self.response.stream(self.data.append, self.ends.append)


@pytest.fixture
async def played() -> AsyncIterator[Played]:
    played = Played()
    yield played
    played.response.close()
    assert played.ended == 1


async def test_nothing_is_read_before_it_is_wanted(played: Played) -> None:
    played.reply.say(b"x", b"")
    await asyncio.sleep(0)
    assert played.reply.reads == 0
    played.stream()
    await until(lambda: played.ends)
    assert (played.data, played.ends, played.reply.fate) == ([b"x"], [None], "released")


async def test_a_pause_holds_back_what_is_on_its_way(played: Played) -> None:
    played.stream()
    await until(lambda: played.reply.reads)
    played.response.pause()
    played.reply.say(b"one", b"two", b"")
    for _ in range(5):
        await asyncio.sleep(0)
    assert (played.data, played.reply.reads) == ([], 1)
    played.response.resume()
    await until(lambda: played.ends)
    assert played.data == [b"one", b"two"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (aiohttp.ClientPayloadError("Response payload is not completed: x"), UpstreamCut),
        (aiohttp.ClientPayloadError("400, message: bad chunk"), UpstreamGarbled),
        (aiohttp.ClientConnectionError("Connection closed"), UpstreamCut),
        (ConnectionResetError(), UpstreamCut),
    ],
)
async def test_faults_come_after_the_body(played: Played, fault: Exception, kind: type[UpstreamError]) -> None:
    played.stream()
    played.reply.say(b"part", fault)
    await until(lambda: played.ends)
    assert played.data == [b"part"]
    assert [type(end) for end in played.ends] == [kind]
    assert played.reply.fate == "closed"


async def test_closed_by_its_reader_in_the_middle_of_a_delivery(played: Played) -> None:
    played.response.stream(lambda _data: played.response.close(), played.ends.append)
    played.reply.say(b"one", b"two", b"")
    await until(lambda: played.reply.fate)
    for _ in range(3):
        await asyncio.sleep(0)
    assert (played.reply.fate, played.ends) == ("closed", [])


async def test_released_before_the_end(played: Played) -> None:
    played.stream()
    played.response.release()
    played.reply.say(b"rest", b"")
    await until(lambda: played.reply.fate)
    assert (played.reply.fate, played.data, played.ends) == ("released", [], [])


async def test_released_before_it_was_read(played: Played) -> None:
    played.response.release()
    played.reply.say(b"rest", b"")
    await until(lambda: played.reply.fate)
    assert played.reply.fate == "released"


async def test_released_and_no_end_in_sight(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxied_body, "DRAIN_SECONDS", 0.05)
    played.stream()
    played.response.release()
    await until(lambda: played.reply.fate)
    assert (played.reply.fate, played.ends) == ("closed", [])


async def test_released_before_a_flood(played: Played) -> None:
    played.stream()
    played.response.release()
    played.reply.say(*[bytes(40_000)] * 3)
    await until(lambda: played.reply.fate)
    assert played.reply.fate == "closed"


@pytest.mark.parametrize("phase", ["idle", "total"])
async def test_limits_of_time(phase: str) -> None:
    limits: Any = {phase: 0.05}
    played = Played(Timeouts(**limits))
    played.body.start(asyncio.get_running_loop().time() + 0.05 if phase == "total" else inf)
    played.stream()
    await until(lambda: played.ends)
    (end,) = played.ends
    assert isinstance(end, UpstreamTimeout)
    assert end.phase == phase
    assert "0.05 s" in str(end)
    assert played.reply.fate == "closed"


async def test_the_idle_limit_does_not_run_before_the_body_is_wanted() -> None:
    played = Played(Timeouts(idle=0.05))
    await asyncio.sleep(0.1)
    played.reply.say(b"x", b"")
    played.stream()
    await until(lambda: played.ends)
    assert played.ends == [None]


async def test_a_reader_that_fails_is_told(played: Played) -> None:
    def bad(_data: bytes) -> None:
        raise ZeroDivisionError

    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context["exception"]))
    played.response.stream(bad, played.ends.append)
    played.reply.say(b"x")
    await until(lambda: played.ends)
    assert [type(end) for end in played.ends] == [UpstreamCut]
    played.body._task = None
    await until(lambda: reported)
    assert [type(error) for error in reported] == [ZeroDivisionError]
