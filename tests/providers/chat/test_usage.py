"""Usage of chat completions in all its dialects."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.events import Usage
from proxy.providers.chat.usage import usage_from_chat


def test_openais_usage_is_taken_over() -> None:
    assert usage_from_chat({
        "prompt_tokens": 27,
        "completion_tokens": 15,
        "total_tokens": 42,
        "prompt_tokens_details": {"cached_tokens": 16, "audio_tokens": 0, "cache_write_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }) == Usage(27, 15, cached_tokens=16, cache_write_tokens=3, reasoning_tokens=4, total_tokens=42)  # fmt: skip


def test_an_absent_total_is_the_sum() -> None:
    assert usage_from_chat({"prompt_tokens": 2, "completion_tokens": 3}).total_tokens == 5


def test_xai_counts_thinking_outside_the_completion() -> None:
    usage = usage_from_chat({
        "prompt_tokens": 307, "completion_tokens": 26, "total_tokens": 560,
        "completion_tokens_details": {"reasoning_tokens": 227},
    })  # fmt: skip
    assert (usage.output_tokens, usage.reasoning_tokens, usage.total_tokens) == (253, 227, 560)


def test_a_total_that_does_not_add_up_otherwise_is_left_alone() -> None:
    usage = usage_from_chat({
        "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 99,
        "completion_tokens_details": {"reasoning_tokens": 4},
    })  # fmt: skip
    assert (usage.output_tokens, usage.total_tokens) == (5, 99)


@pytest.mark.parametrize(
    ("fields", "cached", "written"),
    [
        ({"prompt_cache_hit_tokens": 7, "prompt_cache_miss_tokens": 2}, 7, 0),
        ({"cache_read_input_tokens": 7, "cache_creation_input_tokens": 3}, 7, 3),
        ({"prompt_tokens_details": {"cached_tokens": 7}, "prompt_cache_hit_tokens": 7}, 7, 0),
    ],
)
def test_cached_tokens_are_found_and_counted_once(fields: dict[str, Any], cached: int, written: int) -> None:
    usage = usage_from_chat({"prompt_tokens": 9, "completion_tokens": 1, **fields})
    assert (usage.cached_tokens, usage.cache_write_tokens) == (cached, written)


def test_thinking_is_counted_at_the_top_too() -> None:
    assert usage_from_chat({"reasoning_tokens": 4, "completion_tokens_details": None}).reasoning_tokens == 4


@pytest.mark.parametrize("odd", [None, "9", -5, True, 1.5, float("nan"), [], {}])
def test_odd_counts_are_none(odd: Any) -> None:
    details = {"cached_tokens": odd}
    usage = usage_from_chat({"prompt_tokens": odd, "completion_tokens": 2.0, "prompt_tokens_details": details})
    assert usage == Usage(0, 2, total_tokens=2)
