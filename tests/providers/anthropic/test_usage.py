from __future__ import annotations

from typing import Any

import pytest

from proxy.events import Usage
from proxy.providers.anthropic.usage import updated, usage_of


def counts(usage: Usage) -> tuple[int, ...]:
    """Returns what every upstream tells of."""
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
        usage.total_tokens,
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, Usage()),
        ({"input_tokens": 12, "output_tokens": 3}, Usage(12, 3, total_tokens=15)),
        (
            {"input_tokens": 10, "cache_creation_input_tokens": 300, "cache_read_input_tokens": 50, "output_tokens": 4},
            Usage(360, 4, 50, 300, 0, 364),
        ),
        (
            {"input_tokens": 1, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 6}},
            Usage(1, 9, 0, 0, 6, 10),
        ),
        ({"input_tokens": "12", "output_tokens": -3, "cache_read_input_tokens": True}, Usage()),
        ({"input_tokens": 2.0, "output_tokens": 1.5, "output_tokens_details": 3}, Usage(2, 0, total_tokens=2)),
    ],
)
def test_counts(said: dict[str, Any], expected: Usage) -> None:
    assert counts(usage_of(said)) == counts(expected)


def test_how_long_what_was_written_stays_and_what_was_searched() -> None:
    usage = usage_of({
        "input_tokens": 3, "output_tokens": 4,
        "cache_creation_input_tokens": 500, "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 200},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
    })  # fmt: skip
    assert usage == Usage(
        503, 4, 0, 500, 0, 507, cache_write_1h_tokens=200, searches=2, cache_missed=True
    )  # fmt: skip


@pytest.mark.parametrize("odd", [None, 3, [], {"ephemeral_1h_input_tokens": "9"}, {"ephemeral_1h_input_tokens": 9}])
def test_no_more_stays_an_hour_than_was_written(odd: Any) -> None:
    usage = usage_of({"cache_creation_input_tokens": 5, "cache_creation": odd, "server_tool_use": odd})
    expected = 5 if odd == {"ephemeral_1h_input_tokens": 9} else 0
    assert (usage.cache_write_1h_tokens, usage.searches) == (expected, 0)


def test_later_counts_replace_earlier_ones_and_null_says_nothing() -> None:
    first = {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 1}
    more = {"input_tokens": None, "output_tokens": 7, "service_tier": None}
    assert updated(first, more) == {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 7}
    assert updated(first, {"cache_read_input_tokens": 0})["cache_read_input_tokens"] == 0
