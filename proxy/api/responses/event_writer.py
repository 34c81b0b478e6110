"""Numbers the events of one response and writes each as one server-sent event."""

from __future__ import annotations

from typing import Any

import msgspec

_encode = msgspec.json.encode


class EventWriter:
    """Owns the sequence number: `next` is the number of the next event."""

    __slots__ = ("next",)

    def __init__(self) -> None:
        self.next = 0

    def event(self, type: str, fields: dict[str, Any]) -> bytes:
        """Returns an event with the fields of its type."""
        data = _encode({"type": type, "sequence_number": self._take(), **fields})
        return b"event: %b\ndata: %b\n\n" % (type.encode(), data)

    def snapshot(self, type: str, response: bytes) -> bytes:
        """Returns an event of the life cycle, with the Response as JSON."""
        kind = type.encode()
        return b'event: %b\ndata: {"type":"%b","sequence_number":%d,"response":%b}\n\n' % (
            kind,
            kind,
            self._take(),
            response,
        )

    def _take(self) -> int:
        number = self.next
        self.next = number + 1
        return number


def delta_template(type: str, place: dict[str, Any], *, logprobs: bool = False) -> bytes:
    """Returns a delta event at a place as bytes with two blanks, for its number and for its text as JSON.

    A delta is the same bytes every time but for these: `template % (number, text)` costs a third of encoding it.
    `logprobs` adds the empty list that deltas of text have.
    """
    head = f'event: {type}\ndata: {{"type":"{type}","sequence_number":'.encode()
    fields = b"," + _encode(place)[1:-1] + b',"delta":'
    tail = b',"logprobs":[]}\n\n' if logprobs else b"}\n\n"
    return head.replace(b"%", b"%%") + b"%d" + fields.replace(b"%", b"%%") + b"%b" + tail
