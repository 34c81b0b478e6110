"""Reads Converse's usage object into the neutral `Usage`."""

from __future__ import annotations

from typing import Any

from ...events import Usage
from ..counts import count


def usage_of(usage: dict[str, Any]) -> Usage:
    """Returns the neutral usage; absent or malformed counts are 0.

    Bedrock counts tokens that were read from or written to its cache beside `inputTokens`; here they are part of it.
    """
    cached = count(usage, "cacheReadInputTokens") or count(usage, "cacheReadInputTokenCount")
    written = count(usage, "cacheWriteInputTokens") or count(usage, "cacheWriteInputTokenCount")
    read = count(usage, "inputTokens") + cached + written
    made = count(usage, "outputTokens")
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
    return sum(count(part, "inputTokens") for part in parts if part.get("ttl") == "1h")
