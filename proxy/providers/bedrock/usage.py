"""Reads Converse's usage object into the neutral `Usage`."""

from __future__ import annotations

from typing import Any

from ...events import Usage


def usage_of(usage: dict[str, Any]) -> Usage:
    """Returns the neutral usage; absent or malformed counts are 0.

    Bedrock counts tokens that were read from or written to its cache beside `inputTokens`; here they are part of it.
    """
    cached = _count(usage, "cacheReadInputTokens") or _count(usage, "cacheReadInputTokenCount")
    written = _count(usage, "cacheWriteInputTokens") or _count(usage, "cacheWriteInputTokenCount")
    read = _count(usage, "inputTokens") + cached + written
    made = _count(usage, "outputTokens")
    return Usage(
        input_tokens=read,
        output_tokens=made,
        cached_tokens=cached,
        cache_write_tokens=written,
        total_tokens=read + made,
        cache_write_1h_tokens=min(written, _kept_an_hour(usage.get("cacheDetails"))),
        cache_missed=usage.get("cacheReadInputTokens") == 0,
    )


def _kept_an_hour(details: Any) -> int:
    """Returns how many of the tokens that were written are to stay an hour, by the list of what was written."""
    parts = [part for part in details if isinstance(part, dict)] if isinstance(details, list) else []
    return sum(_count(part, "inputTokens") for part in parts if part.get("ttl") == "1h")


def _count(usage: dict[str, Any], name: str) -> int:
    value = usage.get(name)
    if isinstance(value, float) and value.is_integer():
        return max(0, int(value))
    return max(0, value) if isinstance(value, int) and not isinstance(value, bool) else 0
