"""Streams of upstreams that speak the Responses API: written event by event, and taken through Penstock's machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from proxy.api.chat.encoder import ChatEncoder
from proxy.api.responses.encoder import ResponsesEncoder
from proxy.config.types import Secret
from proxy.events import Event
from proxy.exchange import Client, Exchange
from proxy.providers.openai.provider import OpenAI, OpenAIConfig
from proxy.providers.provider import Decoder
from proxy.providers.responses.decoder import ResponsesDecoder
from proxy.providers.responses.relay import ResponsesRelay
from proxy.providers.responses.repair import Repair
from proxy.providers.responses.steps import AnyStep
from proxy.sse.parser import SseParser
from proxy.translation import Encoder, Translation
from tests.support.encoding import encoder
from tests.support.grammar import Profile
from tests.support.machines import pieces
from tests.support.scripted import Script, ScriptedClient

LOOSE = Profile(
    id_forms=False, exact_fields=False, null_is_absent=True, exact_logprobs=False, hosted=True,
    foreign_ids=True,
    may_omit=frozenset({
        "item.status", "item.content", "item.call_id", "event.name", "part.logprobs", "event.logprobs",
        "logprob.bytes", "reasoning.summary", "text.verbosity",
    }),
)  # fmt: skip
"""What a relayed stream owes: the grammar, numbers and names; what upstreams leave out of an object stays out."""

TEXT = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}


class Upstream:
    """Writes the events of one response, numbered, with or without `event:` lines."""

    def __init__(self, *, names: bool = True, numbers: bool = True) -> None:
        self.names = names
        self.numbers = numbers
        self.next = 0

    def event(self, type: str, **fields: Any) -> bytes:
        """Returns one event; its type is written without `response.` unless it is an error."""
        full = type if type in ("error", "keepalive") else f"response.{type}"
        body: dict[str, Any] = {"type": full, **fields}
        if self.numbers:
            body["sequence_number"] = self.next
            self.next += 1
        name = f"event: {full}\n" if self.names else ""
        return f"{name}data: {json.dumps(body, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()

    def begin(self, **more: Any) -> bytes:
        """Returns the events that open a stream."""
        response = response_object("in_progress", **more)
        return self.event("created", response=response) + self.event("in_progress", response=response)

    def message(self, *texts: str, index: int = 0, id: str | None = None) -> bytes:
        """Returns a whole message of one text part."""
        place = {"item_id": id or f"msg_{index}", "output_index": index, "content_index": 0}
        whole = {**TEXT, "text": "".join(texts)}
        item = {"id": place["item_id"], "type": "message", "role": "assistant"}
        return b"".join([
            self.event("output_item.added", output_index=index, item={**item, "status": "in_progress", "content": []}),
            self.event("content_part.added", **place, part=TEXT),
            *(self.event("output_text.delta", **place, delta=text, logprobs=[]) for text in texts),
            self.event("output_text.done", **place, text=whole["text"], logprobs=[]),
            self.event("content_part.done", **place, part=whole),
            self.event("output_item.done", output_index=index, item=message_item(*texts, id=item["id"])),
        ])  # fmt: skip

    def call(self, name: str, *arguments: str, index: int = 0) -> bytes:
        """Returns a whole function call."""
        place = {"item_id": f"fc_{index}", "output_index": index}
        item = {"id": f"fc_{index}", "type": "function_call", "call_id": f"call_{index}", "name": name}
        begun = {**item, "status": "in_progress", "arguments": ""}
        whole = "".join(arguments)
        return b"".join([
            self.event("output_item.added", output_index=index, item=begun),
            *(self.event("function_call_arguments.delta", **place, delta=piece) for piece in arguments),
            self.event("function_call_arguments.done", **place, arguments=whole, name=name),
            self.event("output_item.done", output_index=index, item=call_item(name, whole, index)),
        ])  # fmt: skip

    def end(self, *output: dict[str, Any], status: str = "completed", **more: Any) -> bytes:
        """Returns the terminal event."""
        return self.event(status, response=response_object(status, output=list(output), **more))


USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 14,
}


def response_object(status: str, **more: Any) -> dict[str, Any]:
    """Returns a Response as upstreams send it."""
    usage = None if status == "in_progress" else USAGE
    return {
        "id": "resp_up", "object": "response", "created_at": 1, "status": status, "model": "up-1", "output": [],
        "usage": usage, "error": None, "incomplete_details": None, "service_tier": "default", **more,
    }  # fmt: skip


def message_item(*texts: str, id: str = "msg_0", **more: Any) -> dict[str, Any]:
    """Returns a message that is done."""
    content = [{**TEXT, "text": "".join(texts)}]
    return {"id": id, "type": "message", "status": "completed", "role": "assistant", "content": content, **more}


def call_item(name: str, arguments: str, index: int = 0) -> dict[str, Any]:
    """Returns a function call that is done."""
    return {
        "id": f"fc_{index}", "type": "function_call", "call_id": f"call_{index}", "name": name, "status": "completed",
        "arguments": arguments,
    }  # fmt: skip


def steps_of(raw: bytes) -> list[AnyStep]:
    """Returns the steps of a stream."""
    parser, repair = SseParser(), Repair()
    steps = repair.feed(parser.feed(raw)) + repair.feed(parser.finish())
    return steps + repair.finish()


def events_of(raw: bytes, cuts: Iterable[int] = (), decoder: Decoder | None = None) -> list[Event]:
    """Returns the neutral events of a stream, read in pieces that end at `cuts`."""
    parser, machine = SseParser(), decoder or ResponsesDecoder()
    events: list[Event] = []
    for piece in pieces(raw, cuts):
        events += machine.feed(parser.feed(piece))
    events += machine.feed(parser.finish())
    return events if machine.done else events + machine.finish()


def relayed(raw: bytes, cuts: Iterable[int] = (), **options: Any) -> bytes:
    """Returns what a client of the Responses API gets of a stream that is passed on."""
    return b"".join(_through(raw, cuts, ResponsesRelay(), encoder(**options)))


def translated(raw: bytes, cuts: Iterable[int] = (), **options: Any) -> bytes:
    """Returns what a client of the Responses API gets of a stream that is decoded and encoded."""
    return b"".join(_through(raw, cuts, ResponsesDecoder(), encoder(**options)))


def as_chat(raw: bytes, cuts: Iterable[int] = ()) -> bytes:
    """Returns what a chat client gets of a stream."""
    machine = ChatEncoder(id="chatcmpl-1", model="m", created=1, include_usage=True)
    return b"".join(_through(raw, cuts, ResponsesDecoder(one_thought=True), machine))


def whole(body: Any, machine: ResponsesEncoder | ChatEncoder, decoder: Decoder) -> dict[str, Any]:
    """Returns the client's final object for a non-streamed answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    exchange = Exchange("ex_1", Client("127.0.0.1", {}), None)
    Translation(exchange, decoder, (), machine, None).whole(data)
    final: dict[str, Any] = json.loads(machine.final())
    return final


