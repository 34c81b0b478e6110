"""What the file may say of stores, and what is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.decode import decode
from proxy.config.fields import rows
from proxy.config.problems import Problems
from proxy.stores.bounds import Bounds
from proxy.stores.config import (
    MemoryConfig,
    NoneConfig,
    SqliteConfig,
    StoresConfig,
    make_conversations,
    make_store,
)
from proxy.stores.conversation_memory import MemoryConversations
from proxy.stores.conversation_sqlite import SqliteConversations
from proxy.stores.conversations import ConversationBounds
from proxy.stores.memory import MemoryStore
from proxy.stores.redis_store import RedisStore
from proxy.stores.sqlite import SqliteStore
from tests.support.config_nodes import NOTHING, found, node_of


def read(text: str) -> StoresConfig:
    problems = Problems("f")
    config = decode(node_of(text), StoresConfig, "stores", problems, NOTHING)
    assert config is not None, found(problems)
    return config


def mistakes(text: str) -> list[str]:
    problems = Problems("f")
    assert decode(node_of(text), StoresConfig, "stores", problems, NOTHING) is None
    return found(problems)


def test_a_file_and_its_bounds(tmp_path: Path) -> None:
    bounds = "keep: 2h, max_responses: 7, max_bytes: 3MiB"
    config = read(f"responses: {{kind: sqlite, path: ./kept.db, on_corrupt: move-aside, {bounds}}}")
    store = make_store(config.responses, tmp_path)
    assert isinstance(store, SqliteStore)
    assert store.path == tmp_path / "kept.db"
    assert store.bounds == Bounds(keep_s=7200, max_responses=7, max_bytes=3 * 1024 * 1024)


def test_a_path_may_be_absolute_or_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for path, expected in ((f"{tmp_path}/x.db", tmp_path / "x.db"), ("~/x.db", tmp_path / "x.db")):
        store = make_store(SqliteConfig(path=path), Path("elsewhere"))
        assert isinstance(store, SqliteStore)
        assert store.path == expected


def test_redis(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = read("responses: {kind: redis, url: 'redis://localhost/3', keep: 1h, max_responses: 5}").responses
    store = make_store(config, tmp_path)
    assert isinstance(store, RedisStore)
    assert (store.bounds.keep_s, store.bounds.max_responses) == (3600, 5)
    assert make_conversations(config, tmp_path) is None
    assert "timeout is 0" in mistakes("responses: {kind: redis, url: 'redis://localhost', timeout: 0s}")[0]


def test_memory_and_nothing(tmp_path: Path) -> None:
    store = make_store(read("responses: {kind: memory, max_responses: 7}").responses, tmp_path)
    assert isinstance(store, MemoryStore)
    assert store.bounds.max_responses == 7
    assert make_store(read("responses: {kind: none}").responses, tmp_path) is None


def test_unless_told_otherwise_there_is_a_file_for_a_month() -> None:
    assert read("{}") == StoresConfig(responses=SqliteConfig())
    assert read("responses: {kind: sqlite}").responses == SqliteConfig()
    assert SqliteConfig().keep == MemoryConfig().keep == 30 * 86400


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "responses: {kind: mongo}",
            'f:1:19: stores.responses.kind: invalid value "mongo"   (one of: memory, none, redis, sqlite)',
        ),
        ("responses: {path: ./x.db}", '"kind" is missing'),
        ("responses: {kind: sqlite, pth: ./x.db}", 'unknown field "pth"   (did you mean "path"?)'),
        ("responses: {kind: memory, path: ./x.db}", 'unknown field "path"'),
        ("responses: {kind: sqlite, keep: long}", '"long" is no duration'),
        ("responses: {kind: sqlite, max_responses: 0}", "f:1:42: stores.responses.max_responses"),
        ("responses: {kind: sqlite, on_corrupt: delete}", "(one of: move-aside, refuse)"),
        ("respones: {kind: none}", 'did you mean "responses"?'),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, expected: str) -> None:
    (mistake,) = mistakes(text)
    assert expected in mistake


@pytest.mark.parametrize("config", [SqliteConfig, MemoryConfig, NoneConfig, StoresConfig])
def test_every_setting_is_described(config: type) -> None:
    assert [row.name for row in rows(config) if not row.description] == []


def test_conversations_are_where_the_responses_are(tmp_path: Path) -> None:
    bounds = "keep: 2h, max_bytes: 3MiB, max_conversations: 5, max_conversation_items: 6"
    expected = ConversationBounds(keep_s=7200, max_conversations=5, max_items=6, max_bytes=3 * 1024 * 1024)
    file = make_conversations(read(f"responses: {{kind: sqlite, path: ./kept.db, {bounds}}}").responses, tmp_path)
    assert isinstance(file, SqliteConversations)
    assert (file.path, file.bounds) == (tmp_path / "kept.db", expected)
    memory = make_conversations(read(f"responses: {{kind: memory, {bounds}}}").responses, tmp_path)
    assert isinstance(memory, MemoryConversations)
    assert memory.bounds == expected
    assert make_conversations(NoneConfig(), tmp_path) is None
    assert mistakes("responses: {kind: memory, max_conversations: 0}")
