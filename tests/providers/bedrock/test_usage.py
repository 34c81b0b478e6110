"""Converse's usage in the neutral form."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.events import Usage
from proxy.providers.bedrock.usage import usage_of


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        ({}, Usage()),
        ({"inputTokens": 13, "outputTokens": 82, "totalTokens": 95}, Usage(13, 82, total_tokens=95)),
        (
            {"inputTokens": 1, "cacheReadInputTokens": 2, "cacheWriteInputTokens": 4, "outputTokens": 8},
            Usage(7, 8, 2, 4, total_tokens=15),
        ),
        ({"cacheReadInputTokenCount": 3, "cacheWriteInputTokenCount": 5}, Usage(8, 0, 3, 5, total_tokens=8)),
        ({"inputTokens": 3.0, "outputTokens": 1e0}, Usage(3, 1, total_tokens=4)),
        ({"inputTokens": "3", "outputTokens": None, "cacheReadInputTokens": -1}, Usage()),
        ({"inputTokens": True, "outputTokens": [], "totalTokens": 99}, Usage()),
    ],
)
def test_counts(said: dict[str, Any], usage: Usage) -> None:
    assert usage_of(said) == usage


def test_what_is_written_for_an_hour_is_counted_apart() -> None:
    details = [{"ttl": "1h", "inputTokens": 30}, {"ttl": "5m", "inputTokens": 12}, {"ttl": "1h"}, None]
    usage = usage_of(
        {"inputTokens": 1, "cacheReadInputTokens": 0, "cacheWriteInputTokens": 42, "cacheDetails": details}
    )
    assert (usage.cache_write_tokens, usage.cache_write_1h_tokens, usage.cache_missed) == (42, 30, True)
    assert usage_of({"cacheWriteInputTokens": 5, "cacheDetails": details}).cache_write_1h_tokens == 5
    assert usage_of({"cacheWriteInputTokens": 5, "cacheDetails": "1h"}).cache_write_1h_tokens == 0
