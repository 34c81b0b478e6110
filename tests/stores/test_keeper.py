"""Chains over the whole way: what a turn refers to, what its upstream gets, and what is kept of it."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest

from proxy.exchange import Client, Exchange, Key
from proxy.stores.keeper import StoreKeeper, owner_of
from proxy.stores.memory import MemoryStore
from proxy.stores.store import Entry, StoreFailed
from tests.support.drive import asking, exchange_of
from tests.support.hostile import Peer, chunked
from tests.support.scripted import chunk, events_of, finish
from tests.support.store_kinds import GatedStore
from tests.support.talking import SSE, answer, call, talking


@pytest.mark.parametrize("stream", [True, False])
async def test_a_turn_goes_on_where_the_last_one_ended(stream: bool) -> None:
    async with talking({"content": "one"}, {"content": "two"}, {"content": "three"}) as (home, upstream):
        first = await answer(home, stream, input="a", instructions="Be brief.")
        second = await answer(home, stream, input=[{"role": "user", "content": "b"}], previous_response_id=first["id"])
        third = await answer(home, stream, input="c", previous_response_id=second["id"])
    assert [message["content"] for message in upstream.requests[2]["messages"]] == ["a", "one", "b", "two", "c"]
    assert upstream.requests[1]["messages"] == upstream.requests[2]["messages"][:3]
    assert second["previous_response_id"] == first["id"]
    assert third["output"][0]["content"][0]["text"] == "three"


async def test_the_beginning_of_a_chain_is_the_same_bytes_in_every_turn() -> None:
    odd = [{"role": "user", "content": [{"type": "input_text", "text": "é\u2028 \ud83d\ude00"}]}]
    async with talking({"content": "x", "reasoning_content": "hm"}) as (home, upstream):
        previous = (await answer(home, input=odd))["id"]
        for _ in range(5):
            previous = (await answer(home, input="more", previous_response_id=previous))["id"]
    bodies = [json.dumps(request["messages"]) for request in upstream.requests]
    assert all(later.startswith(earlier[:-1]) for earlier, later in itertools.pairwise(bodies))


async def test_a_call_is_answered_in_the_next_turn() -> None:
    tool_call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    async with talking({"tool_calls": [tool_call], "reasoning_content": "hm"}, {"content": "done"}) as (home, upstream):
        tools = [{"type": "function", "name": "f"}]
        first = await answer(home, True, tools=tools)
        output = {"type": "function_call_output", "call_id": "call_1", "output": "42"}
        await answer(home, True, input=[output], tools=tools, previous_response_id=first["id"])
    roles = [message["role"] for message in upstream.requests[1]["messages"]]
    assert roles == ["user", "assistant", "tool"]
    assert upstream.requests[1]["messages"][1]["reasoning_content"] == "hm"
    assert "encrypted_content" not in first["output"][0]


async def test_an_output_without_its_call_is_refused_before_the_upstream_is_asked() -> None:
    async with talking({"content": "x"}) as (home, upstream):
        first = await answer(home)
        orphan = {"type": "function_call_output", "call_id": "call_9", "output": "42"}
        status, _, data = await home.ask(input=[orphan], previous_response_id=first["id"])
    assert status == 400
    assert "call_9" in json.loads(data)["error"]["message"]
    assert len(upstream.requests) == 1


async def test_chains_fork() -> None:
    async with talking({"content": "x"}) as (home, upstream):
        first = await answer(home, input="root")
        await answer(home, input="left", previous_response_id=first["id"])
        await answer(home, input="right", previous_response_id=first["id"])
    assert [message["content"] for message in upstream.requests[2]["messages"]] == ["root", "x", "right"]


@pytest.mark.parametrize("id", ["resp_unknown", "x" * 10_000, "résumé", ""])
async def test_an_unknown_response_cannot_be_continued(id: str) -> None:
    async with talking({"content": "x"}) as (home, upstream):
        status, _, data = await home.ask(previous_response_id=id)
    error = json.loads(data)["error"]
    assert status == 400
    assert (error["code"], error["param"]) == ("previous_response_not_found", "previous_response_id")
    assert upstream.requests == []


async def test_what_is_not_to_be_kept_is_not() -> None:
    async with talking({"content": "x"}) as (home, _):
        first = await answer(home, store=False)
        status, _, _ = await home.ask(previous_response_id=first["id"])
        assert (await call(home, "GET", f"/responses/{first['id']}"))[0] == 404
    assert status == 400


async def test_references_are_replaced_by_what_they_refer_to() -> None:
    async with talking({"content": "x", "reasoning_content": "hm"}) as (home, upstream):
        first = await answer(home)
        references = [{"type": "item_reference", "id": item["id"]} for item in first["output"]]
        await answer(home, input=[{"role": "user", "content": "a"}, *references, {"role": "user", "content": "b"}])
        status, _, data = await home.ask(input=[{"type": "item_reference", "id": "msg_unknown"}])
    assert [message["content"] for message in upstream.requests[1]["messages"]] == ["a", "x", "b"]
    assert status == 404
    assert "msg_unknown" in json.loads(data)["error"]["message"]


async def test_a_response_is_there_before_its_end_is_told() -> None:
    store = GatedStore()
    async with talking({"content": "x"}, store=store) as (home, _):
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            told = await reader.readuntil(b'"delta":"x"')
            await store.asked.wait()
            store.go.set()
            told += await reader.readuntil(b"[DONE]")
        writer.close()
    assert told.count(b"event: response.completed") == 1


class Broken(MemoryStore):
    """A store that cannot write, or cannot read."""

    def __init__(self, *, reads: bool = False) -> None:
        super().__init__()
        self.reads = reads

    async def put(self, entry: Entry) -> None:
        raise StoreFailed("disk full at /secret/place")

    async def chain(self, id: str, owner: str) -> list[Entry] | None:
        raise StoreFailed("no file at /secret/place")

    async def get(self, id: str, owner: str) -> Entry | None:
        raise StoreFailed("no file at /secret/place")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_store_that_cannot_keep_does_not_take_the_answer_away(
    stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with talking({"content": "x"}, store=Broken()) as (home, _):
        assert (await answer(home, stream))["status"] == "completed"
    assert "disk full" in caplog.text


async def test_a_store_that_cannot_find_is_an_error_that_says_nothing_of_it() -> None:
    async with talking({"content": "x"}, store=Broken()) as (home, _):
        status, _, data = await home.ask(previous_response_id="resp_1")
        found, body = await call(home, "GET", "/responses/resp_1")
    assert (status, found) == (500, 500)
    assert b"secret" not in data
    assert "secret" not in json.dumps(body)


async def test_a_cut_answer_is_kept_and_can_be_continued_without_its_cut_call() -> None:
    tool_call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}

    async def cut(peer: Peer) -> None:
        body = json.loads((await peer.request()).partition(b"\r\n\r\n")[2])
        requests.append(body)
        await peer.send(chunked(chunk(content="so"), chunk(tool_calls=[tool_call]), finish("length"), headers=SSE))
        body = json.loads((await peer.request()).partition(b"\r\n\r\n")[2])
        requests.append(body)
        await peer.send(chunked(chunk(content="x"), finish(), headers=SSE))

    requests: list[dict[str, Any]] = []
    async with talking({"content": "x"}) as (home, upstream):
        upstream.script = cut
        first = await answer(home, True, tools=[{"type": "function", "name": "f"}])
        assert first["status"] == "incomplete"
        await answer(home, True, input="go on", previous_response_id=first["id"])
    assert [message.get("content") for message in requests[1]["messages"]] == ["hi", "so", "go on"]


async def test_a_failed_answer_is_kept_and_cannot_be_continued() -> None:
    async def fail(peer: Peer) -> None:
        await peer.request()
        await peer.send(chunked(chunk(content="par"), headers=SSE, end=b""))
        peer.close()

    async with talking({"content": "x"}) as (home, upstream):
        upstream.script = fail
        _, _, data = await home.ask(stream=True)
        failed = events_of(data)[-2][1]["response"]
        status, kept = await call(home, "GET", f"/responses/{failed['id']}")
        refused, _, _ = await home.ask(previous_response_id=failed["id"])
    assert (status, kept["status"]) == (200, "failed")
    assert kept == failed
    assert refused == 400


async def test_chat_clients_are_not_kept() -> None:
    async with talking({"content": "x"}) as (home, _):
        assert (await home.ask("/chat/completions"))[0] == 200
        assert not (await home.settled()).keeps


@pytest.mark.parametrize(
    "odd", [{"type": None}, {"type": None, "id": "msg_own"}, {"status": 7}, {"id": None}, {"id": ""}], ids=str
)
async def test_what_a_client_writes_for_nothing_is_kept(odd: dict[str, Any]) -> None:
    async with talking({"content": "x"}) as (home, upstream):
        first = await answer(home, input=[{"role": "user", "content": "odd", **odd}])
        await answer(home, input="b", previous_response_id=first["id"])
        _, listed = await call(home, "GET", f"/responses/{first['id']}/input_items")
    assert [message["content"] for message in upstream.requests[1]["messages"]] == ["odd", "x", "b"]
    (item,) = listed["data"]
    assert (item["type"], item["content"]) == ("message", [{"type": "input_text", "text": "odd"}])
    assert item["id"] == odd.get("id") or item["id"].startswith("msg_")


async def test_items_of_one_id_are_listed_once_each_and_the_last_one_keeps_it() -> None:
    given = [{"id": id, "role": "user", "content": text} for id, text in zip("abac", "1234", strict=True)]
    async with talking({"content": "x"}) as (home, upstream):
        path = f"/responses/{(await answer(home, input=given))['id']}/input_items?order=asc&limit=1"
        listed, after = [], ""
        for _ in given:
            _, page = await call(home, "GET", path + after)
            listed.append(page["data"][0]["content"][0]["text"])
            after = f"&after={page['last_id']}"
        await answer(home, input=[{"type": "item_reference", "id": "a"}])
    assert (listed, page["has_more"]) == (["1", "2", "3", "4"], False)
    assert [message["content"] for message in upstream.requests[1]["messages"]] == ["3"]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_bug_in_keeping_does_not_take_the_answer_away(stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    class Buggy(MemoryStore):
        async def put(self, entry: Entry) -> None:
            raise ValueError("not foreseen")

    async with talking({"content": "x"}, store=Buggy()) as (home, _):
        assert (await answer(home, stream))["status"] == "completed"
    assert "not foreseen" in caplog.text


async def test_the_end_of_a_drain_tells_what_waits_for_the_store() -> None:
    store = GatedStore()
    async with talking({"content": "x"}, store=store) as (home, _):
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            await store.asked.wait()
            home.app.cut_off()
            home.app.cut_off()
            told = await reader.readuntil(b"[DONE]\n\n")
            store.go.set()
            told += await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.close()
        exchange = await home.settled()
    assert told.count(b"event: response.completed") == told.count(b"[DONE]") == 1
    assert b"response.failed" not in told
    assert exchange.outcome == "completed"


def test_a_key_is_not_the_owner_whose_name_it_has() -> None:
    def owner(key: Key | None) -> str:
        exchange = Exchange("req_1", Client("127.0.0.1", {}), None)
        exchange.key = key
        return owner_of(exchange)

    assert owner(Key("a", "ann")) == owner(Key("b", "ann"))
    assert len({owner(None), owner(Key("ann")), owner(Key("a", "ann")), owner(Key("bob"))}) == 4


async def test_items_without_ids_get_those_that_they_would_get_one_by_one() -> None:
    given = [{"type": "message", "role": "user", "content": text} for text in "abc"]
    one = exchange_of(asking(input=given))
    keeper = StoreKeeper(MemoryStore(), 60.0)
    await keeper.resolve(one)
    ids = [json.loads(bytes(item))["id"] for item in one.input_items]
    other = exchange_of(asking(input=[*given, {"role": "user", "content": "d", "id": "msg_mine"}]))
    other.response_id = one.response_id
    await keeper.resolve(other)
    assert [json.loads(bytes(item))["id"] for item in other.input_items] == [*ids, "msg_mine"]


@pytest.mark.parametrize(("type", "prefix"), [("message", "msg_"), ("reasoning", "rs_"), ("mcp_list_tools", "item_")])
async def test_an_only_item_is_named_as_what_it_is(type: str, prefix: str) -> None:
    one = exchange_of(asking(input=[{"type": type, "role": "user", "content": [], "summary": []}]))
    await StoreKeeper(MemoryStore(), 60.0).resolve(one)
    assert json.loads(bytes(one.input_items[0]))["id"].startswith(prefix)
