"""What a request's conversation adds to its input, and what the response adds to its conversation.

Between the two the exchange is the conversation's only writer. Items are added when the response has completed, or was
cut short (`incomplete`): that was said, and the client has it. Of one that failed or was cancelled nothing is added:
the client will send the same input once more, and half an answer would stand beside it for ever.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

import msgspec

from ..api import invalid
from ..api.responses.conversation import (
    conversation_full,
    conversation_id,
    conversation_locked,
    conversation_not_found,
)
from .conversation_items import answerable
from .conversations import Claim, ConversationFull, ConversationLocked, ConversationStore
from .item_ids import item_id
from .store import Entry, StoreFailed

if TYPE_CHECKING:
    from ..api.responses.request import ResponsesRequest
    from ..exchange import Exchange

_log = logging.getLogger("penstock")
_SAID = ("completed", "incomplete")


class _Id(msgspec.Struct):
    id: str


class _Made(msgspec.Struct):
    """What is read of a Response."""

    conversation: _Id | None = None


_decode_made = msgspec.json.Decoder(_Made).decode


class ConversationKeeper:
    """Stands between exchanges and conversations; without a store no conversation is there."""

    def __init__(self, store: ConversationStore | None) -> None:
        self._store = store
        self._closing: set[asyncio.Task[None]] = set()
        self.failures = 0
        """How many responses could not be added to their conversation."""

    async def open(self, exchange: Exchange, request: ResponsesRequest, owner: str) -> list[msgspec.Raw]:
        """Returns the items of the request's conversation, whose writer the exchange is from now on; none without one.

        An exchange that adds nothing only reads. Raises BadRequest, NotFound, StoreFailed. However the exchange ends,
        `let_go` must be called.
        """
        id = conversation_id(request)
        if id is None:
            return []
        if self._store is None:
            raise conversation_not_found(id, "conversation")
        try:
            if exchange.generate and not exchange.counting:
                exchange.claim = Claim(id, owner, secrets.token_hex(16))
                items = await self._store.claim(id, owner, exchange.claim.token)
            else:
                items = await self._store.items(id, owner)
        except ConversationLocked:
            raise conversation_locked("conversation") from None
        except ConversationFull as error:
            raise conversation_full(str(error), "conversation") from None
        if items is None:
            raise conversation_not_found(id, "conversation")
        if not items and not request.items:
            raise invalid.missing("input")
        return answerable(items)

    def close(self, exchange: Exchange, entry: Entry) -> Awaitable[None]:
        """Adds what was asked and answered to the conversation and lets go of it, whether that is waited for or not.

        A store that fails is logged; the client gets its answer all the same.
        """
        return self._end(exchange, [*entry.input, *entry.output] if entry.status in _SAID else [])

    def let_go(self, exchange: Exchange) -> Awaitable[None]:
        """Lets go of the conversation if that has not been done."""
        return self._end(exchange, [])

    async def before(self, entry: Entry, owner: str) -> list[msgspec.Raw] | None:
        """Returns what stood in its conversation before a kept response; None when the conversation is gone."""
        if b'"conversation":{' not in bytes(entry.response):
            return []
        made = _decode_made(entry.response).conversation
        if made is None:
            return []
        ids = [id for item in (*entry.input, *entry.output) if (id := item_id(item))]
        items = None if self._store is None else await self._store.items(made.id, owner, before=ids)
        return None if items is None else answerable(items)

    def _end(self, exchange: Exchange, items: Sequence[msgspec.Raw]) -> Awaitable[None]:
        claim, exchange.claim = exchange.claim, None
        task = asyncio.get_running_loop().create_task(self._release(claim, items))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return asyncio.shield(task)

    async def _release(self, claim: Claim | None, items: Sequence[msgspec.Raw]) -> None:
        if claim is None or self._store is None:
            return
        try:
            there = await self._store.release(claim.id, claim.owner, claim.token, items)
        except StoreFailed as error:
            _log.error("%d items are not in conversation %s: %s", len(items), claim.id, error)
        except Exception as error:  # whatever went wrong in keeping them, the answer is the client's
            _log.error("%d items are not in conversation %s", len(items), claim.id, exc_info=error)
        else:
            if items and not there:
                _log.warning("conversation %s was deleted while an answer was made for it", claim.id)
            return
        self.failures += bool(items)
