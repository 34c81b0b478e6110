"""Reads the usage object of chat completions, in all its dialects, into the neutral `Usage`."""

from __future__ import annotations

from typing import Any

from ...events import Usage
from ..counts import count, part
from .told_cost import told_cost

_CACHE = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")
"""Where others than OpenAI count what was read from a cache: Moonshot, DeepSeek, gateways to Anthropic."""


def usage_from_chat(usage: dict[str, Any]) -> Usage:
    """Returns the neutral usage of a chat `usage` object; absent or malformed counts are 0.

    xAI counts reasoning outside `completion_tokens` but inside `total_tokens`: where the total says so, the output is
    what the total leaves after the prompt. Perplexity's deep research counts it in neither, beside them, which shows
    where there is more of it than output.
    """
    if len(usage) == 3 and "prompt_tokens" in usage and "completion_tokens" in usage and "total_tokens" in usage:
        # with nothing else, there is nothing else to look for
        prompt, completion, total = usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]
        if type(prompt) is type(completion) is type(total) is int and prompt >= 0 <= completion and total >= 0:
            return Usage(prompt, completion, total_tokens=total or prompt + completion)
    prompt_details = part(usage, "prompt_tokens_details")
    completion_details = part(usage, "completion_tokens_details")
    prompt = count(usage, "prompt_tokens")
    completion = count(usage, "completion_tokens")
    reasoning = count(completion_details, "reasoning_tokens") or count(usage, "reasoning_tokens")
    total = count(usage, "total_tokens") or prompt + completion
    if reasoning and total - prompt - completion == reasoning:
        completion += reasoning
    elif count(usage, "reasoning_tokens") > completion:
        completion += reasoning
        total = max(total, prompt + completion)
    cached = (
        count(prompt_details, "cached_tokens")
        or count(usage, "prompt_cache_hit_tokens")
        or count(usage, "cache_read_input_tokens")
        or count(usage, "cached_tokens")
    )
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        cached_tokens=cached,
        cache_write_tokens=(
            count(prompt_details, "cache_write_tokens")
            or count(prompt_details, "cache_creation_input_tokens")
            or count(usage, "cache_creation_input_tokens")
        ),
        reasoning_tokens=reasoning,
        total_tokens=total,
        cache_write_1h_tokens=count(part(prompt_details, "cache_creation"), "ephemeral_1h_input_tokens"),
        audio_input_tokens=count(prompt_details, "audio_tokens"),
        audio_output_tokens=count(completion_details, "audio_tokens"),
        cost=told_cost(usage),
        cache_missed=not cached
        and (prompt_details.get("cached_tokens") == 0 or any(usage.get(name) == 0 for name in _CACHE)),
    )
