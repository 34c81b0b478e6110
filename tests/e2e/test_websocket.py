"""WebSocket mode as its rules have it: warm-ups, chains that are kept nowhere else, forks, what a failure forgets.

Source: the wire reference, sections 1.6 and 4.8; each of the compliance tests that use a socket has its like here.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest

from proxy.api.responses.request import ResponsesRequest
from proxy.stores.memory import MemoryStore
from tests.support.grammar import check_events
from tests.support.hostile import until
from tests.support.house import house
from tests.support.scripted import ScriptedProvider, chunk, finish, stream
from tests.support.sockets import Wire, wired
from tests.support.talking import answer, talking

HI = {"content": "Hello."}
MORE = {"content": "More."}
CALL = {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
ORPHAN = [{"type": "function_call_output", "call_id": "call_none", "output": "x"}]


def said(messages: list[dict[str, Any]]) -> list[str]:
    """Returns the texts of a chat request's messages."""
    return [message["content"] for message in messages]


async def completed(wire: Wire, **fields: Any) -> dict[str, Any]:
    """Returns the Response to a request that must succeed."""
    last = await wire.ask(**fields)
    assert last["type"] == "response.completed", last
    response: dict[str, Any] = last["response"]
    return response


async def refused(wire: Wire, **fields: Any) -> dict[str, Any]:
    """Returns the error of a request that must fail before any stream."""
    last = await wire.ask(**fields)
    assert last["type"] == "error", last
    assert last["status"] == 400
    error: dict[str, Any] = last["error"]
    return error


async def not_found(wire: Wire, **fields: Any) -> None:
    """Checks that the response to be continued is not there."""
    error = await refused(wire, **fields)
    assert (error["code"], error["param"]) == ("previous_response_not_found", "previous_response_id")
    assert fields["previous_response_id"] in error["message"]


async def test_the_events_keep_the_grammar() -> None:
    async with talking(HI) as (home, _), wired(home) as wire:
        await wire.create()
        check_events(await wire.turn())


async def test_sequential_responses() -> None:
    async with talking(HI, MORE) as (home, _), wired(home) as wire:
        await wire.create(store=False)
        await wire.create(store=False)
        texts = [(await wire.turn())[-1]["response"]["output"][0]["content"][0]["text"] for _ in range(2)]
    assert texts == ["Hello.", "More."]


async def test_a_continuation_with_nothing_stored() -> None:
    async with talking(HI, MORE, HI) as (home, upstream), wired(home) as wire:
        first = await completed(wire, input="one", store=False)
        second = await completed(wire, input="two", store=False, previous_response_id=first["id"])
        await completed(wire, input="three", store=False, previous_response_id=second["id"])
        assert said(upstream.requests[1]["messages"]) == ["one", "Hello.", "two"]
        assert said(upstream.requests[2]["messages"]) == ["one", "Hello.", "two", "More.", "three"]
        async with home.session.get(f"{home.url}/responses/{first['id']}") as response:
            assert response.status == 404


async def test_a_chain_of_many_turns_keeps_its_beginning_byte_for_byte() -> None:
    async with talking(HI) as (home, upstream), wired(home) as wire:
        previous = None
        for turn in range(30):
            previous = (await completed(wire, input=f"é {turn}", store=False, previous_response_id=previous))["id"]
    bodies = [json.dumps(request["messages"], ensure_ascii=False) for request in upstream.requests]
    assert all(later.startswith(earlier[:-1]) for earlier, later in itertools.pairwise(bodies))


async def test_a_tool_loop_with_nothing_stored() -> None:
    tool = {"type": "function", "name": "f", "parameters": {}, "strict": False}
    async with talking(CALL, HI) as (home, upstream), wired(home) as wire:
        first = await completed(wire, store=False, tools=[tool])
        (call,) = first["output"]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "42"}
        await completed(wire, input=[output], store=False, tools=[tool], previous_response_id=first["id"])
    roles = [message["role"] for message in upstream.requests[1]["messages"]]
    assert roles == ["user", "assistant", "tool"]


async def test_after_a_reconnect_what_was_not_stored_is_gone() -> None:
    async with talking(HI) as (home, _):
        async with wired(home) as wire:
            first = await completed(wire, store=False)
        async with wired(home) as wire:
            await not_found(wire, store=False, previous_response_id=first["id"])
            await completed(wire, store=False)


