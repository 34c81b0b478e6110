"""Lists of items, a page at a time (wire reference, section 1.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self, cast

import msgspec

from ..errors import BadRequest

_MOST = 100
_USUAL = 20


class _Id(msgspec.Struct):
    id: str


_decode_id = msgspec.json.Decoder(_Id).decode


class Page(msgspec.Struct, frozen=True):
    """Which part of a list is asked for: so many items behind one, in an order."""

    limit: int = _USUAL
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None

    @classmethod
    def of(cls, query: Mapping[str, list[str]]) -> Self:
        """Reads a query; raises BadRequest."""
        limit = (query.get("limit") or [str(_USUAL)])[-1]
        if not (limit.isascii() and limit.isdecimal() and len(limit) < 6 and 1 <= int(limit) <= _MOST):
            raise BadRequest(
                f"Invalid 'limit': expected an integer from 1 to {_MOST}.", param="limit", code="invalid_value"
            )
        order = (query.get("order") or ["desc"])[-1]
        if order not in ("asc", "desc"):
            raise BadRequest("Invalid 'order': expected asc or desc.", param="order", code="invalid_value")
        after = query["after"][-1] if query.get("after") else None
        return cls(int(limit), cast(Literal["asc", "desc"], order), after)


def page_of(items: Sequence[msgspec.Raw], page: Page, shown: Callable[[msgspec.Raw], Any]) -> dict[str, Any]:
    """Returns the list object for a page of items, which are in their own order and have ids; raises BadRequest."""
    ordered = list(items) if page.order == "asc" else list(reversed(items))
    ids = [_decode_id(item).id for item in ordered]
    start = 0
    if page.after is not None:
        if page.after not in ids:
            raise BadRequest(f"No input item with id '{page.after[:100]}'.", param="after", code="invalid_value")
        start = ids.index(page.after) + 1
    end = start + page.limit
    return list_object([shown(item) for item in ordered[start:end]], ids[start:end], has_more=end < len(ids))


def list_object(data: list[Any], ids: Sequence[str], *, has_more: bool) -> dict[str, Any]:
    """Returns the API's list object for the items of one page."""
    return {
        "object": "list",
        "data": data,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
        "has_more": has_more,
    }


def item_shown(item: msgspec.Raw) -> Any:
    """Returns an item as the API lists it: a message's content is always a list of parts."""
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
