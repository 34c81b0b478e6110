"""What only conversations in a file have: restarts, killed processes, a file that fails."""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from proxy.stores import conversation_sqlite
from proxy.stores.conversation_sqlite import SqliteConversations
from proxy.stores.conversations import ConversationBounds, ConversationLocked
from proxy.stores.sqlite import SqliteStore
from proxy.stores.store import StoreFailed
from tests.support.fixtures import ROOT
from tests.support.store_files import opening
from tests.support.stored import START, Clock, entry
from tests.support.talks import conversation, ids_of, said, there

CLAIMANT = """
import asyncio, sys
from pathlib import Path
from proxy.stores.conversation_sqlite import SqliteConversations
from tests.support.stored import START

async def main(path):
    store = SqliteConversations(Path(path), clock=lambda: START)
    await store.start()
    await store.claim("conv_1", "me", "theirs")
    print("claimed", flush=True)
    sys.stdin.readline()

asyncio.run(main(sys.argv[1]))
"""

Start = Callable[..., Awaitable[SqliteConversations]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept.db"


@pytest.fixture
async def start(path: Path) -> AsyncIterator[Start]:
    async with opening(partial(SqliteConversations, path)) as started:
        yield started


async def until(holds: Callable[[], bool]) -> None:
    """Waits for something that a thread does in its own time."""
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


def count(path: Path, sql: str) -> int:
    with closing(sqlite3.connect(path)) as db:
        found: int = db.execute(sql).fetchone()[0]
        return found


def size(path: Path) -> int:
    return path.stat().st_size


async def test_it_is_there_after_a_restart(start: Start) -> None:
    one = await start()
    await one.create(conversation(topic="tea"), said("msg_1"))
    await one.claim("conv_1", "me", "t1")
    await one.close()
    two = await start()
    assert await two.get("conv_1", "me") == conversation(topic="tea")
    assert ids_of(await two.claim("conv_1", "me", "t2")) == ["msg_1"]


async def test_it_lives_in_the_file_of_the_responses(start: Start, path: Path) -> None:
    responses = SqliteStore(path, clock=lambda: START)
    await responses.start()
    await responses.put(entry("resp_1", given=["msg_1"]))
    one = await start()
    await one.create(conversation(), said("msg_1"))
    assert await responses.get("resp_1", "me") is not None
    await responses.close()
    again = SqliteStore(path, clock=lambda: START)
    await again.start()
    assert await again.get("resp_1", "me") is not None
    await again.close()
    assert await there(one, "conv_1") == ["conv_1"]


async def test_the_claim_of_a_killed_process_ends(start: Start, path: Path) -> None:
    store = await start()
    await store.create(conversation(), said("msg_1"))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CLAIMANT,
        str(path),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 10) == b"claimed\n"
    with pytest.raises(ConversationLocked):
        await store.claim("conv_1", "me", "ours")
    process.kill()
    await process.wait()
    assert ids_of(await store.claim("conv_1", "me", "ours")) == ["msg_1"]


async def test_a_claim_lasts_as_long_as_its_process(start: Start) -> None:
    clock = Clock()
    store, other = await start(clock=clock), await start(clock=clock)
    await store.create(conversation())
    await store.claim("conv_1", "me", "t1")
    clock.now += 86400
    with pytest.raises(ConversationLocked):
        await other.claim("conv_1", "me", "t2")
    await store.close()
    assert await other.claim("conv_1", "me", "t2") == []


async def test_letting_go_is_tried_until_it_works(start: Start, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_sqlite, "_AGAIN_S", 0.01)
    store, other = await start(busy_s=0.05), await start()
    await store.create(conversation())
    await store.claim("conv_1", "me", "t1")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreFailed, match="locked"):
            await store.release("conv_1", "me", "t1", said("msg_1"))
        assert list(store._handler.owed) == ["t1"]
        db.execute("ROLLBACK")
    await until(lambda: not store._handler.owed)
    assert await other.claim("conv_1", "me", "t2") == []


