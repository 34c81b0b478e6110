"""The one queue of rows on their way to another machine: batches, tries, and the disk while it cannot be reached.

A batch leaves the queue when it was delivered, and not before. It has a name that stays the same over tries, restarts
and processes, so that a delivery whose answer was lost is the same delivery once more. While the other side fails, or
when memory is full, batches go to disk; what a process that died has left there is delivered by the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from ..guarded import is_cancelled
from ..redact import redact
from .config import DeliveryConfig
from .spool import Spool

_log = logging.getLogger("penstock")
_FIRST_PAUSE_S = 0.25
_SPILL_AFTER = 2  # failures in a row
_LOOK_S = 60.0
"""How often one who has nothing to do looks for what others have left: a configuration before this one, a worker."""


class DeliveryFailed(Exception):
    """A batch was not taken. With `refused`, it never will be: trying again does not help."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class Sender(Protocol):
    """The way to one other machine."""

    where: str
    """What messages call it."""

    async def start(self) -> None:
        """Makes ready."""

    async def send(self, name: str, body: bytes) -> None:
        """Delivers a batch, or raises DeliveryFailed. The same name is the same batch: it must not count twice."""

    async def close(self) -> None:
        """Closes connections."""


class Batch:
    """Rows that are delivered together. Their bytes are in memory, or on disk at `path`."""

    __slots__ = ("body", "name", "path", "rows", "size")

    def __init__(self, name: str, rows: int, body: bytes | None, path: Path | None = None) -> None:
        self.name = name
        self.rows = rows
        self.body = body
        self.path = path
        self.size = 0 if body is None else len(body)


