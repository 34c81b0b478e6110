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


@pytest.mark.parametrize("counts", [{}, {"total_tokens": 9}, {"prompt_tokens": 2.0, "completion_tokens": True},
    {"prompt_tokens": -1, "completion_tokens": "3", "total_tokens": None}])  # fmt: skip
def test_what_has_only_the_counts_is_read_like_what_has_more(counts: dict[str, Any]) -> None:
    assert usage_from_chat(counts) == usage_from_chat({**counts, "unheard_of": 1})


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
        ({"cached_tokens": 7}, 7, 0),
        ({"prompt_tokens_details": {"cached_tokens": 5, "cache_creation_input_tokens": 3}}, 5, 3),
    ],
)
def test_cached_tokens_are_found_and_counted_once(fields: dict[str, Any], cached: int, written: int) -> None:
    usage = usage_from_chat({"prompt_tokens": 9, "completion_tokens": 1, **fields})
    assert (usage.cached_tokens, usage.cache_write_tokens) == (cached, written)


@pytest.mark.parametrize(
    ("fields", "missed"),
    [
        ({}, False),
        ({"prompt_tokens_details": None}, False),
        ({"prompt_tokens_details": {"audio_tokens": 0}}, False),
        ({"prompt_tokens_details": {"cached_tokens": None}}, False),
        ({"prompt_tokens_details": {"cached_tokens": 0}}, True),
        ({"prompt_cache_hit_tokens": 0}, True),
        ({"cached_tokens": 0}, True),
        ({"prompt_tokens_details": {"cached_tokens": 0}, "prompt_cache_hit_tokens": 4}, False),
    ],
)
def test_a_cache_that_was_missed_is_not_one_that_nobody_spoke_of(fields: dict[str, Any], missed: bool) -> None:
    assert usage_from_chat({"prompt_tokens": 9, **fields}).cache_missed is missed


def test_audio_and_what_stays_an_hour() -> None:
    usage = usage_from_chat({
        "prompt_tokens": 90, "completion_tokens": 40,
        "prompt_tokens_details": {
            "audio_tokens": 20, "cache_creation_input_tokens": 30, "cache_creation": {"ephemeral_1h_input_tokens": 10},
        },
        "completion_tokens_details": {"audio_tokens": 25},
    })  # fmt: skip
    assert (usage.audio_input_tokens, usage.audio_output_tokens) == (20, 25)
    assert (usage.cache_write_tokens, usage.cache_write_1h_tokens) == (30, 10)


def test_perplexity_counts_the_thinking_of_deep_research_in_neither() -> None:
    usage = usage_from_chat({
        "prompt_tokens": 33, "completion_tokens": 7163, "total_tokens": 7196, "citation_tokens": 20016,
        "num_search_queries": 18, "reasoning_tokens": 73995,
    })  # fmt: skip
    assert (usage.output_tokens, usage.reasoning_tokens, usage.total_tokens) == (81158, 73995, 81191)


def test_more_thinking_than_output_is_an_inexact_count() -> None:
    usage = usage_from_chat({
        "prompt_tokens": 43, "completion_tokens": 10, "total_tokens": 53,
        "completion_tokens_details": {"reasoning_tokens": 11},
    })  # fmt: skip
    assert (usage.output_tokens, usage.total_tokens) == (10, 53)


def test_thinking_is_counted_at_the_top_too() -> None:
    assert usage_from_chat({"reasoning_tokens": 4, "completion_tokens_details": None}).reasoning_tokens == 4


@pytest.mark.parametrize("odd", [None, "9", -5, True, 1.5, float("nan"), [], {}])
def test_odd_counts_are_none(odd: Any) -> None:
    details = {"cached_tokens": odd}
    usage = usage_from_chat({"prompt_tokens": odd, "completion_tokens": 2.0, "prompt_tokens_details": details})
    assert usage == Usage(0, 2, total_tokens=2)
