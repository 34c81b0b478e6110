"""Conversations in the memory of one process: gone when it ends, unknown to the others."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec

from .conversation_items import named
from .conversations import Conversation, ConversationBounds, ConversationLocked, Forgotten, ItemPage, NoSuchItem


class _Kept(msgspec.Struct):
    """A conversation with its items, in their order; who writes to it, if anybody does."""

    conversation: Conversation
    expires_at: float
    items: dict[str, msgspec.Raw]
    size: int
    writer: str | None = None


class MemoryConversations:
    """Keeps conversations in a dict. What has expired is let go of whenever the store is asked something."""

    def __init__(self, bounds: ConversationBounds | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.bounds = bounds or ConversationBounds()
        self._clock = clock
        self._all: OrderedDict[str, _Kept] = OrderedDict()  # in the order of their last change
        self._claimed: dict[str, str] = {}  # the ids of conversations by their writers' tokens
        self._bytes = 0
        self._forgotten = Forgotten()

    async def start(self) -> None:
        """Does nothing: nothing is to be opened."""

    async def close(self) -> None:
        """Forgets everything."""
        self._all.clear()
        self._claimed.clear()
        self._bytes = 0

    async def create(self, conversation: Conversation, items: Sequence[msgspec.Raw] = ()) -> None:
        """Begins a conversation."""
        conversation = msgspec.structs.replace(conversation, metadata=conversation.metadata.copy())
        kept = self._all[conversation.id] = _Kept(conversation, 0.0, {}, len(conversation.metadata))
        self._bytes += kept.size
        self._add(kept, items)

    async def get(self, id: str, owner: str) -> Conversation | None:
        """Returns a conversation, or None."""
        kept = self._find(id, owner)
        return None if kept is None else _shown(kept)

    async def set_metadata(self, id: str, owner: str, metadata: msgspec.Raw) -> Conversation | None:
        """Puts other metadata in the place of what was there; returns the conversation, or None."""
        kept = self._find(id, owner)
        if kept is None:
            return None
        self._grow(kept, len(metadata) - len(kept.conversation.metadata))
        kept.conversation.metadata = metadata.copy()
        return _shown(kept)

    async def delete(self, id: str, owner: str) -> bool:
        """Forgets a conversation and its items; tells whether there was one."""
        kept = self._find(id, owner)
        if kept is not None:
            self._forget(kept)
        return kept is not None

    async def append(self, id: str, owner: str, items: Sequence[msgspec.Raw]) -> list[msgspec.Raw] | None:
        """Adds items at the end; returns them as they are kept, or None."""
        kept = self._find(id, owner)
        if kept is None:
            return None
        _check_writer(kept)
        if items:
            self.bounds.check(len(kept.items) + len(items), kept.size + sum(map(len, items)))
        return self._add(kept, items)

    async def page(
        self, id: str, owner: str, *, limit: int, newest_first: bool, after: str | None = None
    ) -> ItemPage | None:
        """Returns some items, from behind the item `after` on, or None; raises NoSuchItem."""
        kept = self._find(id, owner)
        if kept is None:
            return None
        ids = list(kept.items)
        if newest_first:
            ids.reverse()
        if after is not None and after not in kept.items:
            raise NoSuchItem(after)
        start = 0 if after is None else ids.index(after) + 1
        shown = ids[start : start + limit]
        return ItemPage([kept.items[one] for one in shown], shown, more=start + limit < len(ids))

    async def item(self, id: str, owner: str, item_id: str) -> msgspec.Raw | None:
        """Returns an item, or None."""
        kept = self._find(id, owner)
        return None if kept is None else kept.items.get(item_id)

    async def delete_item(self, id: str, owner: str, item_id: str) -> Conversation | None:
        """Removes an item; returns the conversation, or None when there is none, or no such item."""
        kept = self._find(id, owner)
        if kept is None:
            return None
        _check_writer(kept)
        if item_id not in kept.items:
            return None
        self._grow(kept, -len(kept.items.pop(item_id)))
        return _shown(kept)

    async def items(self, id: str, owner: str, *, before: Sequence[str] = ()) -> list[msgspec.Raw] | None:
        """Returns all items, or those in front of the first one that has an id of `before`; or None."""
        kept = self._find(id, owner)
        if kept is None:
            return None
        found = []
        for one, item in kept.items.items():
            if one in before:
                break
            found.append(item)
        return found

    async def claim(self, id: str, owner: str, token: str) -> list[msgspec.Raw] | None:
        """Becomes its only writer; returns all items, the oldest first, or None."""
        kept = self._find(id, owner)
        if kept is None:
            return None
        _check_writer(kept, token)
        self.bounds.check(len(kept.items) + 1, kept.size + 1)
        kept.writer = token
        self._claimed[token] = id
        self._grow(kept, 0)
        return list(kept.items.values())

    async def release(self, id: str, owner: str, token: str, items: Sequence[msgspec.Raw] = ()) -> bool:
        """Adds items and lets go of it, in one step; tells whether it is still there."""
        claimed = self._all.get(self._claimed.pop(token, ""))
        if claimed is not None and claimed.writer == token:
            claimed.writer = None
        kept = self._all.get(id)  # even one whose time was over meanwhile
        there = kept is not None and kept.conversation.owner == owner
        if there and kept is not None and items:
            self._add(kept, items)
        return there

    def _find(self, id: str, owner: str) -> _Kept | None:
        self._sweep()
        kept = self._all.get(id)
        if kept is None or kept.conversation.owner != owner or kept.expires_at <= self._clock():
            return None
        return kept

    def _add(self, kept: _Kept, items: Sequence[msgspec.Raw]) -> list[msgspec.Raw]:
        pairs = [(id, item.copy()) for id, item in named(items, kept.items.__contains__)]
        kept.items.update(pairs)
        self._grow(kept, sum(len(item) for _, item in pairs))
        return [item for _, item in pairs]

    def _grow(self, kept: _Kept, size: int) -> None:
        """Notes a change; the time of what was changed begins anew."""
        kept.size += size
        self._bytes += size
        kept.expires_at = self._clock() + self.bounds.keep_s
        self._all.move_to_end(kept.conversation.id)
        self._trim(kept)

    def _forget(self, kept: _Kept) -> None:
        del self._all[kept.conversation.id]
        self._bytes -= kept.size
        if kept.writer is not None:
            self._claimed.pop(kept.writer, None)

    def _sweep(self) -> None:
        now = self._clock()
        for kept in list(self._expired(now)):
            self._forget(kept)

    def _expired(self, now: float) -> list[_Kept]:
        found = []
        for kept in self._all.values():
            if kept.expires_at > now:
                break
            if kept.writer is None:
                found.append(kept)
        return found

    def _trim(self, newest: _Kept) -> None:
        """Forgets those unchanged for the longest time until the rest is within bounds."""
        removed = 0
        while len(self._all) > self.bounds.max_conversations or self._bytes > self.bounds.max_bytes:
            others = (kept for kept in self._all.values() if kept.writer is None and kept is not newest)
            oldest = next(others, None)
            if oldest is None:
                break
            self._forget(oldest)
            removed += 1
        self._forgotten.note(removed)


def _shown(kept: _Kept) -> Conversation:
    return msgspec.structs.replace(kept.conversation)


def _check_writer(kept: _Kept, token: str = "") -> None:
    if kept.writer is not None and kept.writer != token:
        raise ConversationLocked(kept.conversation.id)
