"""`POST /responses/compact`: a conversation made short (wire reference, section 1.5).

It is served as a create whose input ends with a `compaction_trigger`; what is different is told here: what may be
asked, and that the user's messages stand in front of the compaction as they are.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import msgspec

from ..api import invalid
from ..api.raw import Raw, given
from ..api.responses.items import CompactionTrigger, Message
from ..api.responses.request import ResponsesRequest
from ..api.responses.snapshot import usage_object
from ..compaction.plan import TRIGGER, Wanted, want
from ..errors import UpstreamStreamError
from ..events import Usage
from ..exchange import Exchange
from ..reply import Reply

_FIELDS = frozenset(
    (
        "input",
        "instructions",
        "model",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "tools",
        "truncation",
        "user",
    )
)
"""What is asked of a compaction, and what agents send besides, for the summary is made with it."""


class _Made(msgspec.Struct):
    """What is read of the Response that holds the compaction."""

    id: str
    created_at: int
    status: str
    output: list[Raw]


_decode = msgspec.json.Decoder(_Made).decode


def read_compact(exchange: Exchange, body: bytes) -> Callable[[Reply], Reply]:
    """Gives an exchange the request of a body, and returns what makes the answer of its Reply. Raises BadRequest."""
    request = ResponsesRequest.parse(body)
    if request.stream:
        raise invalid.unsupported("stream", "A compaction is not streamed.")
    for name in tuple(request.fields):
        if name not in _FIELDS:
            if given(request.fields[name]) and name != "stream":
                exchange.ignore(name)
            request.drop(name)
    items = request.items
    if not items and request.value("previous_response_id") is None:
        raise invalid.missing("input")
    if not items or not isinstance(items[-1], CompactionTrigger):
        request.put_items([*request.raw_items, TRIGGER])
    request.set("store", False)
    exchange.request = request
    wanted = Wanted("window")
    want(exchange, wanted)
    return lambda reply: _compaction(exchange, wanted, reply)


def _compaction(exchange: Exchange, wanted: Wanted, reply: Reply) -> Reply:
    """Returns the compaction object for the Response; errors stay as they are."""
    if reply.status != 200 or wanted.window is None:
        return reply
    made = _decode(reply.body)
    if made.status != "completed":
        cut = Reply.from_error(UpstreamStreamError("The model's summary of the conversation was cut before its end."))
        cut.headers = {**reply.headers, **cut.headers}
        return cut
    body = {
        "id": made.id,
        "object": "response.compaction",
        "created_at": made.created_at,
        "output": [*_users(wanted.window), *made.output],
        "usage": usage_object(exchange.usage or Usage()),
    }
    return Reply(200, msgspec.json.encode(body), reply.headers)


def _users(window: ResponsesRequest) -> list[dict[str, Any]]:
    """Returns the user's messages, as output items."""
    return [
        _message(msgspec.json.decode(raw))
        for item, raw in zip(window.items, window.raw_items, strict=True)
        if isinstance(item, Message) and item.role == "user"
    ]


def _message(said: dict[str, Any]) -> dict[str, Any]:
    content = said["content"]
    parts = [{"type": "input_text", "text": content}] if isinstance(content, str) else map(_part, content)
    return {
        "id": said.get("id") or f"msg_{secrets.token_hex(24)}",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": list(parts),
    }


def _part(part: dict[str, Any]) -> dict[str, Any]:
    """Returns a content part with all that the API's own object has."""
    if part["type"] == "text":
        return {**part, "type": "input_text"}
    if part["type"] == "input_image":
        return {**part, "detail": part.get("detail") or "auto"}
    return part
