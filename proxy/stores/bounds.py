"""How long responses are kept, and how many."""

from __future__ import annotations

import msgspec

from .store import Entry, StoreFailed


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a store may hold. `max_bytes` counts items and Responses as JSON, whatever they take where they are kept,
    and event logs as they are.

    `keep_s` is for whoever makes entries: it gives their `expires_at`. Beyond the other two a store forgets the
    finished entries that were put longest ago, before these, when there are too many bytes, their logs. Entries that
    are not finished stay, and so does the one just put. A store that had to forget may forget a few more at once, up to
    one in 64, so that not every put has to.
    """

    keep_s: float = 30 * 86400.0
    max_responses: int = 100_000
    max_bytes: int = 2 * 1024**3

    def check(self, entry: Entry, size: int) -> None:
        """Raises StoreFailed for an entry that alone, of so many bytes, is larger than everything may be."""
        if size > self.max_bytes:
            raise StoreFailed(f'response "{entry.id}" has {size} bytes, the store keeps {self.max_bytes} in all')

    def log_of(self, entry: Entry, size: int, now: float) -> bytes:
        """Returns the log of an entry that is to be kept: b"" when its time is over, or it is too large beside it."""
        fits = size + len(entry.log) <= self.max_bytes
        return entry.log if fits and entry.log_until > now else b""
