"""Responses in one SQLite file, shared by all workers of a host."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from .batch_thread import BatchThread
from .bounds import Bounds
from .cold_object import Content
from .recent import Recent
from .sqlite_cold import ColdRule, Note, Work
from .sqlite_file import Database, OnCorrupt
from .sqlite_reader import (
    Abandoned,
    Chain,
    Elsewhere,
    Found,
    FoundItems,
    Get,
    GoneThere,
    Items,
    Log,
    Read,
    Reader,
    Waiting,
)
from .sqlite_writer import Arrived, Bury, Change, Delete, Lead, Put, Writer
from .store import Entry, StoreFailed

_RECENT_BYTES = 16 * 1024 * 1024


class SqliteStore:
    """Keeps responses in a file. One thread writes, one reads; the event loop touches no disk.

    Writes of the same moment share a transaction. `put` and `delete` return when it is committed, and any worker's
    next read sees it. A commit survives the end of the process, though not always a power failure (WAL, synchronous
    NORMAL): then the last ones may be missing, but the file is whole. `clock` gives Unix seconds; `busy_s` is how long
    a write waits for that of another process. With `cold`, entries are to be moved to a cold store by whoever has this
    one; by itself it finds none whose body has left.
    """

    def __init__(
        self,
        path: Path,
        bounds: Bounds | None = None,
        *,
        on_corrupt: OnCorrupt = "refuse",
        clock: Callable[[], float] = time.time,
        sweep_every_s: float = 30.0,
        busy_s: float = 5.0,
        cold: ColdRule | None = None,
    ) -> None:
        self.path = path
        self.bounds = bounds or Bounds()
        self.recent = recent = Recent(_RECENT_BYTES)
        writing = Database(path, on_corrupt=on_corrupt, busy_s=busy_s)
        reading = Database(path, on_corrupt=on_corrupt, busy_s=busy_s)
        reader = Reader(reading, recent, clock)
        reading.prepare = reader.prepare
        self.writing = writer = Writer(
            writing, recent, self.bounds, clock=clock, sweep_every_s=sweep_every_s, cold=cold
        )
        self._writer: BatchThread[Change] = BatchThread("penstock-store", writer, patience_s=2 * busy_s)
        self._reader: BatchThread[Read] = BatchThread("penstock-read", reader, patience_s=2 * busy_s)

    async def start(self) -> None:
        """Opens the file, or makes it; raises StoreFailed."""
        await self._writer.start()
        try:
            await self._reader.start()
        except BaseException:
            await self._writer.close()
            raise

    async def close(self) -> None:
        """Writes what is still to be written, and closes the file."""
        try:
            await self._reader.close()
        finally:
            await self._writer.close()

    def put(self, entry: Entry) -> asyncio.Future[None]:
        """Keeps an entry, in the place of one with the same id. Hot: it is no coroutine, which would only wait."""
        size = entry.size
        try:
            return self._writer.ask(Put(entry.copy(), size), size + len(entry.log))
        except StoreFailed as error:
            refused = asyncio.get_running_loop().create_future()
            refused.set_exception(error)
            return refused

    async def get(self, id: str, owner: str) -> Entry | None:
        """Returns an entry, or None."""
        found = await self.find(id, owner)
        return found if isinstance(found, Entry) else None

    async def find(self, id: str, owner: str) -> Found | None:
        """Returns an entry, or where it is, or None."""
        if not _writable(id, owner):
            return None
        found: Found | None = await self._reader.ask(Get(id, owner))
        return found

    async def delete(self, id: str, owner: str) -> bool:
        """Forgets an entry; tells whether there was one."""
        if not _writable(id, owner):
            return False
        deleted: bool = await self._writer.ask(Delete(id, owner))
        return deleted

    async def chain(self, id: str, owner: str) -> list[Entry] | None:
        """Returns an entry and all before it, the oldest first; None when one of them is not there."""
        found = await self.line(id, owner)
        line = [one for one in found or () if isinstance(one, Entry)]
        return line if line and len(line) == len(found or ()) and line[0].parent is None else None

    async def line(self, id: str, owner: str) -> list[Found] | None:
        """Returns an entry and those before it that are known, the oldest first; None when they form a circle."""
        if not _writable(id, owner):
            return []
        line: list[Found] | None = await self._reader.ask(Chain(id, owner))
        return line

    async def items(self, ids: Sequence[str], owner: str) -> dict[str, msgspec.Raw]:
        """Returns those items that the owner has; of several with one id, that of the entry put last."""
        found: dict[str, msgspec.Raw] = {}
        for _, items in await self.find_items(ids, owner):
            if not isinstance(items, Elsewhere):
                found |= items
        return found

    async def find_items(self, ids: Sequence[str], owner: str) -> FoundItems:
        """Returns those items that the owner has, or where they are."""
        known = [id for id in ids if _writable(id, owner)]
        if not known:
            return []
        found: FoundItems = await self._reader.ask(Items(known, owner))
        return found

    async def log(self, id: str, owner: str) -> bytes:
        """Returns the event log of an entry; b"" when there is none, or its time is over."""
        if not _writable(id, owner):
            return b""
        log: bytes = await self._reader.ask(Log(id, owner))
        return log

    async def abandoned(self) -> list[Entry]:
        """Returns entries that are not finished, and whose process is gone or has closed its store."""
        entries: list[Entry] = await self._reader.ask(Abandoned())
        return entries

    async def waiting(self, most: int, most_bytes: int, content: Content) -> Work:
        """Returns what is to be done in the cold store now, some of it."""
        work: Work = await self._reader.ask(Waiting(most, most_bytes, content))
        return work

    async def lead(self) -> bool:
        """Tells whether this process is the one to do it; becomes that when nobody is."""
        leads: bool = await self._writer.ask(Lead())
        return leads

    async def arrived(self, seqs: list[int], unfit: list[int], notes: list[Note]) -> None:
        """Takes note of what has been done there."""
        await self._writer.ask(Arrived(seqs, unfit, notes))

    async def bury(self, note: Note) -> None:
        """Has something removed there that is not known here."""
        await self._writer.ask(Bury(note))

    async def is_gone_there(self, id: str, owner: str) -> bool:
        """Tells whether an id was removed here, and may still be in the cold store."""
        gone: bool = await self._reader.ask(GoneThere(id, owner))
        return gone


def _writable(id: str, owner: str) -> bool:
    """Tells whether texts can be in the database at all: a path may hold bytes that are no UTF-8."""
    try:
        (id + owner).encode()
    except UnicodeEncodeError:
        return False
    return True
