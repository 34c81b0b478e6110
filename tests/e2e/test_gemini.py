"""Gemini and Vertex AI, from their sockets to the client: over both APIs, streamed and not, over turns, in failure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.config.loader import load_text
from proxy.config.types import Secret
from proxy.providers.gemini.config import GeminiConfig
from proxy.providers.gemini.provider import Gemini
from proxy.providers.provider import Deployment
from proxy.providers.vertex.config import VertexConfig
from proxy.providers.vertex.provider import Vertex
from proxy.stores.memory import MemoryStore
from stages.route import Route, RouteConfig
from tests.support.fixtures import needs_shared, recording
from tests.support.gemini import STOP, dumped, framed, response
from tests.support.google_accounts import TokenServer
from tests.support.grammar import check_stream
from tests.support.hostile import HostileUpstream, Peer, Script, chunked, fixed
from tests.support.house import House, house
from tests.support.scripted import events_of
from tests.support.strict_gemini import check

SSE = "content-type: text/event-stream\r\n"
JSON = "content-type: application/json; charset=UTF-8\r\n"
USAGE = {"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 3, "totalTokenCount": 10}
TOOL = {"type": "function", "name": "get", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
CHAT_TOOL = {"type": "function", "function": {"name": "get", "parameters": TOOL["parameters"]}}

CALL = {"functionCall": {"name": "get", "args": {"city": "Oslo"}, "id": "x1"}, "thoughtSignature": "c2ln"}
CALLING = [response({"text": "hm", "thought": True}), response(CALL), {**STOP, "usageMetadata": USAGE}]
PNG = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0="}, "thoughtSignature": "c2ln"}
DRAWING = [response({"text": "Here:"}), response(PNG), {**STOP, "usageMetadata": USAGE}]
HELLO = [response({"text": "Hel"}), {**response({"text": "lo"}, finish="STOP"), "usageMetadata": USAGE}]


class Google:
    """An upstream that gives these answers in turn, streamed or not as it is asked; `requests` are what it was sent."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.upstream = HostileUpstream(self._script)

    async def _script(self, peer: Peer) -> None:
        while True:
            head, _, body = (await peer.request()).partition(b"\r\n\r\n")
            line, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
            self.requests.append((line.split(" ")[1], headers, json.loads(body)))
            answer = self.answers[len(self.requests) - 1]
            if isinstance(answer, bytes):
                await peer.send(answer)
            elif "streamGenerateContent" in line:
                await peer.send(chunked(*(framed(one) for one in answer), headers=SSE))
            else:
                await peer.send(fixed(dumped(merged(answer)), headers=JSON))

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies, each checked."""
        return [check(body, signed=True) for _, _, body in self.requests]


def merged(answer: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the responses of a stream as one."""
    parts = [part for one in answer for part in one["candidates"][0]["content"]["parts"] if part.get("text") != ""]
    return {**response(*parts, finish="STOP"), "usageMetadata": USAGE}


@asynccontextmanager
async def behind(*answers: Any, retries: int = 0, **options: Any) -> AsyncIterator[tuple[House, Google]]:
    """Runs a server in front of a Gemini that answers so."""
    google = Google(*answers)
    async with google.upstream:
        config = GeminiConfig(base_url=google.upstream.origin, api_key=Secret("AIza-1"))
        async with house(Gemini("g", config), route=Route(RouteConfig(retries=retries)), **options) as home:
            yield home, google


def final_of(data: bytes, *, stream: bool) -> dict[str, Any]:
    if not stream:
        whole: dict[str, Any] = json.loads(data)
        return whole
    final: dict[str, Any] = events_of(data)[-2][1]["response"]
    return final


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_over_the_responses_api(stream: bool) -> None:
    async with behind(HELLO) as (home, google):
        status, _, data = await home.ask(stream=stream, instructions="be brief")
    final = final_of(data, stream=stream)
    assert (status, final["status"]) == (200, "completed")
    assert final["output"][0]["content"][0]["text"] == "Hello"
    assert final["usage"]["output_tokens"] == 5
    path, headers, body = google.requests[0]
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    assert path == f"/v1beta/models/up:{method}"
    assert headers["x-goog-api-key"] == "AIza-1"
    assert body == {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "systemInstruction": {"parts": [{"text": "be brief"}]},
    }


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_over_chat_completions(stream: bool) -> None:
    async with behind(HELLO) as (home, google):
        status, _, data = await home.ask("/chat/completions", stream=stream, stop=["x"], reasoning_effort="low")
    assert status == 200
    if stream:
        deltas = [one["choices"][0]["delta"] for _, one in events_of(data) if isinstance(one, dict) and one["choices"]]
        assert "".join(delta.get("content") or "" for delta in deltas) == "Hello"
    else:
        assert json.loads(data)["choices"][0]["message"]["content"] == "Hello"
    assert google.bodies[0]["generationConfig"] == {
        "stopSequences": ["x"],
        "thinkingConfig": {"thinkingLevel": "low", "includeThoughts": True},
    }


