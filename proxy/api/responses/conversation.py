"""What the Responses API says of conversations: the parameter of a request, items that are added, and refusals.

Wire reference, section 1.7. A conversation that somebody writes to is refused with status 400, as OpenAI does: clients
that wait and try again (the Agents SDK) look for just that, while a 409 would have every SDK try again by itself, in
vain when an answer takes longer than its few tries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from ...errors import BadRequest, NotFound
from .. import invalid
from ..raw import Raw
from .fields import FIELDS, ConversationParam
from .items import CompactionTrigger, Item, decode_item

if TYPE_CHECKING:
    from .request import ResponsesRequest

_MOST_AT_ONCE = 20

_decode_list = msgspec.json.Decoder(list[Raw] | None).decode


def conversation_id(request: ResponsesRequest) -> str | None:
    """Returns the id of the conversation that a request belongs to; raises BadRequest."""
    value = request.value("conversation")
    return value.id if isinstance(value, ConversationParam) else value


def read_items(raw: Raw | None) -> tuple[list[Raw], list[Item]]:
    """Returns items that are to be added, as JSON and decoded; none when they are absent. Raises BadRequest."""
    try:
        items = _decode_list(raw) if raw is not None else None
    except invalid.UNREADABLE as error:
        raise invalid.from_decoding(error, "items") from None
    if items is None:
        return [], []
    if len(items) > _MOST_AT_ONCE:
        raise invalid.too_long("items", len(items), _MOST_AT_ONCE, "array")
    decoded = [decode_item(item, f"items[{index}]") for index, item in enumerate(items)]
    for index, item in enumerate(decoded):
        if isinstance(item, CompactionTrigger):
            raise invalid.unsupported(f"items[{index}].type", "A compaction can only be asked for in a request.")
    return items, decoded


def read_metadata(raw: Raw | None) -> Raw:
    """Returns metadata as JSON, `{}` when they are absent; raises BadRequest."""
    value = FIELDS["metadata"].read(raw, "metadata") if raw is not None else None
    return Raw(msgspec.json.encode(value or {}))


def included(names: Sequence[str]) -> frozenset[str]:
    """Returns what `include` asks for; raises BadRequest for what cannot be included."""
    FIELDS["include"].read(Raw(msgspec.json.encode(names)), "include")
    return frozenset(names)


def conversation_not_found(id: str, param: str | None = None) -> NotFound:
    """A conversation is not there, or not the caller's."""
    return NotFound(f"Conversation with id '{id[:100]}' not found.", param=param)


def conversation_locked(param: str | None = None) -> BadRequest:
    """Somebody else is writing to the conversation."""
    return BadRequest(
        "Another process is currently operating on this conversation. Please retry in a few seconds.",
        param=param,
        code="conversation_locked",
    )


def conversation_full(limit: str, param: str) -> BadRequest:
    """The conversation holds as much as it may: `limit` says how much."""
    return BadRequest(
        f"This conversation is full: it can have {limit}. Delete items, or go on in a new conversation.",
        param=param,
        code="conversation_full",
    )
