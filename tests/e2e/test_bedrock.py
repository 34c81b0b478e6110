"""Bedrock over real sockets: signed requests, frames in any pieces, errors everywhere, thinking that lasts."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config as BotoConfig

from proxy.config.types import Secret
from proxy.providers.bedrock.config import BedrockConfig
from proxy.providers.bedrock.provider import Bedrock
from proxy.providers.provider import Deployment
from proxy.stores.memory import MemoryStore
from stages.route import Route, RouteConfig
from tests.support import messages
from tests.support.aws_signature import signed_by
from tests.support.bedrock_asked import NOVA, SONNET
from tests.support.converse import START, answer, end, said, text, thinking, tool
from tests.support.event_stream import chunks, exception
from tests.support.fixtures import needs_shared, recording
from tests.support.grammar import check_stream
from tests.support.hostile import HostileUpstream, Peer, Script, answering, chunked, closing, fixed
from tests.support.house import House, house
from tests.support.scripted import events_of
from tests.support.sdk_types import check_event
from tests.support.strict_converse import check

FRAMES = "content-type: application/vnd.amazon.eventstream\r\n"
JSON = "content-type: application/json\r\n"
REGION = "eu-west-1"
ARN = f"arn:aws:bedrock:{REGION}:123456789012:inference-profile/{SONNET}"
HELLO = START + text(0, "Hel", "lo") + end()
WORK = (
    START
    + thinking(0, "Which city? ", "Oslo.")
    + text(1, "Looking.")
    + tool(2, "t1", "get_weather", '{"city":', '"Oslo"}')
)
TOOLS = [
    {
        "type": "function",
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hides this machine's settings of AWS; returns the file in which profiles have their keys."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path / "credentials"


def streamed(*parts: bytes) -> bytes:
    """Returns an answer whose body is those parts, a chunk each."""
    return chunked(*parts, headers=FRAMES)


def refusal(status: int, kind: str, message: str = "no") -> bytes:
    """Returns an error answer."""
    body = json.dumps({"message": message}).encode()
    return fixed(body, status=status, headers=f"{JSON}x-amzn-errortype: {kind}:http://x\r\n")


@asynccontextmanager
async def behind(
    *scripts: Script, model: str = SONNET, retries: int = 0, keep: bool = False, **settings: Any
) -> AsyncIterator[tuple[House, list[HostileUpstream]]]:
    """Runs a server in front of fake Bedrocks, asked in this order; keys are given if the settings say nothing."""
    upstreams = [HostileUpstream(script) for script in scripts]
    for upstream in upstreams:
        await upstream.__aenter__()
    given = settings or {"access_key_id": Secret("AKIDEXAMPLE"), "secret_access_key": Secret("hush")}
    try:
        providers = [
            Bedrock(f"aws{at}", BedrockConfig(region=REGION, base_url=upstream.origin, **given))
            for at, upstream in enumerate(upstreams)
        ]
        models = {"m": [Deployment(one, model, 1000.0**-at) for at, one in enumerate(providers)]}
        store = MemoryStore() if keep else None
        async with house(*providers, models=models, route=Route(RouteConfig(retries=retries)), store=store) as home:
            yield home, upstreams
    finally:
        for upstream in upstreams:
            await upstream.__aexit__()


def asked(received: bytes) -> tuple[str, dict[str, str], bytes]:
    """Returns path, headers and body of a request."""
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first.split(" ")[1], dict(line.lower().split(": ", 1) for line in lines), body


def verify(received: bytes, secret: str = "hush") -> str:
    """Checks a request's signature as AWS does; returns who signed it."""
    return signed_by(received, secret, REGION)


def noting(notes: list[bytes], *answers: bytes) -> Script:
    """A script: for each request, the next of the answers; what was asked is noted."""

    async def script(peer: Peer) -> None:
        for one in answers:
            notes.append(await peer.request())
            await peer.send(one)
        await peer.stall()

    return script


