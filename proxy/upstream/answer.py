"""Reads the HTTP/1.1 answers of a connection from bytes, one after the other. Sans-IO; the grammar is httptools'
(llhttp), strict.

The owner calls `feed` with what it read, then looks at `pieces` (body bytes, which it must clear) and at `complete`.
`feed` raises one of `FAULTS`: after `complete` it means that bytes followed the answer, before it that the answer is
garbled, and `fault_of` tells how. What stood in `pieces` before the fault is good.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httptools

FAULTS = (httptools.HttpParserError, httptools.HttpParserUpgrade)

MAX_HEAD = 64 * 1024
"""Bytes of head, or of anything else that is no body (chunk extensions, trailers), in a row."""
MAX_HEADERS = 256
"""Headers, with those of interim answers and trailers."""
MAX_INTERIM = 32
"""Answers with a status of 1xx before the real one."""


_MOST_KEYS, _LONGEST_KEY = 512, 64
_keys: dict[bytes, str] = {}


class Fault(Exception):
    """What is wrong with an answer beyond llhttp's grammar."""


class Answer:
    """The answer at hand, read as far as its bytes have come.

    `status` is 0 until the head is complete; then `on_head` has been called. `until_close`: the body, if there is one,
    ends with the connection. `keep_alive`: the connection may be used again after `complete`. `surplus`: bytes came
    after the end.
    """

    __slots__ = (
        "_head_bytes",
        "_head_lines",
        "_interim",
        "_is_known",
        "_on_head",
        "_parser",
        "complete",
        "feed",
        "headers",
        "keep_alive",
        "on_body",
        "pieces",
        "status",
        "surplus",
        "until_close",
    )

    def __init__(self, on_head: Callable[[], None]) -> None:
        self.pieces: list[bytes] = []
        self.on_body = self.pieces.append
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = False
        self.until_close = False
        self.keep_alive = False
        self.surplus = False
        self._on_head = on_head
        self._head_bytes = 0
        self._head_lines = 0
        self._interim = 0
        self._is_known = False  # that it is HTTP/1 what is spoken here
        self._parser: Any = httptools.HttpResponseParser(self)
        self.feed: Callable[[bytes], None] = self._parser.feed_data

    def begin(self) -> None:
        """Begins with the next answer, where one that was complete let the connection be used again.

        That takes a tenth of what another parser would.
        """
        self.status = self._head_bytes = self._head_lines = self._interim = 0
        self.headers = {}
        self.complete = self.until_close = self.keep_alive = False

    def forget(self) -> None:
        """Lets go of the parser, which refers back to the answer."""
        del self._parser, self.feed, self._on_head

    def on_message_begin(self) -> None:
        """Parser's callback: refuses a second answer behind the first."""
        if self.complete:
            self.surplus = True
            raise Fault("bytes after the end")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Parser's callback: keeps a header, counts and drops a trailer."""
        self._head_bytes += len(name) + len(value) + 4
        self._head_lines += 1
        if self._head_bytes > MAX_HEAD:
            raise Fault(f"its head is larger than {MAX_HEAD} bytes")
        if self._head_lines > MAX_HEADERS:
            raise Fault(f"its head has more than {MAX_HEADERS} headers")
        if self.status:
            return
        headers = self.headers
        key = _keys.get(name) or _key(name)
        text = value.decode("latin-1").strip()
        known = headers.get(key)
        headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        """Parser's callback: takes the head, or skips it when it is an interim one."""
        parser = self._parser
        status = parser.get_status_code()
        if 100 <= status < 200:
            self._interim += 1
            if status == 101:
                raise Fault("it switched protocols (101), which was not asked for")
            if self._interim > MAX_INTERIM:
                raise Fault(f"more than {MAX_INTERIM} interim answers (1xx) came")
            self.headers = {}
            return
        if status < 100 or not self._is_known:
            version = parser.get_http_version()  # who has spoken it once goes on with it
            if status < 100 or version not in ("1.1", "1.0"):
                raise Fault(f"it answered with status {status} of HTTP/{version}")
            self._is_known = True
        headers, coding = self.headers, ""
        if "transfer-encoding" in headers:
            coding = headers["transfer-encoding"].lower()
            if coding not in ("", "chunked", "identity"):
                raise Fault(f'transfer-encoding "{coding[:60]}" is not known here')
        self.until_close = coding != "chunked" and "content-length" not in headers
        self.keep_alive = parser.should_keep_alive()
        self.status = status
        self._on_head()

    def on_message_complete(self) -> None:
        """Parser's callback: notes the end, unless it is that of an interim answer."""
        if self.status:
            self.complete = True


def _key(name: bytes) -> str:
    """Returns how a header is called here, in lower case; what is short is remembered, for there are few of them."""
    key = name.decode("latin-1").lower()
    if len(_keys) < _MOST_KEYS and len(name) <= _LONGEST_KEY:
        _keys[name] = key
    return key


def fault_of(error: Exception) -> str:
    """Returns what is wrong with the answer, for a message."""
    cause = error.__context__
    if isinstance(cause, Fault):
        return str(cause)
    text = str(error) or type(error).__name__
    return f"it is no HTTP/1.1 ({text[0].lower()}{text[1:]})"
