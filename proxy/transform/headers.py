"""Changes to headers: of requests to upstreams, and of answers to clients."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct, field

from ..config.types import Mistake
from ..exchange import Exchange

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_FRAMING = {"content-encoding", "content-length", "te", "trailer", "transfer-encoding"}
_CONNECTION = {"connection", "host", "keep-alive", "proxy-connection", "upgrade"}
_HEADERS = "upstream_headers"
_ABOVE = "upstream_headers_above_route"


class HeaderEdits(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Changes to headers. Those that say how the message is framed or where it goes cannot be changed."""

    set: Annotated[dict[str, str], Meta(description="Headers to set, in place of what is there.")] = field(
        default_factory=dict
    )
    drop: Annotated[tuple[str, ...], Meta(description="Headers to remove.")] = ()

    def __post_init__(self) -> None:
        for name in (*self.set, *self.drop):
            if name.lower() in _FRAMING | _CONNECTION:
                raise Mistake(f'the header "{name}" belongs to the connection', "remove it")
            if not _TOKEN.fullmatch(name):
                raise Mistake(f'"{name}" is no name of a header', "use letters, digits and hyphens")
        for name, value in self.set.items():
            if not _VALUE.fullmatch(value):
                raise Mistake(
                    f'the header "{name}" cannot have this value', "leave out line ends and control characters"
                )

    def changes(self) -> dict[str, str | None]:
        """Returns the new value of each header by its lower-case name, None for one that is removed."""
        changed: dict[str, str | None] = {name.lower(): None for name in self.drop}
        changed.update((name.lower(), value) for name, value in self.set.items())
        return changed


def apply_headers(changed: Mapping[str, str | None], headers: dict[str, str]) -> None:
    """Sets and removes headers."""
    for name, value in changed.items():
        if value is None:
            headers.pop(name, None)
        else:
            headers[name] = value


def send_headers(exchange: Exchange, changed: Mapping[str, str | None]) -> None:
    """Changes the headers of the request to the upstream, also where it is not made yet."""
    if exchange.upstream_request is None:
        exchange.marks.setdefault(_HEADERS, {}).update(changed)
    else:
        apply_headers(changed, exchange.upstream_request.headers)


def forget_last_attempt(exchange: Exchange) -> None:
    """Takes back headers that were meant for the upstream of an earlier attempt: they may be a secret of its own."""
    if exchange.deployment is None:
        return
    above, attempt = exchange.marks.get(_ABOVE, (None, 0))
    if above is None:
        above = dict(exchange.marks.get(_HEADERS, {}))
    if attempt != len(exchange.attempts):
        exchange.marks[_HEADERS] = dict(above)
        exchange.marks[_ABOVE] = (above, len(exchange.attempts))
