"""Conversations over HTTP: their life, pages of items, what is refused, and whose they are."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from proxy.stores.conversation_memory import MemoryConversations
from proxy.stores.conversations import Conversation, ConversationBounds
from proxy.stores.memory import MemoryStore
from proxy.stores.store import StoreFailed
from tests.support.house import House
from tests.support.stored import message
from tests.support.talking import answer, talking

ASSISTANT = {"type": "message", "id": "msg_a", "role": "assistant", "content": [{"type": "output_text", "text": "yes"}]}


async def send(home: House, method: str, path: str, body: Any = None, owner: str = "") -> tuple[int, Any]:
    """Sends a request, with a body if there is one; returns status and JSON."""
    headers = {"x-owner": owner} if owner else {}
    url = home.url + "/conversations" + path
    async with home.session.request(method, url, json=body, headers=headers) as response:
        return response.status, await response.json()


async def begun(home: House, *items: Any, owner: str = "") -> str:
    """Begins a conversation; returns its path."""
    status, made = await send(home, "POST", "", {"items": list(items)}, owner)
    assert status == 200, made
    return f"/{made['id']}"


def texts(listed: Any) -> list[str]:
    return [item["content"][0]["text"] for item in listed["data"]]


async def test_the_life_of_a_conversation() -> None:
    async with talking() as (home, _):
        _, made = await send(home, "POST", "", {"metadata": {"topic": "tea"}})
        assert made == {
            "id": made["id"], "object": "conversation", "created_at": made["created_at"], "metadata": {"topic": "tea"}
        }  # fmt: skip
        assert isinstance(made["created_at"], int)
        path = f"/{made['id']}"
        assert await send(home, "GET", path) == (200, made)
        changed = {**made, "metadata": {"topic": "milk"}}
        assert await send(home, "POST", path, {"metadata": {"topic": "milk"}}) == (200, changed)
        assert await send(home, "POST", path, {"metadata": None}) == (200, {**made, "metadata": {}})
        assert (await send(home, "POST", path, {}))[1]["error"]["code"] == "missing_required_parameter"
        gone = {"id": made["id"], "object": "conversation.deleted", "deleted": True}
        assert await send(home, "DELETE", path) == (200, gone)
        for method, below, body in (
            ("GET", "", None),
            ("DELETE", "", None),
            ("POST", "", {"metadata": {}}),
            ("GET", "/items", None),
            ("POST", "/items", {"items": []}),
            ("GET", "/items/msg_1", None),
            ("DELETE", "/items/msg_1", None),
        ):
            status, error = await send(home, method, path + below, body)
            assert (status, set(error["error"])) == (404, {"message", "type", "param", "code"})
            assert made["id"] in error["error"]["message"]


async def test_one_may_begin_with_nothing_at_all() -> None:
    async with talking() as (home, _):
        async with home.session.post(home.url + "/conversations", skip_auto_headers=["content-type"]) as response:
            assert (response.status, (await response.json())["metadata"]) == (200, {})
        for body in ({}, {"items": None, "metadata": None}, {"items": [], "metadata": {}}):
            status, made = await send(home, "POST", "", body)
            assert (status, made["metadata"]) == (200, {})


async def test_items_by_pages() -> None:
    async with talking() as (home, _):
        path = await begun(home, *({"role": "user", "content": f"{n}"} for n in range(20))) + "/items"
        _, added = await send(home, "POST", path, {"items": [{"role": "user", "content": "20"}, ASSISTANT]})
        assert (added["object"], added["has_more"], added["last_id"]) == ("list", False, "msg_a")
        assert texts(added) == ["20", "yes"]
        assert added["first_id"] == added["data"][0]["id"]
        _, newest = await send(home, "GET", path)
        _, rest = await send(home, "GET", f"{path}?after={newest['last_id']}")
        _, oldest = await send(home, "GET", path + "?order=asc&limit=2")
        assert texts(newest) + texts(rest) == ["yes", *(f"{n}" for n in range(20, -1, -1))]
        assert (newest["has_more"], rest["has_more"], oldest["has_more"]) == (True, False, True)
        assert texts(oldest) == ["0", "1"]
        for wrong in ("limit=0", "limit=101", "limit=x", "order=up", "after=msg_none", "include=nonsense"):
            status, error = await send(home, "GET", f"{path}?{wrong}")
            assert (status, error["error"]["param"]) == (400, "include[0]" if "incl" in wrong else wrong.split("=")[0])


async def test_one_item() -> None:
    async with talking() as (home, _):
        path = await begun(home, ASSISTANT, message("a/b c", "odd"))
        _, item = await send(home, "GET", f"{path}/items/msg_a")
        assert item == {**ASSISTANT, "status": "completed"}
        assert (await send(home, "GET", f"{path}/items/a/b%20c"))[1]["id"] == "a/b c"
        assert (await send(home, "GET", f"{path}/items/msg_none"))[0] == 404
        status, conversation = await send(home, "DELETE", f"{path}/items/msg_a")
        assert (status, conversation["object"], conversation["id"]) == (200, "conversation", path[1:])
        status, error = await send(home, "DELETE", f"{path}/items/msg_a")
        assert status == 404
        assert "msg_a" in error["error"]["message"]


async def test_items_are_shown_as_the_api_lists_them() -> None:
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": "42"}
    reasoning = {"type": "reasoning", "id": "rs_1", "encrypted_content": "sealed"}
    async with talking() as (home, _):
        path = await begun(home, call, output, reasoning) + "/items"
        _, plain = await send(home, "GET", path + "?order=asc")
        _, more = await send(home, "GET", path + "?order=asc&include[]=reasoning.encrypted_content")
        one = await send(home, "GET", path + "/rs_1?include=reasoning.encrypted_content")
    assert [item.get("status") for item in plain["data"]] == ["completed", "completed", None]
    assert plain["data"][2] == {"type": "reasoning", "id": "rs_1", "summary": []}
    assert more["data"][2]["encrypted_content"] == one[1]["encrypted_content"] == "sealed"


async def test_references_become_what_they_refer_to() -> None:
    async with talking({"content": "x"}) as (home, _):
        first = await answer(home)
        id = first["output"][0]["id"]
        path = await begun(home, {"type": "item_reference", "id": id}) + "/items"
        _, listed = await send(home, "GET", path)
        assert listed["data"] == first["output"]
        status, error = await send(home, "POST", path, {"items": [{"type": "item_reference", "id": "msg_none"}]})
        assert (status, error["error"]["param"]) == (404, "items[0]")


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (b"{", 400, None),
        (b"[]", 400, None),
        (b'"x"', 400, None),
        (b'{"metadata":{"a":"\xff"}}', 400, None),
        (b'{"metadata":5}', 400, "metadata"),
        (b'{"items":5}', 400, "items"),
        (b'{"items":[{"role":"nobody","content":""}]}', 400, "items[0].role"),
        (b'{"metadata":{"a":"' + b"x" * (1 << 20) + b'"}}', 413, None),
    ],
)
async def test_bodies_that_cannot_be_read(body: bytes, status: int, param: str | None) -> None:
    async with talking() as (home, _):
        headers = {"content-type": "application/json"}
        async with home.session.post(home.url + "/conversations", data=body, headers=headers) as response:
            error = (await response.json())["error"]
            assert (response.status, error["param"]) == (status, param)
        path = await begun(home)
        assert (await send(home, "POST", path + "/items", {}))[1]["error"]["param"] == "items"


async def test_another_owner_finds_nothing() -> None:
    async with talking() as (home, _):
        path = await begun(home, ASSISTANT, owner="ann")
        unknown = "/conv_" + "0" * (len(path) - 6)
        for owner in ("", "bob"):
            for method, below, body in (
                ("GET", "", None),
                ("DELETE", "", None),
                ("POST", "", {"metadata": {}}),
                ("GET", "/items", None),
                ("POST", "/items", {"items": [ASSISTANT]}),
                ("GET", "/items/msg_a", None),
                ("DELETE", "/items/msg_a", None),
            ):
                foreign = await send(home, method, path + below, body, owner)
                nothing = await send(home, method, unknown + below, body, owner)
                assert foreign[0] == nothing[0] == 404
                assert json.dumps(foreign[1]).replace(path[1:], "") == json.dumps(nothing[1]).replace(unknown[1:], "")
        assert (await send(home, "GET", path + "/items/msg_a", owner="ann"))[0] == 200


async def test_a_conversation_that_is_written_to_is_locked() -> None:
    conversations = MemoryConversations()
    async with talking(conversations=conversations) as (home, _):
        path = await begun(home, ASSISTANT)
        await conversations.claim(path[1:], "", "somebody")
        for method, below, body in (("POST", "/items", {"items": [message(None)]}), ("DELETE", "/items/msg_a", None)):
            status, error = await send(home, method, path + below, body)
            assert (status, error["error"]["code"]) == (400, "conversation_locked")
        assert (await send(home, "GET", path + "/items"))[0] == 200
        assert (await send(home, "POST", path, {"metadata": {"a": "b"}}))[0] == 200
        assert (await send(home, "DELETE", path))[0] == 200


async def test_a_full_conversation_says_so() -> None:
    async with talking(conversations=MemoryConversations(ConversationBounds(max_items=1))) as (home, upstream):
        path = await begun(home, ASSISTANT)
        status, error = await send(home, "POST", path + "/items", {"items": [message(None)]})
        assert (status, error["error"]["code"], error["error"]["param"]) == (400, "conversation_full", "items")
        asked, _, data = await home.ask(conversation=path[1:])
        assert (asked, json.loads(data)["error"]["code"]) == (400, "conversation_full")
    assert upstream.requests == []


class Broken(MemoryConversations):
    """A store that fails whenever it is asked."""

    async def create(self, conversation: Conversation, items: Any = ()) -> None:
        raise StoreFailed("/secret/place: no space left")

    async def get(self, id: str, owner: str) -> Conversation | None:
        raise StoreFailed("/secret/place: it is damaged")


async def test_a_store_that_fails_is_an_error_that_says_nothing_of_it(caplog: pytest.LogCaptureFixture) -> None:
    async with talking(conversations=Broken()) as (home, _):
        for method, path, body in (("POST", "", {}), ("GET", "/conv_1", None)):
            status, error = await send(home, method, path, body)
            assert status == 500
            assert "secret" not in json.dumps(error)
    assert "no space left" in caplog.text


async def test_many_at_once() -> None:
    async with talking(store=MemoryStore()) as (home, _):
        path = await begun(home) + "/items"
        await asyncio.gather(*(send(home, "POST", path, {"items": [message(None, str(n))]}) for n in range(30)))
        _, listed = await send(home, "GET", path + "?limit=100")
        assert sorted(texts(listed), key=int) == [str(n) for n in range(30)]
