"""A table of counters in a file that the processes of one host map into memory.

A counter's row is found by its digest, in a set of sixteen; one that a process has found it finds again at once. A set
that is full gives up a row of which nothing is held, the one that was longest without a request: the table never grows,
and what it forgets is the least used.

What is held is counted in one column a process, so that it can be told whose it is. A process has its column as long as
it renews its lease; afterwards anybody may clear it. Nothing here locks: whoever calls holds `locked`.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
import threading
from collections.abc import Iterator
from types import TracebackType

from . import cells
from .limits import UNITS, CounterState, Demand, Holder

MOST_PROCESSES = 128
_MAGIC = b"penstock counters 2\n".ljust(24)
_LAST_NUMBER = 3
_PROCESSES_AT, _PROCESS = 64, 3  # lease, number, process id
_HEAD = 512
_SET = 16
_ROWS = 16384
_NAME_AT, _NAME_BYTES = 48, 128
_COLUMNS_AT = _NAME_AT + _NAME_BYTES // 8
_ROW = _COLUMNS_AT + MOST_PROCESSES
_MOST_KNOWN = 8192
_ROW_HEAD = struct.Struct(f"={8 * cells.GENERATION}x6q")
"""GENERATION, NEWEST, LAST, USED, HELD and MOST of a row: reading all of them costs no more than reading two."""

Row = tuple[int, int, int, int, int, int]
"""Where a counter's row is, its generation, and NEWEST, LAST, USED and HELD in it (see `cells`)."""
USED, HELD = 4, 5
"""Places in a `Row`."""


