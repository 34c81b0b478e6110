"""One serving process, run inside the test: it gets ready, answers, drains, and closes what it opened."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from proxy.config.loader import load_text
from proxy.server.app import App
from proxy.worker import Worker, listener

FILE = """\
limits: {drain: 5s}
upstreams: {echo: {kind: echo}}
models: {echo: [echo/echo]}
pipeline: [route, stream-translate]
"""


async def test_a_worker_serves_until_it_is_stopped() -> None:
    sock = listener("127.0.0.1", 0, shared=False)
    port = sock.getsockname()[1]
    ready: asyncio.Future[App] = asyncio.get_running_loop().create_future()
    worker = Worker(load_text(FILE, "test"), sock, ready.set_result)
    running = asyncio.ensure_future(worker.run())
    async with asyncio.timeout(10), aiohttp.ClientSession() as session:
        await ready
        body = {"model": "echo", "input": "hello"}
        async with session.post(f"http://127.0.0.1:{port}/v1/responses", json=body) as response:
            assert (await response.json())["status"] == "completed"
        worker.stop()
        await running
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"http://127.0.0.1:{port}/healthz")


def test_shared_listeners_take_one_port() -> None:
    first = listener("127.0.0.1", 0, shared=True)
    second = listener("127.0.0.1", first.getsockname()[1], shared=True)
    assert first.getsockname() == second.getsockname()
    first.close()
    second.close()


def test_a_taken_port_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        listener("127.0.0.1", taken.getsockname()[1], shared=False)
