"""Writes the head of a request. Sans-IO."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from ..errors import InternalError
from .address import Target, parse_url
from .client import UpstreamRequest

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BREAK = re.compile(r"[\r\n\0]")
_MOST_REMEMBERED = 8192  # characters of one head


def target_of(request: UpstreamRequest) -> Target:
    """Returns where the request goes; raises InternalError when that cannot be said."""
    try:
        return parse_url(request.url)
    except ValueError as error:
        raise InternalError(str(error)) from None


def write_head(request: UpstreamRequest, target: Target) -> bytes:
    """Returns request line and headers. Raises InternalError for what would break the head; quotes no value."""
    method, headers = request.method, request.headers
    lines = _written if len(target.path) + sum(map(len, headers.values())) <= _MOST_REMEMBERED else _write
    written = lines(method, target, tuple(headers), tuple(headers.values()))
    if request.upload is not None:
        length = request.upload.length
        return written + (b"transfer-encoding: chunked\r\n\r\n" if length is None else _ends(length))
    if request.body or method not in ("GET", "DELETE"):
        return written + _ends(len(request.body))
    return written + b"\r\n"


def check(request: UpstreamRequest) -> None:
    """Raises InternalError for a method or header that would break the head, naming but not quoting it."""
    _check(request.method, request.headers.items())


def _write(method: str, target: Target, names: tuple[str, ...], values: tuple[str, ...]) -> bytes:
    headers = list(zip(names, values, strict=True))
    _check(method, headers)
    lines = [f"{method} {target.path} HTTP/1.1\r\nhost: {target.host}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers]
    if "accept-encoding" not in names:
        lines.append("accept-encoding: identity\r\n")
    return "".join(lines).encode("utf-8", "surrogateescape")


_written = lru_cache(maxsize=64)(_write)
"""What is the same in all requests to one place; checked once."""


def _ends(length: int) -> bytes:
    return b"content-length: %d\r\n\r\n" % length


def _check(method: str, headers: Iterable[tuple[str, str]]) -> None:
    if not _TOKEN.fullmatch(method) or method in ("HEAD", "CONNECT"):
        raise InternalError(f'a request with method "{method[:20]}" cannot be sent upstream')
    for name, value in headers:
        if not _TOKEN.fullmatch(name):
            raise InternalError(f"{name[:40]!r} is no header name")
        if _BREAK.search(value):
            raise InternalError(f'header "{name}" holds a line break')
