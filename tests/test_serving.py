"""What one configuration has for itself, what it takes over, and when it is over."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from proxy.config.loader import Sources, load_text
from proxy.counters import Counters, Demand, Limit
from proxy.counters.redis_counters import RedisCounters
from proxy.limiting.stage import LimitStage
from proxy.sealing import Sealing
from proxy.server.connection import Server
from proxy.serving import Serving
from stages.metrics import Metrics

FILE = """\
upstreams: {echo: {kind: echo}}
models: {echo: [echo/echo]}
pipeline: [route, stream-translate, metrics]
stores: {responses: STORE}
"""
SQLITE = "{kind: sqlite, path: kept.db}"


async def begun(directory: Path, store: str, before: Serving | None = None, *, change: str = "") -> Serving:
    """Returns what serves a file with such a store."""
    text = FILE.replace("STORE", store) + change
    config = load_text(text, str(directory / "pipeline.yaml"), sources=Sources({}, directory))
    return await Serving.begin(config, Sealing.fresh(), before)


async def test_a_store_that_stays_the_same_is_the_same(tmp_path: Path) -> None:
    first = await begun(tmp_path, SQLITE)
    second = await begun(tmp_path, SQLITE, first, change="server_timing: true\n")
    third = await begun(tmp_path, SQLITE.replace("}", ", keep: 1d}"), second)
    assert first.pipeline.store is second.pipeline.store is not third.pipeline.store
    assert first.pipeline.in_flight is second.pipeline.in_flight is third.pipeline.in_flight
    assert (first.pipeline.shows_times, second.pipeline.shows_times) == (False, True)
    await first.close()
    assert second.pipeline.store is not None
    assert await second.pipeline.store.get("resp_x", "") is None  # it is open as long as somebody uses it
    await second.close()
    await third.close()
    await third.close()


async def test_counters_that_ask_the_same_redis_are_the_same(tmp_path: Path) -> None:
    def limited(redis: str) -> str:
        return FILE.replace("[route,", "[rate-limit: {parallel: 5}, budget: {usd: 5}, route,") + (
            f"  counters: {{kind: redis, url: 'redis://127.0.0.1:1/0', on_failure: open{redis}}}\n"
        )

    async def counting(redis: str, before: Serving | None = None) -> tuple[Serving, list[Counters]]:
        text = limited(redis).replace("STORE", "{kind: memory}").replace("stores: {responses:", "stores:\n  responses:")
        config = load_text(text.replace("memory}}", "memory}"), str(tmp_path / "pipeline.yaml"))
        one = await Serving.begin(config, Sealing.fresh(), before)
        return one, [stage.counters for stage in one.pipeline.stages if isinstance(stage, LimitStage)]

    first, counters = await counting("")
    limit = Limit(unit="tokens", most=5, window_s=60.0)
    grant = await counters[0].reserve([Demand("x", limit, 1)])
    second, same = await counting("", first)
    third, others = await counting(", timeout: 200ms", second)
    assert [id(one) for one in counters] == [id(one) for one in same] == [id(counters[0])] * 2
    assert counters[0] not in others
    await first.close()
    await same[0].settle(grant, [3])
    assert isinstance(same[0], RedisCounters)
    assert len(same[0]._late) == 1  # it is told when Redis is back
    await second.close()
    await third.close()


async def test_what_is_in_memory_stays_whatever_is_said_of_it(tmp_path: Path) -> None:
    first = await begun(tmp_path, "{kind: memory}")
    second = await begun(tmp_path, "{kind: memory, max_responses: 5}", first)
    assert first.pipeline.store is second.pipeline.store
    assert first.pipeline.conversations is second.pipeline.conversations
    [counting], [counts_on] = (
        [one for one in each.pipeline.stages if isinstance(one, Metrics)] for each in (first, second)
    )
    assert counting.cells is counts_on.cells
    third = await begun(tmp_path, "{kind: none}", second)
    assert third.pipeline.store is None
    for one in (first, second, third):
        await one.close()


async def test_it_is_over_when_nothing_of_it_goes_on(tmp_path: Path) -> None:
    serving = await begun(tmp_path, "{kind: memory}")
    gate = asyncio.Event()

    async def hold(request: web.BaseRequest) -> web.StreamResponse:
        await gate.wait()
        return web.Response()

    serving.app.handle = hold  # type: ignore[method-assign]
    held = asyncio.ensure_future(serving.handle(make_mocked_request("GET", "/v1/models")))
    await asyncio.sleep(0)
    over = asyncio.ensure_future(serving.over())
    await asyncio.wait([over], timeout=0.02)  # that nothing happens can only be watched
    assert not over.done()
    gate.set()
    await held
    await asyncio.wait_for(over, 5)
    await serving.close()


async def test_it_is_not_over_while_a_request_whose_head_is_known_is_answered(tmp_path: Path) -> None:
    serving = await begun(tmp_path, "{kind: memory}")
    server = Server(serving.handle, access_log=None, auto_decompress=False)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())

        def ask(text: str) -> None:
            body = b'{"model":"echo","input":"%b"}' % text.encode()
            head = b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)

        async def answer() -> str:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            return (await reader.readexactly(int(head.lower().partition("content-length: ")[2].split()[0]))).decode()

        for _ in range(2):
            ask("hello")
            assert '"completed"' in await answer()
        ask("[[stall]]")
        while not serving.pipeline.running:
            await asyncio.sleep(0.001)
        assert serving._handling == 0  # it is not counted twice
        over = asyncio.ensure_future(serving.over())
        await asyncio.wait([over], timeout=0.02)  # that nothing happens can only be watched
        assert not over.done()
        serving.app.cut_off()
        assert "shutting down" in await answer()
        await over
        writer.close()
    listening.close()
    await server.shutdown(1)
    await serving.close()