def failed(data: bytes) -> dict[str, Any]:
    """Returns the response of a stream that has failed."""
    final = check_stream(data).response
    assert final["status"] == "failed"
    return final


# --- answers


@pytest.mark.parametrize("model", [SONNET, NOVA, ARN, "odd name?#%"])
async def test_a_streamed_answer_of_a_signed_request(model: str) -> None:
    notes: list[bytes] = []
    async with behind(noting(notes, streamed(HELLO)), model=model) as (home, _):
        status, headers, data = await home.ask(stream=True, instructions="Be kind.")
    assert status == 200
    checked = check_stream(data)
    assert checked.text == "Hello"
    assert checked.response["usage"]["total_tokens"] == 15
    assert headers["x-penstock-upstream"] == "aws0"
    assert verify(notes[0]) == "AKIDEXAMPLE"
    path, sent, body = asked(notes[0])
    assert path.startswith("/model/")
    assert path.endswith("/converse-stream")
    assert path.count("/") == 3
    assert sent["accept"] == "application/vnd.amazon.eventstream"
    assert check(body, operation="ConverseStream")["system"] == [{"text": "Be kind."}]


async def test_temporary_keys_and_a_long_body() -> None:
    notes: list[bytes] = []
    keys = {"access_key_id": Secret("ASIA"), "secret_access_key": Secret("hush"), "session_token": Secret("tok/en==")}
    async with behind(noting(notes, fixed(answer({"text": "ok"}), headers=JSON)), **keys) as (home, _):
        status, _, _ = await home.ask(input="ö" * 100_000)
    assert status == 200
    assert verify(notes[0]) == "ASIA"
    assert asked(notes[0])[1]["x-amz-security-token"] == "tok/en=="


async def test_a_plain_answer() -> None:
    body = answer(
        {"text": "Hello"}, {"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": {}}}, reason="tool_use"
    )
    notes: list[bytes] = []
    async with behind(noting(notes, fixed(body, headers=JSON))) as (home, _):
        status, _, data = await home.ask(tools=TOOLS)
    assert status == 200
    assert [item["type"] for item in json.loads(data)["output"]] == ["message", "function_call"]
    assert asked(notes[0])[0].endswith("/converse")


async def test_chat_clients() -> None:
    answers = (streamed(WORK + end("tool_use")), fixed(answer({"text": "Hello"}), headers=JSON))
    async with behind(answering(*answers)) as (home, _):
        _, _, data = await home.ask("/chat/completions", stream=True)
        _, _, plain = await home.ask("/chat/completions")
    chunks = [obj for _, obj in events_of(data) if isinstance(obj, dict)]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "Looking."
    assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == "Which city? Oslo."
    pieces = [one for delta in deltas for one in delta.get("tool_calls", ())]
    assert "".join(one["function"].get("arguments", "") for one in pieces) == '{"city":"Oslo"}'
    assert json.loads(plain)["choices"][0]["message"]["content"] == "Hello"


async def test_byte_by_byte_it_is_the_same() -> None:
    async def drip(peer: Peer) -> None:
        await peer.request()
        raw = WORK + end("tool_use")
        await peer.send(f"HTTP/1.1 200 OK\r\n{FRAMES}content-length: {len(raw)}\r\n\r\n".encode())
        await peer.trickle(raw)
        await peer.stall()

    async with behind(drip) as (home, _):
        checked = check_stream((await home.ask(stream=True, tools=TOOLS))[2])
    assert (checked.text, checked.calls) == ("Looking.", [("get_weather", '{"city":"Oslo"}')])
    for event in checked.events:
        check_event(event)


@needs_shared
@pytest.mark.parametrize("name", ["reasoning-signature", "text-and-tool-use", "guardrail-intervened"])
async def test_recorded_streams(name: str) -> None:
    raw = recording(f"bedrock/converse-{name}.eventstream")
    async with behind(answering(streamed(*(raw[at : at + 777] for at in range(0, len(raw), 777))))) as (home, _):
        checked = check_stream((await home.ask(stream=True))[2])
        exchange = await home.settled()
    assert checked.response["status"] == ("incomplete" if "guardrail" in name else "completed")
    assert exchange.usage is not None
    assert exchange.usage.total_tokens == checked.response["usage"]["total_tokens"]


