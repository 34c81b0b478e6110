"""Cuts a byte stream into the messages of AWS's event stream encoding, knowing no JSON and no HTTP.

    u32 total length | u32 length of headers | u32 CRC of the 8 bytes before | headers | payload | u32 CRC of all before

All numbers are big-endian, both checksums CRC-32 (zlib). A header is u8 length and name, u8 type, value; names that
begin with a colon are AWS's own and say what the message is (wire reference, section 8.5).

The machine holds what has come of one message, and nothing else. A message that cannot be one (a wrong checksum, an
impossible length) is the last: what is wrong with it becomes a payload named `BROKEN`, behind those of the good
messages before it, and all that follows is dropped. So it makes no difference where the network cuts.
"""

from __future__ import annotations

from struct import Struct, error
from zlib import crc32

Payload = tuple[bytes, bytes]

EXCEPTION = b"exception:"
"""Names of messages that end a stream begin with this; the kind of the failure follows."""
BROKEN = b":broken"
"""Name of the payload that says, in words, why the stream cannot be read any further."""

MAX_HEADERS = 128 * 1024
MAX_MESSAGE = 24 * 1024 * 1024 + MAX_HEADERS + 16
"""Bytes; the limits of the encoding."""

_PRELUDE = 12
_FRAME = 16  # prelude and the checksum at the end
_MAX_KNOWN = 64  # forms of headers that are remembered
_read_prelude = Struct(">III").unpack_from
_read_u32 = Struct(">I").unpack_from
_read_u16 = Struct(">H").unpack_from
_STRING, _BYTES = 7, 6
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of the values of each type that has a fixed size."""


class EventStreamParser:
    """Takes bytes in any pieces; returns the messages they complete, as `(name, payload)`.

    The name of an event is its `:event-type`; that of an exception is `EXCEPTION` and its `:exception-type`; that of an
    error, which has no payload, is `EXCEPTION` and its `:error-code`, with the `:error-message` for a payload.
    """

    __slots__ = ("_broken", "_held", "_known", "_max")

    def __init__(self, max_message_bytes: int = MAX_MESSAGE) -> None:
        self._max = max_message_bytes
        self._held = bytearray()  # the beginning of a message
        self._known: dict[bytes, Payload] = {}  # name and payload that headers give: a stream has few forms of them
        self._broken = False

    def feed(self, data: bytes) -> list[Payload]:
        """Takes the next bytes; returns the payloads they complete (often one, often none). Hot: once a read."""
        payloads: list[Payload] = []
        if self._broken:
            return payloads
        held = self._held
        try:
            if held:
                held += data
                if len(held) < _PRELUDE or self._size(held, 0) > len(held):
                    return payloads
                data = bytes(held)
                held.clear()
            start, length = 0, len(data)
            while length - start >= _PRELUDE and (end := start + self._size(data, start)) <= length:
                payloads.append(self._message(data, start, end))
                start = end
        except _Broken as broken:
            self._broken = True
            held.clear()
            payloads.append((BROKEN, str(broken).encode()))
            return payloads
        if start < length:
            held += data[start:]
        return payloads

    def finish(self) -> list[Payload]:
        """Says that no more bytes will come; what has come of another message is worth nothing."""
        self._held.clear()
        return []

    def _size(self, data: bytes | bytearray, start: int) -> int:
        """Returns the length of the message that begins at `start`, in bytes. Hot: once a message."""
        total: int
        total, headers, checksum = _read_prelude(data, start)
        if crc32(data[start : start + 8]) != checksum:
            raise _Broken("The upstream sent a message whose prelude does not match its checksum.")
        if not _FRAME <= total <= self._max:
            raise _Broken(f"The upstream sent a message of {total} bytes, which is not from {_FRAME} to {self._max}.")
        if headers > min(total - _FRAME, MAX_HEADERS):
            raise _Broken(f"The upstream sent a message of {total} bytes with {headers} bytes of headers.")
        return total

    def _message(self, data: bytes, start: int, end: int) -> Payload:
        """Returns name and payload of the message between two places. Hot: once a message."""
        if crc32(data[start : end - 4]) != _read_u32(data, end - 4)[0]:
            raise _Broken("The upstream sent a message that does not match its checksum.")
        body = start + _PRELUDE + _read_u32(data, start + 4)[0]
        headers = data[start + _PRELUDE : body]
        known = self._known.get(headers)
        if known is None:
            known = self._remember(headers)
        return known[0], data[body : end - 4] or known[1]

    def _remember(self, headers: bytes) -> Payload:
        try:
            known = _meaning(_values(headers))
        except (error, IndexError):
            raise _Broken("The upstream sent a message whose headers cannot be read.") from None
        if len(self._known) < _MAX_KNOWN:
            self._known[headers] = known
        return known


class _Broken(Exception):
    """The stream cannot be read any further; says why."""


def _values(headers: bytes) -> dict[bytes, bytes]:
    """Returns the headers that are strings; raises IndexError or struct.error for what is none."""
    values: dict[bytes, bytes] = {}
    place = 0
    while place < len(headers):
        name = headers[place + 1 : place + 1 + headers[place]]
        place += 1 + headers[place]
        kind = headers[place]
        place += 1
        if kind in (_STRING, _BYTES):
            size = _read_u16(headers, place)[0]
            place += 2
            if kind == _STRING:
                values[name] = headers[place : place + size]
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise IndexError
        place += size
    if place != len(headers):
        raise IndexError
    return values


def _meaning(values: dict[bytes, bytes]) -> Payload:
    """Returns the name that headers give their message, and what stands for its payload."""
    kind = values.get(b":message-type")
    if kind == b"exception":
        return EXCEPTION + values.get(b":exception-type", b""), b""
    if kind == b"error":
        return EXCEPTION + values.get(b":error-code", b""), values.get(b":error-message", b"")
    return values.get(b":event-type", b""), b""
