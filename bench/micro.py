"""The micro-benchmarks: what each machine of the hot path costs per delta, and what a request costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

import msgspec

from proxy.api.chat.encoder import ChatEncoder
from proxy.api.chat.relay import ChatRelay
from proxy.api.chat.renaming import Renaming
from proxy.api.responses.encoder import ResponsesEncoder
from proxy.api.responses.request import ResponsesRequest
from proxy.api.responses.snapshot import Snapshot
from proxy.errors import BadRequest
from proxy.events import Event
from proxy.providers.chat.build import build_body
from proxy.providers.chat.decoder import ChatDecoder
from proxy.providers.chat.profile import ChatProfile
from proxy.providers.provider import TranslateOptions
from proxy.sealing import Sealing
from proxy.sse.parser import SseParser

from . import guarding
from .answers import Order, chunk, closing, frame, whole, word
from .codex_like import captured, codex_like
from .dialects import DIALECTS, Dialect, reader
from .measure import Operation, Run
from .way import Way

_COUNT = 1000
_BATCH = 20
_ECHO: dict[str, Any] = {"instructions": None, "metadata": {}, "tools": [], "tool_choice": "auto", "text": {}}
_FRAME = chunk("@").split(b'"delta":')
_CALL = {
    "index": 0,
    "id": "call_0123456789abcdef01234567",
    "type": "function",
    "function": {"name": "exec_command", "arguments": ""},
}

Feed = Callable[[Any], object]


def operations(way: Way) -> list[Operation]:
    """Returns all micro-benchmarks; the first one is the reference, a plain decode of one chunk."""
    own = [*_pieces(), *_dialects(), *_translations(), *_whole_ways(way), *_requests(), *_answers()]
    return [_reference(), *own, *guarding.operations()]


def text_chunk(index: int) -> bytes:
    """Returns a chunk with about five characters of text."""
    return chunk(word(1, index))


def reasoning_chunk(index: int) -> bytes:
    """Returns a chunk with about five characters of thinking."""
    return _with_delta({"reasoning_content": word(1, index)})


def arguments_chunk(index: int) -> bytes:
    """Returns a chunk with about five characters of a tool call's arguments."""
    return _with_delta({"tool_calls": [{"index": 0, "function": {"arguments": word(1, index)}}]})


def call_chunk() -> bytes:
    """Returns the chunk that begins a tool call."""
    return _with_delta({"tool_calls": [_CALL]})


def _with_delta(delta: dict[str, Any]) -> bytes:
    head, tail = _FRAME
    return head + b'"delta":' + msgspec.json.encode(delta) + tail[tail.index(b"}") + 1 :]


def _many(make: Callable[[int], bytes], batch: int = 1) -> list[bytes]:
    chunks = [make(index) for index in range(1, _COUNT + 1)]
    return [b"".join(chunks[at : at + batch]) for at in range(0, _COUNT, batch)]


def _each(feed: Feed, inputs: Sequence[Any]) -> Run:
    def run() -> None:
        for one in inputs:
            feed(one)

    return run


def _per_delta(name: str, inputs: Sequence[Any], make: Callable[[], Feed], note: str = "") -> Operation:
    """Returns the operation of feeding each input to a fresh machine; counted per delta."""
    return Operation(name, _COUNT, lambda: _each(make(), inputs), note)


def _reference() -> Operation:
    data = [one[6:-2] for one in _many(text_chunk)]
    return _per_delta("reference: msgspec decodes a chunk to a dict", data, lambda: msgspec.json.decode)


def _encoder() -> ResponsesEncoder:
    encoder = ResponsesEncoder(Snapshot(_ECHO, response_id="resp_" + "0" * 48, created_at=1767225600, model="bench"))
    encoder.begin()
    return encoder


def _chat_encoder() -> ChatEncoder:
    return ChatEncoder(id="chatcmpl-bench", model="bench", created=1767225600)


def _chat_relay() -> ChatRelay:
    return ChatRelay(names=Renaming("chatcmpl-bench", "bench"))


def _fed(feed: Feed, first: Iterable[Any]) -> Feed:
    """Returns a machine's method after it has been given what stands at the beginning."""
    for one in first:
        feed(one)
    return feed


def _decoded(chunks: Sequence[bytes]) -> list[list[Event]]:
    decoder = ChatDecoder()
    return [decoder.feed([(b"", one[6:-2])]) for one in chunks]


_KINDS: list[tuple[str, list[bytes], Callable[[int], bytes]]] = [
    ("text", [text_chunk(0)], text_chunk),
    ("reasoning", [reasoning_chunk(0)], reasoning_chunk),
    ("tool-argument", [call_chunk(), arguments_chunk(0)], arguments_chunk),
]
"""The kinds of deltas: their name, the chunks in front of them, the chunk of one."""


