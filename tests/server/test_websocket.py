"""Upgrades: what is refused and how, and how the connections of a server end with it."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any, ClassVar, Literal

import aiohttp
import pytest

from proxy.errors import Unauthorized
from proxy.exchange import Exchange, Key
from proxy.reply import Reply
from proxy.stage import Stage
from tests.support.house import House, house
from tests.support.scripted import ScriptedProvider, chunk, finish, stream
from tests.support.sockets import WAIT_S, wired

SHAKE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


class Asks(Stage):
    """Asks for the key `good`."""

    name = "asks"
    sets: ClassVar[tuple[Literal["key", "plan"], ...]] = ("key",)

    def __init__(self) -> None:
        super().__init__()
        self.key = "good"

    async def on_request(self, exchange: Exchange) -> Reply | None:
        if exchange.client.headers.get("authorization") != f"Bearer {self.key}":
            reply = Reply.from_error(Unauthorized("Incorrect API key provided."))
            reply.headers["www-authenticate"] = "Bearer"
            return reply
        exchange.key = Key("k1", "ann")
        return None


def hello() -> ScriptedProvider:
    """Returns an upstream that says Hello."""
    return ScriptedProvider("a", stream(chunk(content="Hello"), finish()))


async def upgrade(home: House, **headers: str) -> tuple[int, dict[str, str], Any]:
    """Sends an upgrade with other headers ("" for none); returns status, headers, JSON of the refusal."""
    wanted = {**SHAKE, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with home.session.get(
        home.url + "/responses", headers={name: value for name, value in wanted.items() if value}
    ) as response:
        found = {name.lower(): value for name, value in response.headers.items()}
        return response.status, found, json.loads(await response.read())


@pytest.mark.parametrize("path", ["/responses", "/v1/responses", "/v1/responses/"])
async def test_it_is_served_with_and_without_the_prefix(path: str) -> None:
    async with house(hello()) as home:
        async with wired(home, path) as wire:
            assert (await wire.ask())["type"] == "response.completed"
        assert (await home.settled()).client.path == path


async def test_the_answer_to_an_upgrade_has_the_headers_of_every_answer() -> None:
    async with house(hello()) as home, wired(home, headers={"x-request-id": "mine"}) as wire:
        headers = wire.ws._response.headers
        assert headers["server"] == "penstock"
        assert headers["x-request-id"] == "mine"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"sec_websocket_version": "12"}, 426),
        ({"sec_websocket_version": ""}, 426),
        ({"sec_websocket_key": ""}, 400),
        ({"sec_websocket_key": "short"}, 400),
        ({"connection": "keep-alive"}, 400),
    ],
)
async def test_a_bad_handshake_is_a_json_error(changed: dict[str, str], status: int) -> None:
    async with house(hello()) as home:
        found, headers, body = await upgrade(home, **changed)
        exchange = await home.settled()
    assert found == status
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert headers["connection"] == "close"
    assert (headers.get("sec-websocket-version") == "13") == (status == 426)
    assert exchange.outcome == "rejected"


async def test_a_request_that_is_no_upgrade_is_told_the_method() -> None:
    async with house(hello()) as home, home.session.get(home.url + "/responses") as response:
        assert response.status == 405
        assert response.headers["allow"] == "POST"


async def test_a_server_may_serve_none() -> None:
    async with house(hello(), websocket_s=0) as home:
        status, headers, body = await upgrade(home)
    assert status == 426
    assert body["error"]["code"] == "websocket_unsupported"
    assert headers["connection"] == "close"


async def test_a_bad_key_is_refused_before_the_upgrade() -> None:
    async with house(hello(), stages=[Asks()]) as home:
        status, headers, body = await upgrade(home, authorization="Bearer bad")
        exchange = await home.settled()
        assert (status, body["error"]["code"]) == (401, "invalid_api_key")
        assert headers["www-authenticate"] == "Bearer"
        assert exchange.error is not None
        assert exchange.error.status == 401
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await home.session.ws_connect(home.url + "/responses")
        assert caught.value.status == 401


async def test_every_request_is_asked_for_its_key_again() -> None:
    asks = Asks()
    async with house(hello(), stages=[asks]) as home, wired(home, headers={"authorization": "Bearer good"}) as wire:
        assert (await wire.ask())["type"] == "response.completed"
        assert (await home.settled()).key == Key("k1", "ann")
        asks.key = "another"
        error = await wire.ask()
        assert (error["status"], error["error"]["code"]) == (401, "invalid_api_key")
        assert set(error["error"]) == {"type", "code", "message", "param"}
        asks.key = "good"
        assert (await wire.ask())["type"] == "response.completed"


async def test_a_key_in_a_subprotocol_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with house(hello()) as home, wired(home, protocols=["realtime", "key.sesame-1234"]) as wire:
            assert (await wire.ask())["type"] == "response.completed"
    assert "sesame" not in caplog.text


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:1"])
async def test_a_page_of_another_origin_cannot_use_a_server_without_keys(origin: str) -> None:
    async with house(hello()) as home:
        status, _, body = await upgrade(home, origin=origin)
        assert (status, body["error"]["code"]) == (403, "origin_not_allowed")
        async with wired(home, headers={"origin": f"http://127.0.0.1:{home.port}"}) as wire:
            assert (await wire.ask())["type"] == "response.completed"


async def test_where_keys_are_asked_for_any_page_with_a_key_may_come() -> None:
    headers = {"authorization": "Bearer good", "origin": "http://evil.example"}
    async with house(hello(), stages=[Asks()]) as home, wired(home, headers=headers) as wire:
        assert (await wire.ask())["type"] == "response.completed"


# --- the end of the server


async def test_a_drain_closes_what_is_idle() -> None:
    async with house(hello()) as home, wired(home) as wire:
        await wire.ask()
        await home.settled()
        home.app.drain()
        assert await wire.closed() == 1001
        assert await home.app.drained(WAIT_S)
        status, _, _ = await upgrade(home)
        assert status == 503


async def test_a_drain_lets_what_was_asked_come_to_its_end() -> None:
    gate = asyncio.Event()
    provider = ScriptedProvider("a", stream(chunk(content="Hel"), gate, chunk(content="lo"), finish()))
    async with house(provider) as home, wired(home) as wire:
        await wire.create()
        await wire.create()
        async with asyncio.timeout(WAIT_S):
            await provider.client.answered.wait()
        home.app.drain()
        assert not await home.app.drained(0.05)
        await wire.create()
        refused = await wire.turn()
        while refused[-1]["type"] != "error":  # it comes at once, among the events of what runs
            refused = await wire.turn()
        assert refused[-1]["status"] == 503
        gate.set()
        assert (await wire.turn())[-1]["type"] == "response.completed"
        assert (await wire.turn())[-1]["type"] == "response.completed"
        assert await wire.closed() == 1001
        assert await home.app.drained(WAIT_S)
        assert len(home.watcher.ended) == 2


async def test_what_is_cut_off_is_told_why() -> None:
    gate = asyncio.Event()
    provider = ScriptedProvider("a", stream(chunk(content="Hel"), gate, finish()))
    async with house(provider) as home, wired(home) as wire:
        await wire.create(stream_id="runs")
        await wire.create(stream_id="runs")
        async with asyncio.timeout(WAIT_S):
            await provider.client.answered.wait()
            while (await wire.receive())["type"] != "response.output_text.delta":
                pass
        home.app.drain()
        home.app.cut_off()
        waiting = (await wire.turn("runs"))[-1]
        running = (await wire.turn("runs"))[-1]
        assert (waiting["type"], waiting["status"]) == ("error", 503)
        assert running["type"] == "response.failed"
        assert await wire.closed() == 1001
        assert await home.app.drained(WAIT_S)
        assert len(provider.client.requests) == 1


async def test_a_client_that_does_not_answer_the_close_does_not_hold_up_the_end() -> None:
    async with house(hello()) as home:
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
        head = "".join(f"{name}: {value}\r\n" for name, value in SHAKE.items())
        writer.write(f"GET /v1/responses HTTP/1.1\r\nhost: x\r\n{head}\r\n".encode())
        async with asyncio.timeout(WAIT_S):
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            home.app.drain()
            assert (await reader.readexactly(4))[2:] == (1001).to_bytes(2, "big")
            assert await home.app.drained(WAIT_S)
        writer.close()
