"""Prices as people read them."""

from __future__ import annotations

from proxy.pricing.quote import LongRow, TierRow, in_dollars, quoted
from proxy.pricing.rates import rate_card

M = 1_000_000


def test_only_what_says_something_of_its_own() -> None:
    card = rate_card({"input": 2 * M, "output": 9 * M, "cache_read": 2 * M, "cache_write": 125_000, "reasoning": 9 * M})
    assert quoted(card.standard) == TierRow("", {"input": 2.0, "output": 9.0, "cache_write": 0.125})


def test_what_is_free_is_said() -> None:
    card = rate_card({"input": M, "output": 0, "cache_read": 0})
    assert quoted(card.standard, "flex") == TierRow("flex", {"input": 1.0, "output": 0.0, "cache_read": 0.0})


def test_longer_inputs_come_after_shorter_ones() -> None:
    card = rate_card({"input": M, "output": M}, tiers=[(20, {"input": 3 * M}), (10, {"input": 2 * M, "output": 5 * M})])
    assert quoted(card.standard).longer == [
        LongRow(10, {"input": 2.0, "output": 5.0}),
        LongRow(20, {"input": 3.0, "output": 1.0}),
    ]


def test_amounts_are_exact() -> None:
    assert in_dollars(144_375, 6) == 0.144375
    assert in_dollars(10**10, 12) == 0.01
