"""Streams and answers of the Converse API, written as Python values; and the machines that translate them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from proxy.api.chat.encoder import ChatEncoder
from proxy.events import Event, TextDelta
from proxy.providers.bedrock.decoder import ConverseDecoder
from proxy.sse.event_stream import EventStreamParser
from tests.support.event_stream import event
from tests.support.machines import CREATED_AT, Setup, Translation, pieces

Block = dict[str, Any]

START = event("messageStart", role="assistant")


def delta(index: int, **block: Any) -> bytes:
    """Returns a piece of a block, padded as Bedrock does."""
    return event("contentBlockDelta", contentBlockIndex=index, delta=block, p="abcdef")


def said(index: int, text: str) -> bytes:
    """Returns a piece of text."""
    return delta(index, text=text)


def closed(index: int) -> bytes:
    """Returns the end of a block."""
    return event("contentBlockStop", contentBlockIndex=index)


def text(index: int, *texts: str) -> bytes:
    """Returns a block of text."""
    return b"".join(said(index, one) for one in texts) + closed(index)


def thinking(index: int, *texts: str, signature: str | None = "c2lnbmVk") -> bytes:
    """Returns a block of thinking."""
    body = b"".join(delta(index, reasoningContent={"text": one}) for one in texts)
    signed = delta(index, reasoningContent={"signature": signature}) if signature else b""
    return body + signed + closed(index)


def tool(index: int, id: str | None, name: str | None, *inputs: str, **more: Any) -> bytes:
    """Returns a block in which a tool is called."""
    start = {"toolUse": {"toolUseId": id, "name": name, **more}}
    body = b"".join(delta(index, toolUse={"input": one}) for one in inputs)
    return event("contentBlockStart", contentBlockIndex=index, start=start) + body + closed(index)


def stop(reason: str = "end_turn") -> bytes:
    """Returns the event that says why the answer ends."""
    return event("messageStop", stopReason=reason)


def metadata(**more: Any) -> bytes:
    """Returns the last event."""
    usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
    return event("metadata", {"usage": usage, "metrics": {"latencyMs": 1}, **more})


def end(reason: str = "end_turn", **more: Any) -> bytes:
    """Returns the last two events."""
    return stop(reason) + metadata(**more)


def answer(*content: Block, reason: str = "end_turn", **more: Any) -> bytes:
    """Returns the body of an answer that is not streamed."""
    usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
    message = {"role": "assistant", "content": list(content)}
    return json.dumps({"output": {"message": message}, "stopReason": reason, "usage": usage, **more}).encode()


def decoder(**options: Any) -> ConverseDecoder:
    """Returns a decoder that makes the call ids `made_1`, `made_2` and so on."""
    numbers = iter(range(1, 10_000))
    return ConverseDecoder(make_call_id=lambda: f"made_{next(numbers)}", **options)


def decode(*parts: bytes, cuts: Iterable[int] = (), **options: Any) -> list[Event]:
    """Returns the events of a stream whose body ends behind its parts."""
    machine, parser = decoder(**options), EventStreamParser()
    events: list[Event] = []
    for piece in pieces(b"".join(parts), cuts):
        events += machine.feed(parser.feed(piece))
    return events + machine.finish()


def whole(body: bytes, **options: Any) -> list[Event]:
    """Returns the events of a body that was read to its end."""
    return decoder(**options).whole(body)


def read(machine: Any, parser: Any, data: bytes) -> Sequence[Event]:
    """Returns the events of one read as the pump gets them: known pieces of text are not parsed."""
    known = machine.text_of(data)
    if known:
        return [TextDelta(known)]
    events: list[Event] = machine.feed(parser.feed(data))
    if len(events) == 1 and type(events[0]) is TextDelta:
        machine.learn(data, events[0].text)
    return events


class ConverseTranslation(Translation):
    """An answer of Bedrock on its way to a client of the Responses API; reads of plain text are not parsed."""

    def __init__(self, setup: Setup, machine: Any = None, **options: Any) -> None:
        super().__init__(setup)
        self.parser = EventStreamParser()  # type: ignore[assignment]
        self.decoder = machine or decoder(**options)

    def feed(self, data: bytes) -> bytes:
        """Takes one read; returns one write."""
        return b"" if self.decoder.done else self.encoder.encode(read(self.decoder, self.parser, data))


def translate(
    raw: bytes, cuts: Iterable[int] = (), setup: Setup | None = None, machine: Any = None, **options: Any
) -> bytes:
    """Returns the Responses client's whole stream for the upstream's body, read in pieces that end at `cuts`."""
    machines = ConverseTranslation(setup or Setup(), machine, **options)
    out = [machines.encoder.begin()]
    out.extend(machines.feed(piece) for piece in pieces(raw, cuts))
    out.append(machines.finish())
    return b"".join(out)


def translate_whole(body: bytes, setup: Setup | None = None, machine: Any = None, **options: Any) -> dict[str, Any]:
    """Returns the final Response for a body that was read to its end."""
    machines = ConverseTranslation(setup or Setup(), machine, **options)
    machines.encoder.begin()
    machines.encoder.encode(machines.decoder.whole(body))
    final: dict[str, Any] = json.loads(machines.encoder.final())
    return final


def completion(raw: bytes, machine: Any = None, **options: Any) -> tuple[list[Any], dict[str, Any]]:
    """Returns what a chat client gets for the upstream's stream: its chunks, and the whole completion."""
    encoder = ChatEncoder(id="chatcmpl-1", model="m", created=CREATED_AT, include_usage=True)
    one = machine or decoder(**options)
    events = one.feed(EventStreamParser().feed(raw))
    out = encoder.begin() + encoder.encode([*events, *one.finish()])
    chunks = [json.loads(part[6:]) for part in out.split(b"\n\n") if part.startswith(b"data: {")]
    return chunks, json.loads(encoder.final())
