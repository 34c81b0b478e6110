"""Heads of requests that come again and again: read once by aiohttp, and known by their bytes from then on.

A client sends the same head with every request, but for the length of its body. To read that anew each time, header by
header, is a tenth of what a request costs that is not streamed. So a head that has come twice is remembered as what
stands before the digits of its length and what stands behind them. What differs anywhere else is another head.
"""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import hdrs
from aiohttp.http import RawRequestMessage

from ..compiled import compiled_if_built

PATHS = ("/v1/chat/completions", "/v1/responses")
"""What is asked so often that its heads are remembered."""

_FIRST = tuple(f"POST {path} HTTP/1.1\r\n".encode() for path in PATHS)
_LENGTH, _LOWER_LENGTH = b"\r\nContent-Length: ", b"\r\ncontent-length: "  # as clients write it
_END = b"\r\n\r\n"
_LONGEST = 4096
_LONGEST_NUMBER = 20
_MOST_KNOWN = 256
_MOST_SEEN = 4096


@compiled_if_built
class KnownHead:
    """The head of a POST of JSON, of a length that is told; the connection stays open behind it.

    `before` and `behind` are its bytes without the digits of the length and its end, `most_bytes` is how many all are
    at most. `headers` have names in lower case.
    """

    __slots__ = ("before", "behind", "headers", "most_bytes", "path")

    def __init__(self, before: bytes, behind: bytes, path: str, headers: dict[str, str]) -> None:
        self.before = before
        self.behind = behind
        self.path = path
        self.headers = headers
        self.most_bytes = len(before) + _LONGEST_NUMBER + len(behind) + len(_END)

    def write(self, length: int) -> bytes:
        """Returns the head of a body of that length."""
        return b"%b%d%b\r\n\r\n" % (self.before, length, self.behind)

    def body(self, data: bytes) -> bytes | None:
        """Returns the body of what has come, where that is one whole request with this head. Hot: once a request."""
        said, end, body = data.partition(_END)
        return body if said + end == self.write(len(body)) else None


class Heads:
    """The heads that are known to the connections of a worker."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, bytes], KnownHead] = {}
        self._seen: set[int] = set()  # once; they may never come again

    def find(self, data: bytes) -> KnownHead | None:
        """Returns the head of what has come, as far as it is known."""
        cut = _cut(data) if data.startswith(_FIRST) else None
        return None if cut is None else self._known.get(cut)

    def learn(self, data: bytes, message: RawRequestMessage) -> bool:
        """Takes what was one whole request and what aiohttp has made of its head, which is remembered at its second
        time. Tells whether it is one of those that might be known.
        """
        cut = _cut(data) if data.startswith(_FIRST) else None
        if cut is None:
            return False
        mark = hash(cut)
        if mark not in self._seen:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            self._seen.add(mark)
        elif _is_plain(message):
            head = KnownHead(*cut, message.path, lower_headers(message.headers))
            if head.body(data) is not None:  # its length was written as it will be again
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                self._known[cut] = head
        return True


def lower_headers(given: Mapping[str, str]) -> dict[str, str]:
    """Returns headers by their names in lower case; the values of one that came more than once are joined."""
    headers = {name.lower(): value for name, value in given.items()}
    if len(headers) == len(given):
        return headers
    headers = {}
    for name, value in given.items():
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _cut(data: bytes) -> tuple[bytes, bytes] | None:
    """Returns what stands in a head before and behind the digits of the length; None where it is long, or has none."""
    end = data.find(_END, 0, _LONGEST)
    if end < 0:
        return None
    said = data[:end]
    before, name, rest = said.partition(_LENGTH)
    if not name:
        before, name, rest = said.partition(_LOWER_LENGTH)
        if not name:
            return None
    digits = rest.partition(b"\r")[0]
    return before + name, rest[len(digits) :]


def _is_plain(message: RawRequestMessage) -> bool:
    """Tells whether there is nothing about a head that anybody has to look at."""
    headers = message.headers
    return (
        not (message.should_close or message.upgrade or message.chunked or message.compression)
        and len(headers.getall(hdrs.CONTENT_LENGTH, ())) == 1
        and len(headers.getall(hdrs.CONTENT_TYPE, ())) == 1
        and headers[hdrs.CONTENT_TYPE].partition(";")[0].strip().lower() == "application/json"
        and not any(name in headers for name in (hdrs.CONTENT_ENCODING, hdrs.EXPECT, hdrs.TRANSFER_ENCODING))
    )
