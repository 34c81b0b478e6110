"""Numbers that several workers count with, some of which die."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

from proxy.metrics.cells import Cells
from proxy.metrics.family import Family

COUNTED = Family("penstock_things_total", "counter", "Things.", ("kind",), most=3)
OPEN = Family("penstock_open_things", "gauge", "Things.")


def sums(cells: Cells) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for series, numbers in cells.all():
        key = (series.family.name, *series.labels)
        found[key] = found.get(key, 0.0) + numbers[0]
    return found


def count(cells: Cells, kind: str, amount: float = 1.0) -> None:
    cells.values[cells.series(COUNTED, (kind,)).at] += amount


def test_every_worker_reads_the_numbers_of_all(tmp_path: Path) -> None:
    first, second = Cells(tmp_path, 0), Cells(tmp_path, 1)
    count(first, "a")
    count(second, "b", 5)
    count(second, "a", 2)
    assert sums(first) == sums(second) == {(COUNTED.name, "a"): 3.0, (COUNTED.name, "b"): 5.0}


def test_what_a_killed_worker_has_counted_stays_and_its_successor_counts_on(tmp_path: Path) -> None:
    pid = os.fork()
    if not pid:
        cells = Cells(tmp_path, 1)
        count(cells, "a", 7)
        cells.values[cells.series(OPEN).at] += 1
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    with (tmp_path / "metrics-1.names").open("ab") as file:
        file.write(b'[["penstock_torn')  # it was killed in the middle of a line
    reader = Cells(tmp_path, 0)
    assert sums(reader)[COUNTED.name, "a"] == 7.0
    successor = Cells(tmp_path, 1)
    count(successor, "a")
    count(successor, "b")
    assert sums(reader) == {(COUNTED.name, "a"): 8.0, (COUNTED.name, "b"): 1.0, (OPEN.name,): 0.0}


def test_a_line_that_found_no_room_on_the_disk_hides_no_other(tmp_path: Path) -> None:
    cells, names = Cells(tmp_path, 1), tmp_path / "metrics-1.names"
    count(cells, "a")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (names.stat().st_size + 10, limits[1]))
        count(cells, "b")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    count(cells, "c")
    reader = Cells(tmp_path, 0)
    assert sums(reader) == {(COUNTED.name, "a"): 1.0, (COUNTED.name, "c"): 1.0}
    with names.open("ab") as file:
        file.write(b'[["penstock_torn\n')
    assert sums(reader) == sums(Cells(tmp_path, 1)) == {(COUNTED.name, "a"): 1.0, (COUNTED.name, "c"): 1.0}


def test_12_4_a_family_has_only_so_many_series() -> None:
    cells = Cells(None, 0)
    for number in range(1000):
        count(cells, f"kind-{number}")
    assert sums(cells) == {(COUNTED.name, f"kind-{n}"): 1.0 for n in range(3)} | {(COUNTED.name, "other"): 997.0}


def test_where_there_is_no_more_room_nothing_else_is_disturbed() -> None:
    cells = Cells(None, 0)
    count(cells, "a")
    huge = Family("penstock_huge_seconds", "histogram", "Huge.", ("n",), tuple(float(n) for n in range(20_000)))
    for number in range(5):
        cells.values[cells.series(huge, (str(number),)).at] += 1
    assert sums(cells)[COUNTED.name, "a"] == 1.0
    assert len(list(cells.all())) == 4