async def test_after_a_reconnect_what_was_stored_goes_on() -> None:
    async with talking(HI, MORE) as (home, upstream):
        async with wired(home) as wire:
            first = await completed(wire, input="one")
        async with wired(home) as wire:
            await completed(wire, input="two", previous_response_id=first["id"], store=False)
    assert said(upstream.requests[1]["messages"]) == ["one", "Hello.", "two"]


async def test_an_unknown_response_is_not_found() -> None:
    async with talking(HI) as (home, upstream), wired(home) as wire:
        await not_found(wire, store=False, previous_response_id="resp_none")
        await not_found(wire, previous_response_id="resp_none", stream_id="a")
        assert upstream.requests == []


async def test_the_state_of_one_connection_is_no_others() -> None:
    async with talking(HI) as (home, _), wired(home) as one, wired(home) as other:
        first = await completed(one, store=False)
        await not_found(other, store=False, previous_response_id=first["id"])
        await completed(one, store=False, previous_response_id=first["id"])


async def test_a_failed_continuation_evicts_what_it_continued() -> None:
    async with talking(HI) as (home, upstream), wired(home) as wire:
        first = await completed(wire, store=False)
        error = await refused(wire, input=ORPHAN, store=False, previous_response_id=first["id"])
        assert "call_none" in error["message"]
        await not_found(wire, store=False, previous_response_id=first["id"])
        await completed(wire, store=False)
        assert len(upstream.requests) == 2


async def test_a_failed_continuation_of_a_stored_one_evicts_nothing_that_is_stored() -> None:
    async with talking(HI) as (home, _), wired(home) as wire:
        first = await completed(wire)
        await refused(wire, input=ORPHAN, previous_response_id=first["id"])
        await completed(wire, previous_response_id=first["id"])


async def test_what_was_made_before_a_failure_goes_on() -> None:
    async with talking(HI) as (home, upstream), wired(home) as wire:
        first = await completed(wire, input="one", store=False)
        second = await completed(wire, input="two", store=False, previous_response_id=first["id"])
        await refused(wire, input=ORPHAN, store=False, previous_response_id=first["id"])
        await completed(wire, input="three", store=False, previous_response_id=second["id"])
        assert said(upstream.requests[2]["messages"]) == ["one", "Hello.", "two", "Hello.", "three"]


@pytest.mark.parametrize("message", [{"stream": False}, {"model": None}, {"temperature": "hot"}, {"generate": 1}])
async def test_any_refusal_evicts(message: dict[str, Any]) -> None:
    async with talking(HI) as (home, _), wired(home) as wire:
        first = await completed(wire, store=False)
        await refused(wire, store=False, previous_response_id=first["id"], **message)
        await not_found(wire, store=False, previous_response_id=first["id"])


async def test_a_warm_up_is_continued_as_if_its_input_had_been_answered_by_nothing() -> None:
    async with talking(HI) as (home, upstream), wired(home) as wire:
        await wire.create(generate=False, input="context", instructions="Be kind.", store=False)
        events = await wire.turn()
        check_events(events)
        warm = events[-1]["response"]
        assert events[0]["type"] == "response.created"
        assert (warm["status"], warm["output"]) == ("completed", [])
        assert upstream.requests == []
        await completed(wire, input="now", store=False, previous_response_id=warm["id"])
        assert said(upstream.requests[0]["messages"]) == ["context", "now"]


async def test_a_warm_up_is_checked_like_any_request() -> None:
    async with talking(HI) as (home, _), wired(home) as wire:
        assert (await refused(wire, generate=False, model="none"))["code"] == "model_not_found"
        assert (await refused(wire, generate=False, input=ORPHAN))["code"]
        await not_found(wire, generate=False, previous_response_id="resp_none")


async def test_lanes_fork_from_any_response_of_the_connection() -> None:
    async with talking(HI) as (home, upstream), wired(home) as wire:
        root = (await completed(wire, input="root", store=False, stream_id="main"))["id"]
        lanes = [f"lane-{number}" for number in range(8)]
        for lane in lanes:
            await wire.create(input=lane, store=False, stream_id=lane, previous_response_id=root)
        made = {lane: (await wire.turn(lane))[-1]["response"]["id"] for lane in lanes}
        upstream.requests.clear()
        for lane in lanes:
            await wire.create(input="on", store=False, stream_id=lane, previous_response_id=made[lane])
        for lane in lanes:
            assert (await wire.turn(lane))[-1]["type"] == "response.completed"
    histories = {tuple(said(request["messages"])) for request in upstream.requests}
    assert histories == {("root", "Hello.", lane, "Hello.", "on") for lane in lanes}


