"""Routes, methods, bodies and ids, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from typing import Any

import pytest
from backports import zstd

from proxy.providers.provider import Deployment
from tests.support.house import House, house
from tests.support.scripted import ScriptedProvider, chunk, finish, stream


def packed(data: bytes) -> bytes:
    """Returns data in gzip, the same bytes at any time of day."""
    return gzip.compress(data, mtime=0)


BODY = json.dumps({"model": "m", "input": "hi", "stream": True}).encode()


def hello() -> ScriptedProvider:
    """Returns an upstream that says Hello."""
    return ScriptedProvider("a", stream(chunk(content="Hello"), finish()))


async def raw(home: House, data: bytes) -> bytes:
    """Sends bytes over a fresh connection; returns all that comes until it is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
    writer.write(data)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


def error_of(body: bytes) -> dict[str, Any]:
    """Returns the error object of an answer, after checking its form."""
    error: dict[str, Any] = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert error["message"]
    return error


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/nothing", 404),
        ("GET", "/", 404),
        ("POST", "/v1/responses/resp_1/cancel", 404),
        ("PUT", "/v1/responses", 405),
        ("GET", "/v1/responses", 405),
        ("DELETE", "/v1/models", 405),
        ("GET", "/v1/chat/completions", 405),
        ("POST", "/v1/models/m", 405),
        ("GET", "/v1/models/none", 404),
    ],
)
async def test_wrong_paths_and_methods_are_json_errors(method: str, path: str, status: int) -> None:
    async with house(hello()) as home:
        async with home.session.request(method, home.url.removesuffix("/v1") + path) as response:
            assert response.status == status
            assert response.content_type == "application/json"
            assert "x-request-id" in response.headers
            error = error_of(await response.read())
            assert (status == 405) == ("allow" in response.headers)
    assert error["type"] == "invalid_request_error"


async def test_a_websocket_upgrade_where_none_is_served_is_told_to_use_http() -> None:
    async with house(hello()) as home:
        head = (
            b"GET /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        answer = await raw(home, head)  # until the server closes: it reads no more HTTP there
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 426 ")
    assert b"connection: close" in head.lower()
    error_of(body)


@pytest.mark.parametrize("path", ["/responses", "/v1/responses", "/v1/responses/"])
async def test_routes_are_served_with_and_without_the_prefix(path: str) -> None:
    async with house(hello()) as home:
        async with home.session.post(home.url.removesuffix("/v1") + path, data=BODY) as response:
            assert response.status in (200, 415)
        async with home.session.post(
            home.url.removesuffix("/v1") + path, data=BODY, headers={"content-type": "application/json"}
        ) as response:
            assert response.status == 200


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", packed(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", zlib.compress(BODY)[2:-4]),
        ("zstd", zstd.compress(BODY)),
        ("identity", BODY),
        ("gzip, zstd", zstd.compress(packed(BODY))),
    ],
    ids=["gzip", "zlib", "deflate", "zstd", "identity", "gzip-zstd"],
)
async def test_compressed_bodies_are_read(coding: str, data: bytes) -> None:
    async with house(hello()) as home:
        headers = {"content-type": "application/json", "content-encoding": coding}
        async with home.session.post(home.url + "/responses", data=data, headers=headers) as response:
            assert response.status == 200
            assert b"Hello" in await response.read()


