"""What only a store in a file has: broken files, full disks, a background."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from proxy.stores import sqlite_file
from proxy.stores.bounds import Bounds
from proxy.stores.sqlite import SqliteStore
from proxy.stores.store import StoreFailed
from tests.support.store_files import check_sums, opening, rows
from tests.support.stored import START, Clock, entry, raw

Start = Callable[..., Awaitable[SqliteStore]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept.db"


@pytest.fixture
async def start(path: Path) -> AsyncIterator[Start]:
    async with opening(partial(SqliteStore, path)) as started:
        yield started


def read(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, contents: bytes) -> None:
    path.write_bytes(contents)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def size(path: Path) -> int:
    return path.stat().st_size


def log_of(path: Path) -> Path:
    """Returns where SQLite writes first."""
    return path.with_name(path.name + "-wal")


async def eventually(holds: Callable[[], bool]) -> None:
    """Waits until something holds that a thread brings about."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


async def test_it_is_there_after_a_restart(start: Start, path: Path) -> None:
    store = await start()
    turns = [entry(f"resp_{n}", given=[f"in_{n}"], parent=f"resp_{n - 1}" if n else None) for n in range(5)]
    for turn in turns:
        await store.put(turn)
    await store.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["kept.db"]
    assert mode(path) == 0o600
    again = await start()
    assert await again.chain("resp_4", "me") == turns
    assert list(await again.items(["in_2"], "me")) == ["in_2"]
    check_sums(path)


async def test_closing_writes_what_is_asked_for(start: Start, path: Path) -> None:
    store = await start()
    puts = [asyncio.ensure_future(store.put(entry(f"resp_{n}"))) for n in range(500)]
    await asyncio.sleep(0)
    await store.close()
    assert all(put.done() for put in puts)
    await asyncio.gather(*puts)
    assert rows(path, "SELECT count(*) FROM entries") == [(500,)]
    with pytest.raises(StoreFailed, match="closed"):
        await store.put(entry("late"))
    with pytest.raises(StoreFailed, match="closed"):
        await store.get("resp_1", "me")
    await store.close()


@pytest.mark.parametrize(
    "contents",
    [
        b"this is no database, it is a text that somebody wrote\n" * 50,
        b"SQLite format 3\x00" + b"\xff" * 5000,
        b"my notes\n",
    ],
    ids=["text", "header", "short text"],
)
async def test_a_file_that_is_no_database(start: Start, path: Path, contents: bytes, caplog: Any) -> None:
    write(path, contents)
    with pytest.raises(StoreFailed, match=r"kept\.db: it is (no database|damaged)"):
        await start()
    assert read(path) == contents

    store = await start(on_corrupt="move-aside")
    await store.put(entry("resp_1"))
    (aside,) = [file for file in path.parent.iterdir() if ".broken-" in file.name]
    assert read(aside) == contents
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert aside.name in line
    await store.close()
    assert await (await start()).get("resp_1", "me") is not None


async def test_a_broken_table_of_logs_is_told(start: Start, path: Path) -> None:
    store = await start()
    await store.put(entry("resp_1", output=["msg_1"], log=b"events", log_until=START + 600))
    await store.close()
    ((root,),) = rows(path, "SELECT rootpage FROM sqlite_master WHERE name = 'logs'")
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\x5a" * 4096)
    with pytest.raises(StoreFailed, match=r"kept\.db: it is damaged"):
        await start()
    store = await start(on_corrupt="move-aside")
    assert await store.get("resp_1", "me") is None


async def test_pages_that_were_overwritten(start: Start, path: Path) -> None:
    store = await start()
    for n in range(100):
        await store.put(entry(f"resp_{n}", text=os.urandom(500).hex()))
    await store.close()
    with path.open("r+b") as file:
        file.seek(-8 * 4096, os.SEEK_END)  # where only entries are
        file.write(b"\x5a" * 4 * 4096)
    with pytest.raises(StoreFailed, match=r"kept\.db: it is damaged"):
        await start()
    store = await start(on_corrupt="move-aside")
    await store.put(entry("resp_1"))
    assert await store.get("resp_1", "me") is not None


async def test_workers_that_find_a_broken_file_make_one_new_one(start: Start, path: Path) -> None:
    write(path, b"broken" * 1000)
    stores = await asyncio.gather(*(start(on_corrupt="move-aside") for _ in range(4)))
    await asyncio.gather(*(store.put(entry(f"resp_{n}")) for n, store in enumerate(stores)))
    for store in stores:
        assert [n for n in range(4) if await store.get(f"resp_{n}", "me") is None] == []
    assert len([file for file in path.parent.iterdir() if ".broken-" in file.name]) == 1


