"""Reads the usage object of chat completions, in all its dialects, into the neutral `Usage`."""

from __future__ import annotations

from typing import Any

from ...events import Usage


def usage_from_chat(usage: dict[str, Any]) -> Usage:
    """Returns the neutral usage of a chat `usage` object; absent or malformed counts are 0.

    xAI counts reasoning outside `completion_tokens` but inside `total_tokens`: where the total says so, the output is
    what the total leaves after the prompt.
    """
    prompt_details = _object(usage, "prompt_tokens_details")
    completion_details = _object(usage, "completion_tokens_details")
    prompt = _count(usage, "prompt_tokens")
    completion = _count(usage, "completion_tokens")
    reasoning = _count(completion_details, "reasoning_tokens") or _count(usage, "reasoning_tokens")
    total = _count(usage, "total_tokens") or prompt + completion
    if reasoning and total - prompt - completion == reasoning:
        completion += reasoning
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        cached_tokens=(
            _count(prompt_details, "cached_tokens")
            or _count(usage, "prompt_cache_hit_tokens")
            or _count(usage, "cache_read_input_tokens")
        ),
        cache_write_tokens=(
            _count(prompt_details, "cache_write_tokens") or _count(usage, "cache_creation_input_tokens")
        ),
        reasoning_tokens=reasoning,
        total_tokens=total,
    )


def _object(usage: dict[str, Any], name: str) -> dict[str, Any]:
    value = usage.get(name)
    return value if isinstance(value, dict) else {}


def _count(usage: dict[str, Any], name: str) -> int:
    value = usage.get(name)
    if isinstance(value, float) and value.is_integer():
        return max(0, int(value))
    return max(0, value) if isinstance(value, int) and not isinstance(value, bool) else 0
