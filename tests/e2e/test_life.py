"""The life of a response: in the background, cancelled, read again while it runs and afterwards, left alone."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from proxy.errors import UpstreamCut
from proxy.exchange import Exchange
from proxy.pipeline import Settings
from proxy.stores.memory import MemoryStore
from proxy.stores.store import Entry, StoreFailed
from stages.stream_translate import StreamTranslate, StreamTranslateConfig
from tests.support.grammar import check_stream
from tests.support.hostile import until
from tests.support.house import House, house
from tests.support.scripted import ScriptedProvider, ScriptedResponse, Step, body, chunk, events_of, finish, stream
from tests.support.talking import Says, call

HELLO: tuple[Step, ...] = (
    chunk(reasoning_content="hm, "),
    chunk(reasoning_content="well"),
    chunk(content="Hel"),
    chunk(content="lo, "),
    chunk(content='"you"\n'),
    chunk(tool_calls=[{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{"}}]),
    chunk(tool_calls=[{"index": 0, "function": {"arguments": "}"}}]),
    finish("tool_calls"),
)
WHOLE = json.dumps(
    {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}
).encode()
TOOLS = [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}]


def _gated_body(gate: asyncio.Event) -> ScriptedResponse:
    return ScriptedResponse(200, {"content-type": "application/json"}, [gate, WHOLE, None])


def gated(at: int) -> tuple[asyncio.Event, tuple[Step, ...]]:
    """Returns a gate, and the steps that wait at it."""
    gate = asyncio.Event()
    return gate, (*HELLO[:at], gate, *HELLO[at:])


async def read_until(reader: asyncio.StreamReader, text: bytes) -> bytes:
    """Reads from a raw connection until a text has come."""
    got = b""
    async with asyncio.timeout(5):
        while text not in got:
            got += await reader.read(65536)
    return got


def id_in(data: bytes) -> str:
    """Returns the id of the response that a stream has begun."""
    return "resp_" + data.partition(b'"id":"resp_')[2][:48].decode()


async def status_of(home: House, id: str, *statuses: str) -> dict[str, Any]:
    """Waits until a response has one of these states; returns it."""
    async with asyncio.timeout(5):
        while True:
            status, found = await call(home, "GET", f"/responses/{id}")
            assert status == 200, found
            if found["status"] in statuses:
                return dict(found)
            await asyncio.sleep(0)


async def get_stream(home: House, id: str, query: str = "") -> bytes:
    """Reads the stream of a response again."""
    async with home.session.get(f"{home.url}/responses/{id}?stream=true{query}") as response:
        assert response.status == 200, await response.text()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        return await response.read()


# --- background


async def test_a_background_response_is_queued_and_comes_to_its_end() -> None:
    gate = asyncio.Event()
    provider = ScriptedProvider("a", lambda request: _gated_body(gate))
    async with house(provider, store=MemoryStore()) as home:
        status, headers, data = await home.ask(background=True)
        queued = json.loads(data)
        assert status == 200
        assert headers["content-type"] == "application/json"
        assert (queued["status"], queued["background"], queued["output"], queued["usage"]) == ("queued", True, [], None)
        running = await status_of(home, queued["id"], "in_progress")
        assert running["completed_at"] is None
        assert (await call(home, "GET", f"/responses/{queued['id']}/input_items"))[1]["data"][0]["role"] == "user"
        assert home.watcher.ended == []
        gate.set()
        done = await status_of(home, queued["id"], "completed")
        await home.settled()
    assert done["output"][0]["content"][0]["text"] == "Hello"
    assert done["background"] is True
    assert len(home.watcher.ended) == 1
    assert home.watcher.ended[0].outcome == "completed"


async def test_a_background_stream_goes_on_without_its_client() -> None:
    gate, steps = gated(3)
    async with house(ScriptedProvider("a", stream(*steps)), store=MemoryStore()) as home:
        reader, writer = await home.connect(background=True, tools=TOOLS)
        got = await read_until(reader, b'"delta":"Hel"')
        writer.close()
        gate.set()
        await home.settled()
        done = await status_of(home, id_in(got), "completed")
        again = await get_stream(home, id_in(got))
    kinds = [kind for kind, _ in events_of(again)]
    assert kinds[:3] == ["response.created", "response.queued", "response.in_progress"]
    states = [one["response"]["status"] for _, one in events_of(again)[:3]]
    assert states == ["queued", "queued", "in_progress"]
    check_stream(again)
    assert events_of(again)[-2][1]["response"] == done
    assert again.startswith(got[got.index(b"event: ") : got.index(b"event: ") + 30])


async def test_a_background_stream_is_told_where_no_events_are_kept() -> None:
    settings = Settings(resume_s=0)
    async with house(ScriptedProvider("a", stream(*HELLO)), store=MemoryStore(), settings=settings) as home:
        data = (await home.ask(stream=True, background=True, tools=TOOLS))[2]
        check_stream(data)
        await home.settled()
        assert (await call(home, "GET", f"/responses/{id_in(data)}"))[1]["status"] == "completed"
        assert (await call(home, "GET", f"/responses/{id_in(data)}?stream=true"))[0] == 400


async def test_more_background_responses_than_there_is_room_for_are_refused() -> None:
    gate = asyncio.Event()
    provider = ScriptedProvider("a", lambda request: _gated_body(gate), body(WHOLE))
    settings = Settings(background=1, background_waiting=1)
    async with house(provider, store=MemoryStore(), settings=settings) as home:
        first, second = [json.loads((await home.ask(background=True))[2]) for _ in range(2)]
        await asyncio.wait_for(provider.client.answered.wait(), 5)
        status, headers, data = await home.ask(background=True)
        assert (status, headers["retry-after"]) == (429, "5")
        assert json.loads(data)["error"]["code"] == "rate_limit_exceeded"
        assert (await call(home, "GET", f"/responses/{second['id']}"))[1]["status"] == "queued"
        status, cancelled = await call(home, "POST", f"/responses/{second['id']}/cancel")
        assert (status, cancelled["status"], cancelled["output"]) == (200, "cancelled", [])
        status, cancelled = await call(home, "POST", f"/responses/{first['id']}/cancel")
        assert (status, cancelled["status"]) == (200, "cancelled")
        assert provider.client.responses[0].closed.is_set()
        third = json.loads((await home.ask(background=True))[2])
        await status_of(home, third["id"], "completed")
        await home.settled(4)
    assert home.pipeline.running == set()
    assert len(provider.client.requests) == 2


async def test_a_background_response_fails_as_such() -> None:
    provider = ScriptedProvider("a", stream(chunk(content="x"), UpstreamCut("gone")))
    async with house(provider, store=MemoryStore()) as home:
        data = (await home.ask(background=True, stream=True))[2]
        check_stream(data)
        found = await status_of(home, id_in(data), "failed")
        assert found["error"]["code"] == "server_error"
        assert await get_stream(home, id_in(data)) == data


async def test_a_background_response_needs_a_store() -> None:
    async with house(ScriptedProvider("a", stream(*HELLO))) as home:
        status, _, data = await home.ask(background=True)
    assert status == 400
    assert json.loads(data)["error"]["param"] == "background"


async def test_what_is_refused_is_never_queued() -> None:
    store = MemoryStore()
    async with house(ScriptedProvider("a", stream(*HELLO)), store=store) as home:
        status, _, data = await home.ask(background=True, model="nope")
        await home.settled()
    assert status == 400
    assert json.loads(data)["error"]["code"] == "model_not_found"
    assert len(home.pipeline.in_flight) == 0


async def test_a_background_response_that_is_not_to_be_stored_is_kept_for_ten_minutes() -> None:
    store = MemoryStore()
    async with house(ScriptedProvider("a", body(WHOLE)), store=store) as home:
        queued = json.loads((await home.ask(background=True, store=False))[2])
        await status_of(home, queued["id"], "completed")
        entry = await store.get(queued["id"], "")
    assert entry is not None
    assert 590 < entry.expires_at - entry.created_at < 610


class FailsOnce(MemoryStore):
    """A store that cannot keep the first response that has ended."""

    failed = False

    async def put(self, entry: Entry) -> None:
        if entry.finished and not self.failed:
            self.failed = True
            raise StoreFailed("no space")
        await super().put(entry)


@pytest.mark.parametrize("background", [True, False])
async def test_an_end_that_cannot_be_kept_is_told_and_kept_later(background: bool) -> None:
    async with house(ScriptedProvider("a", stream(*HELLO)), store=FailsOnce()) as home:
        data = (await home.ask(stream=True, background=background, tools=TOOLS))[2]
        check_stream(data)
        exchange = await home.settled()
        assert exchange.kept is False
        status, found = await call(home, "GET", f"/responses/{id_in(data)}")
    assert (status, found.get("status")) == ((200, "completed") if background else (404, None))


# --- resume


@pytest.mark.parametrize("background", [False, True])
async def test_a_stream_is_read_again_from_every_event(background: bool) -> None:
    async with house(ScriptedProvider("a", stream(*HELLO)), store=MemoryStore()) as home:
        data = (await home.ask(stream=True, tools=TOOLS, background=background))[2]
        check_stream(data)
        events = [block + b"\n\n" for block in data.split(b"\n\n")[:-1]]
        last = len(events) - 2
        assert b'"sequence_number":%d,' % last in events[last]
        for number in range(-1, last + 3):
            query = "" if number < 0 else f"&starting_after={number}"
            assert await get_stream(home, id_in(data), query) == b"".join(events[min(number, last) + 1 :])


async def test_a_stream_is_read_while_it_runs_by_several() -> None:
    gates = [asyncio.Event() for _ in HELLO]
    steps = [one for pair in zip(gates, HELLO, strict=True) for one in pair]
    async with house(ScriptedProvider("a", stream(*steps)), store=MemoryStore()) as home:
        gates[0].set()
        reader, writer = await home.connect(tools=TOOLS)
        head = await read_until(reader, b'"delta":"hm, "')
        id = id_in(head)
        tasks = [asyncio.create_task(get_stream(home, id, f"&starting_after={after}")) for after in (0, 2, 4, 9)]
        tasks.append(asyncio.create_task(get_stream(home, id)))
        for gate in gates[1:]:
            await asyncio.sleep(0)
            gate.set()
        read = [await task for task in tasks]
        await home.settled()
        writer.close()
        whole = await get_stream(home, id)
    events = [block + b"\n\n" for block in whole.split(b"\n\n")[:-1]]
    assert read == [b"".join(events[after + 1 :]) for after in (0, 2, 4, 9)] + [whole]


@pytest.mark.parametrize(
    ("query", "param"),
    [("stream=true&starting_after=x", "starting_after"), ("stream=true&starting_after=-3", "starting_after")],
)
async def test_a_wrong_place_to_resume_at(query: str, param: str) -> None:
    async with house(ScriptedProvider("a", stream(*HELLO)), store=MemoryStore()) as home:
        data = (await home.ask(stream=True, tools=TOOLS))[2]
        status, answer = await call(home, "GET", f"/responses/{id_in(data)}?{query}")
    assert (status, answer["error"]["param"]) == (400, param)


async def test_what_was_not_streamed_cannot_be_read_as_a_stream() -> None:
    async with house(ScriptedProvider("a", body(WHOLE)), store=MemoryStore()) as home:
        id = json.loads((await home.ask())[2])["id"]
        status, answer = await call(home, "GET", f"/responses/{id}?stream=true")
    assert (status, answer["error"]["param"]) == (400, "stream")


async def test_a_stream_whose_events_are_not_kept_any_more() -> None:
    settings = Settings(resume_s=0)
    async with house(ScriptedProvider("a", stream(*HELLO)), store=MemoryStore(), settings=settings) as home:
        data = (await home.ask(stream=True, tools=TOOLS))[2]
        status, _ = await call(home, "GET", f"/responses/{id_in(data)}?stream=true")
        assert (await call(home, "GET", f"/responses/{id_in(data)}"))[0] == 200
    assert status == 400


# --- cancel


async def test_a_stream_is_cancelled_by_another_request() -> None:
    _, steps = gated(4)
    provider = ScriptedProvider("a", stream(*steps))
    async with house(provider, store=MemoryStore()) as home:
        reader, writer = await home.connect(tools=TOOLS)
        got = await read_until(reader, b'"delta":"lo, "')
        status, cancelled = await call(home, "POST", f"/responses/{id_in(got)}/cancel")
        assert status == 200
        assert provider.client.responses[0].closed.is_set()
        rest = await read_until(reader, b"[DONE]")
        writer.close()
        exchange = await home.settled()
        assert (await call(home, "GET", f"/responses/{id_in(got)}")) == (200, cancelled)
        assert (await call(home, "POST", f"/responses/{id_in(got)}/cancel")) == (200, cancelled)
        again = await get_stream(home, id_in(got))
    check_stream(again)
    assert again.endswith(b"[DONE]\n\n")
    assert (cancelled["status"], cancelled["completed_at"], cancelled["error"]) == ("cancelled", None, None)
    assert cancelled["incomplete_details"] is None
    assert cancelled["output"][1]["content"][0]["text"] == "Hello, "
    assert cancelled["output"][1]["status"] == "in_progress"
    assert b'"type":"response.incomplete"' in rest
    assert b'"status":"cancelled"' in rest
    assert exchange.outcome == "cancelled"
    assert exchange.usage is not None
    assert exchange.usage.output_tokens > 0
    assert cancelled["usage"]["output_tokens"] == exchange.usage.output_tokens
    assert len(home.watcher.ended) == 1


async def test_an_answer_that_is_not_streamed_is_cancelled() -> None:
    gate = asyncio.Event()
    provider = ScriptedProvider("a", lambda request: _gated_body(gate))
    async with house(provider, store=MemoryStore()) as home:
        asked = asyncio.create_task(home.ask())
        await asyncio.wait_for(provider.client.answered.wait(), 5)
        run = next(iter(home.pipeline.running))
        status, cancelled = await call(home, "POST", f"/responses/{run.exchange.response_id}/cancel")
        assert (status, cancelled["status"]) == (200, "cancelled")
        status, _, data = await asked
        exchange = await home.settled()
        assert provider.client.responses[0].closed.is_set()
    assert (status, json.loads(data)) == (200, cancelled)
    assert exchange.outcome == "cancelled"


@pytest.mark.parametrize("store", [MemoryStore(), None])
async def test_a_response_that_is_not_stored_can_be_cancelled_too(store: MemoryStore | None) -> None:
    _, steps = gated(3)
    async with house(ScriptedProvider("a", stream(*steps)), store=store) as home:
        reader, writer = await home.connect(tools=TOOLS, store=False)
        id = id_in(await read_until(reader, b'"delta":"Hel"'))
        assert (await call(home, "GET", f"/responses/{id}"))[0] == 404
        status, cancelled = await call(home, "POST", f"/responses/{id}/cancel")
        assert (status, cancelled["status"]) == (200, "cancelled")
        await read_until(reader, b"[DONE]")
        writer.close()
        assert (await call(home, "GET", f"/responses/{id}"))[0] == 404


async def test_nobody_cancels_or_reads_what_is_not_his() -> None:
    gate, steps = gated(3)
    async with house(ScriptedProvider("a", stream(*steps)), store=MemoryStore(), stages=[Says()]) as home:
        reader, writer = await home.connect(tools=TOOLS)
        id = id_in(await read_until(reader, b'"delta":"Hel"'))
        unknown = await call(home, "POST", f"/responses/resp_{'0' * 48}/cancel", "other")
        foreign = await call(home, "POST", f"/responses/{id}/cancel", "other")
        assert (foreign[0], foreign[1]["error"]["message"].replace(id, "X")) == (
            unknown[0],
            unknown[1]["error"]["message"].replace(f"resp_{'0' * 48}", "X"),
        )
        assert foreign[0] == 404
        assert (await call(home, "GET", f"/responses/{id}?stream=true", "other"))[0] == 404
        gate.set()
        await read_until(reader, b'"type":"response.completed"')
        writer.close()
        assert (await call(home, "POST", f"/responses/{id}/cancel"))[1]["status"] == "completed"


async def test_a_response_in_flight_is_deleted() -> None:
    _, steps = gated(3)
    store = MemoryStore()
    async with house(ScriptedProvider("a", stream(*steps)), store=store) as home:
        reader, writer = await home.connect(tools=TOOLS)
        id = id_in(await read_until(reader, b'"delta":"Hel"'))
        assert await call(home, "DELETE", f"/responses/{id}") == (
            200,
            {"id": id, "object": "response", "deleted": True},
        )
        await read_until(reader, b"[DONE]")
        writer.close()
        assert (await call(home, "GET", f"/responses/{id}"))[0] == 404
        assert (await call(home, "DELETE", f"/responses/{id}"))[0] == 404


# --- a client that leaves


async def test_a_stream_whose_client_leaves_is_cancelled_and_kept_as_such() -> None:
    _, steps = gated(4)
    provider = ScriptedProvider("a", stream(*steps))
    async with house(provider, store=MemoryStore()) as home:
        reader, writer = await home.connect(tools=TOOLS)
        got = await read_until(reader, b'"delta":"lo, "')
        follower = asyncio.create_task(get_stream(home, id_in(got)))
        while not (runs := tuple(home.pipeline.running)) or not getattr(runs[0]._side.stream, "followers", None):
            await asyncio.sleep(0)
        writer.close()
        exchange = await home.settled()
        found = await status_of(home, id_in(got), "cancelled")
        check_stream(await follower)
        assert provider.client.responses[0].closed.is_set()
    assert exchange.outcome == "cancelled"
    assert found["output"][1]["content"][0]["text"] == "Hello, "
    assert len(home.watcher.ended) == 1


async def test_a_stream_goes_on_without_its_client_where_the_file_says_so() -> None:
    gate, steps = gated(4)
    translate = StreamTranslate(StreamTranslateConfig(on_disconnect="continue"))
    async with house(ScriptedProvider("a", stream(*steps)), store=MemoryStore(), translate=translate) as home:
        reader, writer = await home.connect(tools=TOOLS)
        got = await read_until(reader, b'"delta":"lo, "')
        writer.transport.abort()
        async with asyncio.timeout(5):
            while next(iter(home.pipeline.running))._side.stream.__class__.__name__ != "Nobody":
                await asyncio.sleep(0)
        gate.set()
        exchange = await home.settled()
        again = await get_stream(home, id_in(got))
    check_stream(again)
    assert exchange.outcome == "completed"
    assert b'"type":"response.completed"' in again


async def test_only_so_many_go_on_without_their_clients() -> None:
    """The third has no room; those that go on count among the exchanges that run."""
    gate, steps = gated(4)
    provider = ScriptedProvider("a", stream(*steps))
    translate = StreamTranslate(StreamTranslateConfig(on_disconnect="continue"))
    settings = Settings(background=1, background_waiting=1)
    async with house(provider, store=MemoryStore(), translate=translate, settings=settings, max_requests=3) as home:
        for _ in range(3):
            reader, writer = await home.connect(tools=TOOLS)
            await read_until(reader, b'"delta":"lo, "')
            writer.transport.abort()
            await until(lambda: home.app._running.count == 0)
        assert [exchange.outcome for exchange in home.watcher.ended] == ["cancelled"]
        assert provider.client.responses[2].closed.is_set()
        reader, writer = await home.connect(tools=TOOLS)
        await read_until(reader, b'"delta":"lo, "')
        assert (await home.ask(stream=True))[0] == 503
        gate.set()
        await read_until(reader, b"[DONE]")
        writer.close()
        await home.settled(5)
    assert home.pipeline.alone == set()
    outcomes = [exchange.outcome for exchange in home.watcher.ended]
    assert sorted(map(str, outcomes)) == ["cancelled", "completed", "completed", "completed", "rejected"]


async def test_what_is_not_kept_does_not_go_on() -> None:
    _, steps = gated(4)
    provider = ScriptedProvider("a", stream(*steps))
    translate = StreamTranslate(StreamTranslateConfig(on_disconnect="continue"))
    async with house(provider, store=MemoryStore(), translate=translate) as home:
        reader, writer = await home.connect(tools=TOOLS, store=False)
        await read_until(reader, b'"delta":"lo, "')
        writer.transport.abort()
        exchange: Exchange = await home.settled()
        assert provider.client.responses[0].closed.is_set()
    assert exchange.outcome == "cancelled"
