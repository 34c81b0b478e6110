"""Parts that one pipeline hands on to the next, so that a new file in the place of the old one loses nothing."""

from __future__ import annotations

from typing import Protocol


class Part(Protocol):
    """What can be started and closed."""

    async def start(self) -> None:
        """Makes ready."""

    async def close(self) -> None:
        """Lets go of everything."""


class Lasting:
    """A part of several pipelines: started by the first that uses it, closed by the last."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self._users = 0

    async def start(self) -> None:
        """Starts the part, unless somebody uses it already."""
        if not self._users:
            await self.part.start()
        self._users += 1

    async def close(self) -> None:
        """Closes the part, once nobody uses it any more."""
        self._users -= 1
        if not self._users:
            await self.part.close()
