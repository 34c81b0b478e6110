"""Where a request goes: the origin that owns a connection, and what stands in the request line."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, urlsplit

import msgspec

_PORTS = {"http": 80, "https": 443}
_UNSAFE = re.compile(r"[^\x21-\x7e]")


class Origin(msgspec.Struct, frozen=True):
    """Scheme, host and port: connections are shared by all requests to one origin. `host` has no brackets."""

    scheme: str
    host: str
    port: int

    @property
    def peer(self) -> str:
        """`host:port`."""
        return f"{_bracketed(self.host)}:{self.port}"

    def called(self, name: str | None) -> str:
        """What error messages name: the upstream by its name in the file, where it has one, else host and port."""
        return self.peer if name is None else f'"{name}"'


class Target(msgspec.Struct, frozen=True):
    """A URL taken apart: `path` is the request line's (with the query), `host` the value of the Host header."""

    origin: Origin
    path: str
    host: str


@lru_cache(maxsize=512)
def parse_url(url: str) -> Target:
    """Returns the parts of an absolute http or https URL.

    Raises ValueError, without quoting the URL (it may hold a key), for anything else and for a URL with credentials.
    """
    parts = urlsplit(url)
    scheme = parts.scheme
    if scheme not in _PORTS or not parts.hostname:
        raise ValueError("an upstream's URL must begin with http:// or https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an upstream's URL must not hold credentials; give them as headers")
    host = _ascii(parts.hostname)
    try:
        port = _PORTS[scheme] if parts.port is None else parts.port
    except ValueError:
        raise ValueError("an upstream's URL has a port that is no number from 0 to 65535") from None
    path = _UNSAFE.sub(lambda char: quote(char.group()), parts.path) or "/"
    if parts.query:
        path += "?" + _UNSAFE.sub(lambda char: quote(char.group()), parts.query)
    shown = _bracketed(host)
    return Target(Origin(scheme, host, port), path, shown if port == _PORTS[scheme] else f"{shown}:{port}")


def _ascii(host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError("an upstream's URL names a host that is no valid name") from None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
