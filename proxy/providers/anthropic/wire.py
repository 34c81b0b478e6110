"""The parts of the Messages API's stream events and answers that are read, and a lenient way to read bad ones.

The structs name only what the decoder uses, so that decoding skips the rest; what is only passed on stays JSON. Fields
that are null are absent.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...api.raw import ABSENT, Raw
from ..chat.surrogates import load


class Block(msgspec.Struct, gc=False):
    """A content block: as it begins in a stream, or whole."""

    type: str = ""
    text: str | None = None
    citations: list[dict[str, Any]] | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = ABSENT
    server_name: str | None = None
    tool_use_id: str | None = None
    is_error: bool | None = None
    content: Raw = ABSENT
    caller: Raw = ABSENT


class Delta(msgspec.Struct, gc=False):
    """What an event adds to a block; in `message_delta`, how the message ended."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: dict[str, Any] | None = None
    stop_reason: str | None = None
    stop_details: dict[str, Any] | None = None


class Message(msgspec.Struct, gc=False):
    """A message: empty where it begins in a stream, or whole."""

    content: list[Block] | None = None
    usage: dict[str, Any] | None = None
    stop_reason: str | None = None
    stop_details: dict[str, Any] | None = None


class StreamEvent(msgspec.Struct, gc=False):
    """One event of a stream. A whole message, or an error, has the same field `type`."""

    type: str = ""
    index: int = 0
    delta: Delta | None = None
    content_block: Block | None = None
    message: Message | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


decode_event = msgspec.json.Decoder(StreamEvent).decode
decode_message = msgspec.json.Decoder(Message).decode
_decode_loosely = msgspec.json.Decoder(StreamEvent, strict=False).decode

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises."""


def decode_leniently(payload: bytes) -> tuple[StreamEvent, bytes] | None:
    """Reads a payload that is JSON but does not fit: lone surrogates, numbers for strings, bytes that are no UTF-8.

    Returns the event and its mended JSON; None when nothing helps.
    """
    value = load(payload)
    if not isinstance(value, dict):
        return None
    try:
        mended = msgspec.json.encode(value)
        return _decode_loosely(mended), mended
    except (*UNREADABLE, UnicodeEncodeError):
        return None
