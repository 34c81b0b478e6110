"""How long responses are kept, and how many."""

from __future__ import annotations

import msgspec

from .store import Entry, StoreFailed


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a store may hold. `max_bytes` counts items and Responses as JSON, whatever they take where they are kept.

    `keep_s` is for whoever makes entries: it gives their `expires_at`. Beyond the other two a store forgets the
    finished entries that were put longest ago. Those that are not finished stay, and so does the one just put.
    """

    keep_s: float = 30 * 86400.0
    max_responses: int = 100_000
    max_bytes: int = 2 * 1024**3

    def check(self, entry: Entry) -> None:
        """Raises StoreFailed for an entry that alone is larger than everything may be."""
        if entry.size > self.max_bytes:
            raise StoreFailed(f'response "{entry.id}" has {entry.size} bytes, the store keeps {self.max_bytes} in all')
