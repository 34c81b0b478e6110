"""Builds the body for an upstream that speaks the Responses API from a request of a client that does.

It is the client's own JSON, but for what is Penstock's: the model's name, the chain (which stands in `input` by now),
conversations, background, and whether the response is kept. Forms of other APIs that clients use by mistake become
those of this one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...api.raw import Raw, given
from ...api.responses.request import ResponsesRequest
from ...sealing import Sealing
from .history import upstream_items
from .profile import ResponsesProfile

ENCRYPTED = "reasoning.encrypted_content"

_OURS = frozenset(
    (
        "background",
        "background_options",
        "conversation",
        "generate",
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens",
        "previous_response_id",
        "store",
        "stream_id",
        "stream_options",
        "type",
    )
)
"""Fields of the request that the upstream is not to see as they are."""
_NESTED = ("function", "custom")

_decode_tool = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.encode


def build_body(
    request: ResponsesRequest, model: str, profile: ResponsesProfile, sealing: Sealing, ignore: Callable[[str], None]
) -> bytes:
    """Returns the JSON body; raises BadRequest for what cannot be read. `ignore` is told of what is left out."""
    body: dict[str, Any] = {name: raw for name, raw in request.fields.items() if name not in _OURS}
    body["model"] = model
    _put_input(body, request, profile, sealing, ignore)
    if given(tools := request.fields.get("tools")):
        assert tools is not None
        body["tools"] = _flat_tools(request, tools)
    if given(choice := request.fields.get("tool_choice")):
        assert choice is not None
        body["tool_choice"] = _flat(choice)
    limit = request.max_output_tokens
    if limit is not None:
        body["max_output_tokens"] = limit
    body["store"] = profile.keeps and request.value("store") is not False
    if profile.ask_encrypted and not body["store"] and not request.wants(ENCRYPTED):
        body["include"] = [*(request.value("include") or ()), ENCRYPTED]
    _put_stream_options(body, request, profile)
    return _encode(body)


def _put_input(
    body: dict[str, Any],
    request: ResponsesRequest,
    profile: ResponsesProfile,
    sealing: Sealing,
    ignore: Callable[[str], None],
) -> None:
    """Puts the items, or leaves the input as it is where no item has to change."""
    raw = request.fields.get("input")
    if raw is None or _first(raw) == b'"':
        return
    items = request.raw_items
    made = upstream_items(items, profile, sealing, ignore)
    if made != items:
        body["input"] = made


def _put_stream_options(body: dict[str, Any], request: ResponsesRequest, profile: ResponsesProfile) -> None:
    """Has deltas padded only for a client that asks for it: padding costs a third of a stream's bytes."""
    if not request.stream:
        return
    options = request.value("stream_options")
    wanted = options.include_obfuscation if options is not None else None
    if profile.pads:
        body["stream_options"] = {"include_obfuscation": wanted is True}
    elif wanted is not None:
        body["stream_options"] = {"include_obfuscation": wanted}


def _flat_tools(request: ResponsesRequest, raw: Raw) -> Any:
    """Returns the tools; those in the nested form of chat completions become flat."""
    raws: list[Raw] = request.value("tools") or []
    flat = [_flat(one) for one in raws]
    return raw if flat == raws else flat


def _flat(raw: Raw) -> Raw:
    """Returns a tool or a choice of tools in the flat form."""
    if _first(raw) != b"{" or not any(b'"%b"' % name.encode() in bytes(raw) for name in _NESTED):
        return raw
    fields = _decode_tool(raw)
    for name in _NESTED:
        nested = fields.get(name)
        if nested is not None and _first(nested) == b"{":
            del fields[name]
            return Raw(_encode({**fields, **_decode_tool(nested)}))
    return raw


def _first(raw: Raw) -> bytes:
    """Returns the byte that says which kind of value JSON is."""
    return bytes(memoryview(raw)[:1])
