"""Prices as people read them: in dollars, only those that say something of their own, and where they are from."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from .rates import Rates, Schedule

_LIKE = {
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "reasoning": "output",
    "audio_input": "input",
    "audio_output": "output",
}
"""What each kind of token is charged like where it has no price of its own."""

Row = dict[str, float]
"""Prices in dollars for a million tokens."""


class LongRow(msgspec.Struct):
    """Prices of requests with more than `above` tokens of input."""

    above: int
    prices: Row


class TierRow(msgspec.Struct):
    """Prices of one service tier; `""` is the usual one."""

    service_tier: str
    prices: Row
    longer: list[LongRow] = []


def quoted(schedule: Schedule, service_tier: str = "") -> TierRow:
    """Returns a schedule in dollars, prices of longer inputs from the shortest on."""
    *longer, (_, base) = schedule
    rows = [LongRow(above, _row(rates)) for above, rates in reversed(longer)]
    return TierRow(service_tier, _row(base), rows)


def in_dollars(pico: int, digits: int) -> float:
    """Returns an amount of 10^-digits in units of one."""
    return float(Decimal(pico).scaleb(-digits))


def _row(rates: Rates) -> Row:
    names = [
        name for name in Rates.__struct_fields__ if getattr(rates, name) != getattr(rates, _LIKE.get(name, ""), -1)
    ]
    return {name: in_dollars(getattr(rates, name), 6) for name in names}