@pytest.mark.parametrize(
    ("headers", "data", "status", "code"),
    [
        ({"content-encoding": "br"}, BODY, 415, "unsupported_content_encoding"),
        ({"content-encoding": "gzip"}, BODY, 400, "invalid_body"),
        ({"content-encoding": "gzip"}, packed(BODY)[:-9], 400, "invalid_body"),
        ({"content-encoding": "zstd"}, BODY, 400, "invalid_body"),
        ({"content-encoding": "zstd"}, zstd.compress(BODY * 50)[:-3], 400, "invalid_body"),
        ({"content-encoding": "deflate"}, b"\x00\x01\x02", 400, "invalid_body"),
        ({"content-encoding": "gzip"}, packed(b" " * 3_000_000), 413, "request_too_large"),
        ({"content-encoding": "zstd"}, zstd.compress(b" " * 3_000_000), 413, "request_too_large"),
        ({}, b" " * 1_100_000, 413, "request_too_large"),
        ({"content-type": "text/plain"}, BODY, 415, "unsupported_content_type"),
        ({"content-type": "application/x-www-form-urlencoded"}, BODY, 415, "unsupported_content_type"),
        ({}, b"{", 400, "invalid_json"),
        ({}, b"[]", 400, "invalid_json"),
        ({}, b"", 400, "invalid_json"),
        ({}, b'{"model": "m", "input": "\xff"}', 400, None),
        ({}, b'{"model": 3, "input": "x"}', 400, "invalid_type"),
        ({}, b'{"model": "m", "input": "x", "stream": "yes"}', 400, "invalid_type"),
        ({}, b'{"model": "m"}', 400, "missing_required_parameter"),
        ({}, b'{"input": "x"}', 400, "missing_required_parameter"),
        ({}, b'{"model": "m", "input": "x", "top_logprobs": -1' + b"0" * 400 + b"}", 400, "integer_below_min_value"),
        ({}, b'{"model": "m", "input": "x", "previous_response_id": "' + b"r" * 70_000 + b'"}', 400, None),
    ],
    ids=[f"case {number}" for number in range(21)],
)
async def test_bad_bodies_are_json_errors(headers: dict[str, str], data: bytes, status: int, code: str | None) -> None:
    async with house(hello()) as home:
        headers = {"content-type": "application/json", **headers}
        async with home.session.post(home.url + "/responses", data=data, headers=headers) as response:
            assert response.status == status
            error = error_of(await response.read())
        exchange = await home.settled()
    assert len(error["message"]) <= 2000
    if code is not None:
        assert error["code"] == code
    assert exchange.outcome == "rejected"


