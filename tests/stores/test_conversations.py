"""The interface of stores of conversations: what its structs say of themselves."""

from __future__ import annotations

import pytest

from proxy.stores.conversation_memory import MemoryConversations
from proxy.stores.conversation_sqlite import SqliteConversations
from proxy.stores.conversations import (
    ConversationBounds,
    ConversationFull,
    ConversationStore,
    Forgotten,
    new_conversation_id,
)
from tests.support.stored import Clock


def test_ids_are_fresh_and_of_the_apis_form() -> None:
    ids = {new_conversation_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(id.startswith("conv_") and len(id) == 53 for id in ids)


@pytest.mark.parametrize(
    ("items", "size", "said"), [(2, 100, None), (3, 1, "2 items"), (1, 101, "100 bytes"), (0, 0, None)]
)
def test_what_a_conversation_may_hold(items: int, size: int, said: str | None) -> None:
    bounds = ConversationBounds(max_items=2, max_item_bytes=100)
    if said is None:
        bounds.check(items, size)
        return
    with pytest.raises(ConversationFull, match=said):
        bounds.check(items, size)


def test_every_implementation_has_all_methods() -> None:
    wanted = [name for name in vars(ConversationStore) if not name.startswith("_")]
    for kind in (MemoryConversations, SqliteConversations):
        assert [name for name in wanted if not hasattr(kind, name)] == []


def test_what_was_forgotten_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    forgotten = Forgotten(clock)
    for count in (0, 3, 2, 1, 0):
        forgotten.note(count)
    clock.now += 60
    forgotten.note(0)
    clock.now += 60
    forgotten.note(0)
    assert [record.args for record in caplog.records] == [(3,), (3,)]