def _pieces() -> list[Operation]:
    """Returns the operations of the machines by themselves."""
    single = _many(text_chunk)
    halves = [half for one in single for half in (one[:150], one[150:])]
    found = [
        _per_delta("SSE parser, one event a read", single, lambda: _fed(SseParser().feed, [single[0]])),
        _per_delta(f"SSE parser, {_BATCH} events a read", _many(text_chunk, _BATCH), lambda: SseParser().feed),
        _per_delta("SSE parser, each event in two reads", halves, lambda: SseParser().feed),
    ]
    for name, first, make in _KINDS:
        head = [[(b"", one[6:-2])] for one in first]
        payloads = [[(b"", one[6:-2])] for one in _many(make)]
        found.append(_per_delta(f"chat decoder, {name} delta", payloads, _after(lambda: ChatDecoder().feed, head)))
    for name, first, make in _KINDS:
        events = _decoded([*first, *_many(make)])
        head_events, rest = events[: len(first)], events[len(first) :]
        after = _after(lambda: _encoder().encode, head_events)
        found.append(_per_delta(f"Responses encoder, {name} delta", rest, after))
    for name, first, make in _KINDS:
        events = _decoded([*first, *_many(make)])
        after = _after(lambda: _chat_encoder().encode, events[: len(first)])
        found.append(_per_delta(f"chat encoder, {name} delta", events[len(first) :], after))
    found.append(_per_delta("chat relay, one chunk a read", single, lambda: _fed(_chat_relay().feed, [single[0]])))
    batched = _many(text_chunk, _BATCH)
    found.append(_per_delta(f"chat relay, {_BATCH} chunks a read", batched, lambda: _chat_relay().feed))
    return found


def _dialects() -> list[Operation]:
    """Returns the operations of reading pieces of text, from bytes to neutral events, in each upstream's dialect."""
    return [_reading(dialect, batch) for batch in (1, _BATCH) for dialect in DIALECTS]


def _reading(dialect: Dialect, batch: int) -> Operation:
    reads = _many(lambda index: dialect.piece(word(1, index), index), batch)
    note = "" if dialect is DIALECTS[0] else f"target: twice {DIALECTS[0].name}'s"
    return _per_delta(f"{dialect.name}: read text, {batch} a read", reads, lambda: reader(dialect), note)


def _after(make: Callable[[], Feed], head: Sequence[Any]) -> Callable[[], Feed]:
    return lambda: _fed(make(), head)


def _translator() -> Feed:
    parse, decode, encode = SseParser().feed, ChatDecoder().feed, _encoder().encode
    return lambda data: encode(decode(parse(data)))


def _translations() -> list[Operation]:
    """Returns the operations of parser, decoder and encoder together."""
    found = []
    for name, first, make in _KINDS:
        note = "target: 2.5" if name == "text" else ""
        found.append(_per_delta(f"translator, {name} delta", _many(make), _after(_translator, first), note))
    batches = _many(text_chunk, _BATCH)
    found.append(_per_delta(f"translator, text delta, {_BATCH} a read", batches, _after(_translator, [text_chunk(0)])))
    return found


def _whole_ways(way: Way) -> list[Operation]:
    """Returns the operations of one delta on its whole way, without sockets: alone, and where a policy looks at it.

    What a policy looks at is never the same twice, for it remembers that.
    """
    frames = [frame(one) for one in _many(text_chunk)]
    name = "whole way, text delta: HTTP in, translator, HTTP out"
    policy = "whole way, text delta, 1,000 words searched and gaps counted"
    begins = count(1, _COUNT)

    def watched() -> Run:
        first = next(begins)
        fresh = [frame(text_chunk(index)) for index in range(first, first + _COUNT)]
        return way.prepare(_encoder(), fresh, [guarding.watch()])

    return [Operation(name, _COUNT, lambda: way.prepare(_encoder(), frames)), Operation(policy, _COUNT, watched)]


def _translate(body: bytes) -> bytes:
    request = ResponsesRequest.parse(body)
    request.validate()
    return build_body(request, "bench", ChatProfile(), TranslateOptions(), lambda name: None, Sealing.fresh())[0]


def _served(body: bytes) -> bool:
    try:
        _translate(body)
    except BadRequest:  # what needs a store, such as compaction
        return False
    return True


def _requests() -> list[Operation]:
    """Returns the operations on requests: parse, check, build the chat request."""
    small = b'{"model":"bench","input":"Hello, river.","stream":true}'
    large = codex_like()
    found = [
        Operation("request, small: parse, check, build", 100, lambda: _each(_translate, [small] * 100)),
        Operation(
            f"request, like Codex, {len(large) / 1000:.0f} kB: parse, check, build",
            10,
            lambda: _each(_translate, [large] * 10),
        ),
    ]
    bodies = [body for body in captured() if _served(body)]
    if bodies:
        size = sum(map(len, bodies)) / len(bodies) / 1000
        name = f"request, {len(bodies)} captured of Codex, {size:.0f} kB on average"
        found.append(Operation(name, len(bodies), lambda: _each(_translate, bodies)))
    return found


def _answers() -> list[Operation]:
    """Returns the operations on whole answers."""
    order = Order(1, 100, 0, stream=False)
    body, end = whole(order), closing(order)

    def answer(_: object) -> None:
        encoder = _encoder()
        encoder.encode(ChatDecoder().whole(body))
        encoder.final()

    def stream(_: object) -> None:
        translate = _translator()
        translate(text_chunk(0))
        translate(end)

    return [
        Operation("answer not streamed, 100 words: decode, encode", 100, lambda: _each(answer, range(100))),
        Operation("stream of one delta: begin, delta, end", 100, lambda: _each(stream, range(100))),
    ]
