"""What is asked of conversations and their items (wire reference, section 1.7).

A conversation of somebody else answers exactly like an unknown one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from ..api import invalid
from ..api.responses.conversation import (
    conversation_full,
    conversation_locked,
    conversation_not_found,
    included,
    read_items,
    read_metadata,
)
from ..api.responses.items import ItemReference
from ..api.responses.stateless import item_not_found
from ..errors import BadRequest, InternalError, NotFound
from ..exchange import Exchange
from ..stores.conversations import (
    Conversation,
    ConversationFull,
    ConversationLocked,
    ConversationStore,
    NoSuchItem,
    new_conversation_id,
)
from ..stores.item_ids import item_id
from ..stores.store import ResponseStore, StoreFailed
from .http import Query
from .paging import Page, item_shown, list_object
from .screening import Screening

Result = TypeVar("Result")

_log = logging.getLogger("penstock")
_SEALED = "reasoning.encrypted_content"
_WITH_STATUS = ("_call", "_call_output", "tool_search_output")

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Conversations:
    """Answers what is asked of conversations; items that are referred to are those of kept responses.

    New items are kept as `screening` leaves them.
    """

    def __init__(self, store: ConversationStore, responses: ResponseStore, screening: Screening | None = None) -> None:
        self._screening = screening or Screening(())
        self._store = store
        self._responses = responses
        self._asker: Exchange | None = None

    def asked_by(self, exchange: Exchange) -> Conversations:
        """Returns the same for one request, which says who is asking: those who screen new items are told."""
        asked = Conversations(self._store, self._responses, self._screening)
        asked._asker = exchange
        return asked

    async def create(self, owner: str, body: bytes) -> Any:
        """Begins a conversation, with up to twenty items."""
        fields = _fields(body)
        metadata = read_metadata(fields.get("metadata"))
        items = await self._items(fields, owner)
        made = Conversation(id=new_conversation_id(), owner=owner, created_at=time.time(), metadata=metadata)
        await _asked(self._store.create(made, items))
        return _conversation(made)

    async def retrieve(self, id: str, owner: str) -> Any:
        """Returns a conversation."""
        return _conversation(await self._found(id, self._store.get(id, owner)))

    async def update(self, id: str, owner: str, body: bytes) -> Any:
        """Puts other metadata in the place of what was there; returns the conversation."""
        fields = _fields(body)
        if "metadata" not in fields:
            raise invalid.missing("metadata")
        metadata = read_metadata(fields["metadata"])
        return _conversation(await self._found(id, self._store.set_metadata(id, owner, metadata)))

    async def delete(self, id: str, owner: str) -> Any:
        """Forgets a conversation; returns OpenAI's note that it did."""
        if not await _asked(self._store.delete(id, owner)):
            raise conversation_not_found(id)
        return {"id": id, "object": "conversation.deleted", "deleted": True}

    async def list_items(self, id: str, owner: str, query: Query) -> Any:
        """Returns a page of items; the newest first unless `order` says otherwise."""
        page, more = Page.of(query), _included(query)
        newest_first = page.order == "desc"
        asked = self._store.page(id, owner, limit=page.limit, newest_first=newest_first, after=page.after)
        found = await self._found(id, asked)
        return list_object(_shown(found.items, more), found.ids, has_more=found.more)

    async def add_items(self, id: str, owner: str, query: Query, body: bytes) -> Any:
        """Adds up to twenty items at the end; returns them as a list."""
        fields, more = _fields(body), _included(query)
        if "items" not in fields:
            raise invalid.missing("items")
        items = await self._items(fields, owner)
        kept = await self._found(id, self._store.append(id, owner, items))
        return list_object(_shown(kept, more), [item_id(item) or "" for item in kept], has_more=False)

    async def item(self, id: str, owner: str, item_id: str, query: Query) -> Any:
        """Returns one item."""
        more = _included(query)
        item = await _asked(self._store.item(id, owner, item_id))
        if item is None:
            raise await self._missing(id, owner, item_id)
        return _shown([item], more)[0]

    async def delete_item(self, id: str, owner: str, item_id: str) -> Any:
        """Removes an item; returns the conversation."""
        conversation = await _asked(self._store.delete_item(id, owner, item_id))
        if conversation is None:
            raise await self._missing(id, owner, item_id)
        return _conversation(conversation)

    async def _found(self, id: str, asked: Awaitable[Result | None]) -> Result:
        found = await _asked(asked)
        if found is None:
            raise conversation_not_found(id)
        return found

    async def _missing(self, id: str, owner: str, item_id: str) -> NotFound:
        """Returns what to say of an item that was not found: it, or even its conversation, is not there."""
        await self._found(id, self._store.get(id, owner))
        return NotFound(f"Item with id '{item_id[:100]}' not found in this conversation.")

    async def _items(self, fields: Mapping[str, msgspec.Raw], owner: str) -> list[msgspec.Raw]:
        """Returns the items of a body, references replaced by what they refer to."""
        items, decoded = read_items(fields.get("items"))
        items = await self._screening.items(items, self._asker)
        places = {at: item.id for at, item in enumerate(decoded) if isinstance(item, ItemReference)}
        if places:
            found = await _asked(self._responses.items(list(places.values()), owner))
            for at, id in places.items():
                if id not in found:
                    raise item_not_found(id, f"items[{at}]", "It was not kept, or its time is over.")
                items[at] = found[id]
        return items


async def _asked(asked: Awaitable[Result]) -> Result:
    """Returns what the store answers; what it refuses becomes an error of the API."""
    try:
        return await asked
    except ConversationLocked:
        raise conversation_locked() from None
    except ConversationFull as error:
        raise conversation_full(str(error), "items") from None
    except NoSuchItem as error:
        after = str(error)[:100]
        raise BadRequest(
            f"No item with id '{after}' in this conversation.", param="after", code="invalid_value"
        ) from None
    except StoreFailed as error:
        _log.error("the store of conversations failed: %s", error)
        raise InternalError("The store of conversations failed; the log says why.") from None


def _fields(body: bytes) -> dict[str, msgspec.Raw]:
    """Returns the fields of a body; none when there is no body. Raises BadRequest."""
    if not body.strip():
        return {}
    try:
        if not body.isascii():
            body.decode()  # what is passed on unread must be text too
        return _decode_fields(body)
    except invalid.UNREADABLE as error:
        raise BadRequest(f"The request body is not a JSON object: {error}", code="invalid_json") from None


def _conversation(made: Conversation) -> Any:
    return {"id": made.id, "object": "conversation", "created_at": int(made.created_at), "metadata": made.metadata}


def _included(query: Query) -> frozenset[str]:
    values = [*query.get("include", ()), *query.get("include[]", ())]
    return included([one for value in values for one in value.split(",") if one])


def _shown(items: Iterable[msgspec.Raw], more: frozenset[str]) -> list[Any]:
    """Returns items as the API lists them; what is sealed only for those who ask for it."""
    shown = []
    for item in items:
        fields = item_shown(item)
        type = fields["type"] = fields.get("type") or "message"
        if type.endswith(_WITH_STATUS) and fields.get("status") is None:
            fields["status"] = "completed"
        if type == "reasoning":
            fields.setdefault("summary", [])
            if _SEALED not in more:
                fields.pop("encrypted_content", None)
        shown.append(fields)
    return shown
