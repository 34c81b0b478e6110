"""Heads of requests: a plain one is read here, and known by its bytes when it comes again.

Most clients send the same head with every request, but for the length of its body. To read that anew each time, header
by header, is a tenth of what a request costs that is not streamed. So what was read is remembered under what stands
before the digits of the length and what stands behind them; what differs anywhere else is another head.

Plain is what nobody could read in two ways: a POST of JSON to one of `PATHS`, headers that each come once, of ordinary
characters, none of which changes how the body is read or what becomes of the connection. All else aiohttp reads.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..compiled import compiled_if_built
from .header_lines import HeaderLines

PATHS = ("/v1/chat/completions", "/v1/responses")
"""What is asked so often that its heads are read here."""

_BEGINNINGS = tuple(f"POST {path} HTTP/1.1\r\n".encode() for path in PATHS)
_LENGTH, _LOWER_LENGTH = b"\r\nContent-Length: ", b"\r\ncontent-length: "  # as clients write it
_END = b"\r\n\r\n"
_lines = HeaderLines(
    frozenset(
        (
            "content-encoding",
            "expect",
            "proxy-connection",
            "sec-websocket-key1",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        )
    )
)
_LONGEST = 4096
_LONGEST_NUMBER = 20
_MOST_KNOWN = 256


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
    """The heads that are known to the connections of a worker; none is longer than `longest`, in bytes."""

    def __init__(self, longest: int = _LONGEST) -> None:
        self._longest = min(longest, _LONGEST)
        self._known: dict[tuple[bytes, bytes], KnownHead | None] = {}

    def find(self, data: bytes) -> KnownHead | None:
        """Returns the head of what has come; None where it is not whole, or not plain."""
        end = data.find(_END, 0, self._longest) if data.startswith(_BEGINNINGS) else -1
        if end < 0:
            return None
        cut = _cut(data[:end])
        if cut is None:
            return None
        if cut in self._known:
            return self._known[cut]
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        head = self._known[cut] = _read(data[:end], *cut)
        return head


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


def _cut(said: bytes) -> tuple[bytes, bytes] | None:
    """Returns what stands in a head before and behind the digits of the length; None where it has none."""
    before, name, rest = said.partition(_LENGTH)
    if not name:
        before, name, rest = said.partition(_LOWER_LENGTH)
        if not name:
            return None
    return before + name, rest[len(rest.partition(b"\r")[0]) :]


def _read(said: bytes, before: bytes, behind: bytes) -> KnownHead | None:
    """Returns a head; None where it is not plain."""
    first, _, lines = said.partition(b"\r\n")
    headers = _lines.read(lines)
    if headers is None or "host" not in headers or headers.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return None
    return KnownHead(before, behind, first.split(b" ")[1].decode(), headers)
