"""The endpoints of kept responses: retrieve, delete, list the input items (wire reference, sections 1.2 to 1.4)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import BadRequest, InternalError, NotFound
from ..stores.store import Entry, ResponseStore, StoreFailed

_log = logging.getLogger("penstock")
_MAX_PAGE = 100
_PAGE = 20
_SEALED = "reasoning.encrypted_content"


class _Id(msgspec.Struct):
    id: str


_decode_id = msgspec.json.Decoder(_Id).decode


class KeptResponses:
    """Answers what is asked of kept responses; an id of somebody else answers exactly like an unknown one."""

    def __init__(self, store: ResponseStore) -> None:
        self._store = store

    async def retrieve(self, id: str, owner: str, query: Mapping[str, list[str]]) -> Any:
        """Returns the Response as its client got it, with what `include` asks for besides."""
        if (query.get("stream") or ["false"])[-1].lower() == "true":
            raise BadRequest("A kept response cannot be streamed again.", param="stream", code="unsupported_value")
        entry = await self._entry(id, owner)
        if _SEALED not in _included(query):
            return entry.response
        fields = msgspec.json.decode(entry.response, type=dict[str, msgspec.Raw])
        return {**fields, "output": entry.output}

    async def delete(self, id: str, owner: str) -> Any:
        """Forgets a response; returns OpenAI's note that it did."""
        try:
            found = await self._store.delete(id, owner)
        except StoreFailed as error:
            raise _broken(error) from None
        if not found:
            raise _unknown(id)
        return {"id": id, "object": "response", "deleted": True}

    async def input_items(self, id: str, owner: str, query: Mapping[str, list[str]]) -> Any:
        """Returns a page of the request's own items; the newest first unless `order` says otherwise."""
        limit, order = _limit(query), _order(query)
        after = query["after"][-1] if query.get("after") else None
        entry = await self._entry(id, owner)
        items = list(entry.input)
        if order == "desc":
            items.reverse()
        ids = [_decode_id(item).id for item in items]
        start = 0
        if after is not None:
            if after not in ids:
                raise BadRequest(f"No input item with id '{after[:100]}'.", param="after", code="invalid_value")
            start = ids.index(after) + 1
        page = items[start : start + limit]
        named = ids[start : start + limit]
        return {
            "object": "list",
            "data": [_shown(item) for item in page],
            "first_id": named[0] if named else None,
            "last_id": named[-1] if named else None,
            "has_more": start + limit < len(items),
        }

    async def _entry(self, id: str, owner: str) -> Entry:
        try:
            entry = await self._store.get(id, owner)
        except StoreFailed as error:
            raise _broken(error) from None
        if entry is None:
            raise _unknown(id)
        return entry


def _shown(item: msgspec.Raw) -> Any:
    """Returns an input item as the API lists it: a message's content is always a list of parts."""
    fields = msgspec.json.decode(item)
    if (fields.get("type") or "message") != "message":
        return fields
    if isinstance(fields.get("content"), str):
        assistant = fields.get("role") == "assistant"
        part: dict[str, Any] = {"type": "output_text" if assistant else "input_text", "text": fields["content"]}
        if assistant:
            part["annotations"] = []
        fields["content"] = [part]
    fields["type"] = "message"
    fields.setdefault("status", "completed")
    return fields


def _included(query: Mapping[str, list[str]]) -> set[str]:
    values = [*query.get("include", ()), *query.get("include[]", ())]
    return {one for value in values for one in value.split(",")}


def _limit(query: Mapping[str, list[str]]) -> int:
    said = (query.get("limit") or [str(_PAGE)])[-1]
    if not (said.isascii() and said.isdecimal() and len(said) < 6 and 1 <= int(said) <= _MAX_PAGE):
        raise BadRequest(
            f"Invalid 'limit': expected an integer from 1 to {_MAX_PAGE}.", param="limit", code="invalid_value"
        )
    return int(said)


def _order(query: Mapping[str, list[str]]) -> str:
    said = (query.get("order") or ["desc"])[-1]
    if said not in ("asc", "desc"):
        raise BadRequest("Invalid 'order': expected asc or desc.", param="order", code="invalid_value")
    return said


def _unknown(id: str) -> NotFound:
    return NotFound(f"Response with id '{id[:100]}' not found.")


def _broken(error: StoreFailed) -> InternalError:
    _log.error("the response store failed: %s", error)
    return InternalError("The response store failed; the log says why.")