@pytest.mark.parametrize(
    "data",
    [
        b"this is no HTTP\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: ten\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + b"x: yyyyyyyy\r\n" * 100,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["words", "version", "length", "header", "headers", "tls"],
)
async def test_what_is_no_http_is_a_json_error(data: bytes) -> None:
    async with house(hello(), max_head=1000) as home:
        head, _, body = (await raw(home, data + b"\r\n\r\n")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1."), head
    assert head.split()[1] in (b"400", b"431", b"505")
    error_of(body)


async def test_a_body_over_the_limit_without_a_length_is_refused_before_its_end() -> None:
    async with house(hello()) as home:
        head = b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        chunk_of = b"80000\r\n" + b" " * 0x80000 + b"\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
        writer.write(head + chunk_of * 3)
        async with asyncio.timeout(5):
            status = await reader.readline()
        writer.close()
    assert b"413" in status


async def test_a_client_that_waits_for_leave_to_send_its_body_gets_it() -> None:
    async with house(hello()) as home:
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
        writer.write(
            b"POST /v1/responses HTTP/1.1\r\nhost: x\r\nexpect: 100-Continue\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n" % len(BODY)
        )
        async with asyncio.timeout(5):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(BODY)
            answer = await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200")


async def test_a_body_that_will_be_refused_is_not_asked_for() -> None:
    async with house(hello()) as home:
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
        writer.write(
            b"POST /v1/responses HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 99999999\r\n\r\n"
        )
        async with asyncio.timeout(5):
            assert b" 413 " in await reader.readline()
        writer.close()


async def test_a_body_that_stalls_is_refused_in_time() -> None:
    async with house(hello(), body_idle_s=0.05) as home:
        head = b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
        writer.write(head)
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"}}")
        writer.close()
        exchange = await home.settled()
    assert b" 408 " in answer.partition(b"\r\n")[0]
    assert error_of(answer.partition(b"\r\n\r\n")[2])["code"] == "timeout"
    assert exchange.outcome == "rejected"


@pytest.mark.parametrize("cut", [0, 1, 3], ids=["at-once", "later", "much-later"])
async def test_a_body_that_is_no_http_in_its_middle_is_a_json_error(cut: int) -> None:
    async with house(hello()) as home:
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
        writer.write(b'POST /v1/responses HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"mod\r\n')
        for _ in range(cut):
            await asyncio.sleep(0)
        if cut == 3:
            while not home.app._running.count:
                await asyncio.sleep(0)
        writer.write(b"nonsense\r\n")
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
    assert answer.count(b"HTTP/1.") == 1
    assert b" 400 " in answer.partition(b"\r\n")[0]
    error_of(answer.partition(b"\r\n\r\n")[2])


async def test_a_body_that_nobody_reads_and_that_is_no_http_is_no_fault_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with house(hello()) as home:
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
        writer.write(b'POST /v1/nothing HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"mod\r\n')
        async with asyncio.timeout(5):
            assert b" 404 " in await reader.readline()
            writer.write(b"nonsense\r\n")
            await reader.read()
        writer.close()
    assert caplog.records == []


async def test_a_client_that_leaves_with_half_its_request_is_told_of() -> None:
    async with house(hello()) as home:
        _, writer = await asyncio.open_connection("127.0.0.1", home.port)
        writer.write(b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        async with asyncio.timeout(5):
            while not home.app._running.count:
                await asyncio.sleep(0)
        writer.transport.abort()
        exchange = await home.settled()
        assert await home.app.drained(5)
    assert exchange.outcome == "cancelled"
    assert len(home.watcher.ended) == 1


async def test_no_header_can_hold_what_would_end_it() -> None:
    provider = hello()
    async with house(provider, models={"*": [Deployment(provider, "*")]}) as home:
        for streamed in (True, False):
            _, headers, _ = await home.ask(model="a\r\nset-cookie: b\x00\u2028" + "c" * 70_000, stream=streamed)
            assert headers["x-penstock-upstream-model"].startswith("a  set-cookie: b ?c")
            assert len(headers["x-penstock-upstream-model"]) < 2000
            assert "set-cookie" not in headers


async def test_http_1_0_gets_a_stream_that_ends_with_the_connection() -> None:
    async with house(hello()) as home:
        request = b"POST /v1/responses HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(
            BODY
        )
        answer = await raw(home, request + BODY)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body.startswith(b"event: response.created\n")
    assert body.endswith(b"data: [DONE]\n\n")


async def test_a_connection_carries_one_stream_after_another() -> None:
    async with house(hello()) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            await reader.readuntil(b"\r\n0\r\n\r\n")
            body = BODY
            writer.write(
                b"POST /responses HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                % (len(body), body)
            )
            second = await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.close()
    assert b"response.completed" in second


async def test_the_clients_request_id_is_kept_when_it_is_one() -> None:
    async with house(hello()) as home:
        for given, kept in (("abc-123", True), ("x" * 200, False), ('"quoted text"', False)):
            async with home.session.get(home.url + "/models", headers={"x-request-id": given}) as response:
                assert (response.headers["x-request-id"] == given) is kept


async def test_the_list_of_models() -> None:
    async with house(hello()) as home:
        async with home.session.get(home.url + "/models") as response:
            page = await response.json()
        async with home.session.get(home.url + "/models/m") as response:
            one = await response.json()
    assert page["object"] == "list"
    assert [model["id"] for model in page["data"]] == ["m"]
    assert one == page["data"][0]
    assert one["object"] == "model"


async def test_health_and_readiness() -> None:
    async with house(hello()) as home:
        for path, status in (("/healthz", 200), ("/readyz", 200)):
            async with home.session.get(home.url.removesuffix("/v1") + path) as response:
                assert response.status == status
        home.app.drain()
        async with home.session.get(home.url.removesuffix("/v1") + "/readyz") as response:
            assert response.status == 503
        async with home.session.get(home.url.removesuffix("/v1") + "/healthz") as response:
            assert response.status == 200


async def test_no_more_requests_than_allowed_at_a_time() -> None:
    gate = asyncio.Event()
    provider = ScriptedProvider("a", stream(chunk(content="x"), gate, finish()))
    async with house(provider, max_requests=1) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            await reader.readuntil(b'"delta":"x"')
            status, headers, body = await home.ask(stream=True)
            gate.set()
            await reader.readuntil(b"[DONE]")
        writer.close()
        assert (await home.ask(stream=True))[0] == 200
    assert status == 503
    assert int(headers["retry-after"]) >= 1
    assert error_of(body)["code"] == "overloaded"


async def test_requests_that_are_still_coming_are_refused_when_the_server_is_cut_off() -> None:
    async with house(hello()) as home:
        half, half_writer = await asyncio.open_connection("127.0.0.1", home.port)
        later, later_writer = await asyncio.open_connection("127.0.0.1", home.port)
        head = b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        half_writer.write(head % len(BODY) + BODY[:9])
        async with asyncio.timeout(5):
            while not len(home.app._uploads):
                await asyncio.sleep(0)
            home.app.cut_off()
            later_writer.write(head % len(BODY) + BODY)
            for reader in (half, later):
                assert b" 503 " in await reader.readline()
                assert b"retry-after: 1\r\n" in (await reader.readuntil(b"\r\n\r\n")).lower()
            assert await home.app.drained(5)
        half_writer.close()
        later_writer.close()
        assert (await home.settled(2)).outcome == "rejected"


async def test_drained_waits_for_what_runs() -> None:
    gate = asyncio.Event()
    provider = ScriptedProvider("a", stream(chunk(content="x"), gate, finish()))
    async with house(provider) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            await reader.readuntil(b'"delta":"x"')
            assert not await home.app.drained(0.01)
            gate.set()
            assert await home.app.drained(5)
        writer.close()
