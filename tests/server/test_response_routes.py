"""Paths that name a response: with and without /v1, odd ones too."""

from __future__ import annotations

import asyncio

import pytest
from yarl import URL

from proxy.stores.memory import MemoryStore
from tests.support.house import house
from tests.support.scripted import ScriptedProvider, chunk, events_of, finish, stream


@pytest.mark.parametrize("base", ["/v1", ""])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/responses/resp_x", 404),
        ("DELETE", "/responses/resp_x", 404),
        ("POST", "/responses/resp_x", 405),
        ("GET", "/responses/resp_x/cancel", 405),
        ("POST", "/responses/resp_x/cancel", 404),
        ("GET", "/responses/resp_x/input_items", 404),
        ("GET", "/responses/resp_x/input_items?limit=1000", 400),
        ("GET", "/responses/resp_x/input_items?include[]=nonsense", 400),
        ("GET", "/responses/resp_x/other", 404),
        ("GET", "/responses/resp_x/input_items/more", 404),
        ("GET", "/responses/resp_%F0%9F%98%80", 404),
        ("GET", "/responses/%00%ff%fe", 404),
        ("GET", "/responses/..%2f..%2fetc", 404),
        ("GET", "/responses/resp_x?include[]=nonsense", 400),
        ("GET", "/responses/resp_x?stream=true", 404),
        ("GET", "/responses/" + "x" * 5000, 404),
    ],
)
async def test_answers(base: str, method: str, path: str, status: int) -> None:
    async with house(ScriptedProvider("a", stream()), store=MemoryStore()) as home:
        url = f"http://127.0.0.1:{home.port}{base}{path}"
        async with home.session.request(method, URL(url, encoded=True)) as response:
            error = (await response.json())["error"]
    assert response.status == status, error
    assert set(error) == {"message", "type", "param", "code"}
    assert len(error["message"]) < 1000


async def test_the_head_of_a_stream_has_no_body() -> None:
    """What came behind it would be read as the answer to the next request of the connection."""
    async with house(ScriptedProvider("a", stream(chunk(content="x"), finish())), store=MemoryStore()) as home:
        id = events_of((await home.ask(stream=True))[2])[0][1]["response"]["id"]
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
        for method in (b"HEAD", b"HEAD", b"GET"):
            writer.write(b"%b /v1/responses/%b?stream=true HTTP/1.1\r\nhost: x\r\n\r\n" % (method, id.encode()))
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert head.startswith(b"HTTP/1.1 200 ")
            assert b"text/event-stream" in head
        assert b"response.created" in await asyncio.wait_for(reader.readuntil(b"[DONE]"), 5)
        writer.close()