@pytest.mark.parametrize("stream", [True, False])
async def test_3_6_signatures_survive_turns_of_a_client_that_keeps_everything_itself(stream: bool) -> None:
    items: list[Any] = [{"role": "user", "content": "weather?"}]
    asking = {"stream": stream, "store": False, "tools": [TOOL], "include": ["reasoning.encrypted_content"]}
    async with behind(CALLING, HELLO, HELLO) as (home, google):
        first = final_of((await home.ask(input=items, **asking))[2], stream=stream)
        items += [*first["output"], {"type": "function_call_output", "call_id": "x1", "output": "15C"}]
        second = final_of((await home.ask(input=items, **asking))[2], stream=stream)
        items += [*second["output"], {"role": "user", "content": "thanks"}]
        await home.ask(input=items, **asking)
    assert [item["type"] for item in first["output"]] == ["reasoning", "function_call"]
    assert first["output"][0]["encrypted_content"].startswith("pst2.")
    assert google.bodies[1]["contents"][1:] == [
        {"role": "model", "parts": [CALL]},
        {
            "role": "user",
            "parts": [{"functionResponse": {"name": "get", "id": "x1", "response": {"output": "15C"}}}],
        },
    ]
    assert google.bodies[2]["contents"][: len(google.bodies[1]["contents"])] == google.bodies[1]["contents"]


async def test_3_6_signatures_survive_a_kept_chain() -> None:
    async with behind(CALLING, HELLO, store=MemoryStore()) as (home, google):
        first = json.loads((await home.ask(input="weather?", tools=[TOOL]))[2])
        answer = {"type": "function_call_output", "call_id": "x1", "output": "15C"}
        status, _, data = await home.ask(input=[answer], previous_response_id=first["id"], tools=[TOOL])
    assert status == 200, data
    assert "encrypted_content" not in first["output"][0]
    assert google.bodies[1]["contents"][1] == {"role": "model", "parts": [CALL]}


async def test_3_6_a_chat_client_gives_back_what_it_got() -> None:
    messages: list[Any] = [{"role": "user", "content": "weather?"}]
    async with behind(CALLING, HELLO, HELLO) as (home, google):
        first = json.loads((await home.ask("/chat/completions", messages=messages, tools=[CHAT_TOOL]))[2])
        said = first["choices"][0]["message"]
        messages += [said, {"role": "tool", "tool_call_id": "x1", "content": "15C"}]
        await home.ask("/chat/completions", messages=messages, tools=[CHAT_TOOL])
        del said["reasoning_details"]
        status, _, _ = await home.ask("/chat/completions", messages=messages, tools=[CHAT_TOOL])
    assert status == 200
    signatures = [body["contents"][1]["parts"][0]["thoughtSignature"] for body in google.bodies[1:]]
    assert signatures == ["c2ln", "skip_thought_signature_validator"]


async def test_images_survive_a_kept_chain() -> None:
    async with behind(DRAWING, HELLO, store=MemoryStore()) as (home, google):
        drawn = await home.ask(stream=True, input="draw", tools=[{"type": "image_generation"}])
        first = check_stream(drawn[2])
        status, _, data = await home.ask(input="bluer", previous_response_id=first.response["id"])
    assert status == 200, data
    assert [(one["type"], one.get("result")) for one in first.output][-1] == ("image_generation_call", "iVBORw0=")
    assert google.bodies[1]["contents"][1] == {"role": "model", "parts": [{"text": "Here:"}, PNG]}


