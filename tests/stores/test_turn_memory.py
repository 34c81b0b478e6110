"""What a connection remembers: chains and forks, what is forgotten, bounds of one memory and of all together."""

from __future__ import annotations

import msgspec
import pytest

from proxy.stores.store import Entry
from proxy.stores.turn_memory import MemoryRoom, TurnMemory
from tests.support.stored import entry, raw


def ids(chain: list[Entry] | None) -> list[str] | None:
    """Returns the ids of a chain."""
    return None if chain is None else [one.id for one in chain]


def grown(memory: TurnMemory, *links: tuple[str, str | None], text: str = "hello") -> TurnMemory:
    """Puts responses, each with the one it continues."""
    for id, parent in links:
        memory.put(entry(id, given=[f"in_{id}"], output=[f"out_{id}"], parent=parent, text=text))
    return memory


def test_a_chain_is_told_the_oldest_first() -> None:
    memory = grown(TurnMemory(), ("a", None), ("b", "a"), ("c", "b"))
    assert ids(memory.chain("c")) == ["a", "b", "c"]
    assert ids(memory.chain("a")) == ["a"]
    assert memory.chain("x") is None


def test_any_response_may_be_continued_several_times() -> None:
    memory = grown(TurnMemory(), ("a", None), ("b", "a"), ("left", "a"), ("right", "a"), ("leaf", "left"))
    assert ids(memory.chain("leaf")) == ["a", "left", "leaf"]
    assert ids(memory.chain("right")) == ["a", "right"]


def test_a_parent_that_is_elsewhere_is_named_by_the_first() -> None:
    memory = grown(TurnMemory(), ("b", "kept"), ("c", "b"))
    chain = memory.chain("c")
    assert chain is not None
    assert ids(chain) == ["b", "c"]
    assert chain[0].parent == "kept"


def test_what_was_made_from_a_forgotten_one_goes_on() -> None:
    memory = grown(TurnMemory(), ("a", None), ("b", "a"))
    memory.forget("a")
    assert memory.chain("a") is None
    assert ids(memory.chain("b")) == ["a", "b"]
    assert ids(grown(memory, ("c", "b")).chain("c")) == ["a", "b", "c"]


def test_forgetting_the_last_that_needs_them_frees_all() -> None:
    memory = grown(TurnMemory(), ("a", None), ("b", "a"), ("c", "b"))
    for id in ("a", "b", "nothing", "c"):
        memory.forget(id)
    assert (len(memory), memory.bytes) == (0, 0)


def test_what_is_being_continued_is_held_though_it_is_forgotten_meanwhile() -> None:
    memory = grown(TurnMemory(), ("a", None))
    held = memory.hold("a")
    memory.forget("a")
    assert memory.chain("a") is None
    grown(memory, ("b", "a"))
    memory.release(held)
    assert ids(memory.chain("b")) == ["a", "b"]
    memory.forget("b")
    assert (len(memory), memory.bytes) == (0, 0)
    assert memory.hold("a") is None


def test_a_response_that_is_put_again_replaces_itself() -> None:
    memory = grown(TurnMemory(), ("a", None), ("b", "a"))
    before = memory.bytes
    grown(memory, ("b", "a"))
    assert memory.bytes == before
    grown(memory, ("a", None))
    memory.forget("b")
    assert ids(memory.chain("a")) == ["a"]
    memory.forget("a")
    assert (len(memory), memory.bytes) == (0, 0)


def test_items_are_found_by_their_ids_the_latest_first() -> None:
    memory = grown(TurnMemory(), ("a", None), ("b", "a"))
    memory.put(entry("c", given=["in_a"], text="later"))
    found = memory.items(["in_a", "out_b", "none"])
    assert set(found) == {"in_a", "out_b"}
    assert msgspec.json.decode(found["in_a"])["content"] == "later"


def test_it_shares_nothing_with_what_was_put() -> None:
    memory = TurnMemory()
    buffer = b'{"id":"m","type":"message","content":"x"}' + b" " * 10_000
    (item,) = msgspec.json.decode(b"[" + buffer + b"]", type=list[msgspec.Raw])
    one = entry("a", given=[item])
    memory.put(one)
    one.input.clear()
    chain = memory.chain("a")
    assert chain is not None
    assert len(chain[0].input) == 1


def test_of_the_response_its_conversation_is_remembered() -> None:
    memory = TurnMemory()
    response = raw({"id": "a", "tools": ["x" * 1000], "conversation": {"id": "conv_1"}, "text": "conversation"})
    memory.put(entry("a", response=response))
    memory.put(entry("b", response=raw({"id": "b", "conversation": None})))
    (one,), (other,) = memory.chain("a") or (), memory.chain("b") or ()
    assert msgspec.json.decode(one.response) == {"conversation": {"id": "conv_1"}}
    assert b'"conversation":{' in bytes(one.response)
    assert msgspec.json.decode(other.response) == {}


def test_only_so_many_are_remembered_the_unused_go_first() -> None:
    memory = TurnMemory(max_entries=3)
    grown(memory, ("a", None), ("b", None), ("c", None))
    memory.chain("a")
    grown(memory, ("d", None))
    assert [id for id in "abcd" if memory.chain(id)] == ["a", "c", "d"]


def test_only_so_many_bytes_are_remembered() -> None:
    memory = TurnMemory(max_bytes=100_000)
    previous = None
    for number in range(500):
        grown(memory, (f"r{number}", previous), text="x" * 2000)
        assert memory.bytes <= 100_000
        previous = f"r{number}" if number % 7 else None
    assert memory.chain("r499") is not None
    grown(memory, ("big", None), text="x" * 200_000)
    assert memory.chain("big") is None


def test_what_is_being_continued_may_stand_beyond_the_bounds() -> None:
    memory = grown(TurnMemory(max_entries=1), ("a", None))
    held = memory.hold("a")
    grown(memory, ("b", None))
    assert len(memory) == 1
    memory.release(held)
    assert (len(memory), memory.bytes) == (0, 0)


def test_memories_share_a_room() -> None:
    room = MemoryRoom(30_000)
    quiet, busy = TurnMemory(room=room), TurnMemory(room=room)
    grown(quiet, ("a", None), ("b", None), text="x" * 2000)
    for number in range(30):
        grown(busy, (f"r{number}", None), text="x" * 2000)
        assert room.bytes <= 30_000
    assert len(quiet) == 0
    assert busy.chain("r29") is not None
    busy.close()
    assert room.bytes == 0
    grown(quiet, ("c", None))
    assert quiet.chain("c") is not None
    assert room.bytes == quiet.bytes


@pytest.mark.parametrize("held", [True, False])
def test_a_memory_that_is_closed_frees_its_room_for_good(held: bool) -> None:
    room = MemoryRoom(1 << 20)
    memory = grown(TurnMemory(room=room), ("a", None), ("b", "a"))
    turn = memory.hold("b") if held else None
    memory.close()
    assert memory.chain("b") is None
    grown(memory, ("c", None))
    memory.release(turn)
    assert room.bytes == 0