async def test_a_newer_schema_is_left_alone(start: Start, path: Path) -> None:
    await (await start()).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 9")
    for on_corrupt in ("refuse", "move-aside"):
        with pytest.raises(StoreFailed, match=r"kept\.db: a newer Penstock wrote it \(schema 9, this one knows 4\)"):
            await start(on_corrupt=on_corrupt)
    assert [file.name for file in path.parent.iterdir()] == ["kept.db"]


async def test_the_database_of_another_program_is_left_alone(start: Start, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE entries (id)")
    before = read(path)
    with pytest.raises(StoreFailed, match="of another program"):
        await start(on_corrupt="move-aside")
    assert read(path) == before


async def test_a_place_where_no_file_can_be(tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "kept.db", tmp_path):
        store = SqliteStore(path)
        with pytest.raises(StoreFailed, match=str(path)):
            await store.start()
        await store.close()


async def test_a_lock_that_is_not_let_go_fails_soon(start: Start, path: Path) -> None:
    store = await start(busy_s=0.1)
    await store.put(entry("before"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        puts = [store.put(entry(f"resp_{n}")) for n in range(30)]
        async with asyncio.timeout(2):
            failures = await asyncio.gather(*puts, return_exceptions=True)
        assert all(isinstance(failure, StoreFailed) for failure in failures)
        assert "another process keeps it locked" in str(failures[0])
        assert await store.get("before", "me") is not None
        other.execute("ROLLBACK")
    await store.put(entry("after"))
    assert await store.get("after", "me") is not None


async def test_a_full_disk_fails_and_is_forgotten(start: Start, path: Path) -> None:
    store = await start()
    await store.put(entry("before", output=["msg_1"]))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size(log_of(path)) + 20_000, hard))
    try:
        logs = [os.urandom(2000) if n % 2 else b"" for n in range(30)]
        puts = [
            store.put(entry(f"resp_{n}", text=os.urandom(2000).hex(), log=log, log_until=START + 600))
            for n, log in enumerate(logs)
        ]
        async with asyncio.timeout(5):
            results = await asyncio.gather(*puts, return_exceptions=True)
        failures = [result for result in results if result is not None]
        assert failures
        assert all(isinstance(failure, StoreFailed) and "disk" in str(failure) for failure in failures)
        assert await store.get("before", "me") is not None
        assert list(await store.items(["msg_1"], "me")) == ["msg_1"]
        for n, result in enumerate(results):
            assert (await store.get(f"resp_{n}", "me") is None) == isinstance(result, StoreFailed)
            assert await store.log(f"resp_{n}", "me") == (logs[n] if result is None else b"")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await store.put(entry("after"))
    assert await store.get("after", "me") is not None
    check_sums(path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where such a thing may be made."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        # mounting is for root alone; the test with RLIMIT_FSIZE shows a full disk to everybody else
        pytest.skip("only root may mount a file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def enlarge(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=20m", str(place)], check=True)


async def test_a_file_system_without_space(small_disk: Path) -> None:
    store = SqliteStore(small_disk / "kept.db", clock=Clock())
    await store.start()
    log = os.urandom(5000)
    large = [entry(f"resp_{n}", text=os.urandom(20_000).hex(), log=log, log_until=START + 9) for n in range(100)]
    results = [*await asyncio.gather(*map(store.put, large), return_exceptions=True)]
    failed = [n for n, result in enumerate(results) if result is not None]
    assert 0 < len(failed) < 100
    assert all("no space left on its disk" in str(results[n]) for n in failed)
    assert [n for n in range(100) if await store.get(f"resp_{n}", "me") is None] == failed
    assert [n for n in range(100) if await store.log(f"resp_{n}", "me") != log] == failed
    enlarge(small_disk)
    for n in failed:
        await store.put(large[n])
    await store.close()
    assert rows(small_disk / "kept.db", "SELECT count(*) FROM entries") == [(100,)]
    check_sums(small_disk / "kept.db")


async def test_one_that_cannot_be_written_does_not_spoil_the_others(start: Start, path: Path) -> None:
    store = await start()
    await store.put(entry("old"))
    bad = [entry("resp_\udc00", response=raw({})), entry("resp_2", owner="\udc00"), entry("resp_3", created_at=None)]
    calls = [
        *map(store.put, [entry("resp_1"), *bad, entry("resp_4")]),
        store.delete("old", "me"),
        store.delete("x", ""),
    ]
    results = await asyncio.gather(*calls, return_exceptions=True)
    failed = [isinstance(result, StoreFailed) for result in results]
    assert failed == [False, True, True, True, False, False, False]
    assert results[-2:] == [True, False]
    assert await store.get("resp_1", "me") is not None
    assert await store.get("resp_4", "me") is not None
    check_sums(path)


async def test_the_background_removes_what_has_expired(start: Start, path: Path) -> None:
    clock = Clock()
    store = await start(clock=clock, sweep_every_s=0.01)
    for n in range(300):
        await store.put(entry(f"resp_{n}", output=[f"msg_{n}"], expires_at=START + (10 if n < 250 else 1000)))
    clock.now += 10
    await eventually(lambda: rows(path, "SELECT count(*) FROM entries") == [(50,)])
    assert rows(path, "SELECT count(*) FROM items") == [(50,)]
    check_sums(path)


async def test_the_background_goes_down_to_a_smaller_bound(start: Start, path: Path) -> None:
    store = await start()
    for n in range(300):
        await store.put(entry(f"resp_{n}", status="queued" if n < 10 else "completed"))
    await store.close()
    await start(bounds=Bounds(max_responses=40), sweep_every_s=0.01)
    await eventually(lambda: rows(path, "SELECT count(*) FROM entries") == [(40,)])
    assert rows(path, "SELECT count(*) FROM entries WHERE status = 'queued'") == [(10,)]
    check_sums(path)


async def test_a_failing_background_says_so_once(start: Start, path: Path, caplog: Any) -> None:
    clock = Clock()
    store = await start(clock=clock, sweep_every_s=0.01, busy_s=0.01)
    await store.put(entry("resp_1"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        clock.now += 10_000
        await eventually(lambda: any("not removed" in record.getMessage() for record in caplog.records))
        await asyncio.sleep(0.1)  # some more rounds, each of which must be silent
        other.execute("ROLLBACK")
    await eventually(lambda: any("works again" in record.getMessage() for record in caplog.records))
    await eventually(lambda: rows(path, "SELECT count(*) FROM entries") == [(0,)])
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 2


async def test_a_file_that_was_taken_away_is_made_anew(
    start: Start, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(sqlite_file, "_LOOK_EVERY_S", 0.0)
    one, two = await start(), await start()
    await one.put(entry("old"))
    for file in list(path.parent.iterdir()):
        file.rename(file.with_name(f"away-{file.name}"))
    await one.put(entry("new"))
    assert await two.get("new", "me") is not None
    assert await two.get("old", "me") is None
    await two.put(entry("newer"))
    await one.close()
    await two.close()
    assert "moved, removed or replaced" in caplog.text
    assert rows(path, "SELECT id FROM entries ORDER BY seq") == [("new",), ("newer",)]
    assert rows(path.with_name("away-kept.db"), "SELECT id FROM entries") == [("old",)]


async def test_file_and_memory_stay_flat_under_the_bound(start: Start, path: Path) -> None:
    clock = Clock()
    store = await start(bounds=Bounds(max_responses=5000), clock=clock, sweep_every_s=0.05)
    sizes, memory = [], []
    kept = entry("", output=["out_1"], log=os.urandom(300))
    for begin in range(0, 50_000, 100):
        clock.now += 1
        new = [
            replace(kept, id=f"resp_{n}", log_until=clock.now + 10 * (n % 10 == 0)) for n in range(begin, begin + 100)
        ]
        await asyncio.gather(*map(store.put, new))
        if begin % 5000 == 4900:
            sizes.append(size(path) + size(log_of(path)))
            memory.append(resident())
    ((count, oldest),) = rows(path, "SELECT count(*), min(seq) FROM entries")
    assert 4900 < count <= 5000
    assert oldest == 50_001 - count
    assert max(sizes[2:]) < 1.2 * sizes[1]
    assert memory[-1] - memory[1] < 8 * 1024 * 1024
    await eventually(lambda: rows(path, "SELECT count(*) FROM logs") == [(100,)])
    check_sums(path)


def resident() -> int:
    """Returns the bytes of memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def test_the_log_of_the_database_stays_small(start: Start, path: Path) -> None:
    store = await start()
    began = time.monotonic()
    for _ in range(30):
        await asyncio.gather(*(store.put(entry(f"resp_{n}", text=os.urandom(2000).hex())) for n in range(100)))
        assert time.monotonic() < began + 60
    assert size(log_of(path)) < 24 * 1024 * 1024
    assert size(path) > 100 * 4096
