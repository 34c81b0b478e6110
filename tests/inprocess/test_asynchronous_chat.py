"""Chat completions and counts that are awaited: what the SDK gets over HTTP of the same pipeline."""

from __future__ import annotations

import json
import re
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from proxy.errors import ExchangeError, UpstreamCut, UpstreamRefused, UpstreamTimeout
from proxy.inprocess.penstock import Penstock
from tests.support.endless import endless, silent
from tests.support.hostile import HostileUpstream, until
from tests.support.inprocess import ECHO, file_of, over_http, soon
from tests.support.talking import Talks

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
ASKED: dict[str, dict[str, Any]] = {
    "text": {"messages": [{"role": "user", "content": "Hello, river."}]},
    "reasoning and tools": {
        "messages": [{"role": "user", "content": "[[reasoning Hm.]] [[say Well.]] [[call weather {}]]"}],
        "tools": [TOOL],
        "stream_options": {"include_usage": True},
    },
}


def plain(one: Any) -> Any:
    """Returns a completion or a chunk without what is made anew for every answer."""
    text = re.sub(r'"(chatcmpl-|call_)\w+"', r'"\1X"', json.dumps({"class": type(one).__name__, **one.model_dump()}))
    return json.loads(re.sub(r'"created": \d+', '"created": 0', text))


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
async def test_completions_and_chunks_are_those_of_the_sdk(asked: dict[str, Any]) -> None:
    async with Penstock.from_text(ECHO) as penstock, over_http(penstock) as client:
        theirs = [one async for one in await client.chat.completions.create(model="m", stream=True, **asked)]
        stream = await penstock.acompletion(stream=True, model="m", **asked)
        ours = [one async for one in stream]
        assert list(map(plain, ours)) == list(map(plain, theirs))
        assert type(ours[0]) is ChatCompletionChunk
        assert stream.headers["x-penstock-upstream"] == "echo"
        asked = {name: value for name, value in asked.items() if name != "stream_options"}
        whole = await penstock.acompletion("m", **asked)
        assert type(whole) is ChatCompletion
        assert plain(whole) == plain(await client.chat.completions.create(model="m", **asked))
        assert (whole._request_id or "").startswith("req_")


REFUSED: list[dict[str, Any]] = [
    {"model": "nobody"},
    {"messages": []},
    {"messages": [{"role": "user", "content": "[[error 429 insufficient_quota]]"}]},
    {"messages": [{"role": "user", "content": "[[error 503]]"}]},
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("asked", REFUSED, ids=str)
async def test_what_the_server_refuses_is_raised(asked: dict[str, Any], stream: bool) -> None:
    asked = {"model": "m", **ASKED["text"], **asked, "stream": stream}
    file = ECHO.replace("route,", "route: {retries: 0},")
    async with Penstock.from_text(file) as penstock, over_http(penstock) as client:
        with pytest.raises(openai.APIStatusError) as theirs:
            await client.chat.completions.create(**asked)
        with pytest.raises(ExchangeError) as ours:
            await penstock.acompletion(**asked)
    assert (ours.value.status, ours.value.to_dict()) == (theirs.value.status_code, theirs.value.body)


async def test_a_failure_behind_output_is_raised_behind_it() -> None:
    said = []
    async with Penstock.from_text(ECHO) as penstock:
        messages = [{"role": "user", "content": "[[say one two three]] [[cut 2]]"}]
        events = aiter(await penstock.acompletion("m", messages, stream=True))
        while "two" not in said:
            said.append(((await anext(events)).choices[0].delta.content or "").strip())
        with pytest.raises(UpstreamCut):
            [event async for event in events]


async def test_a_failure_is_raised_where_chunks_are_passed_on_as_they_come() -> None:
    async def breaks(peer: Any) -> None:
        await peer.request()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
        await peer.send(head + b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"one"}}]}\n\n')
        await peer.send(b'data: {"error":{"message":"Worker lost","code":502}}\n\n')
        peer.close()

    async with HostileUpstream(breaks) as up, Penstock.from_text(file_of(up)) as penstock:
        stream = await penstock.acompletion("m", [{"role": "user", "content": "hi"}], stream=True)
        assert (await anext(stream)).choices[0].delta.content == "one"
        with pytest.raises(ExchangeError, match="Worker lost"):
            await anext(stream)


async def test_who_leaves_or_lags_is_known_upstream() -> None:
    hi = [{"role": "user", "content": "hi"}]
    async with HostileUpstream(endless, send_buffer=1 << 16) as up, Penstock.from_text(file_of(up)) as penstock:
        async with await soon(penstock.acompletion("m", hi, stream=True)) as stream:
            peer = await up.peer()
            await until(lambda: peer.blocked)
            await anext(stream)
        assert await peer.was_closed()
    async with HostileUpstream(silent) as up, Penstock.from_text(file_of(up)) as penstock:
        with pytest.raises(UpstreamTimeout):
            await penstock.acompletion("m", hi, timeout=0.1)
        assert await (await up.peer()).was_closed()


async def test_messages_of_the_sdk_may_be_sent_as_they_are() -> None:
    async with Talks({"content": "One."}) as up, Penstock.from_text(file_of(up)) as penstock:
        first = await penstock.acompletion("m", [{"role": "user", "content": "a"}], temperature=0.5)
        await penstock.acompletion("m", [first.choices[0].message, {"role": "user", "content": "b"}])
    assert up.requests[0]["temperature"] == 0.5
    assert [one["content"] for one in up.requests[1]["messages"]] == ["One.", "b"]


async def test_tokens_are_counted() -> None:
    async with Penstock.from_text(ECHO) as penstock, over_http(penstock) as client:
        theirs = await client.responses.input_tokens.count(model="m", input="How long is this?")
        ours = await penstock.ainput_tokens("How long is this?", "m")
        assert type(ours) is type(theirs)
        assert ours == theirs
        assert ours.input_tokens > 0
        with pytest.raises(ExchangeError) as wrong:
            await penstock.ainput_tokens("x", "nobody")
        assert wrong.value.param == "model"
    async with HostileUpstream(silent) as up, Penstock.from_text(file_of(up)) as penstock:
        assert (await penstock.ainput_tokens("four", "m"))._headers["x-penstock-estimated"]  # type: ignore[attr-defined]


async def test_a_refusal_of_the_upstream_is_of_its_class() -> None:
    async with Penstock.from_text(ECHO) as penstock:
        with pytest.raises(UpstreamRefused) as refused:
            await penstock.acompletion("m", [{"role": "user", "content": "[[error 401]]"}])
    assert (refused.value.status, refused.value.upstream_status) == (502, 401)