async def test_letting_go_is_not_forgotten_when_too_much_waits(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    store, other = await start(), await start()
    await store.create(conversation())
    await store.claim("conv_1", "me", "t1")
    with monkeypatch.context() as patch:
        patch.setattr(store._thread, "_most", 0)
        with pytest.raises(StoreFailed, match="too slow"):
            await store.release("conv_1", "me", "t1")
    assert await store.get("conv_9", "me") is None
    await until(lambda: not store._handler.owed)
    assert await other.claim("conv_1", "me", "t2") == []


async def test_nothing_is_left_beside_the_file(start: Start, path: Path) -> None:
    store = await start()
    await store.create(conversation())
    await store.claim("conv_1", "me", "t1")
    assert beside(path) != [path.name]
    await store.close()
    assert beside(path) == [path.name]


def beside(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


async def test_one_that_cannot_be_done_does_not_spoil_the_others(start: Start) -> None:
    store = await start()
    await store.create(conversation(), said("msg_1"))
    creates = [store.create(conversation(f"conv_{n}"), said("msg_1")) for n in range(2, 6)]
    twice = store.create(conversation("conv_1"))
    results = await asyncio.gather(*creates[:2], twice, *creates[2:], return_exceptions=True)
    assert [type(result) for result in results] == [type(None), type(None), StoreFailed, type(None), type(None)]
    ids = [f"conv_{n}" for n in range(1, 6)]
    assert await there(store, *ids) == ids
    assert ids_of(await store.items("conv_1", "me")) == ["msg_1"]


async def test_a_damaged_item_fails_alone(start: Start, path: Path) -> None:
    store = await start()
    await store.create(conversation(), said("msg_1", text="x" * 5000))
    await store.create(conversation("conv_2"), said("msg_1", text="x" * 5000))
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE conversation_items SET body = substr(body, 1, 20) WHERE conversation = 1")
        db.commit()
    with pytest.raises(StoreFailed, match="damaged"):
        await store.claim("conv_1", "me", "t1")
    await store.release("conv_1", "me", "t1")
    assert ids_of(await store.items("conv_2", "me")) == ["msg_1"]
    assert await store.delete("conv_1", "me") is True


async def test_the_background_removes_what_has_expired(start: Start, path: Path) -> None:
    clock = Clock()
    store = await start(clock=clock, sweep_every_s=0.01, bounds=ConversationBounds(keep_s=10))
    for n in range(100):
        await store.create(conversation(f"conv_{n}"), said("msg_1"))
    clock.now += 10
    await until(lambda: count(path, "SELECT count(*) FROM conversations") == 0)
    assert count(path, "SELECT count(*) FROM conversation_items") == 0


async def test_a_failing_background_says_so_once(
    start: Start, path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def sweep(self: object) -> int:
        tries.append(1)
        if len(tries) < 3:
            raise StoreFailed("no luck")
        return 0

    monkeypatch.setattr(conversation_sqlite, "_AGAIN_S", 0.01)
    monkeypatch.setattr(conversation_sqlite._Handler, "_sweep", sweep)
    with caplog.at_level(logging.ERROR, "penstock"):
        await start(sweep_every_s=0.01)
        await until(lambda: len(tries) > 4)
    assert caplog.text.count("no luck") == 1


async def test_a_file_that_was_taken_away_is_made_anew(
    start: Start, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.stores.sqlite_file._LOOK_EVERY_S", 0.0)
    store = await start()
    await store.create(conversation())
    for file in path.parent.iterdir():
        file.unlink()
    assert await there(store, "conv_1") == []
    await store.create(conversation("conv_2"), said("msg_1"))
    assert await there(store, "conv_1", "conv_2") == ["conv_2"]


async def test_the_log_of_the_database_stays_small(start: Start, path: Path) -> None:
    store = await start()
    await store.create(conversation())
    largest = 0
    for n in range(150):
        text = random.Random(n).randbytes(100_000).hex()
        await store.append("conv_1", "me", said(None, text=text))
        largest = max(largest, size(path.with_name(path.name + "-wal")))
    assert size(path) > 10 * 1024 * 1024
    assert largest < 8 * 1024 * 1024


async def test_file_and_tables_stay_flat_under_the_bound(start: Start, path: Path) -> None:
    store = await start(bounds=ConversationBounds(max_conversations=100))
    sizes = []
    for part in range(40):
        ids = [f"conv_{part}_{n}" for n in range(200)]
        await asyncio.gather(*(store.create(conversation(id), said("a", "b", text="x" * 500)) for id in ids))
        await asyncio.gather(*(store.append(id, "me", said("c")) for id in ids[-50:]))
        sizes.append(size(path) + size(path.with_name(path.name + "-wal")))
    await until(lambda: count(path, "SELECT count(*) FROM conversations") == 100)
    assert count(path, "SELECT conversations FROM conversation_totals") == 100
    assert count(path, "SELECT count(*) FROM conversation_items") == 250
    total = count(path, "SELECT sum(size) FROM conversation_items") + 2 * 100
    assert count(path, "SELECT bytes FROM conversation_totals") == total
    assert max(sizes[20:]) <= 1.2 * max(sizes[10:20])


async def test_a_closed_store_says_so(start: Start) -> None:
    store = await start()
    await store.close()
    with pytest.raises(StoreFailed, match="closed"):
        await store.get("conv_1", "me")
