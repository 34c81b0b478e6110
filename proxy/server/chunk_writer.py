"""Writes the chunks of a streamed answer to the client's connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiled import compiled_if_built

if TYPE_CHECKING:
    import asyncio


@compiled_if_built
class ChunkWriter:
    """Writes to a transport, as long as there is one. `quiet` are the beats of the keep-alive since the last write."""

    __slots__ = ("quiet", "transport")

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.quiet = 0

    def send(self, chunk: bytes) -> None:
        """Writes bytes that are framed already. Hot: once a read."""
        transport = self.transport
        if transport is not None:
            self.quiet = 0
            transport.write(chunk)
