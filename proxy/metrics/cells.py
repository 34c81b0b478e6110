"""Numbers that a worker counts with and every worker of the host can read, also when the one that counted has died.

Each worker has two files in the directory of the workers: numbers, mapped into its memory, and beside them a line of
JSON for each series that says where its numbers are. Counting is an addition in memory (0.05 us; prometheus-client's
own files for several processes take 0.6 to 1.5 us). A worker that is started again goes on with the files of the one
before it, so that no counter ever falls; only gauges begin at zero. A single worker has no files, and nothing else to
read.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from weakref import WeakKeyDictionary

import msgspec

from .family import Family

_CELLS = 64 * 1024
_BYTES = 8


class Series(msgspec.Struct, frozen=True, array_like=True):
    """Where the numbers of one family are for one set of labels: so many from `at` on."""

    family: Family
    labels: tuple[str, ...]
    at: int


class Cells:
    """The numbers of one worker; `values[series.at]` is the first of a series. Raises OSError when made.

    `directory` is None where there is no other worker. `told` is what parts of this process have told last.
    """

    def __init__(self, directory: Path | None, worker: int) -> None:
        self._directory = directory
        self.told: WeakKeyDictionary[object, dict[Series, float]] = WeakKeyDictionary()
        self._known: dict[tuple[str, tuple[str, ...]], Series] = {}
        self._counts: dict[str, int] = {}  # of series, by family
        self._next = 0
        self._names = -1
        if directory is None:
            self.values: memoryview[float] = memoryview(bytearray(_CELLS * _BYTES)).cast("d")
        else:
            self.values = _mapped(directory / f"metrics-{worker}.values")
            self._take_over(directory / f"metrics-{worker}.names")

    @classmethod
    def of_process(cls) -> Cells:
        """Returns the cells of this worker, whose supervisor has told it by the environment where they are.

        They are made once a process: a pipeline that takes the place of another counts on.
        """
        named = os.environ.get("PENSTOCK_PEERS")
        directory, worker = Path(named) if named else None, int(os.environ.get("PENSTOCK_WORKER", "0"))
        if directory is None:
            return cls(None, worker)
        key = (os.getpid(), str(directory), worker)
        if key not in _of_processes:
            _of_processes[key] = cls(directory, worker)
        return _of_processes[key]

    def series(self, family: Family, labels: tuple[str, ...] = ()) -> Series:
        """Returns the series of those labels. It has its place for as long as the process.

        A family has only so many; those beyond them share one whose labels are all `other`, as do all when there is no
        room.
        """
        key = (family.name, labels)
        known = self._known.get(key)
        if known is not None:
            return known
        if labels and self._counts.get(family.name, 0) >= family.most:
            other = ("other",) * len(labels)
            if labels != other:
                return self.series(family, other)
        if self._next + family.width > _CELLS:
            return Series(family, labels, _CELLS - family.width)  # counted where nobody reads
        series = Series(family, labels, self._next)
        self._tell(series)
        return self._remember(series)

    def all(self) -> Iterator[tuple[Series, Sequence[float]]]:
        """Yields the numbers of every series of every worker, the dead ones included."""
        for series in list(self._known.values()):
            yield series, self.values[series.at : series.at + series.family.width].tolist()
        if self._directory is None:
            return
        for names in sorted(self._directory.glob("metrics-*.names")):
            if names.stat().st_ino != os.fstat(self._names).st_ino:
                yield from _read(names)

    def _remember(self, series: Series) -> Series:
        name = series.family.name
        self._known[name, series.labels] = series
        self._counts[name] = self._counts.get(name, 0) + 1
        self._next = max(self._next, series.at + series.family.width)
        return series

    def _tell(self, series: Series) -> None:
        if self._names < 0:
            return
        line = msgspec.json.encode(series) + b"\n"
        with suppress(OSError):  # no room on the disk: the other workers do not see it
            written = os.write(self._names, line)
            if written < len(line):
                os.ftruncate(self._names, os.fstat(self._names).st_size - written)

    def _take_over(self, path: Path) -> None:
        """Goes on where an earlier worker of this number has stopped; it may have been killed while it wrote a line."""
        self._names = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        whole = path.read_bytes().rpartition(b"\n")
        os.ftruncate(self._names, len(whole[0]) + len(whole[1]))
        for series in _named(whole[0]):
            self._remember(series)
            if series.family.kind == "gauge":
                self.values[series.at] = 0.0


_of_processes: dict[tuple[int, str, int], Cells] = {}


def _mapped(path: Path) -> memoryview[float]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, _CELLS * _BYTES)  # a page that has no room would kill the process later
        return memoryview(mmap.mmap(descriptor, _CELLS * _BYTES)).cast("d")
    finally:
        os.close(descriptor)


def _read(names: Path) -> Iterator[tuple[Series, Sequence[float]]]:
    """Yields the numbers of another worker; what it is just adding is not there yet."""
    named = _named(names.read_bytes().rpartition(b"\n")[0])
    values = memoryview(names.with_suffix(".values").read_bytes()).cast("d")
    for series in named:
        yield series, values[series.at : series.at + series.family.width].tolist()


def _named(lines: bytes) -> list[Series]:
    """Returns the series that lines tell of. One that cannot be read, as a full disk may leave it, hides no other."""
    named = []
    for line in lines.splitlines():
        with suppress(msgspec.MsgspecError):
            named.append(msgspec.json.decode(line, type=Series))
    return named