async def test_a_delta_leaves_when_it_comes() -> None:
    async def slow(peer: Peer) -> None:
        await peer.request()
        await peer.send(streamed(START + said(0, "first "))[: -len(b"0\r\n\r\n")])
        await peer.cue()
        rest = said(0, "second") + end()
        await peer.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(rest), rest))
        await peer.stall()

    async with behind(slow) as (home, (upstream,)):
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            assert b"first " in await reader.readuntil(b'"delta":"first "')
            (await upstream.peer()).go()
            assert b"second" in await reader.readuntil(b"response.completed")
        writer.close()


# --- errors


async def test_a_refusal_is_told_as_openai_would() -> None:
    async with behind(answering(refusal(400, "ValidationException", "Input is too long for requested model."))) as (
        home,
        _,
    ):
        status, _, data = await home.ask(stream=True)
    assert status == 400
    assert json.loads(data)["error"]["code"] == "context_length_exceeded"


async def test_an_exception_before_output_is_a_status_and_another_can_answer() -> None:
    throttled = streamed(START + exception("throttlingException", "Too many tokens"))
    async with behind(answering(throttled)) as (home, _):
        status, _, data = await home.ask(stream=True)
        assert (status, json.loads(data)["error"]["code"]) == (429, "rate_limit_exceeded")
    async with behind(answering(throttled), answering(streamed(HELLO)), retries=1) as (home, _):
        status, headers, data = await home.ask(stream=True)
        assert (status, headers["x-penstock-upstream"]) == (200, "aws1")
        assert b'"delta":"Hel"' in data


@pytest.mark.parametrize(
    ("late", "code"),
    [
        (exception("throttlingException", "Too many tokens"), "rate_limit_exceeded"),
        (exception("modelStreamErrorException", "It broke"), "server_error"),
        (said(0, "x")[:-1] + b"\x00", "server_error"),
        (b"HTTP/1.1 502 Bad Gateway", "server_error"),
        (b"", "server_error"),
    ],
)
async def test_what_goes_wrong_in_the_stream_is_told_in_it(late: bytes, code: str) -> None:
    async with behind(closing(streamed(START + said(0, "par"), *([late] if late else [])))) as (home, _):
        status, _, data = await home.ask(stream=True)
        exchange = await home.settled()
    assert status == 200
    final = failed(data)
    assert final["error"]["code"] == code
    assert final["output"][0]["content"][0]["text"] == "par"
    assert exchange.outcome == "failed"


async def test_a_connection_that_is_cut() -> None:
    async def cut(peer: Peer) -> None:
        await peer.request()
        await peer.send(chunked(START + said(0, "par") + said(0, "tial")[:20], headers=FRAMES, end=b""))
        peer.close()

    async with behind(cut) as (home, _):
        final = failed((await home.ask(stream=True))[2])
    assert final["output"][0]["content"][0]["text"] == "par"


async def test_a_client_that_leaves_closes_the_upstream() -> None:
    async def endless(peer: Peer) -> None:
        await peer.request()
        await peer.send(streamed(START + said(0, "a"))[: -len(b"0\r\n\r\n")])
        await peer.send_forever(b"%x\r\n%s\r\n" % (len(said(0, "b")), said(0, "b")))

    async with behind(endless) as (home, (upstream,)):
        reader, writer = await home.connect()
        await reader.readuntil(b"output_text.delta")
        writer.close()
        assert await (await upstream.peer()).was_closed()
        assert (await home.settled()).outcome == "cancelled"


# --- credentials


