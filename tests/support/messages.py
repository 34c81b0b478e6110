"""Streams and answers of the Messages API, written as Python values; and the machines that translate them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from proxy.api.chat.encoder import ChatEncoder
from proxy.events import Event, TextDelta
from proxy.providers.anthropic.decoder import MessagesDecoder
from proxy.sse.parser import SseParser
from tests.support.machines import CREATED_AT, Setup, Translation, pieces

Block = dict[str, Any]


def event(kind: str, **fields: Any) -> bytes:
    """Returns one event of a stream."""
    data = json.dumps({"type": kind, **fields}, ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def start(**usage: Any) -> bytes:
    """Returns the event that begins a message."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": []}
    return event("message_start", message={**message, "usage": usage or {"input_tokens": 10, "output_tokens": 1}})


def opened(index: int, **block: Any) -> bytes:
    """Returns the beginning of a block."""
    return event("content_block_start", index=index, content_block=block)


def delta(index: int, kind: str, **fields: Any) -> bytes:
    """Returns a piece of a block."""
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def said(index: int, text: str) -> bytes:
    """Returns a piece of text."""
    return delta(index, "text_delta", text=text)


def closed(index: int) -> bytes:
    """Returns the end of a block."""
    return event("content_block_stop", index=index)


def text(index: int, *texts: str) -> bytes:
    """Returns a block of text."""
    return opened(index, type="text", text="") + b"".join(said(index, one) for one in texts) + closed(index)


def thinking(index: int, *texts: str, signature: str = "c2lnbmVk") -> bytes:
    """Returns a block of thinking."""
    body = b"".join(delta(index, "thinking_delta", thinking=one) for one in texts)
    signed = delta(index, "signature_delta", signature=signature) if signature else b""
    return opened(index, type="thinking", thinking="", signature="") + body + signed + closed(index)


def tool(index: int, id: str, name: str, *arguments: str, **more: Any) -> bytes:
    """Returns a block in which a tool is called."""
    body = b"".join(delta(index, "input_json_delta", partial_json=one) for one in arguments)
    return opened(index, **{"type": "tool_use", "id": id, "name": name, "input": {}, **more}) + body + closed(index)


def end(reason: str | None = "end_turn", usage: dict[str, Any] | None = None, **more: Any) -> bytes:
    """Returns the last two events."""
    body = {"stop_reason": reason, "stop_sequence": None, **more}
    return event("message_delta", delta=body, usage=usage or {"output_tokens": 5}) + event("message_stop")


def answer(*content: Block, reason: str = "end_turn", **usage: Any) -> bytes:
    """Returns the body of an answer that is not streamed."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": list(content)}
    counts = usage or {"input_tokens": 10, "output_tokens": 5}
    return json.dumps({**message, "stop_reason": reason, "stop_sequence": None, "usage": counts}).encode()


def decoder(**options: Any) -> MessagesDecoder:
    """Returns a decoder that makes the call ids `made_1`, `made_2` and so on."""
    numbers = iter(range(1, 10_000))
    return MessagesDecoder(make_call_id=lambda: f"made_{next(numbers)}", **options)


def decode(*parts: bytes, cuts: Iterable[int] = (), **options: Any) -> list[Event]:
    """Returns the events of a stream whose body ends behind its parts."""
    machine, parser = decoder(**options), SseParser()
    events: list[Event] = []
    for piece in pieces(b"".join(parts), cuts):
        events += machine.feed(parser.feed(piece))
    return events + machine.feed(parser.finish()) + machine.finish()


def whole(body: bytes, **options: Any) -> list[Event]:
    """Returns the events of a body that was read to its end."""
    return decoder(**options).whole(body)


class MessagesTranslation(Translation):
    """An answer of the Messages API on its way to a client of the Responses API; reads of plain text are not parsed."""

    def __init__(self, setup: Setup, **options: Any) -> None:
        super().__init__(setup)
        self.decoder = decoder(**options)  # type: ignore[assignment]

    def feed(self, data: bytes) -> bytes:
        """Takes one read; returns one write."""
        if self.decoder.done:
            return b""
        return self.encoder.encode(read(self.decoder, self.parser, data))  # type: ignore[arg-type]


def read(machine: MessagesDecoder, parser: SseParser, data: bytes) -> Sequence[Event]:
    """Returns the events of one read as the pump gets them: known pieces of text are not parsed."""
    known = machine.text_of(data)
    if known:
        return [TextDelta(known)]
    events = machine.feed(parser.feed(data))
    if len(events) == 1 and type(events[0]) is TextDelta:
        machine.learn(data, events[0].text)
    return events


def translate(raw: bytes, cuts: Iterable[int] = (), setup: Setup | None = None, **options: Any) -> bytes:
    """Returns the Responses client's whole stream for the upstream's body, read in pieces that end at `cuts`."""
    machines = MessagesTranslation(setup or Setup(), **options)
    out = [machines.encoder.begin()]
    out.extend(machines.feed(piece) for piece in pieces(raw, cuts))
    out.append(machines.finish())
    return b"".join(out)


def translate_whole(body: bytes, setup: Setup | None = None, **options: Any) -> dict[str, Any]:
    """Returns the final Response for a body that was read to its end."""
    machines = MessagesTranslation(setup or Setup(), **options)
    machines.encoder.begin()
    machines.encoder.encode(machines.decoder.whole(body))
    final: dict[str, Any] = json.loads(machines.encoder.final())
    return final


def completion(raw: bytes, **options: Any) -> tuple[list[Any], dict[str, Any]]:
    """Returns what a chat client gets for the upstream's stream: its chunks, and the whole completion."""
    encoder = ChatEncoder(id="chatcmpl-1", model="m", created=CREATED_AT, include_usage=True)
    out = encoder.begin() + encoder.encode(decode(raw, **options))
    chunks = [json.loads(part[6:]) for part in out.split(b"\n\n") if part.startswith(b"data: {")]
    return chunks, json.loads(encoder.final())
