"""Numbers the events of one response, writes each as one server-sent event, and tells the log of it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from .event_log import EventLog, life_event
from .numbers import Numbers

_encode = msgspec.json.encode
_DATA = b"\ndata: "
_OPENING = (
    b'event: response.created\ndata: {"type":"response.created","sequence_number":%d,"response":%b}\n\n'
    b'event: %b\ndata: {"type":"%b","sequence_number":%d,"response":%b}\n\n'
)


class EventWriter(Numbers):
    """Owns the sequence numbers. `log` keeps what was written, if anything.

    As long as it is not `heard`, events are only counted: their bytes would go nowhere.
    """

    __slots__ = ("heard", "log")

    def __init__(self, log: EventLog | None = None) -> None:
        super().__init__()
        self.log = log
        self.heard = True

    def event(self, type: str, fields: dict[str, Any]) -> bytes:
        """Returns an event with the fields of its type."""
        if not self.heard:
            self.next += 1
            return b""
        data = _encode({"type": type, "sequence_number": self._take(), **fields})
        out = b"event: %b\ndata: %b\n\n" % (type.encode(), data)
        if self.log is not None:
            self.log.entries.append(out)
        return out

    def delta(self, template: bytes, text: str) -> bytes:
        """Returns a delta event by its template."""
        if self.log is not None:
            self.log.delta(template, text)
        return template % (self._take(), _encode(text))

    def passed(self, out: bytes, template: bytes | None = None, text: str = "") -> bytes:
        """Takes an event that was written elsewhere, with the next number in it; returns it.

        With a template it is the delta of that text.
        """
        self.next += 1
        if self.log is not None:
            if template is None:
                self.log.entries.append(out)
            else:
                self.log.delta(template, text)
        return out

    def snapshot(self, type: str, response: bytes, shared: bytes = b"") -> bytes:
        """Returns an event of the life cycle, with the Response as JSON; `shared` is how those of the stream end."""
        if self.log is not None:
            self.log.snapshot(type, response, shared)
        return life_event(type, self._take(), response)

    def opening(self, type: str, response: bytes, shared: bytes) -> bytes:
        """Returns the event that a response was created, and one of that type with the same Response."""
        number = self.next
        self.next = number + 2
        if self.log is not None:
            self.log.opening(type, response, shared)
        kind = type.encode()
        return _OPENING % (number, response, kind, kind, number + 1, response)

    def terminal(self, type: str, response: bytes) -> bytes:
        """Returns the last event. The log holds it back until it is told to release it."""
        if not self.heard:
            self.next += 1
            return b""
        if self.log is not None:
            self.log.hold(type, response)
        return life_event(type, self._take(), response)

    def _take(self) -> int:
        number = self.next
        self.next = number + 1
        return number


def delta_template(type: str, place: dict[str, Any], *, logprobs: bool = False) -> bytes:
    """Returns a delta event at a place as bytes with two blanks, for its number and for its text as JSON.

    A delta is the same bytes every time but for these: `template % (number, text)` costs a third of encoding it.
    `logprobs` adds the empty list that deltas of text have.
    """
    fields = b"," + _encode(place)[1:-1] + b',"delta":'
    return _delta_head(type) + b"%d" + fields.replace(b"%", b"%%") + b"%b" + _delta_tail(logprobs=logprobs)


def _delta_head(type: str) -> bytes:
    return f'event: {type}\ndata: {{"type":"{type}","sequence_number":'.encode()


def _delta_tail(*, logprobs: bool) -> bytes:
    return b',"logprobs":[]}\n\n' if logprobs else b"}\n\n"


class DeltaForm:
    """The delta events of one kind of part: what is the same in all of them."""

    __slots__ = ("_back", "_front", "_head", "_place", "_size", "_tail")

    def __init__(self, type: str, index_field: str, *, logprobs: bool) -> None:
        head, tail = _delta_head(type), _delta_tail(logprobs=logprobs)
        self._place = f',"item_id":%b,"output_index":%d,"{index_field}":%d,"delta":'.encode()
        self._front, self._back = head + b"%d", b"%b" + tail
        self._head, self._tail = head, tail + b"\r\n"
        self._size = len(head) + len(tail)

    def at(self, item_id: bytes, output_index: int, index: int) -> tuple[bytes, tuple[bytes, bytes, bytes, int]]:
        """Returns `delta_template` for a place, whose item's id is JSON, and `chunk_template` of that."""
        place = self._place % (item_id, output_index, index)
        template = self._front + place.replace(b"%", b"%%") + self._back
        return template, (self._head, place, self._tail, self._size + len(place))


MANY = 4096
NUMBERS = [b"%d" % number for number in range(MANY)]
"""Numbers of events as they are written: to look one up costs a tenth of writing it."""


def chunk_template(template: bytes) -> tuple[bytes, bytes, bytes, int]:
    """Returns what stands in front of the number, between number and text, and behind the text; and how long that is.

    Behind the text is also the end of a chunk's frame, which does not count. To join such pieces costs less than to
    fill in the blanks, and to frame what comes of it.
    """
    head, _, rest = template.replace(b"%%", b"\0").partition(b"%d")
    place, _, tail = rest.partition(b"%b")
    head, place, tail = (part.replace(b"\0", b"%") for part in (head, place, tail))
    return _shared(head), place, _shared(tail + b"\r\n"), len(head) + len(place) + len(tail)


@lru_cache(maxsize=64)
def _shared(data: bytes) -> bytes:
    """Returns the same bytes for the same: what is around a delta is that of its type, in all streams."""
    return data


def payloads(out: bytes) -> list[bytes]:
    """Returns the JSON of each event of a stream's bytes, which hold whole events; markers and comments have none."""
    return [event[event.index(_DATA) + 7 :] for event in out.split(b"\n\n") if event.startswith(b"event: ")]
