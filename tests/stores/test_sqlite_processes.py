"""Several processes over one file, some of which are killed."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from subprocess import PIPE, Popen

import msgspec
import pytest

from proxy.stores.sqlite import SqliteStore
from proxy.stores.store import Entry
from tests.support.fixtures import ROOT
from tests.support.store_files import check_sums, opening, rows, writers, written
from tests.support.stored import START, Clock, entry

Start = Callable[[], Awaitable[SqliteStore]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept.db"


@pytest.fixture
async def start(path: Path) -> AsyncIterator[Start]:
    async with opening(partial(SqliteStore, path)) as started:
        yield started


def holders(path: Path) -> list[str]:
    """Returns the files that say who works on entries."""
    return [file.name for file in path.parent.iterdir() if "-run-" in file.name]


def said(process: Popen[str], lines: int | None = None) -> list[str]:
    """Returns so many ids that a process has put, or all when it has ended."""
    assert process.stdout is not None
    if lines is None:
        return process.stdout.read().split("\n")[:-1]  # a line that was cut off is no promise
    return [process.stdout.readline().strip() for _ in range(lines)]


def expected(id: str) -> Entry:
    name, number = id.split("_")
    return written(name, int(number))


async def missing(store: SqliteStore, ids: list[str]) -> list[str]:
    """Returns which of these entries, or their logs, are not there as they were written."""
    wrong = []
    for id in ids:
        wanted = expected(id)
        without_log = msgspec.structs.replace(wanted, log=b"", log_until=0.0)
        if await store.get(id, "me") != without_log or await store.log(id, "me") != wanted.log:
            wrong.append(id)
    return wrong


async def test_two_processes_write_at_once(start: Start, path: Path) -> None:
    with writers(path, "one", "two", count=400) as processes:
        store = await start()
        for n in range(100):
            await store.put(written("three", n))
            assert await store.get(f"three_{n}", "me") is not None
        for process in processes:
            process.wait(timeout=30)
    ids = [f"{name}_{n}" for name, count in (("one", 400), ("two", 400), ("three", 100)) for n in range(count)]
    assert await missing(store, ids) == []
    check_sums(path)


async def test_what_was_acknowledged_outlives_a_kill(start: Start, path: Path) -> None:
    acknowledged: list[str] = []
    with writers(path, "one", "two", count=1_000_000) as processes:
        for process in processes:
            acknowledged += said(process, 300)
        for process in processes:
            process.kill()
        for process in processes:
            acknowledged += said(process)
    store = await start()
    assert len(acknowledged) >= 600
    assert await missing(store, acknowledged) == []
    await store.put(entry("after"))
    await store.close()
    check_sums(path)


async def test_what_a_killed_process_worked_on_is_abandoned(start: Start, path: Path) -> None:
    store = await start()
    await store.put(entry("mine", status="queued"))
    with writers(path, "one", "two", count=1_000_000) as (one, two):
        said_one, said_two = said(one, 100), said(two, 100)
        assert await store.abandoned() == []
        assert len(holders(path)) == 3
        one.kill()
        one.wait()
        said_one += said(one)
        found = {kept.id: kept for kept in await store.abandoned()}
        unfinished = {id for id in said_one if not expected(id).finished}
        assert unfinished <= found.keys()
        assert all(id.startswith("one_") for id in found)
        assert all(kept.log == b"" and not kept.finished for kept in found.values())
        assert len(holders(path)) == 2
        again = await start()
        assert {kept.id for kept in await again.abandoned()} == found.keys()
        for kept in found.values():
            await store.put(msgspec.structs.replace(kept, status="failed"))
        assert await store.abandoned() == await again.abandoned() == []
        two.kill()
        two.wait()
        assert {id for id in said_two if not expected(id).finished} <= {kept.id for kept in await again.abandoned()}
    assert len(holders(path)) == 1
    await store.close()
    assert holders(path) == []
    assert "mine" in {kept.id for kept in await again.abandoned()}
    check_sums(path)


async def test_two_stores_of_one_process_do_not_take_each_other_for_gone(start: Start, path: Path) -> None:
    one, two = await start(), await start()
    await one.put(entry("of one", status="in_progress"))
    await two.put(entry("of two", status="in_progress"))
    assert await one.abandoned() == await two.abandoned() == []
    await two.put(entry("of one", status="in_progress"))  # it is the other's now
    await one.close()
    assert await two.abandoned() == []
    three = await start()
    await two.close()
    assert {kept.id for kept in await three.abandoned()} == {"of one", "of two"}
    await three.put(entry("of one", status="queued"))
    assert [kept.id for kept in await three.abandoned()] == ["of two"]


async def test_what_is_finished_needs_no_holder(start: Start, path: Path) -> None:
    store = await start()
    await store.put(entry("done"))
    assert holders(path) == []
    await store.put(entry("queued", status="queued"))
    assert len(holders(path)) == 1


async def test_what_is_abandoned_and_has_expired_is_nobodys(path: Path) -> None:
    clock = Clock()
    for status in ("queued", "completed"):
        store = SqliteStore(path, clock=clock)
        await store.start()
        if status == "queued":
            await store.put(entry("resp_1", status=status, expires_at=START + 10))
        else:
            assert [kept.id for kept in await store.abandoned()] == ["resp_1"]
            clock.now += 10
            assert await store.abandoned() == []
        await store.close()


async def test_one_abandoned_among_very_many_is_found_at_once(start: Start, path: Path) -> None:
    store = await start()
    await store.put(entry("resp_1", status="queued"))
    await store.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(
            "WITH RECURSIVE n (seq) AS (VALUES (2) UNION ALL SELECT seq + 1 FROM n WHERE seq < 100000) "
            "INSERT INTO entries "
            "(seq, id, owner, finished, size, item_ids, created_at, expires_at, status, model, body) "
            "SELECT seq, 'id' || seq, 'me', 1, 10, x'', 0, ?, 'completed', 'm', x'' FROM n",
            (START + 3600,),
        )
        db.commit()
    again = await start()
    await again.abandoned()
    began = time.process_time()
    for _ in range(20):
        assert [kept.id for kept in await again.abandoned()] == ["resp_1"]
    assert (time.process_time() - began) / 20 < 0.003  # reading all of them takes ten times as long


FORKER = """
import asyncio, os, sys
from pathlib import Path
from proxy.stores.sqlite import SqliteStore
from tests.support.stored import START, entry

