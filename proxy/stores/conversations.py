"""What is kept of a conversation, and the interface of what keeps conversations."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from ..errors import PenstockError

_log = logging.getLogger("penstock")
_SAY_EVERY_S = 60.0


class ConversationLocked(PenstockError):
    """Somebody else is writing to the conversation."""


class ConversationFull(PenstockError):
    """The conversation has as much as it may have; says how much that is ("10000 items")."""


class NoSuchItem(PenstockError):
    """A page was to begin after an item that the conversation does not have."""


class ConversationBounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a store of conversations may hold. `max_bytes` counts the JSON of items and metadata.

    A conversation is kept for `keep_s` after its last change. Beyond the bounds those that were not changed for the
    longest time are forgotten, which is logged; never the one that was changed last, and none that is being written to.
    A conversation of `max_items`, or `max_item_bytes`, takes no more items and no more requests; what a running request
    has added is kept in any case.
    """

    keep_s: float = 30 * 86400.0
    max_conversations: int = 100_000
    max_items: int = 10_000
    max_item_bytes: int = 64 * 1024**2
    max_bytes: int = 2 * 1024**3

    def check(self, items: int, size: int) -> None:
        """Raises ConversationFull when a conversation would have that many items, of so many bytes, which it may not.

        All of them are read in every turn.
        """
        if items > self.max_items:
            raise ConversationFull(f"{self.max_items} items")
        if size > self.max_item_bytes:
            raise ConversationFull(f"{self.max_item_bytes} bytes")


class Conversation(msgspec.Struct, kw_only=True):
    """One conversation without its items. `metadata` is a JSON object, `created_at` in Unix seconds.

    `owner` is who may see it ("" where nobody is asked for a key).
    """

    id: str
    owner: str
    created_at: float
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


class Claim(msgspec.Struct, frozen=True):
    """Whoever has this token is the writer of a conversation."""

    id: str
    owner: str
    token: str


class ItemPage(msgspec.Struct):
    """Some items of a conversation with their ids, and whether there are more behind them."""

    items: list[msgspec.Raw]
    ids: list[str]
    more: bool


class Forgotten:
    """Says how many conversations were forgotten because there were too many: at once, then once a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._unsaid = 0
        self._next = 0.0

    def note(self, count: int) -> None:
        """Takes how many more were forgotten now, if any."""
        self._unsaid += count
        now = self._clock()
        if self._unsaid and now >= self._next:
            _log.warning(
                "too many conversations: forgot %d that were not changed for the longest time (max_conversations and "
                "max_bytes of stores.responses)",
                self._unsaid,
            )
            self._unsaid = 0
            self._next = now + _SAY_EVERY_S


def new_conversation_id() -> str:
    """Returns a fresh id."""
    return f"conv_{secrets.token_hex(24)}"


class ConversationStore(Protocol):
    """Keeps conversations. An owner sees its own; any other id is unknown to it, whether it exists or not.

    Items are JSON and stay as they were given, but for an id where they have none, or one that the conversation has
    already. What was written is found by the next call, from whichever worker it comes. All methods raise StoreFailed.

    One writer at a time: who has claimed a conversation with a token of its own keeps all others from changing its
    items until it lets go of it, or its process is gone.
    """

    async def start(self) -> None:
        """Opens it."""

    async def close(self) -> None:
        """Writes what is still to be written, lets go of what this process has claimed, and closes it."""

    async def create(self, conversation: Conversation, items: Sequence[msgspec.Raw] = ()) -> None:
        """Begins a conversation."""

    async def get(self, id: str, owner: str) -> Conversation | None:
        """Returns a conversation, or None when the owner has none of that id, or it has expired."""

    async def set_metadata(self, id: str, owner: str, metadata: msgspec.Raw) -> Conversation | None:
        """Puts other metadata in the place of what was there; returns the conversation, or None."""

    async def delete(self, id: str, owner: str) -> bool:
        """Forgets a conversation and its items; tells whether there was one."""

    async def append(self, id: str, owner: str, items: Sequence[msgspec.Raw]) -> list[msgspec.Raw] | None:
        """Adds items at the end; returns them as they are kept, or None.

        Raises ConversationLocked and ConversationFull; then nothing was added.
        """

    async def page(
        self, id: str, owner: str, *, limit: int, newest_first: bool, after: str | None = None
    ) -> ItemPage | None:
        """Returns some items, from behind the item `after` on, or None; raises NoSuchItem."""

    async def item(self, id: str, owner: str, item_id: str) -> msgspec.Raw | None:
        """Returns an item, or None when the owner has no such conversation, or that has no such item."""

    async def delete_item(self, id: str, owner: str, item_id: str) -> Conversation | None:
        """Removes an item; returns the conversation, or None when there is none, or no such item.

        Raises ConversationLocked.
        """

    async def items(self, id: str, owner: str, *, before: Sequence[str] = ()) -> list[msgspec.Raw] | None:
        """Returns all items, or those in front of the first one that has an id of `before`; or None."""

    async def claim(self, id: str, owner: str, token: str) -> list[msgspec.Raw] | None:
        """Becomes its only writer; returns all items, the oldest first, or None.

        Raises ConversationLocked and ConversationFull. Whoever called must let go again, however the call ended: it
        may have been too late to stop it.
        """

    async def release(self, id: str, owner: str, token: str, items: Sequence[msgspec.Raw] = ()) -> bool:
        """Adds items and lets go of it, in one step; tells whether it is still there. Letting go twice does no harm.

        Items are added even when somebody else has become its writer meanwhile: they were said, and must not be lost.
        """
