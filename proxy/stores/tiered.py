"""Responses on the disk of this host, and in a bucket for as long as they are kept."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from ..metrics.measure import Measure
from .cold_bucket import ColdForbidden
from .cold_mover import Destination, Mover
from .cold_object import Content, unpacked
from .item_ids import by_response
from .outage import Outage
from .sqlite import SqliteStore
from .sqlite_cold import Note
from .sqlite_reader import Elsewhere, Found, picked
from .store import Entry, StoreUnavailable

_log = logging.getLogger("penstock")
_OURS = re.compile(r"resp_[0-9a-f]{48}")
_MOST_TURNS = 10_000


class Far(Destination, Protocol):
    """A bucket as it is used here."""

    def start(self) -> None:
        """Gets ready, without asking for anything."""

    async def get(self, owner: str, id: str) -> bytes | None:
        """Returns an object, or None; raises StoreUnavailable, ColdForbidden when access is refused."""

    async def close(self) -> None:
        """Closes it."""


class TieredStore:
    """A SQLite store whose finished responses are written to a bucket too, behind everybody's back, and leave the disk
    later. What a put has kept is on disk when it returns; the bucket may be out of reach for as long as there is room.

    What has left is read from the bucket: by id, in chains, by item. So are ids that this host does not know but which
    have the form of ours: those of another host with the same bucket, or of a disk that was lost. A deletion holds at
    once on this host and is carried out in the bucket as soon as that can be reached. Logs of events stay on disk, and
    so do responses that are not finished, or are kept for a few minutes only.
    """

    def __init__(
        self,
        local: SqliteStore,
        bucket: Far,
        content: Content = "full",
        *,
        flush_s: float = 5.0,
        poll_s: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.local = local
        self.bucket = bucket
        self.mover = Mover(local, bucket, content, flush_s=flush_s, poll_s=poll_s)
        self._reads_back = content == "full"
        self._clock = clock
        self._forbidden = False
        self._outage = Outage(bucket.where)

    async def start(self) -> None:
        """Opens the file; the bucket is asked for nothing yet. Raises StoreFailed."""
        self.bucket.start()
        await self.local.start()
        self.mover.start()

    async def close(self) -> None:
        """Writes to the bucket what still waits, as far as there is time for it, and closes everything."""
        try:
            await self.mover.close()
        finally:
            try:
                await self.local.close()
            finally:
                await self.bucket.close()

    async def put(self, entry: Entry) -> None:
        """Keeps an entry on disk, in the place of one with the same id; it is written to the bucket later."""
        await self.local.put(entry)
        if entry.finished:
            self.mover.wake()

    async def get(self, id: str, owner: str) -> Entry | None:
        """Returns an entry, or None; raises StoreUnavailable while the bucket does not say."""
        found = await self.local.find(id, owner)
        return await (self._unknown(id, owner) if found is None else self._whole(found))

    async def delete(self, id: str, owner: str) -> bool:
        """Forgets an entry; tells whether there was one. In the bucket it is removed later, and not found any more."""
        found = await self.local.delete(id, owner)
        if not found and await self._unknown(id, owner) is not None:
            await self.local.bury(Note(id, owner, True))
            found = True
        self.mover.wake()
        return found

    async def chain(self, id: str, owner: str) -> list[Entry] | None:
        """Returns an entry and all before it, the oldest first; None when one of them is not there."""
        line: list[Entry] = []
        seen: set[str] = set()
        next_id: str | None = id
        while next_id is not None and next_id not in seen and len(line) < _MOST_TURNS:
            part = await self.local.line(next_id, owner)
            if part is None:
                return None
            if part:
                entries = await asyncio.gather(*map(self._whole, part))
            else:
                entries = [await self._unknown(next_id, owner)]
            whole = [entry for entry in entries if entry is not None]
            if len(whole) < len(entries) or not seen.isdisjoint(entry.id for entry in whole):
                return None
            seen.update(entry.id for entry in whole)
            line = whole + line
            next_id = line[0].parent
        return line if next_id is None else None

    async def items(self, ids: Sequence[str], owner: str) -> dict[str, msgspec.Raw]:
        """Returns those items that the owner has; of several with one id, that of the entry put last."""
        parts = await self.local.find_items(ids, owner)
        found: dict[str, msgspec.Raw] = {}
        entries = await asyncio.gather(*(self._whole(part) for _, part in parts if isinstance(part, Elsewhere)))
        read = iter(entries)
        for wanted, part in parts:
            if not isinstance(part, Elsewhere):
                found |= part
            elif (entry := next(read)) is not None:
                found |= picked(entry, wanted)
        made, _ = by_response([id for id in ids if id not in found])
        known = {id for wanted, _ in parts for id in wanted}
        for response, wanted in made.items():
            if known.isdisjoint(wanted) and (entry := await self._unknown(response, owner)) is not None:
                found |= picked(entry, wanted)
        return found

    async def log(self, id: str, owner: str) -> bytes:
        """Returns the event log of an entry; b"" when there is none, or its time is over."""
        return await self.local.log(id, owner)

    async def abandoned(self) -> list[Entry]:
        """Returns entries that are not finished, and whose process is gone or has closed its store."""
        return await self.local.abandoned()

    def measures(self) -> Iterable[Measure]:
        """Yields how the moving to the bucket goes."""
        mover, lost = self.mover, self.local.writing.lost
        yield Measure("penstock_cold_waiting_responses", "gauge", "Responses that wait for the bucket.", mover.waiting)
        yield Measure("penstock_cold_moved_responses_total", "counter", "Responses written to the bucket.", mover.moved)
        yield Measure("penstock_cold_failures_total", "counter", "Times the bucket took nothing.", mover.failures)
        yield Measure("penstock_cold_lost_responses_total", "counter", "Responses lost before they were moved.", lost)

    async def _whole(self, found: Found) -> Entry | None:
        """Returns an entry, read from the bucket if it is there alone."""
        if isinstance(found, Entry):
            return found
        entry = await self._read(found.id, found.owner) if self._reads_back else None
        if entry is None:
            if self._reads_back:
                _log.error("response %s is not in %s any more", found.id, self.bucket.where)
            return None
        self.local.recent.add(found.file, found.seq, entry, entry.size)
        return entry.copy()

    async def _unknown(self, id: str, owner: str) -> Entry | None:
        """Returns an entry that this host does not know, or None."""
        if not self._reads_back or not _OURS.fullmatch(id) or await self.local.is_gone_there(id, owner):
            return None
        try:
            return await self._read(id, owner)
        except ColdForbidden as error:  # S3 says so, too, of what is not there, to who may not list the bucket
            if not self._forbidden:
                self._forbidden = True
                _log.warning("%s: responses of other hosts are not found without s3:ListBucket", error)
            return None

    async def _read(self, id: str, owner: str) -> Entry | None:
        try:
            data = await self.bucket.get(owner, id)
        except ColdForbidden:
            raise
        except StoreUnavailable as error:
            self._outage.failed(error)
            raise
        self._outage.answered()
        entry = unpacked(data, id, owner) if data is not None else None
        return entry if entry is not None and entry.expires_at > self._clock() else None
