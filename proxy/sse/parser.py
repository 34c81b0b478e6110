"""Cuts a byte stream into the payloads of server-sent events (WHATWG HTML, section 9.2.6). Knows nothing of JSON or HTTP.

The machine holds the current event's name and data lines and the last line's beginning, as far as it has come. Bytes
are looked at once: a line that arrives in a thousand reads is joined when its end comes. The common read, whole events
of one `data:` line each, is cut with two searches and never gets to the line-by-line path.

Beyond the standard, because real upstreams do it:
- `error: {...}` lines (an unknown field to the standard) become payloads named `error`;
- lines that are no SSE at all (a JSON error object behind the events, a plain JSON body) are kept, and handed over at
  the end as one payload named `unframed`;
- an event whose blank line never comes is still an event at the end of the body.
"""

from __future__ import annotations

from ..errors import UpstreamGarbled

Payload = tuple[bytes, bytes]

_KNOWN_FIELDS = frozenset((b"data", b"event", b"id", b"retry", b"error"))
_BOM = b"\xef\xbb\xbf"
MAX_EVENT_BYTES = 32 * 1024 * 1024


class SseParser:
    """Takes bytes in any pieces; returns the payloads they complete, as `(event name or b"", data)`.

    Raises UpstreamGarbled when one event (or what is no SSE) grows over `max_event_bytes`.
    """

    __slots__ = ("_data", "_head", "_held", "_max", "_midway", "_name", "_skip_lf", "_tail", "_unframed", "_unframed_bytes")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._tail: list[bytes] = []  # pieces of the line that has not ended yet
        self._held = 0  # bytes in _tail and _data
        self._data: list[bytes] = []  # data lines of the event that has not ended yet
        self._name = b""
        self._midway = True  # something is half received: the fast path must not be taken
        self._head = True  # nothing was read yet: a byte order mark may come
        self._skip_lf = False  # the last byte was the CR of what may be a CRLF
        self._unframed: list[bytes] = []
        self._unframed_bytes = 0

    def feed(self, data: bytes) -> list[Payload]:
        """Takes the next bytes; returns the payloads they complete (often one, often none). Hot: once a read."""
        if self._midway or b"\r" in data:
            return self._feed_lines(data)
        if data.find(b"\n") == len(data) - 2 and data.startswith(b"data: ") and data.endswith(b"\n\n"):
            return [(b"", data[6:-2])]
        blocks = data.split(b"\n\n")
        tail = blocks.pop()
        payloads: list[Payload] = []
        for block in blocks:
            if block.startswith(b"data: ") and b"\n" not in block:
                payloads.append((b"", block[6:]))
            else:
                self._lines((block + b"\n\n").split(b"\n"), payloads)
        if tail:
            self._lines(tail.split(b"\n"), payloads)
        self._midway = bool(self._tail or self._data or self._name)
        return payloads

    def finish(self) -> list[Payload]:
        """Says that no more bytes will come; returns the last event if its blank line is missing, and unframed text."""
        payloads: list[Payload] = []
        self._lines([b"", b"", b""], payloads)
        if self._unframed:
            payloads.append((b"unframed", b"\n".join(self._unframed)))
            self._unframed = []
        return payloads

    def _feed_lines(self, data: bytes) -> list[Payload]:
        """Takes bytes on the slow path: something is half received, or lines end in CR or CRLF."""
        if not data:
            return []
        if self._skip_lf:
            self._skip_lf = False
            if data.startswith(b"\n"):
                data = data[1:]
        if self._head:
            if self._tail:
                data = b"".join((*self._tail, data))
                self._tail, self._held = [], 0
            if len(data) < 3 and _BOM.startswith(data):
                self._tail, self._held = [data], len(data)
                return []
            self._head = False
            data = data.removeprefix(_BOM)
        if b"\r" in data:
            self._skip_lf = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        payloads: list[Payload] = []
        self._lines(data.split(b"\n"), payloads)
        self._midway = bool(self._tail or self._data or self._name or self._skip_lf)
        return payloads

    def _lines(self, lines: list[bytes], payloads: list[Payload]) -> None:
        """Takes lines; the last one has not ended, the first one continues what was held."""
        if len(lines) > 1 and self._tail:
            lines[0] = b"".join((*self._tail, lines[0]))
            self._tail = []
            self._held = sum(map(len, self._data))
        for line in lines[:-1]:
            if not line:
                if self._data:
                    payloads.append((self._name, self._data[0] if len(self._data) == 1 else b"\n".join(self._data)))
                    self._data, self._held = [], 0
                self._name = b""
            elif line[0] != 58:  # a colon starts a comment
                self._line(line, payloads)
        if lines[-1]:
            self._tail.append(lines[-1])
            self._grow(len(lines[-1]))

    def _line(self, line: bytes, payloads: list[Payload]) -> None:
        """Takes one whole line that is neither blank nor a comment."""
        field, _, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if field == b"data":
            self._data.append(value)
            self._grow(len(value))
        elif field == b"event":
            self._name = value
        elif field == b"error":
            payloads.append((b"error", value))
        elif field not in _KNOWN_FIELDS:
            self._unframed.append(line)
            self._unframed_bytes += len(line) + 1
            if self._unframed_bytes > self._max:
                raise UpstreamGarbled(f"The upstream sent over {self._max} bytes that are no server-sent events.")

    def _grow(self, size: int) -> None:
        self._held += size
        if self._held > self._max:
            raise UpstreamGarbled(f"The upstream sent one event of over {self._max} bytes.")
