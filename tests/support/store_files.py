"""Database files of responses: written by processes of their own, and looked into past the store."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from proxy.stores.sqlite_transaction import state_of
from proxy.stores.store import Entry
from tests.support.fixtures import ROOT
from tests.support.store_kinds import Store
from tests.support.stored import START, Clock, entry

Opened = TypeVar("Opened", bound=Store)

WRITER = """
import asyncio, sys
from pathlib import Path
from proxy.stores.bounds import Bounds
from proxy.stores.sqlite import SqliteStore
from tests.support.store_files import written
from tests.support.stored import START

async def main(path, name, count):
    store = SqliteStore(Path(path), Bounds(), clock=lambda: START)
    await store.start()
    print("ready", flush=True)
    sys.stdin.readline()

    async def client(number):
        for n in range(number, count, 20):
            await store.put(written(name, n))
            print(f"{name}_{n}", flush=True)

    await asyncio.gather(*map(client, range(20)))
    await store.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


@asynccontextmanager
async def opening(make: Callable[..., Opened]) -> AsyncIterator[Callable[..., Awaitable[Opened]]]:
    """Gives a function that makes stores and starts them; closes all at the end."""
    opened: list[Opened] = []

    async def start(**settings: Any) -> Opened:
        store = make(**{"clock": Clock(), **settings})
        await store.start()
        opened.append(store)
        return store

    yield start
    for store in opened:
        await store.close()


def written(name: str, number: int) -> Entry:
    """Returns what the process of a name puts: some of it not finished, some with a short log or a long one."""
    id = f"{name}_{number}"
    log = b"" if number % 2 else id.encode() * (500 if number % 10 == 0 else 20)
    return entry(
        id,
        given=[f"in_{number}"],
        output=[f"{name}_out_{number}"],
        status="in_progress" if number % 3 == 0 else "completed",
        log=log,
        log_until=START + 600,
    )


@contextmanager
def writers(path: Path, *names: str, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Runs processes that put entries as soon as all have opened the file, and print the ids of those kept."""
    command = [sys.executable, "-c", WRITER, str(path)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    processes = [subprocess.Popen([*command, name, str(count)], **pipes) for name in names]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Returns what the file says to a connection of its own."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def check_sums(path: Path, counted: str = "") -> None:
    """Asserts that the totals and the items agree with the entries, and the pages of the file with each other.

    `counted` are the entries that count, if not all.
    """
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    with closing(sqlite3.connect(path)) as connection:
        state = state_of(connection)
    assert [(state.entries, state.bytes)] == rows(
        path,
        "SELECT count(*), coalesce(sum(size), 0) + (SELECT coalesce(sum(length(body)), 0) FROM logs) "
        f"FROM entries {counted}",
    )
    assert rows(path, "SELECT count(*) FROM logs WHERE entry NOT IN (SELECT seq FROM entries)") == [(0,)]
    assert rows(path, "SELECT count(*) FROM items WHERE entry NOT IN (SELECT seq FROM entries)") == [(0,)]