async def test_wrong_credentials_are_ours_to_mend() -> None:
    async with behind(answering(refusal(403, "UnrecognizedClientException", "token of 123456789012"))) as (home, _):
        status, _, data = await home.ask()
    error = json.loads(data)["error"]
    assert (status, error["code"]) == (502, "upstream_auth")
    assert "123456789012" not in error["message"]
    assert "access_key_id" in error["message"]


def put_key(file: Path, key: str) -> None:
    """Writes the file in which the profile `work` has its keys."""
    file.write_text(f"[work]\naws_access_key_id = {key}\naws_secret_access_key = hush\n")


async def test_keys_that_have_run_out_are_looked_for_again(alone: Path) -> None:
    put_key(alone, "OLDKEY")
    notes: list[bytes] = []

    async def script(peer: Peer) -> None:
        for one in (refusal(403, "ExpiredTokenException"), streamed(HELLO)):
            notes.append(await peer.request())
            put_key(alone, "NEWKEY")
            await peer.send(one)
        await peer.stall()

    async def again(peer: Peer) -> None:
        if not notes:
            await script(peer)
            return
        notes.append(await peer.request())
        await peer.send(streamed(HELLO))
        await peer.stall()

    async with behind(again, aws_profile="work") as (home, _):
        status, _, data = await home.ask(stream=True)
    assert status == 200
    assert b"response.completed" in data
    assert [verify(one) for one in notes] == ["OLDKEY", "NEWKEY"]


async def test_no_credentials_at_all() -> None:
    async with behind(answering(streamed(HELLO)), aws_profile="work") as (home, (upstream,)):
        status, _, data = await home.ask(stream=True)
        assert (status, json.loads(data)["error"]["code"]) == (502, "upstream_auth")
        assert upstream.peers == []


async def test_a_key_needs_no_signature() -> None:
    notes: list[bytes] = []
    async with behind(noting(notes, streamed(HELLO)), api_key=Secret("bedrock-key")) as (home, _):
        status, _, _ = await home.ask(stream=True)
    assert status == 200
    assert b"\r\nauthorization: Bearer bedrock-key\r\n" in notes[0]
    assert b"x-amz-date" not in notes[0]


# --- turns


@pytest.mark.parametrize("how", ["stateless", "kept"])
async def test_thinking_and_tools_over_three_turns(how: str) -> None:
    notes: list[bytes] = []
    again = START + thinking(0, "And Bergen?", signature="c2Vjb25k") + tool(1, "t2", "get_weather", '{"city":"Bergen"}')
    turns = (WORK + end("tool_use"), again + end("tool_use"), HELLO)
    fields: dict[str, Any] = {"tools": TOOLS, "reasoning": {"effort": "low"}, "stream": True}
    if how == "stateless":
        fields.update(store=False, include=["reasoning.encrypted_content"])
    items: list[Any] = [{"role": "user", "content": "Weather?"}]
    async with behind(noting(notes, *map(streamed, turns)), keep=how == "kept") as (home, _):
        for _ in turns:
            _, _, data = await home.ask(input=items, **fields)
            response = check_stream(data).response
            outputs = [
                {"type": "function_call_output", "call_id": item["call_id"], "output": "rain"}
                for item in response["output"]
                if item["type"] == "function_call"
            ]
            if how == "kept":
                fields["previous_response_id"] = response["id"]
                items = outputs
            else:
                items = [*items, *response["output"], *outputs]
    bodies = [check(asked(one)[2], operation="ConverseStream") for one in notes]
    assert [len(body["messages"]) for body in bodies] == [1, 3, 5]
    assert all(body["additionalModelRequestFields"]["thinking"]["type"] == "enabled" for body in bodies)
    first, second = (bodies[2]["messages"][place]["content"] for place in (1, 3))
    thought = {"text": "Which city? Oslo.", "signature": "c2lnbmVk"}
    assert first[0] == {"reasoningContent": {"reasoningText": thought}}
    assert [next(iter(block)) for block in first] == ["reasoningContent", "text", "toolUse"]
    assert second[0]["reasoningContent"]["reasoningText"]["signature"] == "c2Vjb25k"
    assert second[1]["toolUse"]["input"] == {"city": "Bergen"}