@pytest.mark.parametrize("stream", [True, False])
async def test_a_chat_client_gives_back_the_images_it_got(stream: bool) -> None:
    messages: list[Any] = [{"role": "user", "content": "draw"}]
    async with behind(DRAWING, HELLO) as (home, google):
        _, _, data = await home.ask("/chat/completions", messages=messages, modalities=["text", "image"], stream=stream)
        said: dict[str, Any] = {"role": "assistant"}
        if stream:
            for _, one in events_of(data):
                for name, value in one["choices"][0]["delta"].items() if isinstance(one, dict) else ():
                    said[name] = said[name] + value if said.get(name) and name != "role" else value
        else:
            said = json.loads(data)["choices"][0]["message"]
        status, _, _ = await home.ask("/chat/completions", messages=[*messages, said, *messages])
    assert status == 200
    assert said["images"][0]["image_url"] == {"url": "data:image/png;base64,iVBORw0="}
    assert google.bodies[0]["generationConfig"]["responseModalities"] == ["TEXT", "IMAGE"]
    assert google.bodies[1]["contents"][1] == {"role": "model", "parts": [{"text": "Here:"}, PNG]}


async def test_signatures_that_are_refused_are_sent_no_more() -> None:
    refusal = {"error": {"code": 400, "message": "Corrupted thought signature.", "status": "INVALID_ARGUMENT"}}
    async with behind(CALLING, fixed(dumped(refusal), status=400), HELLO, retries=1) as (home, google):
        first = json.loads((await home.ask(tools=[TOOL], include=["reasoning.encrypted_content"]))[2])
        items = [{"role": "user", "content": "hi"}, *first["output"]]
        items.append({"type": "function_call_output", "call_id": "x1", "output": "15C"})
        status, _, data = await home.ask(input=items, tools=[TOOL])
    assert status == 200, data
    signatures = [body["contents"][1]["parts"][0]["thoughtSignature"] for body in google.bodies[1:]]
    assert signatures == ["c2ln", "skip_thought_signature_validator"]


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (400, {"message": "API key not valid.", "status": "INVALID_ARGUMENT"}, (502, "upstream_auth")),
        (404, {"message": "models/up is not found", "status": "NOT_FOUND"}, (404, "model_not_found")),
        (429, {"message": "slow down", "status": "RESOURCE_EXHAUSTED"}, (429, "rate_limit_exceeded")),
        (
            400,
            {"message": "The input token count (9) exceeds the maximum number of tokens allowed (8)."},
            (400, "context_length_exceeded"),
        ),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_errors_before_the_answer(
    status: int, error: dict[str, Any], expected: tuple[int, str], stream: bool
) -> None:
    async with behind(fixed(dumped({"error": {"code": status, **error}}), status=status)) as (home, _):
        answered, _, data = await home.ask(stream=stream)
    assert (answered, json.loads(data)["error"]["code"]) == expected


async def test_a_busy_model_is_asked_again_and_told_how_long_to_wait() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.01s"}]
    busy = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE", "details": details}}
    async with behind(fixed(dumped(busy), status=503), HELLO, retries=1) as (home, google):
        status, _, _ = await home.ask()
    assert (status, len(google.requests)) == (200, 2)


async def test_a_bare_error_behind_the_events_fails_the_answer() -> None:
    error = json.dumps({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}, indent=2).encode()
    broken = chunked(framed(response({"text": "par"})), error, headers=SSE)
    async with behind(broken) as (home, _):
        _, _, data = await home.ask(stream=True)
    final = final_of(data, stream=True)
    assert (final["status"], final["error"]["code"]) == ("failed", "overloaded")
    assert final["output"][0]["content"][0]["text"] == "par"


async def test_a_stream_that_just_stops_has_failed() -> None:
    async with behind(chunked(framed(response({"text": "par"})), headers=SSE)) as (home, _):
        _, _, data = await home.ask(stream=True)
    assert final_of(data, stream=True)["status"] == "failed"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_refused_prompt(stream: bool) -> None:
    blocked = [{"promptFeedback": {"blockReason": "SAFETY"}}]
    body = chunked(framed(blocked[0]), headers=SSE) if stream else fixed(dumped(blocked[0]), headers=JSON)
    async with behind(body) as (home, _):
        status, _, data = await home.ask(stream=stream)
    if stream:
        assert final_of(data, stream=True)["incomplete_details"] == {"reason": "content_filter"}
    else:
        assert (status, json.loads(data)["error"]["code"]) == (400, "content_filter")


