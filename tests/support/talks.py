"""Conversations for tests of what keeps them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from proxy.stores.conversations import Conversation, ConversationStore
from tests.support.stored import START, message, raw


def conversation(id: str = "conv_1", owner: str = "me", **metadata: str) -> Conversation:
    """Returns a conversation of "me" unless told otherwise."""
    return Conversation(id=id, owner=owner, created_at=START, metadata=raw(metadata))


def said(*ids: str | None, text: str = "hello") -> list[msgspec.Raw]:
    """Returns a message for each id; None has none."""
    return [raw(message(id, text)) for id in ids]


def ids_of(items: Sequence[msgspec.Raw] | None) -> list[str]:
    """Returns the ids of items."""
    assert items is not None
    return [item["id"] for item in map(plain, items)]


def plain(item: msgspec.Raw | None) -> dict[str, Any]:
    """Returns an item as a dict."""
    assert item is not None
    value: dict[str, Any] = json.loads(bytes(item))
    return value


async def there(store: ConversationStore, *ids: str, owner: str = "me") -> list[str]:
    """Returns those of the ids that an owner finds."""
    return [id for id in ids if await store.get(id, owner) is not None]
