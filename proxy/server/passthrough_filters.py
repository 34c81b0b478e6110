"""Takes the bytes of an answer that is passed on as it is through the stages that look at it. Sans-IO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..stage import Head, RawFilter, ResponseFilter

if TYPE_CHECKING:
    from ..exchange import Exchange


class RawFilters:
    """What one answer goes through, one filter after the other, the nearest to the upstream first."""

    def __init__(self, exchange: Exchange, head: Head, filters: Sequence[ResponseFilter]) -> None:
        """Takes the filters of the stages, in the order of their list."""
        found = (one.on_raw(exchange, head) for one in reversed(filters))
        self._filters: list[RawFilter] = [one for one in found if one is not None]

    def __bool__(self) -> bool:
        return bool(self._filters)

    @property
    def done(self) -> bool:
        """Whether nothing more will go out."""
        return any(one.done for one in self._filters)

    def feed(self, data: bytes) -> bytes:
        """Takes the next bytes; returns what may go out. Raises UpstreamError for what cannot be read."""
        for one in self._filters:
            if data:
                data = one.feed(data)
        return data

    async def finish(self) -> bytes:
        """Says that the answer has ended; returns the rest. Raises UpstreamError likewise."""
        data = b""
        for one in self._filters:
            out = one.feed(data) if data else b""
            rest = one.finish()
            data = out + (rest if isinstance(rest, bytes) else await rest)
        return data
