"""What the same pieces of an answer look like on the network in each upstream's dialect, and who reads them there."""

from __future__ import annotations

import base64
from collections.abc import Callable
from struct import Struct
from typing import Any
from zlib import crc32

import msgspec

from proxy.events import Event
from proxy.exchange import Client, Exchange
from proxy.providers.anthropic.decoder import MessagesDecoder
from proxy.providers.bedrock.decoder import ConverseDecoder
from proxy.providers.bedrock.invoke_decoder import InvokeDecoder
from proxy.providers.chat.decoder import ChatDecoder
from proxy.providers.gemini.decoder import GeminiDecoder
from proxy.providers.provider import Decoder, Parser
from proxy.sse.event_stream import EventStreamParser
from proxy.sse.parser import SseParser
from proxy.translation import Translation

from .answers import chunk

_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_pack_two = Struct(">II").pack
_pack_one = Struct(">I").pack
_encode = msgspec.json.encode


class Dialect(msgspec.Struct, frozen=True):
    """One way in which upstreams stream.

    `piece` writes the piece of text that comes at a place of the answer; `head` is what stands in front of the first.
    """

    name: str
    head: bytes
    piece: Callable[[str, int], bytes]
    decoder: Callable[[], Decoder]
    parser: Callable[[], Parser] = SseParser


class _Nobody:
    """Takes neutral events in the place of an encoder, and does nothing with them."""

    done = any_piece = False

    def encode(self, events: list[Event]) -> bytes:
        """Returns nothing."""
        return b""

    def pieces(self, texts: list[str], strings: list[bytes]) -> bytes:
        """Returns as much as says that they were taken."""
        return b"-"


def reader(dialect: Dialect) -> Callable[[bytes], object]:
    """Returns what turns one read of an answer into neutral events, as the pump has it done; the answer has begun."""
    exchange = Exchange("req_bench", Client("127.0.0.1", {}), None)
    nobody: Any = _Nobody()
    translation = Translation(exchange, dialect.decoder(), (), nobody, None, dialect.parser())
    if dialect.head:
        translation.feed(dialect.head)
    translation.feed(dialect.piece("first", 0))
    return translation.feed


def padding(place: int) -> str:
    """Returns padding as Bedrock puts it, of a length that nobody could guess from the text."""
    return _PADDING[: 4 + place * 37 % 58]


def message(kind: str, value: Any) -> bytes:
    """Returns one message of AWS's event stream encoding."""
    named = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        b"%c%b\x07\x00%c%b" % (len(name), name.encode(), len(said), said.encode()) for name, said in named.items()
    )
    payload = _encode(value)
    prelude = _pack_two(16 + len(headers) + len(payload), len(headers))
    whole = prelude + _pack_one(crc32(prelude)) + headers + payload
    return whole + _pack_one(crc32(whole))


def _messages_event(kind: str, **fields: Any) -> bytes:
    return _encode({"type": kind, **fields})


def _sse(data: bytes) -> bytes:
    kind = msgspec.json.decode(data)["type"].encode()
    return b"event: %b\ndata: %b\n\n" % (kind, data)


def _wrapped(data: bytes, **more: str) -> bytes:
    return message("chunk", {"bytes": base64.b64encode(data).decode(), **more})


def _messages_piece(text: str) -> bytes:
    return _messages_event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def _anthropic_piece(text: str, place: int) -> bytes:
    # blanks between the last braces are Anthropic's padding
    return _sse(_messages_piece(text)[:-1] + b" " * (place * 7 % 12) + b"}")


def _gemini_piece(text: str, place: int) -> bytes:
    counts = b'"promptTokenCount": 17,"candidatesTokenCount": %d,"totalTokenCount": %d' % (place, place + 17)
    return (
        b'data: {"candidates": [{"content": {"parts": [{"text": %b}],"role": "model"},"index": 0}],"usageMetadata": '
        b'{%b,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 17}]},"modelVersion": "gemini-2.5-pro",'
        b'"responseId": "ftnJaMmAMcmqtsPwvCCoAo"}\r\n\r\n' % (_encode(text), counts)
    )


def _converse_piece(text: str, place: int) -> bytes:
    value = {"contentBlockIndex": 0, "delta": {"text": text}, "p": padding(place)}
    return message("contentBlockDelta", value)


_START = _messages_event("message_start", message={"usage": {"input_tokens": 17, "output_tokens": 1}})
_OPEN = _messages_event("content_block_start", index=0, content_block={"type": "text", "text": ""})

DIALECTS = (
    Dialect("chat", b"", lambda text, place: chunk(text), ChatDecoder),
    Dialect("anthropic", _sse(_START) + _sse(_OPEN), _anthropic_piece, MessagesDecoder),
    Dialect("gemini", b"", _gemini_piece, GeminiDecoder),
    Dialect(
        "bedrock converse",
        message("messageStart", {"role": "assistant", "p": padding(1)}),
        _converse_piece,
        ConverseDecoder,
        EventStreamParser,
    ),
    Dialect(
        "bedrock invoke",
        _wrapped(_START) + _wrapped(_OPEN),
        lambda text, place: _wrapped(_messages_piece(text)),
        InvokeDecoder,
        EventStreamParser,
    ),
    Dialect(
        "bedrock invoke, padded",
        _wrapped(_START) + _wrapped(_OPEN),
        lambda text, place: _wrapped(_messages_piece(text), p=padding(place)),
        InvokeDecoder,
        EventStreamParser,
    ),
)
"""Chat comes first: the others are compared with it."""
