"""Responses that are part of a conversation: what their upstream gets, what is added, and who may write when."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest

from proxy.api.responses.request import ResponsesRequest
from proxy.exchange import Client, Exchange
from proxy.pipeline import Settings
from proxy.stores.conversation_memory import MemoryConversations
from proxy.stores.conversations import ConversationStore
from proxy.stores.keeper import StoreKeeper
from proxy.stores.memory import MemoryStore
from proxy.stores.store import Entry, StoreFailed
from tests.support.asked import request
from tests.support.hostile import until
from tests.support.house import House, house
from tests.support.scripted import ScriptedProvider, Step, chunk, events_of, finish, stream
from tests.support.stored import message
from tests.support.talking import answer, call, talking
from tests.support.talks import conversation, ids_of, plain, said

CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOLS = [{"type": "function", "name": "f"}]


async def begun(home: House, *items: Any) -> str:
    """Begins a conversation; returns its id."""
    async with home.session.post(home.url + "/conversations", json={"items": list(items)}) as response:
        id: str = (await response.json())["id"]
        return id


async def kept(store: ConversationStore, id: str) -> list[str]:
    """Returns what is said in a conversation."""
    found = []
    for item in await store.items(id, "") or ():
        content = plain(item).get("content") or plain(item)["type"]
        found.append(content if isinstance(content, str) else content[0]["text"])
    return found


def error_of(data: bytes) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(data)["error"]
    return error


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_turn_goes_on_where_the_last_one_ended(streamed: bool) -> None:
    store = MemoryConversations()
    turns = ({"content": "one"}, {"content": "two"})
    async with talking(*turns, conversations=store) as (home, upstream):
        id = await begun(home, message("msg_0", "zero"))
        first = await answer(home, streamed, input="a", conversation=id)
        second = await answer(home, streamed, input=[message("msg_b", "b")], conversation={"id": id})
        assert await kept(store, id) == ["zero", "a", "one", "b", "two"]
        ids = ids_of(await store.items(id, ""))
        _, listed = await call(home, "GET", f"/responses/{first['id']}/input_items")
        _, again = await call(home, "GET", f"/responses/{second['id']}")
    assert [one["content"] for one in upstream.requests[1]["messages"]] == ["zero", "a", "one", "b"]
    assert first["conversation"] == second["conversation"] == again["conversation"] == {"id": id}
    assert ids == ["msg_0", listed["first_id"], first["output"][0]["id"], "msg_b", second["output"][0]["id"]]
    assert [item["id"] for item in listed["data"]] == [ids[1]]


async def test_the_beginning_is_the_same_bytes_in_every_turn() -> None:
    odd = [{"role": "user", "content": [{"type": "input_text", "text": "é\u2028 \ud83d\ude00"}]}]
    async with talking({"content": "x", "reasoning_content": "hm"}) as (home, upstream):
        id = await begun(home, *odd)
        for turn in range(6):
            await answer(home, turn % 2 == 0, input=odd, conversation=id)
    bodies = [json.dumps(request["messages"]) for request in upstream.requests]
    assert all(later.startswith(earlier[:-1]) for earlier, later in itertools.pairwise(bodies))


async def test_a_call_is_answered_in_the_next_turn_with_what_was_thought_before() -> None:
    async with talking({"tool_calls": [CALL], "reasoning_content": "hm"}, {"content": "done"}) as (home, upstream):
        id = await begun(home)
        first = await answer(home, True, tools=TOOLS, conversation=id, store=False)
        output = {"type": "function_call_output", "call_id": "call_1", "output": "42"}
        await answer(home, True, input=[output], tools=TOOLS, conversation=id)
    roles = [one["role"] for one in upstream.requests[1]["messages"]]
    assert roles == ["user", "assistant", "tool"]
    assert upstream.requests[1]["messages"][1]["reasoning_content"] == "hm"
    assert "encrypted_content" not in first["output"][0]


async def test_what_is_not_to_be_kept_as_a_response_is_part_of_its_conversation() -> None:
    store = MemoryConversations()
    async with talking({"content": "x"}, conversations=store) as (home, _):
        id = await begun(home)
        for streamed in (True, False):
            made = await answer(home, streamed, conversation=id, store=False)
            assert (await call(home, "GET", f"/responses/{made['id']}"))[0] == 404
        assert await kept(store, id) == ["hi", "x", "hi", "x"]


async def test_a_conversation_is_input_enough_and_nothing_is_not() -> None:
    async with talking({"content": "x"}) as (home, upstream):
        id = await begun(home, message("msg_0", "zero"))
        await answer(home, input=None, conversation=id)
        empty = await begun(home)
        status, _, data = await home.ask(input=[], conversation=empty)
        assert (status, error_of(data)["code"]) == (400, "missing_required_parameter")
        await answer(home, conversation=empty)
    assert [len(request["messages"]) for request in upstream.requests] == [1, 1]


async def test_an_output_without_its_call_is_refused_and_nothing_is_added() -> None:
    store = MemoryConversations()
    async with talking({"content": "x"}, conversations=store) as (home, upstream):
        id = await begun(home)
        orphan = {"type": "function_call_output", "call_id": "call_9", "output": "42"}
        status, _, data = await home.ask(input=[orphan], conversation=id)
        assert (status, "call_9" in error_of(data)["message"]) == (400, True)
        await answer(home, conversation=id)
        assert await kept(store, id) == ["hi", "x"]
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("id", ["conv_unknown", "x" * 10_000, "résumé", ""])
async def test_an_unknown_conversation_is_not_gone_on_with(id: str) -> None:
    async with talking({"content": "x"}) as (home, upstream):
        status, _, data = await home.ask(conversation=id)
    assert (status, error_of(data)["param"], error_of(data)["code"]) == (404, "conversation", None)
    assert upstream.requests == []


async def test_a_conversation_of_somebody_else_is_an_unknown_one() -> None:
    async with talking({"content": "x"}) as (home, upstream):
        id = await begun(home)
        for one in (id, "conv_none"):
            body = {"model": "m", "input": "hi", "conversation": one}
            async with home.session.post(home.url + "/responses", json=body, headers={"x-owner": "bob"}) as response:
                assert response.status == 404
                assert (await response.json())["error"]["message"] == f"Conversation with id '{one}' not found."
    assert upstream.requests == []


async def test_a_response_of_a_conversation_can_be_gone_on_from_alone() -> None:
    """What is said in a chain afterwards is no part of the conversation; what was said there before is of the chain."""
    store = MemoryConversations()
    turns = ({"content": "one"}, {"content": "two"}, {"content": "three"}, {"content": "four"})
    async with talking(*turns, conversations=store) as (home, upstream):
        id = await begun(home, message("msg_0", "zero"))
        first = await answer(home, input="a", conversation=id)
        await answer(home, input="b", conversation=id)
        third = await answer(home, input="c", previous_response_id=first["id"])
        await answer(home, input="d", previous_response_id=third["id"])
        assert await kept(store, id) == ["zero", "a", "one", "b", "two"]
        assert "conversation" not in third
        await store.delete(id, "")
        status, _, data = await home.ask(previous_response_id=third["id"])
    asked = [[one["content"] for one in request["messages"]] for request in upstream.requests]
    assert asked[2:] == [["zero", "a", "one", "c"], ["zero", "a", "one", "c", "three", "d"]]
    assert (status, error_of(data)["code"]) == (400, "previous_response_not_found")


def cut(*steps: Step) -> Any:
    return stream(chunk(content="so far"), *steps)


async def test_a_cut_answer_is_added_and_its_cut_call_is_not_asked_for_again() -> None:
    store = MemoryConversations()
    half = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a'}}
    provider = ScriptedProvider("a", cut(chunk(tool_calls=[half]), finish("length")), cut(finish()))
    async with house(provider, store=MemoryStore(), conversations=store) as home:
        id = await begun(home)
        made = await answer(home, True, conversation=id, tools=TOOLS)
        assert made["status"] == "incomplete"
        assert await kept(store, id) == ["hi", "so far", "function_call"]
        assert (await answer(home, True, conversation=id))["status"] == "completed"


@pytest.mark.parametrize("streamed", [True, False])
async def test_of_a_failed_answer_nothing_is_added(streamed: bool) -> None:
    store = MemoryConversations()
    gone = ConnectionResetError()
    provider = ScriptedProvider("a", cut(gone), cut(gone), cut(finish()))
    async with house(provider, store=MemoryStore(), conversations=store) as home:
        id = await begun(home)
        _, _, data = await home.ask(stream=streamed, conversation=id)
        assert b"error" in data
        await until(lambda: store._claimed == {})
        assert await kept(store, id) == []


async def test_a_second_writer_is_told_to_wait() -> None:
    store = MemoryConversations()
    gate = asyncio.Event()
    provider = ScriptedProvider("a", cut(gate, finish()), cut(finish()))
    async with house(provider, store=MemoryStore(), conversations=store) as home:
        id = await begun(home)
        first = asyncio.ensure_future(answer(home, True, input="a", conversation=id))
        await until(lambda: store._claimed)
        for streamed in (True, False):
            status, headers, data = await home.ask(input="b", stream=streamed, conversation=id)
            error = error_of(data)
            assert (status, error["code"], error["param"]) == (400, "conversation_locked", "conversation")
            assert "application/json" in headers["content-type"]
        gate.set()
        await first
        await answer(home, True, input="c", conversation=id)
        assert await kept(store, id) == ["a", "so far", "c", "so far"]


async def test_the_next_turn_may_come_with_the_last_byte() -> None:
    """The conversation is complete, and free, before the end of the answer is told."""
    store = MemoryConversations()
    async with talking({"content": "x"}, conversations=store) as (home, _):
        id = await begun(home)
        for turn in range(10):
            reader, writer = await home.connect(conversation=id, input=f"{turn}")
            got = b""
            while b"response.completed" not in got:
                got += await asyncio.wait_for(reader.read(65536), 5)
            assert len(await kept(store, id)) == 2 * turn + 2
            assert store._claimed == {}
            writer.close()


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_client_that_leaves_lets_go(streamed: bool) -> None:
    store = MemoryConversations()
    provider = ScriptedProvider("a", cut(asyncio.Event()), cut(finish()))
    async with house(provider, store=MemoryStore(), conversations=store) as home:
        id = await begun(home)
        _, writer = await home.connect(conversation=id, stream=streamed)
        await until(lambda: store._claimed)
        writer.close()
        await home.settled()
        assert store._claimed == {}
        assert await kept(store, id) == []


async def test_a_cancelled_background_response_lets_go() -> None:
    store = MemoryConversations()
    provider = ScriptedProvider("a", cut(asyncio.Event()), cut(finish()))
    async with house(provider, store=MemoryStore(), conversations=store, settings=Settings()) as home:
        id = await begun(home)
        status, _, data = await home.ask(conversation=id, background=True)
        made = json.loads(data)
        assert (status, made["status"], made["conversation"]) == (200, "queued", {"id": id})
        assert (await home.ask(conversation=id))[0] == 400
        assert (await call(home, "POST", f"/responses/{made['id']}/cancel"))[1]["status"] == "cancelled"
        await until(lambda: store._claimed == {})
        status, _, data = await home.ask(conversation=id, background=True, stream=True)
        assert events_of(data)[-2][0] == "response.completed"
        assert await kept(store, id) == ["hi", "so far"]


class Slow(MemoryStore):
    """A store of responses that takes its time to keep one, the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def put(self, entry: Entry) -> None:
        await super().put(entry)
        if not self.asked.is_set():
            self.asked.set()
            await asyncio.Event().wait()


