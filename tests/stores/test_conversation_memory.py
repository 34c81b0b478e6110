"""What only conversations in memory have: nothing is left when they are gone, and nobody shares what is kept."""

from __future__ import annotations

from proxy.stores.conversation_memory import MemoryConversations
from proxy.stores.conversations import ConversationBounds
from tests.support.stored import Clock, raw
from tests.support.talks import conversation, said, there


async def test_nothing_outlives_the_store() -> None:
    store = MemoryConversations()
    await store.start()
    await store.create(conversation(), said("msg_1"))
    await store.close()
    assert await there(store, "conv_1") == []
    await store.create(conversation())
    assert await store.items("conv_1", "me") == []


async def test_the_count_of_bytes_follows_every_change() -> None:
    clock = Clock()
    store = MemoryConversations(ConversationBounds(keep_s=10), clock=clock)
    await store.create(conversation(a="b"), said("msg_1"))
    await store.set_metadata("conv_1", "me", raw({}))
    await store.append("conv_1", "me", said("msg_2", "msg_3"))
    await store.delete_item("conv_1", "me", "msg_2")
    (item,) = said("msg_1")
    assert store._bytes == 2 * len(item) + 2
    await store.create(conversation("conv_2"))
    await store.delete("conv_2", "me")
    clock.now += 10
    assert await store.get("conv_1", "me") is None
    assert (store._bytes, len(store._all)) == (0, 0)


async def test_nobody_can_change_what_is_kept() -> None:
    store = MemoryConversations()
    await store.create(conversation(), said("msg_1"))
    got = await store.get("conv_1", "me")
    items = await store.items("conv_1", "me")
    assert got is not None
    assert items is not None
    got.owner = "you"
    items.clear()
    assert await there(store, "conv_1") == ["conv_1"]
    assert len(await store.items("conv_1", "me") or ()) == 1


async def test_claims_of_what_was_forgotten_are_forgotten() -> None:
    store = MemoryConversations()
    for n in range(10):
        await store.create(conversation(f"conv_{n}"))
        await store.claim(f"conv_{n}", "me", f"t{n}")
    for n in range(5):
        await store.delete(f"conv_{n}", "me")
    for n in range(5, 10):
        await store.release(f"conv_{n}", "me", f"t{n}")
    assert store._claimed == {}
