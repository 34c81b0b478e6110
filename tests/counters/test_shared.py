"""Counters of several processes: exact, bounded, and none the worse for a worker that is killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.counters import Limits, SharedCounters
from tests.support.fixtures import ROOT

WORKERS = 4
PARALLEL = Limits(parallel=150)

HAMMER = """
import asyncio, sys
from proxy.counters import Limits, SharedCounters

async def main(path, worker):
    counters = SharedCounters(path, worker, clock=lambda: 1000.0)
    limits = Limits(requests=20_000)
    print("ready", flush=True)
    sys.stdin.readline()
    admitted = 0
    for _ in range(10_000):
        admitted += (await counters.take("one", limits)).refused_by is None
    held = 0
    for _ in range(100):
        held += (await counters.take("two", Limits(parallel=150))).held
    for _ in range(3000):
        grant = await counters.take("three", Limits(parallel=3))
        await counters.release(grant)
    print(admitted, held, flush=True)
    sys.stdin.readline()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    path = str(tmp_path / "counters")
    command = [sys.executable, "-c", HAMMER, path]
    running = [
        subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for number in range(WORKERS)
    ]
    yield running
    for process in running:
        process.kill()
        process.communicate()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


async def test_exact_over_processes_and_after_a_kill(workers: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    assert [said(process) for process in workers] == ["ready"] * WORKERS
    for process in workers:
        tell(process)
    results = [tuple(map(int, said(process).split())) for process in workers]
    assert sum(admitted for admitted, _ in results) == 20_000
    assert sum(held for _, held in results) == 150

    counters = SharedCounters(str(tmp_path / "counters"), WORKERS, clock=lambda: 1000.0)
    assert (await counters.take("one", Limits(requests=20_000))).refused_by == "requests"
    assert (await counters.take("two", PARALLEL)).refused_by == "parallel"
    three = [(await counters.take("three", Limits(parallel=3))).refused_by for _ in range(4)]
    assert three == [None, None, None, "parallel"]

    workers[1].kill()
    workers[1].wait()
    assert (await counters.take("two", PARALLEL)).refused_by == "parallel"
    counters.forget_worker(1)
    freed = 0
    while (await counters.take("two", PARALLEL)).held:
        freed += 1
    assert freed == results[1][1]
    counters.close()


async def test_a_worker_that_comes_back_clears_what_it_left(tmp_path: Path) -> None:
    path = str(tmp_path / "counters")
    first = SharedCounters(path, 0, rows=8)
    other = SharedCounters(path, 1, rows=8)
    limits = Limits(parallel=2)
    assert (await first.take("a", limits)).held
    kept = await other.take("a", limits)
    again = SharedCounters(path, 0, rows=8)
    assert (await again.take("a", limits)).held
    assert not (await again.take("a", limits)).held
    await other.release(kept)
    assert (await again.take("a", limits)).held
    for counters in (first, other, again):
        counters.close()


async def test_the_table_does_not_grow_and_keeps_what_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    now = [1000.0]
    counters = SharedCounters(str(path), rows=8, clock=lambda: now[0])
    size = path.stat().st_size
    limits = Limits(requests=5, parallel=5)
    running = await counters.take("running", limits)
    for number in range(200):
        now[0] += 0.001
        await counters.release(await counters.take(f"subject {number}", limits))
    assert path.stat().st_size == size
    assert (await counters.take("running", limits)).remaining == 3
    assert (await counters.take("subject 199", limits)).remaining == 3
    assert (await counters.take("subject 0", limits)).remaining == 4, "the least used row was not recycled"
    await counters.release(running)
    counters.close()


async def test_releasing_into_a_recycled_row_harms_nobody(tmp_path: Path) -> None:
    counters = SharedCounters(str(tmp_path / "counters"), rows=8)
    limits = Limits(parallel=1)
    grants = [await counters.take(str(number), limits) for number in range(20)]
    for grant in grants[:12]:
        await counters.release(grant)
    refused = [(await counters.take(str(number), limits)).refused_by for number in range(12, 20)]
    assert refused == ["parallel"] * 8
    counters.close()


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("not a table")
    with pytest.raises(ValueError, match="no table of counters"):
        SharedCounters(str(path))
    assert path.read_text() == "not a table"
    with pytest.raises(ValueError, match="at most 128 workers"):
        SharedCounters(str(tmp_path / "counters"), 128)


def test_the_table_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    SharedCounters(str(path), rows=8).close()
    assert path.stat().st_mode & 0o777 == 0o600
