"""Cuts a byte stream into the payloads of server-sent events (WHATWG HTML, section 9.2.6), knowing no JSON and no HTTP.

The machine holds the current event's name and data and the last line's beginning, as far as they have come. Bytes are
looked at once, in however many reads they arrive. The common read, whole events of one `data:` line each, is cut with
a few searches and never gets to the line-by-line path; a read that begins in the middle of an event gets there for the
rest of that event only.

Beyond the standard, because real upstreams do it:
- `error: {...}` lines (an unknown field to the standard) become payloads named `error`;
- lines that are no SSE at all (a JSON error object behind the events, a plain JSON body) are kept, and handed over at
  the end as one payload named `unframed`; an event behind them shows that they were none of this, and they are dropped;
- an event whose blank line never comes is still an event at the end of the body.
"""

from __future__ import annotations

import msgspec

from ..errors import UpstreamGarbled

Payload = tuple[bytes, bytes]

_IGNORED_FIELDS = frozenset((b"id", b"retry"))
_FRONTS = (b"data: ", b"event: ")
_BOM = b"\xef\xbb\xbf"
_LF, _CR, _COLON = b"\n\r:"
MAX_EVENT_BYTES = 32 * 1024 * 1024


class SseParser(msgspec.Struct, eq=False):
    """Takes bytes in any pieces; returns the payloads they complete, as `(event name or b"", data)`.

    Raises UpstreamGarbled when what it holds, of one event or of what is no event, grows over `max_event_bytes`.
    """

    max_event_bytes: int = MAX_EVENT_BYTES
    _tail: bytearray = bytearray()  # the line that has not ended yet
    _data: bytes | bytearray | None = None  # data of the event that has not ended yet
    _name: bytes = b""
    _unframed: bytearray = bytearray()  # lines since the last event that are no SSE
    _midway: bool = True  # something is half received or kept: the fast path must not be taken
    _head: bool = True  # nothing was read yet: a byte order mark may come
    _skip_lf: bool = False  # the last byte was the CR of what may be a CRLF

    def feed(self, data: bytes) -> list[Payload]:
        """Takes the next bytes; returns the payloads they complete (often one, often none). Hot: once a read."""
        if self._head and data.startswith(_FRONTS) and not self._tail:
            self._head = self._midway = False  # it begins with an event, and no byte order mark
        if self._midway or _CR in data:
            if not self._midway and _is_one_event_in_crlf(data):  # as Google writes them
                return [(b"", data[6:-4])]
            return self._feed_midway(data)
        if data.find(b"\n") == len(data) - 2 and data[-1] == _LF and data.startswith(b"data: "):
            return [(b"", data[6:-2])]
        if data.startswith(b"data: ") and data.endswith(b"\n\n"):
            lines = data[6:-2].split(b"\n\ndata: ")
            for line in lines:
                if _LF in line:
                    break
            else:  # several such events
                return [(b"", line) for line in lines]
        payloads: list[Payload] = []
        if not self._blocks(data, payloads):
            self._settle()
        return payloads

    def finish(self) -> list[Payload]:
        """Says that no more bytes will come; returns the last event if its blank line is missing, and unframed text."""
        payloads: list[Payload] = []
        self._lines([b"", b"", b""], payloads)
        if self._unframed:
            payloads.append((b"unframed", bytes(self._unframed)))
            self._unframed.clear()
        return payloads

    def _feed_midway(self, data: bytes) -> list[Payload]:
        """Takes bytes while something is half received, or whose lines may end in CR or CRLF."""
        payloads: list[Payload] = []
        if self._head or self._skip_lf or _CR in data:
            data = self._normalised(data)
        if _LF not in data:
            self._tail += data
        else:
            # what is half received ends at the first blank line; whole events follow
            if data[0] == _LF and not self._tail:
                end = 1
            else:
                blank = data.find(b"\n\n")
                end = len(data) if blank < 0 else blank + 2
            self._lines(data[:end].split(b"\n"), payloads)
            self._blocks(data[end:], payloads)
        self._settle()
        return payloads

    def _normalised(self, data: bytes) -> bytes:
        """Returns the bytes without a byte order mark at the very beginning, and with all lines ending in LF."""
        if self._head:
            data = bytes(self._tail) + data
            self._tail.clear()
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._tail += data
                return b""
            self._head = False
            data = data.removeprefix(_BOM)
        if self._skip_lf and data:
            self._skip_lf = False
            data = data.removeprefix(b"\n")
        if _CR in data:
            self._skip_lf = data[-1] == _CR
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _blocks(self, data: bytes, payloads: list[Payload]) -> bool:
        """Takes bytes that begin where an event begins; tells whether they were whole events of the usual form."""
        blocks = data.split(b"\n\n")
        tail = blocks.pop()
        usual = not tail
        for block in blocks:
            if _LF not in block:  # one line
                if block.startswith(b"data: ") and not self._unframed:
                    payloads.append((b"", block[6:]))
                    continue
            elif block.startswith(b"event: ") and not self._unframed:
                name, between, data = block.partition(b"\ndata: ")
                if between and _LF not in name and _LF not in data:  # two
                    payloads.append((name[7:], data))
                    continue
            usual = False
            self._lines((block + b"\n\n").split(b"\n"), payloads)
        if tail:
            self._lines(tail.split(b"\n"), payloads)
        return usual

    def _settle(self) -> None:
        """Notes whether something is half received, and refuses to hold too much of it."""
        held = len(self._tail) + len(self._data or b"") + len(self._unframed)
        if held > self.max_event_bytes:
            raise UpstreamGarbled(f"The upstream sent over {self.max_event_bytes} bytes that are no complete event.")
        self._midway = bool(held or self._name or self._skip_lf or self._data is not None or self._head)

    def _lines(self, lines: list[bytes], payloads: list[Payload]) -> None:
        """Takes lines; the last one has not ended, the first one continues what was held."""
        if len(lines) > 1 and self._tail:
            self._tail += lines[0]
            lines[0] = bytes(self._tail)
            self._tail.clear()
        for line in lines[:-1]:
            if not line:
                self._dispatch(payloads)
                self._name = b""
            elif line[0] != _COLON:  # a colon starts a comment
                self._line(line, payloads)
        self._tail += lines[-1]

    def _dispatch(self, payloads: list[Payload]) -> None:
        if self._data is not None:
            payloads.append((self._name, bytes(self._data)))
            self._data = None
            self._unframed.clear()

    def _line(self, line: bytes, payloads: list[Payload]) -> None:
        """Takes one whole line that is neither blank nor a comment."""
        field, _, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if field == b"data":
            if self._data is None:
                self._data = value
            elif isinstance(self._data, bytearray):
                self._data += b"\n" + value
            else:
                self._data = bytearray(self._data + b"\n" + value)
        elif field == b"event":
            self._name = value
        elif field == b"error":
            self._dispatch(payloads)
            payloads.append((b"error", value))
        elif field not in _IGNORED_FIELDS:
            if self._unframed:
                self._unframed += b"\n"
            self._unframed += line


def _is_one_event_in_crlf(data: bytes) -> bool:
    """Tells whether a read is one whole event of one `data:` line whose lines end in CRLF. Hot: once a read."""
    end = len(data) - 4
    return (
        data.endswith(b"\r\n\r\n") and data.find(b"\r") == end and data.find(b"\n") > end and data.startswith(b"data: ")
    )
