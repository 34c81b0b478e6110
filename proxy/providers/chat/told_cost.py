"""Reads out of a usage object what the upstream says the answer has cost, where it says so.

- OpenRouter: `cost` in dollars. With a key of one's own (`is_byok`) that is its fee alone, and what the provider
  behind it charges for the answer is `cost_details.upstream_inference_cost`.
- Perplexity: an object, `cost.total_cost` in dollars.
- xAI: `cost_in_usd_ticks`, 10^10 of which are a dollar.

A 0 of the latter two says that they have not counted; OpenRouter's says that the answer was free.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

_PICO = Decimal("1e-12")
_TICK = Decimal("1e-10")
_MOST = 1_000_000  # dollars; what is beyond that is no cost of an answer


def told_cost(usage: dict[str, Any]) -> Decimal | None:
    """Returns the cost in dollars, to the trillionth; None when the upstream does not tell it in a way that we know."""
    cost = usage.get("cost")
    if isinstance(cost, dict):
        return _dollars(cost.get("total_cost")) or None
    if cost is not None:
        dollars = _dollars(cost)
        if dollars is not None and usage.get("is_byok") is True:
            details = usage.get("cost_details")
            dollars += (_dollars(details.get("upstream_inference_cost")) if isinstance(details, dict) else None) or 0
        return dollars
    ticks = usage.get("cost_in_usd_ticks")
    if isinstance(ticks, int) and not isinstance(ticks, bool) and 0 < ticks <= _MOST * 10**10:
        return ticks * _TICK
    return None


def _dollars(value: Any) -> Decimal | None:
    """Returns an amount as it was written: the shortest decimal that reads as the same number. None for none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MOST:
        return None
    return Decimal(repr(value)).quantize(_PICO)
