"""Reads the usage object of the Messages API into the neutral `Usage`."""

from __future__ import annotations

from typing import Any

from ...events import Usage
from ..counts import count, part


def usage_of(usage: dict[str, Any]) -> Usage:
    """Returns the neutral usage; absent or malformed counts are 0.

    Anthropic counts tokens that were read from or written to its cache beside `input_tokens`; here they are part of it.
    How long what was written stays is told apart from how much it is, and only by newer versions.
    """
    cached, written = count(usage, "cache_read_input_tokens"), count(usage, "cache_creation_input_tokens")
    read = count(usage, "input_tokens") + cached + written
    made = count(usage, "output_tokens")
    return Usage(
        input_tokens=read,
        output_tokens=made,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=count(part(usage, "output_tokens_details"), "thinking_tokens"),
        total_tokens=read + made,
        cache_write_1h_tokens=min(written, count(part(usage, "cache_creation"), "ephemeral_1h_input_tokens")),
        searches=count(part(usage, "server_tool_use"), "web_search_requests"),
        cache_missed=usage.get("cache_read_input_tokens") == 0,
    )


def updated(usage: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Returns the usage so far: counts are cumulative, so that later ones replace earlier ones; null says nothing."""
    return {**usage, **{name: value for name, value in more.items() if value is not None}}
