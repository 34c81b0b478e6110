"""The store that keeps nothing, for responses in flight and what connections remember where no responses are kept."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .store import Entry


class NothingKept:
    """A response store that is always empty."""

    async def start(self) -> None:
        """Does nothing."""

    async def close(self) -> None:
        """Does nothing."""

    async def put(self, entry: Entry) -> None:
        """Forgets the entry at once."""

    async def get(self, id: str, owner: str) -> Entry | None:
        """Finds nothing."""
        return None

    async def delete(self, id: str, owner: str) -> bool:
        """Finds nothing."""
        return False

    async def chain(self, id: str, owner: str) -> list[Entry] | None:
        """Finds nothing."""
        return None

    async def items(self, ids: Sequence[str], owner: str) -> dict[str, msgspec.Raw]:
        """Finds nothing."""
        return {}

    async def log(self, id: str, owner: str) -> bytes:
        """Finds nothing."""
        return b""

    async def abandoned(self) -> list[Entry]:
        """Finds nothing."""
        return []
