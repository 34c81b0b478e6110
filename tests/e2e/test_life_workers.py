"""Responses in flight in several workers: cancelled, read again and polled from any of them, and a worker that dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.api.responses.ids import worker_of
from tests.support.grammar import check_stream
from tests.support.hostile import HostileUpstream, Peer
from tests.support.scripted import chunk, events_of, finish
from tests.support.serving import Served, serving

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
FILE = """\
workers: 2
upstreams: {{u: {{kind: openai-compatible, base_url: {origin}}}}}
models: {{m: [u/up]}}
stores: {{responses: {{kind: sqlite, path: kept.db}}}}
pipeline: [route, stream-translate]
"""


def framed(data: bytes) -> bytes:
    """Returns one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Drips(HostileUpstream):
    """A chat server that says one word after the other, each when it is told to, until it is told to end."""

    def __init__(self) -> None:
        super().__init__(self._drip)
        self.word = asyncio.Condition()
        self.words = 0
        self.ending = False

    async def _drip(self, peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD + framed(chunk(content="word ")))
        said = 0
        while not peer.gone.is_set():
            async with self.word:
                while not (self.ending or self.words > said or peer.gone.is_set()):
                    await self.word.wait()
            if self.ending:
                await peer.send(framed(finish()) + b"0\r\n\r\n")
                peer.transport.close()
                return
            said = self.words
            await peer.send(framed(chunk(content="more ")))

    async def say(self) -> None:
        """Has each open answer go on by a word."""
        async with self.word:
            self.words += 1
            self.word.notify_all()

    async def end(self) -> None:
        """Has each answer end."""
        async with self.word:
            self.ending = True
            self.word.notify_all()


class Two:
    """Two workers in front of a server that drips."""

    def __init__(self, served: Served, upstream: Drips) -> None:
        self.served = served
        self.upstream = upstream

    def session(self) -> aiohttp.ClientSession:
        """Returns a client that opens a connection for each request, so that any worker may get it."""
        timeout = aiohttp.ClientTimeout(total=20)
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True), timeout=timeout)

    async def begin(self, session: aiohttp.ClientSession, **fields: Any) -> tuple[aiohttp.ClientResponse, str]:
        """Begins a stream; returns it and its id, once a word was said."""
        body = {"model": "m", "input": "hi", "stream": True, **fields}
        response = await session.post(f"{self.served.url}/responses", json=body)
        got = b""
        while b"output_text.delta" not in got:
            got += await response.content.readany()
        return response, "resp_" + got.partition(b'"id":"resp_')[2][:48].decode()


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    async with Drips() as upstream:
        running = serving(config=FILE.format(origin=upstream.origin), directory=tmp_path)
        served = await asyncio.to_thread(running.__enter__)
        try:
            yield Two(served, upstream)
        finally:
            await upstream.end()
            await asyncio.to_thread(running.__exit__, None, None, None)


async def get(session: aiohttp.ClientSession, url: str) -> tuple[int, dict[str, Any]]:
    """Returns status and JSON of an answer."""
    async with session.get(url) as response:
        return response.status, await response.json()


async def test_a_stream_is_cancelled_from_any_worker(two: Two) -> None:
    async with two.session() as session:
        makers: set[int] = set()
        for turn in range(100):  # a connection alone may go to the same worker for long
            if turn >= 12 and len(makers) > 1:
                break
            stream, id = await two.begin(session)
            makers.add(worker_of(id))
            peer = two.upstream.peers[-1]
            async with session.post(f"{two.served.url}/responses/{id}/cancel") as response:
                cancelled = await response.json()
            assert (response.status, cancelled["status"]) == (200, "cancelled")
            sent = peer.sent
            await two.upstream.say()
            await asyncio.wait_for(peer.gone.wait(), 1)
            assert peer.sent - sent <= len(framed(chunk(content="more ")))
            assert b'"status":"cancelled"' in await stream.read()
            assert await get(session, f"{two.served.url}/responses/{id}") == (200, cancelled)
        assert makers == {0, 1}


async def test_a_stream_is_followed_from_any_worker(two: Two) -> None:
    async with two.session() as session:
        streams = [await two.begin(session, background=True) for _ in range(16)]
        assert {worker_of(id) for _, id in streams} == {0, 1}
        urls = [f"{two.served.url}/responses/{id}" for _, id in streams]
        assert [(await get(session, url))[1]["status"] for url in urls] == ["in_progress"] * 16
        followers = [await session.get(url + "?stream=true&starting_after=1") for url in urls]
        for stream, _ in streams:
            stream.close()
        await two.upstream.say()
        await two.upstream.end()
        followed = [await follower.read() for follower in followers]
        for url, read in zip(urls, followed, strict=True):
            async with session.get(url + "?stream=true") as response:
                whole = await response.read()
            check_stream(whole)
            assert whole.endswith(read)
            assert events_of(read)[0][1]["sequence_number"] == 2
            assert (await get(session, url))[1]["status"] == "completed"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the workers in /proc")
async def test_a_killed_worker_leaves_nothing_stuck(two: Two) -> None:
    """What it made is told as failed at the first question; what others make, and what was finished, is untouched."""
    async with two.session() as session:
        finished = [await two.begin(session, background=True) for _ in range(4)]
        await two.upstream.end()
        for stream, id in finished:
            await stream.read()
            assert (await get(session, f"{two.served.url}/responses/{id}"))[1]["status"] == "completed"
        two.upstream.ending = False
        kept = [await two.begin(session, background=True) for _ in range(20)]
        lost = [await two.begin(session) for _ in range(20)]
        assert {worker_of(id) for _, id in kept} == {0, 1}
        os.kill(worker_pids(two.served.process.pid)[0], signal.SIGKILL)
        states = {}
        for _, id in kept:
            found = await until_told(session, f"{two.served.url}/responses/{id}")
            states[id] = found["status"]
            if found["status"] == "failed":
                assert found["error"]["code"] == "server_error"
        ended = {worker_of(id) for id, status in states.items() if status == "failed"}
        going = {worker_of(id) for id, status in states.items() if status == "in_progress"}
        assert (len(ended), len(going), ended & going) == (1, 1, set())
        await two.upstream.end()
        for id, status in states.items():
            if status == "in_progress":
                async with session.get(f"{two.served.url}/responses/{id}?stream=true") as response:
                    check_stream(await response.read())
        for _, id in finished:
            assert (await until_told(session, f"{two.served.url}/responses/{id}"))["status"] == "completed"
        for stream, _ in [*kept, *lost]:
            stream.close()


async def until_told(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    """Asks for a response, again when a connection went to a worker that was just killed; returns what is told."""
    async with asyncio.timeout(10):
        while True:
            try:
                status, found = await get(session, url)
            except aiohttp.ClientConnectionError:
                continue
            assert status == 200, found
            return found


def worker_pids(parent: int) -> list[int]:
    """Returns the process ids of a supervisor's workers."""
    return [int(one) for one in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
