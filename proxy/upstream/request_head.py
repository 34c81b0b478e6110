"""Writes the head of a request. Sans-IO."""

from __future__ import annotations

import re

from ..errors import InternalError
from .address import Target, parse_url
from .client import UpstreamRequest

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BREAK = re.compile(r"[\r\n\0]")


def target_of(request: UpstreamRequest) -> Target:
    """Returns where the request goes; raises InternalError when that cannot be said."""
    try:
        return parse_url(request.url)
    except ValueError as error:
        raise InternalError(str(error)) from None


def write_head(request: UpstreamRequest, target: Target) -> bytes:
    """Returns request line and headers. Raises InternalError for what would break the head; quotes no value."""
    check(request)
    headers = request.headers
    lines = [f"{request.method} {target.path} HTTP/1.1\r\nhost: {target.host}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    if "accept-encoding" not in headers:
        lines.append("accept-encoding: identity\r\n")
    if request.upload is not None:
        length = request.upload.length
        lines.append("transfer-encoding: chunked\r\n" if length is None else f"content-length: {length}\r\n")
    elif request.body or request.method not in ("GET", "DELETE"):
        lines.append(f"content-length: {len(request.body)}\r\n")
    lines.append("\r\n")
    return "".join(lines).encode("utf-8", "surrogateescape")


def check(request: UpstreamRequest) -> None:
    """Raises InternalError for a method or header that would break the head, naming but not quoting it."""
    if not _TOKEN.fullmatch(request.method) or request.method in ("HEAD", "CONNECT"):
        raise InternalError(f'a request with method "{request.method[:20]}" cannot be sent upstream')
    for name, value in request.headers.items():
        if not _TOKEN.fullmatch(name):
            raise InternalError(f"{name[:40]!r} is no header name")
        if _BREAK.search(value):
            raise InternalError(f'header "{name}" holds a line break')