class _Opening:
    """A client's side that takes down what opens the stream."""

    def __init__(self, opening: list[bytes], machine: Encoder) -> None:
        self._opening = opening
        self._machine = machine

    def make_ready(self) -> None:
        self._opening.append(self._machine.begin())

    def open(self) -> None:
        """Does nothing: what is taken down goes out with each read."""


def _through(raw: bytes, cuts: Iterable[int], decoder: Decoder, machine: Encoder) -> Iterator[bytes]:
    """Yields what each read gives: as an exchange does it, the stream is opened with the first output."""
    exchange = Exchange("ex_1", Client("127.0.0.1", {}), None)
    opening: list[bytes] = []
    way = Translation(exchange, decoder, (), machine, _Opening(opening, machine))
    for piece in pieces(raw, cuts):
        if not way.done:
            out = way.feed(piece)
            yield b"".join(opening) + out
            opening.clear()
    if not way.done:
        out = way.finish()
        yield b"".join(opening) + out


def payloads(raw: bytes) -> list[Any]:
    """Returns the JSON of each event of a stream, the marker as text."""
    found: list[Any] = []
    for block in raw.split(b"\n\n"):
        for line in block.split(b"\n"):
            if line.startswith(b"data: "):
                found.append("[DONE]" if line == b"data: [DONE]" else json.loads(line[6:]))
    return found


def openai_upstream(name: str, *scripts: Script, **settings: Any) -> OpenAI:
    """Returns OpenAI with a client that follows scripts."""
    provider = OpenAI(name, OpenAIConfig(api_key=Secret("sk-1"), **settings))
    provider.client = ScriptedClient(*scripts)
    return provider


def asked_of(provider: OpenAI) -> list[dict[str, Any]]:
    """Returns the bodies of the requests that such an upstream got."""
    client = provider.client
    assert isinstance(client, ScriptedClient)
    return [json.loads(request.body) for request in client.requests]
