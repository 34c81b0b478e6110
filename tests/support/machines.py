"""Runs the three machines over the bytes of a chat upstream, with fixed ids and a fixed clock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.api.responses.encoder import ResponsesEncoder
from proxy.api.responses.encoder_options import EncoderOptions
from proxy.api.responses.snapshot import Snapshot
from proxy.providers.chat.decoder import ChatDecoder
from proxy.sse.parser import SseParser

CREATED_AT = 1767225600
RESPONSE_ID = "resp_000000000000000000000001"
ECHO: dict[str, Any] = {
    "frequency_penalty": 0.0, "instructions": None, "max_output_tokens": None, "max_tool_calls": None, "metadata": {},
    "parallel_tool_calls": True, "presence_penalty": 0.0, "previous_response_id": None, "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None}, "safety_identifier": None, "service_tier": "default",
    "store": True, "temperature": 1.0, "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto", "tools": [], "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "user": None,
}  # fmt: skip
"""What a Response shows of a request that gave nothing (wire reference, section 3.1)."""

TOOL = {"type": "function", "name": "", "description": None, "parameters": None, "strict": None}


@dataclass(frozen=True)
class Form:
    """A tool as the client declared it."""

    kind: str
    name: str
    namespace: str | None = None
    input_field: str = "input"


@dataclass(frozen=True)
class Forms:
    """The client's tools by the names they have upstream, and the names that must not be called."""

    by_name: Mapping[str, Form] = field(default_factory=dict)
    forbidden: frozenset[str] = frozenset()

    def lookup(self, name: str) -> Form | None:
        """Returns the form of a declared tool."""
        return self.by_name.get(name)

    def allows(self, name: str) -> bool:
        """Tells whether the model may call the tool."""
        return name not in self.forbidden


@dataclass(kw_only=True)
class Setup:
    """What a translation needs besides the bytes."""

    request: Mapping[str, Any] = field(default_factory=dict)
    echo: Mapping[str, Any] | None = None
    options: EncoderOptions | None = None
    tools: Forms | None = None
    response_id: str = RESPONSE_ID
    item_id: str = "{prefix}_{index:048d}"
    seal: Any = None
    think_tags: Any = "off"


class Translation:
    """One answer on its way: bytes of the upstream in, bytes for the client out."""

    def __init__(self, setup: Setup) -> None:
        numbers = iter(range(1, 10_000))
        self.parser = SseParser()
        self.decoder = ChatDecoder(think_tags=setup.think_tags, make_call_id=lambda: f"call_made_{next(numbers)}")
        self.encoder = ResponsesEncoder(
            Snapshot(
                dict(echo_of(setup.request) if setup.echo is None else setup.echo),
                response_id=setup.response_id,
                created_at=CREATED_AT,
                model=setup.request.get("model", "m"),
            ),
            options=setup.options,
            tools=setup.tools,
            seal=setup.seal,
            item_id=lambda prefix, index: setup.item_id.format(prefix=prefix, index=index),
            now=lambda: CREATED_AT + 2,
        )

    def feed(self, data: bytes) -> bytes:
        """Takes one read; returns one write."""
        if self.decoder.done:
            return b""
        return self.encoder.encode(self.decoder.feed(self.parser.feed(data)))

    def finish(self) -> bytes:
        """Says that the upstream's body has ended."""
        if self.decoder.done:
            return b""
        events = self.decoder.feed(self.parser.finish())
        return self.encoder.encode([*events, *self.decoder.finish()])


def echo_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the Response shows of a request: what was given, else the defaults."""
    given = {name: value for name, value in request.items() if name in ECHO and value is not None}
    given["tools"] = [{**TOOL, **tool} for tool in request.get("tools", ())]
    return {**ECHO, **given}


def pieces(raw: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    """Yields the bytes between the given places."""
    start = 0
    for cut in [*cuts, len(raw)]:
        yield raw[start:cut]
        start = cut


def translate(raw: bytes, cuts: Iterable[int] = (), setup: Setup | None = None) -> bytes:
    """Returns the client's whole stream for the upstream's body, read in pieces that end at `cuts`."""
    machines = Translation(setup or Setup())
    out = [machines.encoder.begin()]
    out.extend(machines.feed(piece) for piece in pieces(raw, cuts))
    out.append(machines.finish())
    return b"".join(out)


def translate_whole(body: bytes, setup: Setup | None = None) -> dict[str, Any]:
    """Returns the final Response for the body of a non-streamed upstream answer."""
    machines = Translation(setup or Setup())
    machines.encoder.begin()
    machines.encoder.encode(machines.decoder.whole(body))
    final: dict[str, Any] = json.loads(machines.encoder.final())
    return final


def final_of(raw: bytes, setup: Setup | None = None) -> dict[str, Any]:
    """Returns the final Response that the encoder keeps after a stream."""
    machines = Translation(setup or Setup())
    machines.encoder.begin()
    machines.feed(raw)
    machines.finish()
    final: dict[str, Any] = json.loads(machines.encoder.final())
    return final


def chunk(delta: Mapping[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    """Returns one chat chunk as an SSE event; `more` adds top-level fields."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "x", "choices": [choice]}
    return b"data: " + json.dumps({**body, **more}).encode() + b"\n\n"


def call(
    index: int | None = 0, id: str | None = None, name: str | None = None, arguments: Any = None
) -> dict[str, Any]:
    """Returns a delta with one piece of a tool call; None leaves a field out."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    entry: dict[str, Any] = {"function": function}
    if index is not None:
        entry["index"] = index
    if id is not None:
        entry |= {"id": id, "type": "function"}
    return {"tool_calls": [entry]}


DONE = b"data: [DONE]\n\n"
