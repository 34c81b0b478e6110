"""Moves responses from the store of this host to the cold store, behind everybody's back."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Protocol

from .cold_bucket import ColdUnfit
from .cold_object import Content
from .sqlite_cold import Load, Note, Work
from .store import StoreFailed

_log = logging.getLogger("penstock")

_MOST, _MOST_BYTES = 64, 16 * 1024 * 1024
"""What is held in memory at a time."""
_AT_ONCE = 8
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0
_CLOSING_POLL_S = 0.05


class Source(Protocol):
    """Where responses wait, on disk: what is taken from there stays until it is said to have arrived."""

    async def waiting(self, most: int, most_bytes: int, content: Content) -> Work:
        """Returns some of what is to be done."""

    async def lead(self) -> bool:
        """Tells whether this process is the one to do it; there is one at a time."""

    async def arrived(self, seqs: list[int], unfit: list[int], notes: list[Note]) -> None:
        """Takes note of what has been done."""


class Destination(Protocol):
    """Where they go."""

    where: str

    async def put(self, owner: str, id: str, body: bytes) -> None:
        """Writes an object; raises StoreFailed, ColdUnfit when it can never be written."""

    async def remove(self, owner: str, id: str) -> None:
        """Removes an object; raises StoreFailed."""


class Mover:
    """Does what waits, in rounds: removes first, then writes, several at a time, then takes note of all of it.

    While the destination fails it tries less and less often. What others have put is found after `poll_s`.
    """

    def __init__(
        self, source: Source, destination: Destination, content: Content, *, flush_s: float, poll_s: float = 1.0
    ) -> None:
        self._source = source
        self._destination = destination
        self._content = content
        self._flush_s = flush_s
        self._poll_s = poll_s
        self._more = asyncio.Event()
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._failed = 0
        self.moved = 0
        """How many objects were written."""
        self.waiting = 0
        """How many are to be written, if it is this process that does it."""
        self.failures = 0
        """How many rounds have failed."""

    def start(self) -> None:
        """Begins."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        """Says that there is more to do."""
        self._more.set()

    async def close(self) -> None:
        """Does what still waits, for so long as it may take; what is left then stays where it is."""
        self._closing = True
        self._more.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=self._flush_s)
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        pause_s: float | None = 0.0
        while pause_s is not None:
            await self._pause(pause_s)
            self._more.clear()
            try:
                pause_s = await self._round()
            except Exception as error:  # nobody else would go on
                _log.error("moving responses to the cold store failed", exc_info=error)
                pause_s = _LONGEST_PAUSE_S

    async def _pause(self, seconds: float) -> None:
        """Waits so long, or until there is more to do; not after failures, which more work does not mend."""
        if seconds <= 0:
            return
        if self._closing:
            await asyncio.sleep(_CLOSING_POLL_S)
        elif self._failed:
            pausing = asyncio.create_task(asyncio.sleep(seconds))
            await self._first_of(pausing)
        else:
            await self._first_of(asyncio.create_task(self._more.wait()), seconds)

    async def _first_of(self, waiting: asyncio.Task[object], seconds: float | None = None) -> None:
        try:
            await asyncio.wait([waiting], timeout=seconds)
        finally:
            waiting.cancel()

    async def _round(self) -> float | None:
        """Does one round; returns the seconds to the next, or None when it is time to end."""
        try:
            most = 1 if self._failed else _MOST
            work = await self._source.waiting(most, _MOST_BYTES, self._content)
            self.waiting = 0
            if not work:
                self._works()
                return None if self._closing else self._poll_s
            if not await self._source.lead():
                return self._poll_s
            self.waiting = work.waiting
            failure = await self._do(work)
        except StoreFailed as error:
            failure = error
        if failure is None:
            self._works()
            return 0.0
        self.failures += 1
        return None if self._closing else self._fails(failure)

    async def _do(self, work: Work) -> StoreFailed | None:
        """Does some work and takes note of it; returns why the rest of it could not be done."""
        removed = await asyncio.gather(*map(self._remove, work.notes))
        loads = [] if any(removed) else work.loads
        written = await asyncio.gather(*map(self._write, loads))
        seqs = [load.seq for load, error in zip(loads, written, strict=True) if error is None]
        unfit = [load.seq for load, error in zip(loads, written, strict=True) if isinstance(error, ColdUnfit)]
        notes = [note for note, error in zip(work.notes, removed, strict=True) if error is None]
        await self._source.arrived(seqs, unfit, notes)
        self.moved += len(seqs)
        failures = (error for error in (*removed, *written) if not isinstance(error, ColdUnfit))
        return next(filter(None, failures), None)

    async def _write(self, load: Load) -> StoreFailed | None:
        try:
            if load.body is None:
                raise ColdUnfit(f'response "{load.id}" is damaged in the database')
            async with self._room:
                await self._destination.put(load.owner, load.id, load.body)
        except ColdUnfit as error:
            _log.error("it stays on this host alone: %s", error)
            return error
        except StoreFailed as error:
            return error
        return None

    async def _remove(self, note: Note) -> StoreFailed | None:
        try:
            async with self._room:
                await self._destination.remove(note.owner, note.id)
        except StoreFailed as error:
            return error
        return None

    def _works(self) -> None:
        if self._failed:
            _log.warning("%s: takes responses again", self._destination.where)
        self._failed = 0

    def _fails(self, error: StoreFailed) -> float:
        """Says so, once; returns the pause before the next try."""
        if not self._failed:
            _log.error("the cold store takes nothing, responses wait on disk: %s", error)
        self._failed += 1
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(self._failed - 1, 10))
        return pause_s * random.uniform(0.5, 1.0)
