"""Calls that are awaited: what they return and raise is what the SDK gets over HTTP of the same pipeline."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import openai
import pytest
from openai.types.responses import Response, ResponseCompletedEvent, ResponseErrorEvent, ResponseTextDeltaEvent

from proxy.errors import BadRequest, ExchangeError, NotFound, UpstreamRefused, UpstreamTimeout
from proxy.inprocess.penstock import Penstock
from tests.support.endless import endless, silent
from tests.support.hostile import SOON, HostileUpstream, closing, fixed, until
from tests.support.inprocess import ECHO, file_of, over_http, soon
from tests.support.talking import Talks

TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {"city": {}}}}
ASKED: dict[str, dict[str, Any]] = {
    "text": {"input": "Hello, river."},
    "reasoning and tools": {
        "input": "[[reasoning I think.]] [[say Well.]] [[call weather {}]] [[call weather {}]]",
        "tools": [TOOL],
        "metadata": {"a": "b"},
    },
    "refusal": {"input": "[[refuse Sorry.]]"},
    "incomplete": {"input": "[[say cut]] [[finish length]]"},
}


def plain(event: Any) -> Any:
    """Returns an event without what is made anew for every response."""
    text = json.dumps({"class": type(event).__name__, **event.model_dump()})
    text = re.sub(r'"(resp|msg|rs|fc|call)_\w+"', r'"\1_X"', text)
    return json.loads(re.sub(r'"(created_at|completed_at)": [\d.]+', r'"\1": 0', text))


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
async def test_streams_are_those_of_the_sdk(asked: dict[str, Any]) -> None:
    async with Penstock.from_text(ECHO) as penstock, over_http(penstock) as client:
        theirs = [event async for event in await client.responses.create(model="m", stream=True, **asked)]
        ours = [event async for event in await penstock.aresponses(model="m", stream=True, **asked)]
        assert list(map(plain, ours)) == list(map(plain, theirs))
        id = ours[0].response.id
        again = [event async for event in await penstock.aget_responses(id, stream=True)]
        theirs_again = [event async for event in await client.responses.retrieve(id, stream=True)]
        assert again == ours
        assert again == theirs_again
        assert list(map(type, again)) == list(map(type, theirs_again))


@pytest.mark.parametrize("name", ["text", "reasoning and tools", "refusal", "incomplete"])
async def test_responses_are_those_of_the_sdk(name: str) -> None:
    async with Penstock.from_text(ECHO) as penstock, over_http(penstock) as client:
        theirs = await client.responses.create(model="m", **ASKED[name])
        ours = await penstock.aresponses(model="m", **ASKED[name])
        assert type(ours) is Response
        assert plain(ours) == plain(theirs)
        kept = await client.responses.retrieve(ours.id)
        assert await penstock.aget_responses(ours.id) == kept == ours
        assert ours.output_text == theirs.output_text
        assert (ours._request_id or "").startswith("req_")
        items = await penstock.alist_input_items(ours.id, order="asc", limit=1)
        assert items.data == (await client.responses.input_items.list(ours.id, order="asc")).data
        assert (await penstock.adelete_responses(ours.id)).deleted
        with pytest.raises(NotFound):
            await penstock.aget_responses(ours.id)


REFUSED: list[dict[str, Any]] = [
    {"model": "nobody"},
    {"input": None},
    {"temperature": 7},
    {"previous_response_id": "resp_nothing"},
    {"conversation": "conv_nothing"},
    {"input": "[[error 429 insufficient_quota]]"},
    {"input": "[[error 401]]"},
    {"input": "[[error 503]]"},
    {"input": "[[cut 0]]"},
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("asked", REFUSED, ids=str)
async def test_what_the_server_refuses_is_raised(asked: dict[str, Any], stream: bool) -> None:
    asked = {"model": "m", "input": "hi", **asked, "stream": stream}
    file = ECHO.replace("route,", "route: {retries: 0},")
    async with Penstock.from_text(file) as penstock, over_http(penstock) as client:
        with pytest.raises(openai.APIStatusError) as theirs:
            await client.responses.create(**asked)
        with pytest.raises(ExchangeError) as ours:
            await penstock.aresponses(**asked)
    body = theirs.value.body
    assert isinstance(body, dict)
    assert ours.value.status == theirs.value.status_code
    assert ours.value.to_dict() == body


async def test_errors_are_those_of_the_tree() -> None:
    refusal = b'{"error": {"message": "who?", "type": "invalid_request_error", "code": "invalid_api_key"}}'
    async with HostileUpstream(closing(fixed(refusal, status=401, headers="content-type: application/json\r\n"))) as up:
        async with Penstock.from_text(file_of(up)) as penstock:
            with pytest.raises(UpstreamRefused) as refused:
                await penstock.aresponses("hi", "m")
            assert (refused.value.upstream, refused.value.upstream_status) == ("u0", 401)
            with pytest.raises(BadRequest) as wrong:
                await penstock.aresponses("hi", "other")
            assert (wrong.value.status, wrong.value.param, wrong.value.code) == (400, "model", "model_not_found")


async def test_a_failure_behind_output_is_told_in_the_stream() -> None:
    async with Penstock.from_text(ECHO) as penstock:
        stream = await penstock.aresponses(model="m", input="[[say one two three]] [[stream_error 2]]", stream=True)
        events = [event async for event in stream]
    assert any(isinstance(event, ResponseTextDeltaEvent) for event in events)
    assert isinstance(events[-2], ResponseErrorEvent)
    assert events[-1].type == "response.failed"
    assert events[-1].response.error is not None


@pytest.mark.parametrize("way", ["break", "close", "with", "drop", "cancel"])
async def test_who_leaves_closes_the_upstream(way: str) -> None:
    async with HostileUpstream(endless) as up, Penstock.from_text(file_of(up)) as penstock:
        stream = await soon(penstock.aresponses("hi", "m", stream=True))
        peer = await up.peer()
        if way == "break":
            async for event in stream:
                if event.type == "response.output_text.delta":
                    break
        elif way == "close":
            await anext(stream)
            await stream.close()
            await stream.close()
        elif way == "with":
            async with stream:
                await anext(aiter(stream))
        elif way == "drop":
            await anext(stream)
            del stream
        else:

            async def read() -> None:
                async for _ in await penstock.aresponses("hi", "m", stream=True):
                    pass

            await stream.close()
            reading = asyncio.create_task(read())
            peer = await up.peer(1)
            reading.cancel()
            await asyncio.wait((reading,))
        assert await peer.was_closed()
        if way == "break":
            with pytest.raises(RuntimeError, match="keep the iterator"):
                await anext(stream)


async def test_an_iterator_that_is_kept_goes_on_after_a_break() -> None:
    async with Penstock.from_text(ECHO) as penstock:
        events = aiter(await penstock.aresponses("Hello, river.", "m", stream=True))
        async for event in events:
            if event.type == "response.output_text.delta":
                break
        rest = [event async for event in events]
        assert isinstance(rest[-1], ResponseCompletedEvent)
        assert rest[-1].response.output_text == "Hello, river."
        assert [event async for event in events] == []


async def test_a_call_that_is_given_up_closes_the_upstream() -> None:
    async with HostileUpstream(silent) as up, Penstock.from_text(file_of(up)) as penstock:
        for index, stream in enumerate((False, True)):
            asking = asyncio.create_task(penstock.aresponses("hi", "m", stream=stream))
            peer = await up.peer(index)
            asking.cancel()
            assert await peer.was_closed()
            await asyncio.wait((asking,))
            with pytest.raises(UpstreamTimeout) as late:
                await penstock.aresponses("hi", "m", stream=stream, timeout=0.1)
            assert late.value.status == 504
            up.peers.pop()


async def test_who_does_not_read_pauses_the_upstream() -> None:
    async with HostileUpstream(endless, send_buffer=1 << 16) as up, Penstock.from_text(file_of(up)) as penstock:
        stream = await penstock.aresponses("hi", "m", stream=True)
        peer = await up.peer()
        await until(lambda: peer.blocked)
        sent = peer.sent
        async for _ in (events := aiter(stream)):
            if not peer.blocked and peer.sent > sent:
                break
        del events
        assert await peer.was_closed()


async def test_background_responses_go_on_and_are_read_again() -> None:
    async with Talks({"content": "Hello."}) as up, Penstock.from_text(file_of(up)) as penstock:
        up.hold = asyncio.Event()
        begun = await penstock.aresponses("hi", "m", background=True, stream=True)
        created = await anext(aiter(begun))
        id = created.response.id
        assert (await penstock.aget_responses(id)).status in ("queued", "in_progress")
        followed = await penstock.aget_responses(id, stream=True, starting_after=0)
        up.hold.set()
        events = [event async for event in followed]
        assert [event.sequence_number for event in events] == list(range(1, len(events) + 1))
        assert events[-1].response.output_text == "Hello."
        assert (await penstock.aget_responses(id)).status == "completed"


async def test_a_response_is_cancelled_by_its_id() -> None:
    async with HostileUpstream(silent) as up, Penstock.from_text(file_of(up)) as penstock:
        queued = await penstock.aresponses("hi", "m", background=True)
        peer = await up.peer()
        cancelled = await soon(penstock.acancel_responses(queued.id))
        assert (cancelled.id, cancelled.status) == (queued.id, "cancelled")
        assert await peer.was_closed()
        with pytest.raises(NotFound):
            await penstock.acancel("resp_nothing")


async def test_chains_and_conversations() -> None:
    async with Talks({"content": "One."}, {"content": "Two."}, {"content": "Three."}) as up:
        async with Penstock.from_text(file_of(up)) as penstock:
            first = await penstock.aresponses("a", "m")
            await penstock.aresponses("b", "m", previous_response_id=first.id)
            assert [one["content"] for one in up.requests[1]["messages"]] == ["a", "One.", "b"]
            conversation = await penstock.acreate_conversation(metadata={"k": "v"})
            assert conversation.metadata == {"k": "v"}
            await penstock.aresponses("c", "m", conversation=conversation.id)
            kept = await penstock.alist_conversation_items(conversation.id, order="asc")
            assert [item.role for item in kept.data] == ["user", "assistant"]  # type: ignore[union-attr]
            assert (await penstock.adelete_conversation(conversation.id)).deleted


async def test_output_may_be_input_as_it_is() -> None:
    async with Talks({"content": "One."}) as up, Penstock.from_text(file_of(up)) as penstock:
        first = await penstock.aresponses("a", "m", store=False)
        said = [{"role": "user", "content": "a"}, *first.output, {"role": "user", "content": "b"}]
        await penstock.aresponses(said, "m")
        assert [one["content"] for one in up.requests[1]["messages"]] == ["a", "One.", "b"]


async def test_a_conversation_is_made_short() -> None:
    async with Penstock.from_text(ECHO) as penstock:
        short = await penstock.acompact_responses([{"role": "user", "content": "Hello."}], "m")
        assert short.object == "response.compaction"
        assert short.output[-1].type == "compaction"


async def test_headers_tell_what_the_server_would() -> None:
    async with Penstock.from_text(ECHO) as penstock:
        made = await penstock.aresponses("hi", "m", top_logprobs=None, prompt_cache_key="x")
        assert made._headers["x-penstock-upstream"] == "echo"  # type: ignore[attr-defined]
        async with await penstock.aresponses("hi", "m", stream=True) as stream:
            assert stream.headers["x-penstock-upstream-model"] == "echo"


async def test_many_calls_at_a_time_in_one_loop() -> None:
    async with Penstock.from_text(ECHO) as penstock:
        async with asyncio.timeout(10 * SOON):
            made = await asyncio.gather(*(penstock.aresponses(f"number {at}", "m") for at in range(50)))
    assert [one.output_text for one in made] == [f"number {at}" for at in range(50)]