async def test_a_client_that_leaves_ends_the_upstreams_work() -> None:
    async def endless(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n" + SSE.encode() + b"transfer-encoding: chunked\r\n\r\n")
        piece = framed(response({"text": "word "}))
        await peer.send_forever(b"%x\r\n%s\r\n" % (len(piece), piece))

    script: Script = endless
    async with HostileUpstream(script) as upstream:
        config = GeminiConfig(base_url=upstream.origin, api_key=Secret("k"))
        async with house(Gemini("g", config)) as home:
            reader, writer = await home.connect()
            await reader.readuntil(b"word ")
            writer.close()
            peer = await upstream.peer()
            assert await peer.was_closed()
            exchange = await home.settled()
    assert exchange.outcome == "cancelled"


@needs_shared
@pytest.mark.parametrize("path", ["gemini/stream-thoughts.sse", "vertex/stream-thoughts.sse"])
async def test_a_recording_that_comes_byte_by_byte(path: str) -> None:
    events = [event for event in recording(path).split(b"data: ") if event]
    raw = b"".join(b"data: " + event for event in [events[0], *events[-2:]])

    async def trickle(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n" + SSE.encode() + b"connection: close\r\n\r\n")
        await peer.trickle(raw)
        peer.close()

    async with HostileUpstream(trickle) as upstream:
        async with house(Gemini("g", GeminiConfig(base_url=upstream.origin))) as home:
            status, _, data = await home.ask(stream=True)
    assert status == 200
    assert final_of(data, stream=True)["status"] == "completed"


async def test_vertex_ai_with_a_service_account() -> None:
    google = Google(HELLO, HELLO)
    async with google.upstream, TokenServer() as tokens:
        config = VertexConfig(base_url=google.upstream.origin, credentials=Secret(tokens.account()), location="eu")
        async with house(Vertex("v", config)) as home:
            answers = await asyncio.gather(home.ask(), home.ask(stream=True))
    assert [status for status, _, _ in answers] == [200, 200]
    assert len(tokens.asked) == 1
    for path, headers, _ in google.requests:
        assert path.startswith("/v1/projects/my-project/locations/eu/publishers/google/models/up:")
        assert headers["authorization"] == "Bearer token-1"


async def test_vertex_ai_without_credentials_says_so() -> None:
    async with TokenServer(refuses=True) as tokens:
        config = VertexConfig(project="p", credentials=Secret(tokens.account()))
        async with house(Vertex("v", config)) as home:
            status, _, data = await home.ask()
    error = json.loads(data)["error"]
    assert (status, error["code"]) == (502, "upstream_auth")
    assert error["message"].startswith('upstream "v": no credentials of Google Cloud')


@needs_shared
async def test_claude_on_vertex_ai() -> None:
    google = Google(chunked(recording("vertex-anthropic/messages-text-padded.sse"), headers=SSE))
    async with google.upstream, TokenServer() as tokens:
        config = VertexConfig(base_url=google.upstream.origin, credentials=Secret(tokens.account()))
        claude = Deployment(Vertex("v", config), "claude-sonnet-4-5@20250929")
        async with house(claude.provider, models={"m": [claude]}) as home:
            _, _, data = await home.ask(stream=True, max_output_tokens=500)
    final = final_of(data, stream=True)
    assert (final["status"], len(final["output"][0]["content"][0]["text"])) == ("completed", 769)
    assert final["usage"]["output_tokens"] == 165
    ((path, headers, body),) = google.requests
    assert path.endswith("/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict")
    assert headers["authorization"] == "Bearer token-1"
    assert body["anthropic_version"] == "vertex-2023-10-16"


def test_the_file_of_a_user() -> None:
    text = (
        "upstreams:\n"
        "  gemini: {kind: gemini, api_key: AIza-1, safety: {harassment: BLOCK_NONE}, thinking_budgets: {low: 100}}\n"
        "  vertex: {kind: vertex, project: p, location: europe-west4}\n"
        "models: {a: [gemini/gemini-2.5-flash], b: [vertex/claude-sonnet-4-5@20250929]}\n"
        "pipeline: [route, stream-translate]\n"
    )
    config = load_text(text, "test")
    assert config.upstreams["gemini"].provider is Gemini
    assert config.upstreams["vertex"].provider is Vertex