async def main(path):
    store = SqliteStore(Path(path), clock=lambda: START)
    await store.start()
    await store.put(entry("resp_1", status="in_progress"))
    if not os.fork():
        os.write(1, b"forked\\n")
        os.read(0, 1)
        os._exit(0)
    await asyncio.Event().wait()

asyncio.run(main(sys.argv[1]))
"""


@contextmanager
def forking(path: Path) -> Iterator[Popen[str]]:
    """Runs a process that works on an entry and has a child that outlives it."""
    parent = Popen([sys.executable, "-c", FORKER, str(path)], stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT)
    assert parent.stdout is not None
    assert parent.stdin is not None
    try:
        assert parent.stdout.readline() == "forked\n"
        yield parent
    finally:
        parent.kill()
        parent.stdin.close()  # which ends the child
        assert parent.stdout.read() == ""
        parent.wait()
        parent.stdout.close()


async def test_a_child_does_not_keep_alive_what_its_parent_worked_on(start: Start, path: Path) -> None:
    with forking(path) as parent:
        store = await start()
        assert await store.abandoned() == []
        parent.kill()
        parent.wait()
        assert [kept.id for kept in await store.abandoned()] == ["resp_1"]


async def test_a_put_that_cannot_say_who_works_on_it_fails_alone(
    start: Start, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await start()

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("proxy.stores.sqlite_holder.Holder.token", full)
    puts = [store.put(entry("done")), store.put(entry("queued", status="queued")), store.put(entry("more"))]
    results = await asyncio.gather(*puts, return_exceptions=True)
    assert [result is None for result in results] == [True, False, True]
    assert "No space left" in str(results[1])
    assert rows(path, "SELECT id FROM entries ORDER BY seq") == [("done",), ("more",)]
