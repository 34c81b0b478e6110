"""Reads the usage object of the Responses API into the neutral `Usage`."""

from __future__ import annotations

from typing import Any

import msgspec

from ...events import Usage
from ..chat.told_cost import told_cost
from ..counts import count, part


def usage_from_responses(usage: dict[str, Any]) -> Usage:
    """Returns the neutral usage of a `usage` object; absent or malformed counts are 0."""
    input_details = part(usage, "input_tokens_details")
    output_details = part(usage, "output_tokens_details")
    asked, said = count(usage, "input_tokens"), count(usage, "output_tokens")
    return Usage(
        input_tokens=asked,
        output_tokens=said,
        cached_tokens=count(input_details, "cached_tokens"),
        cache_write_tokens=count(input_details, "cache_write_tokens"),
        reasoning_tokens=count(output_details, "reasoning_tokens"),
        total_tokens=count(usage, "total_tokens") or asked + said,
        audio_input_tokens=count(input_details, "audio_tokens"),
        audio_output_tokens=count(output_details, "audio_tokens"),
        cost=told_cost(usage),
        cache_missed=input_details.get("cached_tokens") == 0,
    )


class _Action(msgspec.Struct):
    type: str = "search"


class _Item(msgspec.Struct):
    type: str = ""
    status: str | None = None
    action: _Action | None = None


_decode_items = msgspec.json.Decoder(list[_Item]).decode


def searches_in(output: bytes) -> int:
    """Returns how many searches of the web the upstream has run, by the JSON of its output items.

    Each is charged; opening a page that was found, or looking for something in it, is not.
    """
    if b"web_search_call" not in output:
        return 0
    try:
        items = _decode_items(output)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0
    calls = [item for item in items if item.type == "web_search_call" and item.status != "failed"]
    return sum(1 for call in calls if call.action is None or call.action.type == "search")