class Delivery:
    """Delivers rows in batches. `delivered` and `lost` count rows; `waiting_bytes` is what memory holds.

    `pack` makes the bytes of a batch out of rows, in a thread.
    """

    def __init__(
        self,
        sender: Sender,
        config: DeliveryConfig,
        spill: Path | None,
        pack: Callable[[Sequence[bytes]], bytes] = b"".join,
    ) -> None:
        self.delivered = 0
        self.lost = 0
        self.waiting_bytes = 0
        self._sender = sender
        self._config = config
        self._pack = pack
        self._spool = None if spill is None else Spool(spill, int(config.spill_size))
        self._rows: list[bytes] = []  # of the batch that is being filled
        self._rows_bytes = 0
        self._batches: deque[Batch] = deque()
        worker = os.environ.get("PENSTOCK_WORKER", "0")
        self._token = f"{socket.gethostname()[:40]}-{worker}-{secrets.token_hex(4)}"
        self._number = 0
        self._failures = 0
        self._spool_fails = False
        self._overflowed = False
        self._closing = False
        self._work = asyncio.Event()
        self._moving = asyncio.Lock()  # rows into batches, batches to disk
        self._making_room: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to deliver, with what earlier processes have left; raises OSError when the spool cannot be made."""
        if self._spool is not None:
            await asyncio.to_thread(self._spool.open)
        await self._sender.start()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def put(self, row: bytes) -> None:
        """Takes a row. Never waits and never fails. Hot: once an exchange."""
        size = len(row)
        if self.waiting_bytes + size > self._config.queue:
            self._overflow(size)
            if self._spool is None or self.waiting_bytes + size > 2 * self._config.queue:  # or the disk is too slow
                self._lose(1)
                return
        self.waiting_bytes += size
        self._rows_bytes += size
        self._rows.append(row)
        if len(self._rows) >= self._config.rows or self._rows_bytes >= self._config.bytes:
            self._work.set()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._config.every, self._work.set)

    async def close(self) -> None:
        """Delivers what is there, as long as `flush` allows; the rest is spilled, or lost."""
        self._closing = True
        self._work.set()
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=self._config.flush)
            if not self._task.done():
                self._task.cancel()
                await asyncio.wait((self._task,))
            await self._make_room()
            left = sum(batch.rows for batch in self._batches if batch.path is None)
            if left:
                self._lose(left)
                _log.error("%d rows for %s were lost at the end", left, self._sender.where)
        await self._sender.close()
        if self._spool is not None:
            await asyncio.to_thread(self._spool.close)

    # --- the task

    async def _run(self) -> None:
        await self._adopt()
        while True:
            if not self._batches and not self._rows and self._closing:
                return
            if not self._batches and not await self._woken():
                await self._adopt()
            if self._work.is_set():
                await self._seal()
            if self._batches and not await self._deliver(self._batches[0]):
                await self._pause()

    async def _woken(self) -> bool:
        """Waits for work; tells whether some came before it is time to look around."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._work.wait(), None if self._spool is None else _LOOK_S)
        return self._work.is_set()

    async def _adopt(self) -> None:
        if self._spool is None:
            return
        for path in await asyncio.to_thread(self._spool.adopt):
            self._batches.append(Batch(path.name, _rows_in(path.name), None, path))
        if self._batches:
            _log.info("%d batches for %s are left from before", len(self._batches), self._sender.where)

    async def _seal(self) -> None:
        """Makes batches out of the rows that wait."""
        async with self._moving:
            self._work.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            while self._rows:
                await self._seal_one()

    async def _seal_one(self) -> None:
        rows, size = self._next_rows()
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        try:
            body = await asyncio.to_thread(self._pack, rows)
        except Exception as error:  # a bug: trying again would not help, and the rows behind it must go on
            self.waiting_bytes -= size
            self._lose(len(rows))
            _log.error("%d rows for %s cannot be packed", len(rows), self._sender.where, exc_info=error)
            return
        except BaseException:
            self._rows[:0] = rows
            self._rows_bytes += size
            raise
        self._number += 1
        self.waiting_bytes += len(body) - size
        name = f"{moment}_{self._token}_{self._number:08}_{len(rows)}"
        self._batches.append(Batch(name, len(rows), body))

    def _next_rows(self) -> tuple[list[bytes], int]:
        count = size = 0
        for row in self._rows[: self._config.rows]:
            if count and size + len(row) > self._config.bytes:
                break
            count += 1
            size += len(row)
        rows, self._rows = self._rows[:count], self._rows[count:]
        self._rows_bytes -= size
        return rows, size

    async def _deliver(self, batch: Batch) -> bool:
        """Tries to deliver the first batch; False when it has to be tried again."""
        try:
            body = batch.body if batch.path is None else await asyncio.to_thread(batch.path.read_bytes)
            assert body is not None
            async with asyncio.timeout(self._config.timeout):
                await self._sender.send(batch.name, body)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            return self._failed("it was cancelled")
        except FileNotFoundError:
            self._lose(batch.rows)
            _log.error("the batch %s for %s is gone from the spool", batch.name, self._sender.where)
        except TimeoutError:
            return self._failed(f"no answer within {self._config.timeout:g} s")
        except DeliveryFailed as error:
            if not error.refused:
                return self._failed(str(error))
            self._lose(batch.rows)
            _log.error("%s refuses %d rows: %s", self._sender.where, batch.rows, redact(str(error)))
        except Exception as error:  # the top of a task: a bug in a sender must not end the delivery
            return self._failed(f"{type(error).__name__}: {error}")
        else:
            self.delivered += batch.rows
            self._delivers()
        self._batches.popleft()
        self.waiting_bytes -= batch.size
        if batch.path is not None:
            with contextlib.suppress(OSError):  # then the next start delivers it once more, under the same name
                await asyncio.to_thread(batch.path.unlink, missing_ok=True)
        return True

    def _failed(self, why: str) -> bool:
        self._failures += 1
        if self._failures == 1:
            _log.error("cannot deliver rows to %s: %s; they wait", self._sender.where, redact(why))
        return False

    def _delivers(self) -> None:
        if self._failures:
            _log.warning("delivering to %s again; %d rows were lost", self._sender.where, self.lost)
        self._failures = 0
        self._overflowed = False

    async def _pause(self) -> None:
        """Waits for the next try; in the meantime what waits goes to disk."""
        longest = min(float(self._config.retry), _FIRST_PAUSE_S * 2 ** min(self._failures - 1, 20))
        until = asyncio.get_running_loop().time() + longest * random.uniform(0.5, 1.0)
        while (left := until - asyncio.get_running_loop().time()) > 0:
            if self._work.is_set():
                await self._seal()
            if self._failures >= _SPILL_AFTER:
                await self._spill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._work.wait()

    # --- too much

    def _overflow(self, size: int) -> None:
        """Has what waits go to disk, also while a delivery is on its way."""
        if not self._overflowed:
            self._overflowed = True
            _log.warning("rows for %s fill the queue (%d bytes)", self._sender.where, self.waiting_bytes + size)
        if self._spool is not None and (self._making_room is None or self._making_room.done()):
            self._making_room = asyncio.get_running_loop().create_task(self._make_room())

    async def _make_room(self) -> None:
        await self._seal()
        await self._spill()

    async def _spill(self) -> None:
        """Writes the batches in memory to disk."""
        if self._spool is None:
            return
        async with self._moving:
            for batch in [one for one in self._batches if one.body is not None]:
                assert batch.body is not None
                try:
                    path = await asyncio.to_thread(self._spool.write, batch.name, batch.body)
                except OSError as error:
                    self._spool_failed(error.strerror or str(error))
                    return
                if path is None:
                    self._spool_failed("it is full")
                    return
                self._spool_fails = False
                await self._spilled(batch, path)

    async def _spilled(self, batch: Batch, path: Path) -> None:
        if batch not in self._batches:  # it was delivered meanwhile
            await asyncio.to_thread(path.unlink, missing_ok=True)
            return
        batch.path, batch.body = path, None
        self.waiting_bytes -= batch.size
        batch.size = 0

    def _spool_failed(self, why: str) -> None:
        if not self._spool_fails:
            self._spool_fails = True
            _log.error("rows for %s cannot be spilled: %s", self._sender.where, why)

    def _lose(self, rows: int) -> None:
        if not self.lost:
            _log.error("rows for %s are being lost", self._sender.where)
        self.lost += rows


def _rows_in(name: str) -> int:
    """Returns how many rows a batch holds, by its name."""
    count = name.rpartition("_")[2]
    return int(count) if count.isdigit() else 1