class Table:
    """The rows, and the columns of the processes. Creates the file when it is not there.

    Use it as a context manager to have it alone. Raises OSError, and ValueError for a file that is something else.
    """

    def __init__(self, path: str, rows: int = _ROWS) -> None:
        self._alone = threading.Lock()  # the file's lock is one lock for all threads
        self._known: dict[str, tuple[int, int]] = {}
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with self:
                size = self._lay_out(path, rows)
            self._map = mmap.mmap(self._fd, size)
        except BaseException:
            os.close(self._fd)
            raise
        self._bytes = memoryview(self._map)
        self.cells = self._bytes.cast("q")
        self._sets = (len(self.cells) - _HEAD) // (_SET * _ROW)

    def __enter__(self) -> None:
        self._alone.acquire()
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        self._alone.release()

    def close(self) -> None:
        """Unmaps the table. The file stays for the others."""
        self.cells.release()
        self._bytes.release()
        self._map.close()
        os.close(self._fd)

    def _lay_out(self, path: str, rows: int) -> int:
        """Gives a new file its size; returns how many bytes it has."""
        size = os.fstat(self._fd).st_size
        if not size:
            size = 8 * (_HEAD + -(-rows // _SET) * _SET * _ROW)
            os.ftruncate(self._fd, size)
            os.pwrite(self._fd, _MAGIC, 0)
        elif os.pread(self._fd, len(_MAGIC), 0) != _MAGIC or (size // 8 - _HEAD) % (_SET * _ROW):
            raise ValueError(f"{path} is no table of counters")
        return size

    # --- rows

    def row(self, demand: Demand, now_us: int) -> Row:
        """Returns a counter's row, made when it is not there, as it is now. Hot: once a demand."""
        known = self._known.get(demand.counter)
        if known is not None:
            at, number = known
            limit = demand.limit
            generation, newest, last, used, held, most = _ROW_HEAD.unpack_from(self._bytes, 8 * at)
            if generation == number and most == limit.most and newest == now_us // limit.slot_us:
                self.cells[at + cells.TOUCHED] = now_us
                return at, number, newest, last, used, held
        return self._looked_up(demand, now_us)

    def _looked_up(self, demand: Demand, now_us: int) -> Row:
        """Returns a row that is not known, or in which something has to be brought up to date."""
        table = self.cells
        at, number = self._known.get(demand.counter, (0, -1))
        if table[at + cells.GENERATION] != number:
            at = self._find(demand, now_us)
        table[at + cells.MOST] = demand.limit.most
        table[at + cells.TOUCHED] = now_us
        cells.look(table, at, now_us)
        generation, newest, last, used, held, _ = _ROW_HEAD.unpack_from(self._bytes, 8 * at)
        return at, generation, newest, last, used, held

    def _find(self, demand: Demand, now_us: int) -> int:
        digest = hashlib.blake2b(demand.counter.encode("utf-8", "surrogateescape"), digest_size=16).digest()
        low = int.from_bytes(digest[:8], "little", signed=True)
        high = int.from_bytes(digest[8:], "little", signed=True) | 1  # a free row has 0
        first = _HEAD + high % self._sets * _SET * _ROW
        places = range(first, first + _SET * _ROW, _ROW)
        at = next((at for at in places if self.cells[at] == low and self.cells[at + 1] == high), None)
        if at is None:
            at = min(places, key=lambda at: self._missed(at, now_us))
            self._begin(at, low, high, demand)
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[demand.counter] = at, self.cells[at + cells.GENERATION]
        return at

    def _missed(self, at: int, now_us: int) -> tuple[bool, bool, bool, int]:
        """Returns how much the counter of a row would be missed."""
        table = self.cells
        if not table[at + 1]:
            return False, False, False, 0
        cells.look(table, at, now_us)
        return True, table[at + cells.HELD] > 0, table[at + cells.USED] > 0, table[at + cells.TOUCHED]

    def _begin(self, at: int, low: int, high: int, demand: Demand) -> None:
        name = demand.counter.encode("utf-8", "surrogateescape")[:_NAME_BYTES]
        self._bytes[8 * at : 8 * (at + _ROW)] = bytes(8 * _ROW)
        self.cells[at + cells.GENERATION] = self._next_number()
        self.cells[at + cells.NAME_BYTES] = len(name)
        self._bytes[8 * (at + _NAME_AT) : 8 * (at + _NAME_AT) + len(name)] = name
        cells.begin(self.cells, at, demand.limit)
        self.cells[at], self.cells[at + 1] = low, high

    def _next_number(self) -> int:
        self.cells[_LAST_NUMBER] += 1
        return self.cells[_LAST_NUMBER]

    # --- what is held

    # the column is never empty while the sum is wrong: that is how a row is found that somebody died in

    def hold(self, at: int, column: int, amount: int) -> None:
        """Holds more of a counter for the process of a column. Hot: once a demand."""
        table = self.cells
        table[at + _COLUMNS_AT + column] += amount
        table[at + cells.HELD] += amount

    def release(self, at: int, column: int, amount: int) -> None:
        """Holds less of it, and never less than nothing. Hot: once a demand."""
        table, place = self.cells, at + _COLUMNS_AT + column
        held = table[place]
        table[at + cells.HELD] -= amount if amount < held else held
        table[place] = held - amount if amount < held else 0

    def claim(self, until_us: int, now_us: int) -> tuple[int, int]:
        """Returns a column that nobody has, and its number from now on; raises ValueError when all are taken."""
        self.clear_dead(now_us)
        for column in range(MOST_PROCESSES):
            place = _PROCESSES_AT + column * _PROCESS
            if not self.cells[place]:
                number = self._next_number()
                self.cells[place + 1], self.cells[place + 2] = number, os.getpid()
                self.cells[place] = until_us
                return column, number
        raise ValueError(f"at most {MOST_PROCESSES} processes share counters")

    def has(self, column: int, number: int) -> bool:
        """Tells whether a column is still the one that was claimed."""
        place = _PROCESSES_AT + column * _PROCESS
        return self.cells[place + 1] == number and self.cells[place] > 0

    def renew(self, column: int, until_us: int) -> None:
        """Says that the process of a column lives."""
        self.cells[_PROCESSES_AT + column * _PROCESS] = until_us

    def give_up(self, column: int) -> None:
        """Clears a column: nothing is held in it any more, and another process may have it."""
        table = self.cells
        for number, amount in enumerate(table[_HEAD + _COLUMNS_AT + column :: _ROW].tolist()):
            if amount:
                at = _HEAD + number * _ROW
                table[at + _COLUMNS_AT + column] = 0
                # summed anew: what a process has left half done when it died is mended here
                table[at + cells.HELD] = sum(table[at + _COLUMNS_AT : at + _ROW].tolist())
        table[_PROCESSES_AT + column * _PROCESS] = 0

    def clear_dead(self, now_us: int) -> int:
        """Clears the columns whose leases have ended; returns how many."""
        leases = self.cells[_PROCESSES_AT : _PROCESSES_AT + MOST_PROCESSES * _PROCESS : _PROCESS].tolist()
        dead = [column for column, until in enumerate(leases) if 0 < until < now_us]
        for column in dead:
            self.give_up(column)
        return len(dead)

    # --- to be shown

    def states(self, now_us: int) -> Iterator[CounterState]:
        """Yields every counter as it is now."""
        for number, there in enumerate(self.cells[_HEAD + 1 :: _ROW].tolist()):
            if there:
                yield self._state(_HEAD + number * _ROW, now_us)

    def _state(self, at: int, now_us: int) -> CounterState:
        table = self.cells
        cells.look(table, at, now_us)
        unit = UNITS[table[at + cells.UNIT]]
        name = bytes(self._bytes[8 * (at + _NAME_AT) : 8 * (at + _NAME_AT) + table[at + cells.NAME_BYTES]])
        held = table[at + _COLUMNS_AT : at + _ROW].tolist() if table[at + cells.HELD] else ()
        return CounterState(
            name.decode("utf-8", "replace"),
            unit,
            table[at + cells.MOST],
            table[at + cells.SLOT_US],
            table[at + cells.USED],
            table[at + cells.HELD],
            tuple(Holder(self._who(column), amount) for column, amount in enumerate(held) if amount),
        )

    def _who(self, column: int) -> str:
        return f"process {self.cells[_PROCESSES_AT + column * _PROCESS + 2]}"
