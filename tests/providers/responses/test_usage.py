"""Usage, as upstreams tell it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from proxy.providers.responses.usage import searches_in, usage_from_responses

FULL = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 14,
}


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (FULL, (9, 5, 4, 1, 2, 14)),
        ({}, (0, 0, 0, 0, 0, 0)),
        ({"input_tokens": 3, "output_tokens": 4}, (3, 4, 0, 0, 0, 7)),
        ({"input_tokens": 3.0, "output_tokens": "4", "input_tokens_details": None}, (3, 0, 0, 0, 0, 3)),
        ({"input_tokens": True, "output_tokens": -1, "total_tokens": 2}, (0, 0, 0, 0, 0, 2)),
    ],
)
def test_counts(usage: dict[str, Any], counts: tuple[int, ...]) -> None:
    told = usage_from_responses(usage)
    assert counts == (
        told.input_tokens,
        told.output_tokens,
        told.cached_tokens,
        told.cache_write_tokens,
        told.reasoning_tokens,
        told.total_tokens,
    )
    assert not told.estimated


def test_audio_and_a_cache_that_was_missed() -> None:
    usage = usage_from_responses({
        "input_tokens": 9, "input_tokens_details": {"cached_tokens": 0, "audio_tokens": 4},
        "output_tokens": 5, "output_tokens_details": {"audio_tokens": 3},
    })  # fmt: skip
    assert (usage.audio_input_tokens, usage.audio_output_tokens, usage.cache_missed) == (4, 3, True)
    assert not usage_from_responses({"input_tokens": 9, "input_tokens_details": {}}).cache_missed


def test_what_upstreams_say_that_they_charge() -> None:
    recorded = {
        "input_tokens": 340, "input_tokens_details": {"cached_tokens": 320}, "output_tokens": 105,
        "output_tokens_details": {"reasoning_tokens": 83}, "total_tokens": 445, "cost_in_usd_ticks": 3515000,
    }  # fmt: skip
    assert usage_from_responses(recorded).cost == Decimal("0.0003515")
    assert usage_from_responses({**FULL, "cost": 1.13e-05}).cost == Decimal("0.0000113")
    assert usage_from_responses(FULL).cost is None


SEARCH = b'{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"x"}}'


@pytest.mark.parametrize(
    ("output", "searches"),
    [
        (b"", 0),
        (b"[]", 0),
        (b'[{"type":"message","content":[{"text":"web_search_call"}]}]', 0),
        (b"[%b,%b]" % (SEARCH, SEARCH), 2),
        (b'[{"type":"web_search_call"}]', 1),
        (b'[{"type":"web_search_call","action":null}]', 1),
        (b"[%b]" % SEARCH.replace(b'"search",', b'"open_page",'), 0),
        (b"[%b]" % SEARCH.replace(b"completed", b"failed"), 0),
        (b'[{"type":"web_search_call","action":7}]', 0),
        (b'{"web_search_call":1}', 0),
    ],
)
def test_searches_are_counted_by_their_calls(output: bytes, searches: int) -> None:
    assert searches_in(output) == searches