async def test_a_lane_that_fails_takes_nothing_from_one_that_runs() -> None:
    """What is forgotten while another lane continues it is still that lane's history."""
    async with talking(HI) as (home, upstream), wired(home) as wire:
        root = (await completed(wire, input="root", store=False))["id"]
        upstream.hold = asyncio.Event()
        await wire.create(input="slow", store=False, stream_id="slow", previous_response_id=root)
        await until(lambda: len(upstream.requests) == 2)
        await refused(wire, input=ORPHAN, store=False, stream_id="bad", previous_response_id=root)
        upstream.hold.set()
        child = (await wire.turn("slow"))[-1]["response"]["id"]
        await not_found(wire, store=False, previous_response_id=root)
        await completed(wire, input="on", store=False, previous_response_id=child)
        assert said(upstream.requests[2]["messages"]) == ["root", "Hello.", "slow", "Hello.", "on"]


async def test_stored_parents_and_remembered_children_are_one_chain() -> None:
    async with talking(HI) as (home, upstream), wired(home) as wire:
        stored = await answer(home, input="stored")
        child = await completed(wire, input="child", store=False, previous_response_id=stored["id"])
        kept = await completed(wire, input="kept", store=True, previous_response_id=child["id"])
        await completed(wire, input="leaf", store=False, previous_response_id=kept["id"])
        assert said(upstream.requests[3]["messages"]) == [
            "stored", "Hello.", "child", "Hello.", "kept", "Hello.", "leaf",
        ]  # fmt: skip
        async with home.session.get(f"{home.url}/responses/{kept['id']}") as response:
            assert response.status == 200
        status, _, body = await home.ask(previous_response_id=kept["id"])
        assert (status, json.loads(body)["error"]["code"]) == (400, "previous_response_not_found")


async def test_a_connection_remembers_also_where_nothing_is_kept() -> None:
    provider = ScriptedProvider("a", stream(chunk(content="Hello."), finish()))
    async with house(provider) as home, wired(home) as wire:
        assert home.pipeline.store is None
        first = await completed(wire, input="one")
        second = await completed(wire, input="two", previous_response_id=first["id"])
        reference = {"type": "item_reference", "id": second["output"][0]["id"]}
        await completed(wire, input=[reference])
        await not_found(wire, previous_response_id="resp_none")
        assert (await wire.ask(input=[{"type": "item_reference", "id": "msg_none"}]))["status"] == 404
        history = home.watcher.ended[1].request
        assert isinstance(history, ResponsesRequest)
        assert len(history.items) == 3
    async with house(provider) as home, wired(home) as wire:
        await not_found(wire, previous_response_id=first["id"])


async def test_items_of_the_connection_can_be_referred_to() -> None:
    async with talking(HI) as (home, upstream), wired(home) as wire:
        first = await completed(wire, input="one", store=False)
        reference = {"type": "item_reference", "id": first["output"][0]["id"]}
        await completed(wire, input=[reference, {"role": "user", "content": "two"}], store=False)
        assert said(upstream.requests[1]["messages"]) == ["Hello.", "two"]


async def test_a_response_is_there_for_http_before_its_end_is_told() -> None:
    async with talking(HI, store=MemoryStore()) as (home, _), wired(home) as wire:
        made = await completed(wire)
        async with home.session.get(f"{home.url}/responses/{made['id']}") as response:
            assert await response.json() == made


async def test_a_response_over_a_socket_can_be_cancelled_over_http() -> None:
    async with talking(HI) as (home, upstream), wired(home) as wire:
        upstream.hold = asyncio.Event()
        await wire.create(stream_id="a")
        await until(lambda: upstream.requests)
        id = next(iter(home.pipeline.running)).exchange.response_id
        async with home.session.post(f"{home.url}/responses/{id}/cancel") as response:
            assert (await response.json())["status"] == "cancelled"
        assert (await wire.turn("a"))[-1]["response"]["status"] == "cancelled"
        upstream.hold.set()
        await completed(wire)