async def test_thinking_that_is_refused_is_left_out_the_next_time() -> None:
    notes: list[bytes] = []
    refused = refusal(400, "ValidationException", "messages.1.content.0: Invalid `signature` in `thinking` block")
    items: list[Any] = [{"role": "user", "content": "Weather?"}]
    include = ["reasoning.encrypted_content"]
    async with behind(noting(notes, streamed(WORK + end("tool_use")), refused, streamed(HELLO)), retries=1) as (
        home,
        _,
    ):
        _, _, data = await home.ask(input=items, tools=TOOLS, include=include, stream=True)
        output = {"type": "function_call_output", "call_id": "t1", "output": "rain"}
        items = [*items, *check_stream(data).response["output"], output]
        status, headers, _ = await home.ask(input=items, tools=TOOLS, include=include, stream=True)
    assert status == 200
    assert headers["x-penstock-ignored-params"] == "input: reasoning"
    firsts = [check(asked(one)[2], operation="ConverseStream")["messages"][1]["content"][0] for one in notes[1:]]
    assert [next(iter(block)) for block in firsts] == ["reasoningContent", "text"]


# --- the official SDK before the same upstream


async def test_boto3_reads_the_same_answer_and_asks_at_the_same_place() -> None:
    notes: list[bytes] = []
    raw = streamed(WORK + end("tool_use"))

    def ask(url: str) -> list[dict[str, Any]]:
        client = boto3.client(
            "bedrock-runtime",
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="hush",
            config=BotoConfig(retries={"max_attempts": 0}),
        )
        asked_of = {"modelId": ARN, "messages": [{"role": "user", "content": [{"text": "hi"}]}]}
        events: list[dict[str, Any]] = list(client.converse_stream(**asked_of)["stream"])
        client.close()
        return events

    async with behind(noting(notes, raw), model=ARN) as (home, (upstream,)):
        events = await asyncio.to_thread(ask, upstream.origin)
        _, _, data = await home.ask(stream=True)
    texts = [one["contentBlockDelta"]["delta"].get("text", "") for one in events if "contentBlockDelta" in one]
    assert "".join(texts) == check_stream(data).text
    theirs, ours = (asked(one) for one in notes)
    assert theirs[0] == ours[0]
    assert json.loads(theirs[2]) == json.loads(ours[2])
    assert verify(notes[0]) == verify(notes[1])


async def test_claude_over_its_own_api() -> None:
    notes: list[bytes] = []
    raw = streamed(chunks(messages.start(), messages.thinking(0, "Hm."), messages.text(1, "Hello"), messages.end()))
    plain = fixed(messages.answer({"type": "text", "text": "Hello"}), headers=JSON)
    given = {"access_key_id": Secret("AKIDEXAMPLE"), "secret_access_key": Secret("hush")}
    async with behind(noting(notes, raw, plain), api="invoke", **given) as (home, _):
        _, _, data = await home.ask(stream=True)
        _, _, whole = await home.ask()
    assert check_stream(data).text == json.loads(whole)["output"][0]["content"][0]["text"] == "Hello"
    assert [asked(one)[0].rpartition("/")[2] for one in notes] == ["invoke-with-response-stream", "invoke"]
    assert [verify(one) for one in notes] == ["AKIDEXAMPLE"] * 2
    assert json.loads(asked(notes[0])[2])["anthropic_version"] == "bedrock-2023-05-31"


async def test_other_models_are_asked_over_converse_all_the_same() -> None:
    notes: list[bytes] = []
    async with behind(noting(notes, streamed(HELLO)), model=NOVA, api="invoke", api_key=Secret("k")) as (home, _):
        assert check_stream((await home.ask(stream=True))[2]).text == "Hello"
    assert asked(notes[0])[0].endswith("/converse-stream")
