"""One serving process, run inside the test: it gets ready, answers, drains, and closes what it opened."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
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
stores: {responses: {kind: memory}}
"""


async def test_a_worker_serves_until_it_is_stopped() -> None:
    sock = listener("127.0.0.1", 0)
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


async def test_a_stop_that_is_told_twice_at_once_is_one_stop() -> None:
    with contextlib.closing(listener("127.0.0.1", 0)) as sock:
        ready: asyncio.Future[App] = asyncio.get_running_loop().create_future()
        worker = Worker(load_text(FILE.replace("5s", "60s"), "test"), sock, ready.set_result)
        worker._echo_s = 1.0  # as among other workers
        running = asyncio.ensure_future(worker.run())
        async with asyncio.timeout(10):
            await ready
            reader, writer = await asyncio.open_connection(*sock.getsockname())
            body = b'{"model":"echo","input":"[[stall]]","stream":true}'
            head = b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
            await reader.readuntil(b"response.in_progress")
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            while not worker._stop.is_set():
                await asyncio.sleep(0.001)
            await asyncio.wait([running], timeout=0.1)  # that nothing happens can only be watched
            assert not running.done()
            assert not worker._hurry.is_set()
            worker._told_at -= 2
            os.kill(os.getpid(), signal.SIGTERM)
            rest = await reader.read()
            await running
        writer.close()
    assert b"event: response.failed" in rest
    assert b"shutting down" in rest


async def test_a_hangup_has_the_file_read_again(caplog: pytest.LogCaptureFixture) -> None:
    texts = [FILE.replace("[ech", "[x"), FILE.replace("echo:", "again:").replace("{again: {", "{echo: {")]
    with contextlib.closing(listener("127.0.0.1", 0)) as sock:
        ready: asyncio.Future[App] = asyncio.get_running_loop().create_future()
        worker = Worker(load_text(FILE, "test"), sock, ready.set_result, load=lambda: load_text(texts.pop(0), "test"))
        running = asyncio.ensure_future(worker.run())
        async with asyncio.timeout(10), aiohttp.ClientSession() as session:
            await ready
            url = "http://{}:{}/v1/models".format(*sock.getsockname())

            async def models() -> list[str]:
                async with session.get(url) as response:
                    return [one["id"] for one in (await response.json())["data"]]

            assert await models() == ["echo"]
            os.kill(os.getpid(), signal.SIGHUP)
            while "test:3:" not in caplog.text:
                await asyncio.sleep(0.001)  # a signal, read in a thread: nothing else tells of its end
            assert "cannot be used" in caplog.text
            assert await models() == ["echo"]
            os.kill(os.getpid(), signal.SIGHUP)
            while await models() != ["again"]:
                await asyncio.sleep(0.001)
            worker.stop()
            await running


async def test_metrics_have_an_address_of_their_own() -> None:
    text = FILE.replace("route,", "route, metrics: {listen: 9100},")
    with contextlib.closing(listener("127.0.0.1", 0)) as sock, contextlib.closing(listener("127.0.0.1", 0)) as own:
        ready: asyncio.Future[App] = asyncio.get_running_loop().create_future()
        worker = Worker(load_text(text, "test"), sock, ready.set_result, for_metrics=own)
        running = asyncio.ensure_future(worker.run())
        async with asyncio.timeout(10), aiohttp.ClientSession() as session:
            await ready
            for where, path, status in ((sock, "/metrics", 404), (own, "/metrics", 200), (own, "/v1/models", 404)):
                async with session.get("http://{}:{}".format(*where.getsockname()) + path) as response:
                    assert response.status == status
            worker.stop()
            await running


def test_a_taken_port_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        listener("127.0.0.1", taken.getsockname()[1])
