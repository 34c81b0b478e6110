"""What answers cost, against numbers made by hand, and without a rounding error however large they are."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.events import Usage
from proxy.pricing.rates import Rates, dollars, rate_card

M = 1_000_000
"""A dollar for a million tokens, in pico-dollars a token."""

PLAIN = {"input": 3 * M, "output": 15 * M}
CACHING = {**PLAIN, "cache_read": 300_000, "cache_write": 3_750_000, "cache_write_1h": 6 * M}


@pytest.mark.parametrize(
    ("prices", "usage", "expected"),
    [
        (PLAIN, Usage(), "0"),
        (PLAIN, Usage(1000, 100), "0.0045"),  # 1000*3 + 100*15 = 4500 millionths
        (PLAIN, Usage(1000, 100, cached_tokens=400, cache_write_tokens=300), "0.0045"),  # no price of its own: input
        (CACHING, Usage(1000, 100, cached_tokens=400), "0.00342"),  # 600*3 + 400*0.3 + 100*15
        (CACHING, Usage(1000, 0, cached_tokens=400, cache_write_tokens=500), "0.002295"),  # 100*3 + 400*.3 + 500*3.75
        # 500*3 + 300*3.75 + 200*6
        (CACHING, Usage(1000, 0, cache_write_tokens=500, cache_write_1h_tokens=200), "0.003825"),
        ({**PLAIN, "cache_write": 4 * M}, Usage(10, 0, cache_write_tokens=10, cache_write_1h_tokens=10), "0.00004"),
        ({**PLAIN, "reasoning": 20 * M}, Usage(0, 100, reasoning_tokens=40), "0.0017"),  # 60*15 + 40*20
        (PLAIN, Usage(0, 100, reasoning_tokens=40), "0.0015"),
        (
            {**PLAIN, "audio_input": 32 * M, "audio_output": 64 * M},
            Usage(100, 50, cached_tokens=10, audio_input_tokens=30, audio_output_tokens=20),
            "0.00290",  # 60*3 + 10*3 + 30*32 + 30*15 + 20*64
        ),
        (PLAIN, Usage(100, 50, audio_input_tokens=30, audio_output_tokens=20), "0.00105"),
    ],
)
def test_by_hand(prices: dict[str, int], usage: Usage, expected: str) -> None:
    assert dollars(rate_card(prices).cost(usage)) == Decimal(expected)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(10, 0, cached_tokens=25), "0.000003"),  # ten tokens, and all of them cached
        (Usage(10, 0, cached_tokens=4, cache_write_tokens=25), "0.0000237"),  # 4*.3 + 6*3.75
        (Usage(10, 0, cache_write_tokens=4, cache_write_1h_tokens=9), "0.000042"),  # 6*3 + 4*6
        (Usage(10, 10, reasoning_tokens=11, audio_output_tokens=5), "0.00018"),  # 10*3 + 10*15
        (Usage(10, 0, cached_tokens=8, audio_input_tokens=8), "0.0000084"),  # 8*.3 + 2*3
    ],
)
def test_no_part_is_larger_than_the_whole(usage: Usage, expected: str) -> None:
    assert dollars(rate_card(CACHING).cost(usage)) == Decimal(expected)


TIERED = rate_card(
    CACHING,
    tiers=[
        (500_000, {"input": 9 * M, "output": 30 * M}),
        (200_000, {"input": 6 * M, "output": 22_500_000, "cache_read": 600_000, "cache_write": 7_500_000}),
    ],
)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(200_000, 1000), "0.615"),  # at the threshold: 200000*3 + 1000*15
        (Usage(200_001, 1000), "1.222506"),  # above: 200001*6 + 1000*22.5
        (Usage(200_001, 0, cached_tokens=200_000), "0.120006"),  # cached tokens count for the length
        (Usage(200_010, 0, cache_write_tokens=200_010, cache_write_1h_tokens=10), "1.50012"),  # 200000*7.5 + 10*12
        (Usage(500_001, 1), "4.500039"),
        (Usage(500_001, 0, cached_tokens=500_001), "0.1500003"),  # what the tier does not name stays as it is
    ],
)
def test_a_long_input_makes_all_tokens_dearer(usage: Usage, expected: str) -> None:
    assert dollars(TIERED.cost(usage)) == Decimal(expected)


SERVED = rate_card(
    {"input": 2_500_000, "output": 15 * M, "cache_read": 250_000},
    tiers=[(272_000, {"input": 5 * M, "output": 22_500_000, "cache_read": 500_000})],
    service_tiers={
        "priority": {"input": 5 * M, "output": 30 * M, "cache_read": 500_000},
        "flex": {"input": 1_250_000, "output": 7_500_000, "cache_write": 2 * M},
    },
)


@pytest.mark.parametrize(
    ("tier", "usage", "expected"),
    [
        (None, Usage(1000, 100, cached_tokens=200), "0.00355"),  # 800*2.5 + 200*.25 + 100*15
        ("default", Usage(1000, 100, cached_tokens=200), "0.00355"),
        ("standard", Usage(1000, 100, cached_tokens=200), "0.00355"),
        ("priority", Usage(1000, 100, cached_tokens=200), "0.0071"),
        ("flex", Usage(1000, 100, cached_tokens=200), "0.0018"),  # 800*1.25 + 200*.25 + 100*7.5
        ("flex", Usage(1000, 0, cache_write_tokens=1000), "0.002"),
        ("priority", Usage(300_000, 1000), "3.045"),  # twice 300000*5 + 1000*22.5
        ("flex", Usage(300_000, 1000), "0.76125"),  # half of it
        ("flex", Usage(300_000, 0, cached_tokens=300_000), "0.15"),  # 300000*0.5: flex does not name cached tokens
    ],
)
def test_service_tiers(tier: str | None, usage: Usage, expected: str) -> None:
    assert dollars(SERVED.cost(usage, tier)) == Decimal(expected)


def test_a_long_input_where_a_short_one_is_free() -> None:
    card = rate_card(
        {"input": 0, "output": M},
        tiers=[(10, {"input": 7 * M})],
        service_tiers={"flex": {"output": 2 * M}},
    )
    assert card.cost(Usage(11, 1), "flex") == 11 * 7 * M + 2 * M


def test_calls_and_searches_cost_by_themselves() -> None:
    card = rate_card(PLAIN, search=10**10, request=5 * 10**9)
    assert dollars(card.cost(Usage(1000, 0, searches=3))) == Decimal("0.038")


COUNTS = st.integers(0, 10**9)
PRICES = st.integers(0, 10**9)
FIELDS = list(Rates.__struct_fields__)


@settings(max_examples=80)
@given(
    st.fixed_dictionaries(dict.fromkeys(FIELDS, PRICES)),
    st.lists(COUNTS, min_size=3, max_size=3),
    st.lists(COUNTS, min_size=3, max_size=3),
    st.integers(0, 100),
)
def test_every_token_is_charged_once_and_nothing_is_rounded(
    prices: dict[str, int], heard: list[int], said: list[int], searches: int
) -> None:
    cached, written, plain = heard
    thought, spoken, text = said
    usage = Usage(
        cached + written + plain, thought + spoken + text, cached_tokens=cached, cache_write_tokens=written,
        reasoning_tokens=thought, audio_output_tokens=spoken, searches=searches,
    )  # fmt: skip
    expected = Fraction(
        cached * prices["cache_read"] + written * prices["cache_write"] + plain * prices["input"]
        + thought * prices["reasoning"] + spoken * prices["audio_output"] + text * prices["output"]
        + searches * 123_456_789, 10**12,
    )  # fmt: skip
    assert Fraction(dollars(rate_card(prices, search=123_456_789).cost(usage))) == expected


@settings(max_examples=80)
@given(st.fixed_dictionaries(dict.fromkeys(FIELDS, PRICES)), st.data())
def test_whatever_is_counted_no_token_is_charged_twice(prices: dict[str, int], data: Any) -> None:
    counts = {name: data.draw(COUNTS) for name in Usage.__struct_fields__ if name.endswith("_tokens")}
    usage = Usage(**counts)
    cost = rate_card(prices).cost(usage)
    least = usage.input_tokens * min(prices.values()) + usage.output_tokens * min(prices.values())
    most = usage.input_tokens * max(prices.values()) + usage.output_tokens * max(prices.values())
    assert least <= cost <= most


@given(st.integers(0, 500_000), st.integers(0, 200_000), st.booleans(), st.sampled_from([None, "flex", "other"]))
def test_no_answer_without_a_cache_costs_more_than_the_most(
    length: int, said: int, dear: bool, tier: str | None
) -> None:
    prices = {**PLAIN, "reasoning": 20 * M} if dear else PLAIN
    card = rate_card(prices, tiers=[(200_000, {"input": 6 * M})], service_tiers={"flex": {"output": 7 * M}}, request=5)
    costs = [card.cost(Usage(length, said, reasoning_tokens=thought), tier) for thought in (0, said // 2, said)]
    assert card.at_most(length, said, tier) == max(costs)
    assert card.flat is None
    simple = rate_card(prices, request=5)
    assert simple.flat is not None
    price_in, price_out, once = simple.flat
    assert length * price_in + said * price_out + once == simple.at_most(length, said, tier)
