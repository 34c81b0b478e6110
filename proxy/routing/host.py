"""What the workers of one host tell each other of deployments: requests in flight, and who cools down until when.

A file in the directory that the workers share is mapped into the memory of each. A deployment's row is found by its
digest; a row is taken under the file's lock, once a worker and deployment, and all else is one word read or written:
each worker counts in a column of its own, and of two that let a deployment cool down at the same moment either may
count. Times are those of the monotonic clock, which is one for all processes of a host.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
from pathlib import Path

from .failures import FAILURES, Failure

MOST_WORKERS = 64
_ROWS = 512
_UNTIL, _WHY, _COLUMNS = 1, 2, 3
_ROW = _COLUMNS + MOST_WORKERS
_FILE = "deployments"


_counted_in: set[tuple[int, str, int]] = set()
"""Columns that this process has counted in: a pipeline that takes the place of another finds its requests there."""


class HostRow:
    """What the host knows of one deployment, seen from one worker."""

    __slots__ = ("_at", "_cells", "_counted", "_own")

    def __init__(self, cells: memoryview, at: int, worker: int) -> None:
        self._cells = cells
        self._at = at
        self._own = at + _COLUMNS + worker
        self._counted = 0

    def count(self, in_flight: int) -> None:
        """Tells how many requests are in flight here, where another pipeline may count too. Hot: twice an attempt."""
        self._cells[self._own] += in_flight - self._counted
        self._counted = in_flight

    def in_flight(self) -> int:
        """Returns how many requests all workers have in flight. Hot where it is asked."""
        first = self._at + _COLUMNS
        return sum(self._cells[first : first + MOST_WORKERS].tolist())

    def cool_down(self, until: float, why: Failure | None) -> None:
        """Tells that it cools down until a moment, and after what."""
        self._cells[self._at + _WHY] = FAILURES.index(why) + 1 if why is not None else 0
        self._cells[self._at + _UNTIL] = int(until * 1e6)

    def until(self) -> float:
        """Returns until when it cools down; a moment that is over if it does not. Hot: once a choice and deployment."""
        micros: int = self._cells[self._at + _UNTIL]
        return micros / 1e6

    def why(self) -> Failure | None:
        """Returns after what it cools down."""
        number: int = self._cells[self._at + _WHY]
        return FAILURES[number - 1] if number else None


class Host:
    """The table, seen from the worker of that number, which may be the one that has counted there before.

    Raises OSError when the file cannot be used.
    """

    def __init__(self, directory: Path, worker: int, *, goes_on: bool = False) -> None:
        self._worker = worker
        size = 8 * _ROWS * _ROW
        self._fd = os.open(directory / _FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(self._fd).st_size < size:
            os.ftruncate(self._fd, size)  # zeros, and nothing lost where another worker has done so meanwhile
        self._cells = memoryview(mmap.mmap(self._fd, size)).cast("q")
        if goes_on:
            return
        for at in range(0, _ROWS * _ROW, _ROW):
            self._cells[at + _COLUMNS + worker] = 0  # what a worker of that number had in flight died with it

    @classmethod
    def of_process(cls) -> Host | None:
        """Returns the table of this worker's host, as its supervisor has told it by the environment; None without."""
        directory, worker = os.environ.get("PENSTOCK_PEERS"), int(os.environ.get("PENSTOCK_WORKER", "0"))
        if not directory or worker >= MOST_WORKERS:
            return None
        key = os.getpid(), directory, worker
        host = cls(Path(directory), worker, goes_on=key in _counted_in)
        _counted_in.add(key)
        return host

    def close(self) -> None:
        """Lets go of the file; what is mapped stays as long as somebody looks at it."""
        os.close(self._fd)

    def row(self, name: str) -> HostRow | None:
        """Returns the row of a deployment; None when all are taken."""
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        number = int.from_bytes(digest, "little", signed=True) or 1  # a free row has 0
        first = number % _ROWS
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            for step in range(_ROWS):
                at = (first + step) % _ROWS * _ROW
                if not self._cells[at]:
                    self._cells[at] = number
                if self._cells[at] == number:
                    return HostRow(self._cells, at, self._worker)
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        return None
