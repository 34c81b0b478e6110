"""Writes the chunks of a streamed answer to the client's connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiled import compiled_if_built

if TYPE_CHECKING:
    from .connection import Connection


@compiled_if_built
class ChunkWriter:
    """Writes to one connection, as long as it stands. `quiet` are the beats of the keep-alive since the last write."""

    __slots__ = ("_connection", "quiet")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.quiet = 0

    def send(self, chunk: bytes) -> None:
        """Writes bytes that are framed already. Hot: once a read."""
        transport = self._connection.transport
        if transport is not None:
            self.quiet = 0
            transport.write(chunk)
