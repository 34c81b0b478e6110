"""The paths of conversations, and what may be done at each."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.exchange import Exchange
from proxy.reply import Reply
from proxy.server.conversation_routes import ConversationRoutes
from proxy.server.conversations import Conversations
from proxy.stage import Stage
from proxy.stores.conversation_memory import MemoryConversations
from proxy.stores.memory import MemoryStore
from tests.support.house import house
from tests.support.scripted import ScriptedProvider
from tests.support.talking import talking


async def nobody(exchange: Exchange) -> Reply | None:
    raise AssertionError("is not asked")


async def nothing(request: Any) -> bytes:
    raise AssertionError("is not read")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("", ["POST"]),
        ("/conv_1", ["GET", "POST", "DELETE"]),
        ("/conv_1/items", ["GET", "POST"]),
        ("/conv_1/items/msg_1", ["GET", "DELETE"]),
        ("/conv_1/items/a/b", ["GET", "DELETE"]),
        ("/", None),
        ("//items", None),
        ("/conv_1/", None),
        ("/conv_1/items/", None),
        ("/conv_1/other", None),
        ("/conv_1/other/msg_1", None),
        ("x", None),
        ("x/items", None),
    ],
)
def test_what_can_be_done_where(path: str, methods: list[str] | None) -> None:
    routes = ConversationRoutes(Conversations(MemoryConversations(), MemoryStore()), nobody, nothing)
    found = routes.find(path)
    assert (None if found is None else list(found)) == methods


@pytest.mark.parametrize("prefix", ["", "/v1"])
async def test_paths_are_served_with_and_without_a_version(prefix: str) -> None:
    async with talking() as (home, _):
        base = home.url.removesuffix("/v1") + prefix + "/conversations"
        async with home.session.post(base, json={}) as response:
            made = await response.json()
        for path in (f"{base}/{made['id']}", f"{base}/{made['id']}/"):
            async with home.session.get(path) as response:
                assert await response.json() == made
        async with home.session.get(base) as response:
            assert (response.status, response.headers["allow"]) == (405, "POST")
        async with home.session.put(f"{base}/{made['id']}/items", json={}) as response:
            assert (response.status, response.headers["allow"]) == (405, "GET, POST")
        async with home.session.get(f"{base}/{made['id']}/else") as response:
            assert (await response.json())["error"]["code"] == "unknown_url"


class Refuses(Stage):
    """Lets nobody in."""

    name = "refuses"
    sets = ("key",)

    async def on_request(self, exchange: Exchange) -> Reply:
        return Reply.json({"error": "no"}, 401)


async def test_nobody_gets_past_who_checks_keys() -> None:
    async with house(ScriptedProvider("a"), stages=[Refuses()], store=MemoryStore()) as home:
        for method, path in (("POST", ""), ("GET", "/conv_1"), ("POST", "/conv_1/items"), ("DELETE", "/conv_1")):
            async with home.session.request(method, home.url + "/conversations" + path, data=b"{") as response:
                assert response.status == 401


async def test_without_a_store_there_are_no_conversations() -> None:
    async with house(ScriptedProvider("a")) as home:
        async with home.session.post(home.url + "/conversations", json={}) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (404, "unknown_url")
        status, _, data = await home.ask(conversation="conv_1")
        assert status == 404
        assert b"Conversation with id 'conv_1' not found." in data
