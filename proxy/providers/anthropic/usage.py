"""Reads the usage object of the Messages API into the neutral `Usage`."""

from __future__ import annotations

from typing import Any

from ...events import Usage


def usage_of(usage: dict[str, Any]) -> Usage:
    """Returns the neutral usage; absent or malformed counts are 0.

    Anthropic counts tokens that were read from or written to its cache beside `input_tokens`; here they are part of it.
    How long what was written stays is told apart from how much it is, and only by newer versions.
    """
    cached, written = _count(usage, "cache_read_input_tokens"), _count(usage, "cache_creation_input_tokens")
    read = _count(usage, "input_tokens") + cached + written
    made = _count(usage, "output_tokens")
    return Usage(
        input_tokens=read,
        output_tokens=made,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=_count(_object(usage, "output_tokens_details"), "thinking_tokens"),
        total_tokens=read + made,
        cache_write_1h_tokens=min(written, _count(_object(usage, "cache_creation"), "ephemeral_1h_input_tokens")),
        searches=_count(_object(usage, "server_tool_use"), "web_search_requests"),
        cache_missed=usage.get("cache_read_input_tokens") == 0,
    )


def updated(usage: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Returns the usage so far: counts are cumulative, so that later ones replace earlier ones; null says nothing."""
    return {**usage, **{name: value for name, value in more.items() if value is not None}}


def _object(usage: dict[str, Any], name: str) -> dict[str, Any]:
    value = usage.get(name)
    return value if isinstance(value, dict) else {}


def _count(usage: dict[str, Any], name: str) -> int:
    value = usage.get(name)
    if isinstance(value, float) and value.is_integer():
        return max(0, int(value))
    return max(0, value) if isinstance(value, int) and not isinstance(value, bool) else 0