async def test_a_client_that_leaves_at_the_very_end_has_been_answered() -> None:
    store, slow = MemoryConversations(), Slow()
    async with talking({"content": "x"}, store=slow, conversations=store) as (home, _):
        id = await begun(home)
        _, writer = await home.connect(conversation=id)
        await asyncio.wait_for(slow.asked.wait(), 5)
        writer.close()
        await home.settled()
        await until(lambda: store._claimed == {})
        assert await kept(store, id) == ["hi", "x"]


class Failing(MemoryConversations):
    """A store that cannot keep what was said, and lets go all the same."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def release(self, id: str, owner: str, token: str, items: Any = ()) -> bool:
        await super().release(id, owner, token)
        if items:
            raise self.error
        return True


@pytest.mark.parametrize("error", [StoreFailed("no space left"), ZeroDivisionError("a bug")])
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_store_that_cannot_keep_does_not_take_the_answer_away(
    streamed: bool, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    store = Failing(error)
    async with talking({"content": "x"}, conversations=store) as (home, _):
        id = await begun(home)
        made = await answer(home, streamed, conversation=id)
        assert (await call(home, "GET", f"/responses/{made['id']}"))[0] == 200
        assert isinstance(home.pipeline.keeper, StoreKeeper)
        assert home.pipeline.keeper.conversations.failures == 1
    assert f"2 items are not in conversation {id}" in caplog.text
    assert str(error) in caplog.text


class Unreadable(MemoryConversations):
    """A store that cannot be read."""

    async def claim(self, id: str, owner: str, token: str) -> Any:
        await super().claim(id, owner, token)
        raise StoreFailed("it is damaged")


async def test_a_store_that_cannot_find_is_an_error_and_is_let_go_of() -> None:
    store = Unreadable()
    async with talking({"content": "x"}, conversations=store) as (home, upstream):
        id = await begun(home)
        assert (await home.ask(conversation=id))[0] == 500
        assert store._claimed == {}
    assert upstream.requests == []


async def test_a_conversation_that_is_deleted_meanwhile(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryConversations()
    gate = asyncio.Event()
    provider = ScriptedProvider("a", cut(gate, finish()))
    async with house(provider, store=MemoryStore(), conversations=store) as home:
        id = await begun(home)
        asked = asyncio.ensure_future(answer(home, True, conversation=id))
        await until(lambda: store._claimed)
        assert (await call(home, "DELETE", f"/conversations/{id}"))[0] == 200
        gate.set()
        assert (await asked)["status"] == "completed"
    assert f"conversation {id} was deleted" in caplog.text


async def test_a_request_that_is_refused_before_claims_nothing() -> None:
    store = MemoryConversations()
    await store.create(conversation(owner=""), said("msg_1"))
    async with talking({"content": "x"}, conversations=store) as (home, upstream):
        assert (await home.ask(conversation="conv_1", temperature=9))[0] == 400
        assert store._claimed == {}
        missing = [{"type": "item_reference", "id": "msg_none"}]
        assert (await home.ask(conversation="conv_1", input=missing))[0] == 404
        assert store._claimed == {}
    assert upstream.requests == []


@pytest.mark.parametrize("what", ["generate", "counting"])
async def test_who_adds_nothing_may_read_what_another_writes(what: str) -> None:
    store = MemoryConversations()
    await store.create(conversation(owner=""), said("msg_1"))
    await store.claim("conv_1", "", "somebody")
    exchange = Exchange("x", Client("127.0.0.1", {}), request(conversation="conv_1", input="hi"))
    setattr(exchange, what, what == "counting")
    await StoreKeeper(MemoryStore(), 60.0, conversations=store).resolve(exchange)
    assert isinstance(exchange.request, ResponsesRequest)
    assert len(exchange.request.items) == 2
    assert exchange.claim is None
    assert list(store._claimed) == ["somebody"]
