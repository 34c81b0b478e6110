"""Writes the head of a request. Sans-IO."""

from __future__ import annotations

import re

import msgspec

from ..errors import InternalError
from .address import Target, parse_url
from .client import UpstreamRequest

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BREAK = re.compile(r"[\r\n\0]")
_MOST_URLS, _MOST_OF_URL = 64, 4
_LONGEST = 8192  # characters of one head


class _Written(msgspec.Struct, frozen=True):
    """The lines of a head that are the same in all requests of one method, with the same headers, to one place."""

    method: str
    headers: dict[str, str]
    target: Target
    lines: bytes


class Heads:
    """Writes the heads of one client's requests, and remembers them: most requests to one place say the same."""

    def __init__(self) -> None:
        self._known: dict[str, list[_Written]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._known.values()))

    def write(self, request: UpstreamRequest) -> tuple[Target, bytes]:
        """Returns where a request goes, and its head; raises InternalError like `target_of` and `write_head`.

        In which order headers are given makes no difference. Hot: once an attempt.
        """
        method, headers = request.method, request.headers
        for known in self._known.get(request.url, ()):
            if known.headers == headers and known.method == method:
                break
        else:
            known = self._write(request)
        if request.upload is None and request.body:  # as mostly
            return known.target, b"%bcontent-length: %d\r\n\r\n" % (known.lines, len(request.body))
        return known.target, known.lines + _end(request)

    def _write(self, request: UpstreamRequest) -> _Written:
        target = target_of(request)
        written = _Written(request.method, dict(request.headers), target, _lines(request, target))
        if len(written.lines) + len(request.url) <= _LONGEST:
            if len(self._known) >= _MOST_URLS and request.url not in self._known:
                self._known.clear()
            of_url = self._known.setdefault(request.url, [])
            del of_url[: len(of_url) + 1 - _MOST_OF_URL]
            of_url.append(written)
        return written


def target_of(request: UpstreamRequest) -> Target:
    """Returns where the request goes; raises InternalError when that cannot be said."""
    try:
        return parse_url(request.url)
    except ValueError as error:
        raise InternalError(str(error)) from None


def write_head(request: UpstreamRequest, target: Target) -> bytes:
    """Returns request line and headers. Raises InternalError for what would break the head; quotes no value."""
    return _lines(request, target) + _end(request)


def _lines(request: UpstreamRequest, target: Target) -> bytes:
    """Returns the head but for what says how long the body is."""
    headers = request.headers
    check(request)
    lines = [f"{request.method} {target.path} HTTP/1.1\r\nhost: {target.host}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    if "accept-encoding" not in headers:
        lines.append("accept-encoding: identity\r\n")
    return "".join(lines).encode("utf-8", "surrogateescape")


def _end(request: UpstreamRequest) -> bytes:
    """Returns the end of the head, which says how long the body is."""
    if request.upload is not None:
        length = request.upload.length
        return b"transfer-encoding: chunked\r\n\r\n" if length is None else _length(length)
    if request.body or request.method not in ("GET", "DELETE"):
        return _length(len(request.body))
    return b"\r\n"


def _length(length: int) -> bytes:
    return b"content-length: %d\r\n\r\n" % length


def check(request: UpstreamRequest) -> None:
    """Raises InternalError for a method or header that would break the head, naming but not quoting it."""
    method = request.method
    if not _TOKEN.fullmatch(method) or method in ("HEAD", "CONNECT"):
        raise InternalError(f'a request with method "{method[:20]}" cannot be sent upstream')
    for name, value in request.headers.items():
        if not _TOKEN.fullmatch(name):
            raise InternalError(f"{name[:40]!r} is no header name")
        if _BREAK.search(value):
            raise InternalError(f'header "{name}" holds a line break')
