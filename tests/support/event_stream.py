"""Writes AWS event streams, message by message, from the description of the encoding."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any


def header(name: str, value: str) -> bytes:
    """Returns one header that is a string."""
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()


def frame(headers: bytes, payload: bytes) -> bytes:
    """Returns one message with both checksums."""
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def message(headers: Mapping[str, str], payload: bytes = b"") -> bytes:
    """Returns one message with those headers, all strings."""
    return frame(b"".join(header(name, value) for name, value in headers.items()), payload)


def event(kind: str, value: Any = None, **fields: Any) -> bytes:
    """Returns one event, its payload given as a Python value or as fields."""
    payload = json.dumps(fields if value is None else value, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, payload)


def exception(kind: str, text: str | None = "no", **fields: Any) -> bytes:
    """Returns the message of an exception; None leaves its message out."""
    said = fields if text is None else {"message": text, **fields}
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return message(headers, json.dumps(said, separators=(",", ":")).encode())


def chunks(*parts: bytes) -> bytes:
    """Returns server-sent events as messages of InvokeModel's stream."""
    payloads = [one.partition(b"data: ")[2] for one in b"".join(parts).split(b"\n\n") if one]
    return b"".join(event("chunk", bytes=base64.b64encode(one).decode(), p="abc") for one in payloads)
