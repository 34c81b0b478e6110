"""Counters of several processes: exact, and none the worse for one that is killed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.counters import Counters, Demand, Grant, Limit, SharedCounters
from tests.support.fixtures import ROOT

WORKERS = 4
MANY = Limit(unit="requests", most=2000, window_s=86400)
PLACES = Limit(unit="parallel", most=150)
TOKENS = Limit(unit="tokens", most=10**9, window_s=86400)

HAMMER = """
import asyncio, sys
from proxy.counters import Demand, Limit, SharedCounters

MANY = Limit(unit="requests", most=2000, window_s=86400)
PLACES = Limit(unit="parallel", most=150)
TOKENS = Limit(unit="tokens", most=10**9, window_s=86400)

async def main(path):
    counters = SharedCounters(path, lease_s=1.0)
    await counters.start()
    print("ready", flush=True)
    sys.stdin.readline()
    admitted = held = 0
    for _ in range(1000):
        admitted += (await counters.reserve([Demand("one", MANY, 1)])).refused is None
    for _ in range(100):
        held += (await counters.reserve([Demand("two", PLACES, 1)])).refused is None
    for number in range(500):
        grant = await counters.reserve([Demand("three", TOKENS, 500), Demand("four", PLACES, 1)])
        await counters.settle(grant, [number, 0])
    print(admitted, held, flush=True)
    sys.stdin.readline()

asyncio.run(main(sys.argv[1]))
"""


async def ask(counters: Counters, name: str, limit: Limit, amount: int = 1) -> Grant:
    return await counters.reserve([Demand(name, limit, amount)])


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    command = [sys.executable, "-c", HAMMER, str(tmp_path / "counters")]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(WORKERS)
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
    assert sum(admitted for admitted, _ in results) == 2000
    assert sum(held for _, held in results) == 150

    counters = SharedCounters(str(tmp_path / "counters"))
    assert (await ask(counters, "one", MANY)).refused == 0
    assert (await ask(counters, "two", PLACES)).refused == 0
    states = {state.counter: state for state in await counters.snapshot()}
    assert (states["three"].used, states["three"].held) == (WORKERS * sum(range(500)), 0)
    assert states["four"].held == 0
    assert sum(holder.amount for holder in states["two"].holders) == 150

    victim = max(range(WORKERS), key=lambda number: results[number][1])
    workers[victim].kill()
    workers[victim].wait()
    deadline = time.monotonic() + 30
    while states["two"].held == 150:  # another worker's thread clears what the dead one has held, when its lease ends
        assert time.monotonic() < deadline, "the lease of a dead process never ended"
        await asyncio.sleep(0.05)
        states = {state.counter: state for state in await counters.snapshot()}
    assert states["two"].held == 150 - results[victim][1]
    counters.unmap()


async def test_a_lease_that_was_lost_takes_nothing_from_others(tmp_path: Path) -> None:
    now = [1000.0]
    path = str(tmp_path / "counters")
    first, second = (SharedCounters(path, rows=16, lease_s=10, clock=lambda: now[0]) for _ in range(2))
    place = Limit(unit="parallel", most=2)
    lost = await ask(first, "a", place)
    now[0] += 11
    kept = await ask(second, "a", place)  # claims a column, and clears that of the first before
    assert (await second.snapshot())[0].held == 1
    again = await ask(first, "a", place)
    assert (kept.refused, again.refused) == (None, None)
    await first.settle(lost, [0])
    assert (await second.snapshot())[0].held == 2, "what was lost long ago has freed what somebody else holds"
    await first.settle(again, [0])
    await second.settle(kept, [0])
    assert (await second.snapshot())[0].held == 0
    for counters in (first, second):
        counters.unmap()


async def test_what_counts_outlives_a_restart_and_what_was_held_does_not(tmp_path: Path) -> None:
    path = str(tmp_path / "counters")
    counters = SharedCounters(path, rows=16)
    await counters.start()
    await counters.settle(await ask(counters, "money", TOKENS, 50), [70])
    await ask(counters, "money", TOKENS, 1000)
    await counters.close()
    counters.unmap()
    again = SharedCounters(path, rows=16)
    state = (await again.snapshot())[0]
    assert (state.used, state.held) == (70, 0)
    again.unmap()


async def test_a_row_that_was_recycled_meanwhile_is_not_settled_twice(tmp_path: Path) -> None:
    counters = SharedCounters(str(tmp_path / "counters"), rows=16)
    tokens = Limit(unit="tokens", most=100, window_s=60)
    grants = [await ask(counters, str(number), tokens, 10) for number in range(40)]
    for grant in grants:
        await counters.settle(grant, [5])
    assert all((state.used, state.held) == (5, 0) for state in await counters.snapshot())
    counters.unmap()
