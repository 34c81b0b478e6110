"""Counters of all workers of one host: a table in a file that each of them maps into memory.

A subject's row is found by its digest, in a set of eight rows that one byte-range lock protects; the kernel takes the
lock back from a process that dies. Parallel slots are counted in one column a worker, so that those of a dead worker
can be told from the others. Nothing is read or written but the memory: a decision takes a few microseconds.

A set that is full gives up the row that was longest without a request, one without running requests first: the table
never grows, and what it forgets is the least used. Times are those of the monotonic clock, the same in all processes.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
import time
from collections.abc import Callable

from .limits import Grant, Limits
from .local import decide
from .window import RING, Window

MOST_WORKERS = 128
_SET = 8
_ROW_BYTES = 512
_HEAD_BYTES = 4096
_ROWS = 8192
_MAGIC = b"penstock counters 1\n"
_STATE = struct.Struct(f"=16sdq{RING}I")  # digest of the subject, last use, newest slot, requests by slot
_SLOTS = struct.Struct(f"={MOST_WORKERS}H")  # parallel slots by worker
_SLOT = struct.Struct("=H")
_SLOTS_AT = 160
_FREE = bytes(16)


class SharedCounters:
    """The view of one worker, `worker` being its number. A worker's number must be its own among the living.

    Creates the file when it is not there. What a former process with this number has left is cleared, so make one of
    these a process. Raises OSError, and ValueError for a file that is something else.
    """

    def __init__(
        self, path: str, worker: int = 0, *, rows: int = _ROWS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not 0 <= worker < MOST_WORKERS:
            raise ValueError(f"at most {MOST_WORKERS} workers share counters, and this is number {worker}")
        self._clock = clock
        self._worker = worker
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._rows = self._lay_out(path, rows)
            self._table = mmap.mmap(self._fd, _HEAD_BYTES + self._rows * _ROW_BYTES)
        except BaseException:
            os.close(self._fd)
            raise
        self.forget_worker(worker)

    async def take(self, subject: str, limits: Limits) -> Grant:
        """Takes one request and one parallel slot of a subject, or nothing."""
        digest = hashlib.blake2b(subject.encode(), digest_size=16).digest()
        first = self._set_of(digest)
        fcntl.lockf(self._fd, fcntl.LOCK_EX, _SET * _ROW_BYTES, first)
        try:
            now = self._clock()
            at = self._find(digest, first)
            if at is None:
                at = self._vacate(first)
                window = Window(limits.window_s)
            else:
                _, _, newest, *counts = _STATE.unpack_from(self._table, at)
                window = Window(limits.window_s, newest, counts)
            parallel = sum(_SLOTS.unpack_from(self._table, at + _SLOTS_AT)) if limits.parallel is not None else 0
            grant = decide(Grant(digest), limits, window, parallel, now)
            _STATE.pack_into(self._table, at, digest, now, window.newest, *window.counts)
            if grant.held:
                self._change_slots(at, 1)
            return grant
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, _SET * _ROW_BYTES, first)

    async def release(self, grant: Grant) -> None:
        """Gives back the parallel slot of a grant."""
        if not grant.held:
            return
        grant.held = False
        first = self._set_of(grant.subject)
        fcntl.lockf(self._fd, fcntl.LOCK_EX, _SET * _ROW_BYTES, first)
        try:
            at = self._find(grant.subject, first)
            if at is not None:
                self._change_slots(at, -1)
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, _SET * _ROW_BYTES, first)

    def forget_worker(self, index: int) -> None:
        """Gives back the parallel slots of a worker that is no more."""
        column = _SLOTS_AT + index * _SLOT.size
        for at in range(_HEAD_BYTES + column, len(self._table), _ROW_BYTES):
            if self._table[at : at + _SLOT.size] != b"\0\0":
                first = at - column
                first -= (first - _HEAD_BYTES) % (_SET * _ROW_BYTES)
                fcntl.lockf(self._fd, fcntl.LOCK_EX, _SET * _ROW_BYTES, first)
                _SLOT.pack_into(self._table, at, 0)
                fcntl.lockf(self._fd, fcntl.LOCK_UN, _SET * _ROW_BYTES, first)

    def close(self) -> None:
        """Unmaps the table. The file stays for the other workers."""
        self._table.close()
        os.close(self._fd)

    def _lay_out(self, path: str, rows: int) -> int:
        """Gives a new file its size; returns how many rows the file has."""
        fcntl.lockf(self._fd, fcntl.LOCK_EX, _HEAD_BYTES, 0)
        try:
            size = os.fstat(self._fd).st_size
            if not size:
                size = _HEAD_BYTES + -(-rows // _SET) * _SET * _ROW_BYTES
                os.ftruncate(self._fd, size)
                os.pwrite(self._fd, _MAGIC, 0)
            elif os.pread(self._fd, len(_MAGIC), 0) != _MAGIC:
                raise ValueError(f"{path} is no table of counters")
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, _HEAD_BYTES, 0)
        return (size - _HEAD_BYTES) // _ROW_BYTES

    def _set_of(self, digest: bytes) -> int:
        number = int.from_bytes(digest[:8], "little") % (self._rows // _SET)
        return _HEAD_BYTES + number * _SET * _ROW_BYTES

    def _find(self, digest: bytes, first: int) -> int | None:
        """Returns where a subject's row is in its set."""
        for at in range(first, first + _SET * _ROW_BYTES, _ROW_BYTES):
            if self._table[at : at + 16] == digest:
                return at
        return None

    def _vacate(self, first: int) -> int:
        """Returns an empty row of a set: a free one, else that of the subject which is missed least."""

        def missed(at: int) -> tuple[bool, bool, float]:
            owner, last_use, *_ = _STATE.unpack_from(self._table, at)
            running = any(_SLOTS.unpack_from(self._table, at + _SLOTS_AT))
            return owner != _FREE, running, last_use

        at = min(range(first, first + _SET * _ROW_BYTES, _ROW_BYTES), key=missed)
        self._table[at : at + _ROW_BYTES] = bytes(_ROW_BYTES)
        return at

    def _change_slots(self, row: int, change: int) -> None:
        at = row + _SLOTS_AT + self._worker * _SLOT.size
        (count,) = _SLOT.unpack_from(self._table, at)
        _SLOT.pack_into(self._table, at, max(0, count + change))
