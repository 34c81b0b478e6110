"""A collector is told of every exchange; upstreams are told of the trace."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.config.types import Secret
from stages.trace import Trace, TraceConfig
from tests.logs.test_spans import read
from tests.support.drive import asking, drive, exchange_of, texts

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"


async def test_a_collector_is_told(tmp_path: Path) -> None:
    posts: list[tuple[str, str, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        posts.append((request.headers["content-type"], request.headers["authorization"], await request.read()))
        return web.Response()

    application = web.Application()
    application.router.add_post("/v1/traces", take)
    collector = TestServer(application)
    await collector.start_server()
    to = str(collector.make_url("/v1/traces"))
    stage = Trace(TraceConfig(to=to, headers={"authorization": Secret("planted-collector-token")}))
    stage.directory = tmp_path
    await stage.start()
    exchange = exchange_of(asking(), headers={"traceparent": f"{TRACEPARENT}-01", "tracestate": "a=b"})
    await drive(stage, exchange, texts("hello"))
    unsampled = exchange_of(asking(), headers={"traceparent": f"{TRACEPARENT}-00"})
    await drive(stage, unsampled, texts("hello"))
    await stage.close()
    await collector.close()
    ((kind, token, body),) = posts
    assert (kind, token, stage.lost) == ("application/x-protobuf", "planted-collector-token", 0)
    (own,) = read(body)
    assert (own["trace"], own["penstock.outcome"]) == (TRACEPARENT[3:35], "completed")
    assert exchange.marks["trace_id"] == TRACEPARENT[3:35]
    told = exchange.marks["upstream_headers"]
    assert told == {"traceparent": f"{TRACEPARENT[:36]}{own['id']}-01", "tracestate": "a=b"}
    assert unsampled.marks["upstream_headers"]["traceparent"].endswith("-00")


@pytest.mark.parametrize("sample", [0.0, 1.0])
async def test_upstreams_need_not_be_told(sample: float, tmp_path: Path) -> None:
    stage = Trace(TraceConfig(to="http://127.0.0.1:1/", propagate=False, sample=sample))
    stage.directory = tmp_path
    await stage.start()
    exchange = exchange_of()
    assert (await stage.on_request(exchange) is None) == (sample == 0)
    assert "upstream_headers" not in exchange.marks
    await stage.close()
