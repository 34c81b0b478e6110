"""Writes lines to a file or a standard stream from a thread of its own, so that a slow disk stops nobody.

Several processes may write to one file: it is opened for appending and each write holds whole lines, for pipes no more
than the kernel takes in one piece. A file that was renamed or removed is opened anew. When writing fails, lines wait,
up to a limit; then the newest are dropped and counted. Each change between working and failing is told once.

A file may be rotated, and its lines may be chained (`logs/chain.py`). Then writers take turns by a lock beside it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import stat
import threading
from collections import deque
from pathlib import Path

from .logs.chain import Chain
from .logs.rotation import FileLock, Rotation

_log = logging.getLogger("penstock")
_LINGER_S = 0.01
_RETRY_S = 1.0
_BATCH_BYTES = 64 * 1024
_PIPE_BYTES = select.PIPE_BUF
_MOST_WAITING_BYTES = 16 * 1024 * 1024


class LineSink:
    """A file (by path) or a standard stream (by descriptor) that lines are written to. `lost` counts dropped lines.

    Only a file can have a rotation or a chain.
    """

    def __init__(
        self,
        target: Path | int,
        *,
        most_waiting: int = _MOST_WAITING_BYTES,
        rotation: Rotation | None = None,
        chain: Chain | None = None,
    ) -> None:
        self.lost = 0
        self._target = target
        self._rotation = rotation
        self._chain = chain
        locked = isinstance(target, Path) and (rotation is not None or chain is not None)
        self._lock = FileLock(target) if locked and isinstance(target, Path) else None
        self._fd = -1
        self._most_waiting = most_waiting
        self._lines: deque[bytes] = deque()
        self._rest: list[bytes] = []  # of a batch that could not be written
        self._torn = False  # the last line that was written has no end
        self._taken_bytes = 0  # counted by the writers, the next by the thread: neither waits for the other
        self._written_bytes = 0
        self._failing = False
        self._work = threading.Event()
        self._called = False  # the thread has been, and has not begun with its round
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="penstock-log", daemon=True)

    def open(self) -> None:
        """Opens the file and starts the thread; raises OSError."""
        self._open()
        if self._lock is not None:
            self._lock.open()
        if self._chain is not None:
            self._chain.open()
        if self._rotation is not None:
            self._rotation.tidy()
        self._thread.start()

    @property
    def waiting_bytes(self) -> int:
        """How many bytes of lines wait."""
        return self._taken_bytes - self._written_bytes

    def write(self, line: bytes) -> None:
        """Takes a line, ending in a line feed. Never waits and never fails. Hot: once an exchange."""
        taken = self._taken_bytes + len(line)
        if taken - self._written_bytes > self._most_waiting:
            self.lost += 1
            return
        self._taken_bytes = taken
        self._lines.append(line)
        if not self._called:
            self._called = True
            self._work.set()

    def close(self, timeout_s: float = 5.0) -> None:
        """Writes what is there, for so long at most, and closes the file."""
        self._closing.set()
        self._work.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        if not self._thread.is_alive() and self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            for part in (self._lock, self._chain):
                if part is not None:
                    part.close()
        if self._rotation is not None:
            self._rotation.join(timeout_s)

    def _open(self) -> None:
        old = self._fd
        if isinstance(self._target, int):
            self._fd = os.dup(self._target)
        else:
            self._fd = os.open(self._target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        if old >= 0:
            os.close(old)
        kind = os.fstat(self._fd).st_mode
        self._batch_bytes = _PIPE_BYTES if stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) else _BATCH_BYTES

    def _run(self) -> None:
        while True:
            self._work.wait()
            if not self._closing.is_set():
                self._closing.wait(_RETRY_S if self._failing else _LINGER_S)  # what comes meanwhile is one write
            self._work.clear()
            self._called = False  # only now: whoever calls from here on is heard the next time
            last = self._closing.is_set()
            try:
                self._write_all()
            except OSError as error:
                self._failed(error)
                self._work.set()
            else:
                self._works()
            if last:
                self._give_up()
                return

    def _write_all(self) -> None:
        if self._lock is None:
            self._follow()
        while self._rest or self._lines:
            if not self._rest:
                self._rest = self._next_batch()
            if self._lock is None:
                self._write_batch()
            else:
                self._write_in_turn(self._lock)

    def _write_in_turn(self, lock: FileLock) -> None:
        """Writes `_rest` to the file that has the name now, which stays it meanwhile."""
        rotation = self._rotation
        if rotation is not None and rotation.is_due(self._fd, sum(map(len, self._rest))):
            with lock.alone():
                self._follow()  # somebody else may have been faster
                if rotation.is_due(self._fd, sum(map(len, self._rest))):
                    rotation.put_away()
                    self._open()
            rotation.tidy()
        with lock.shared() if self._chain is None else lock.alone():
            self._follow()
            self._write_batch()

    def _follow(self) -> None:
        if isinstance(self._target, Path) and self._moved_away(self._target):
            self._open()

    def _next_batch(self) -> list[bytes]:
        lines, most, size = self._lines, self._batch_bytes, 0
        batch: list[bytes] = []
        while lines:
            line = lines.popleft()
            size += len(line)
            if size > most and batch:
                lines.appendleft(line)
                break
            batch.append(line)
        return batch

    def _write_batch(self) -> None:
        """Writes `_rest`. When it fails inside a line, that one is written again later, on a line of its own."""
        if self._chain is not None:
            data = self._chain.link(self._fd, self._rest)
        else:
            data = b"\n" * self._torn + b"".join(self._rest)
        mended = data.startswith(b"\n")
        done = 0
        try:
            while done < len(data):
                try:
                    done += os.write(self._fd, data[done:])
                except BlockingIOError:
                    select.select([], [self._fd], [], _RETRY_S)
                    if self._closing.is_set():
                        raise
        except OSError:
            whole = data.count(b"\n", mended, done)
            self._written(whole)
            self._torn = self._torn if not done else not data.endswith(b"\n", 0, done)
            raise
        if self._chain is not None:
            with contextlib.suppress(OSError):  # the next write will find its way without it
                self._chain.written(self._fd)
        self._torn = False
        self._written(len(self._rest))

    def _written(self, lines: int) -> None:
        self._written_bytes += sum(map(len, self._rest[:lines]))
        del self._rest[:lines]

    def _moved_away(self, path: Path) -> bool:
        try:
            there, here = os.stat(path), os.fstat(self._fd)
        except FileNotFoundError:
            return True
        return (there.st_ino, there.st_dev) != (here.st_ino, here.st_dev)

    def _failed(self, error: OSError) -> None:
        if not self._failing:
            self._failing = True
            _log.error("cannot write to %s: %s; lines wait until it works again", self._name, error.strerror or error)

    def _works(self) -> None:
        if self._failing:
            self._failing = False
            _log.warning("writing to %s again; %d lines were lost", self._name, self.lost)

    def _give_up(self) -> None:
        left = len(self._rest) + len(self._lines)
        if left:
            self.lost += left
            _log.error("%d lines for %s were lost", self.lost, self._name)

    @property
    def _name(self) -> str:
        return {1: "stdout", 2: "stderr"}.get(self._target, "?") if isinstance(self._target, int) else str(self._target)
