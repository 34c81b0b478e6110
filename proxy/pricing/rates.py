"""What a model charges, and what an answer costs by that. All in integers, so that nothing is ever rounded.

Money is counted in pico-dollars (10^-12 $): a price of $0.0025 for a million tokens is 2500 of them a token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from ..events import Usage

PICO_DOLLAR = Decimal("1e-12")

Prices = Mapping[str, int]
"""Some of the fields of `Rates`, in pico-dollars a token."""

Schedule = tuple[tuple[int, "Rates"], ...]
"""Rates by the length of the input: the first whose threshold the input is longer than are those of the answer."""


class Rates(msgspec.Struct, frozen=True, gc=False):
    """Prices of the tokens of one answer, in pico-dollars a token."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    reasoning: int
    audio_input: int
    audio_output: int

    @classmethod
    def of(cls, prices: Prices) -> Rates:
        """Returns the rates for prices, of which only `input` and `output` must be given.

        What has no price of its own is charged like the tokens that it is among.
        """
        return cls(
            input=prices["input"],
            output=prices["output"],
            cache_read=prices.get("cache_read", prices["input"]),
            cache_write=prices.get("cache_write", prices["input"]),
            cache_write_1h=prices.get("cache_write_1h", prices.get("cache_write", prices["input"])),
            reasoning=prices.get("reasoning", prices["output"]),
            audio_input=prices.get("audio_input", prices["input"]),
            audio_output=prices.get("audio_output", prices["output"]),
        )

    def of_tokens(self, usage: Usage) -> int:
        """Returns what the tokens of an answer cost, in pico-dollars. Every token is charged once.

        Where an upstream counts more of a part than there is of the whole, the whole counts.
        """
        rest, said = usage.input_tokens, usage.output_tokens
        cost = 0
        if usage.cached_tokens:  # most answers have none of these
            cached = min(usage.cached_tokens, rest)
            rest -= cached
            cost += cached * self.cache_read
        if usage.cache_write_tokens:
            written = min(usage.cache_write_tokens, rest)
            hour = min(usage.cache_write_1h_tokens, written)
            rest -= written
            cost += (written - hour) * self.cache_write + hour * self.cache_write_1h
        if usage.audio_input_tokens:
            heard = min(usage.audio_input_tokens, rest)
            rest -= heard
            cost += heard * self.audio_input
        if usage.reasoning_tokens:
            thought = min(usage.reasoning_tokens, said)
            said -= thought
            cost += thought * self.reasoning
        if usage.audio_output_tokens:
            spoken = min(usage.audio_output_tokens, said)
            said -= spoken
            cost += spoken * self.audio_output
        return cost + rest * self.input + said * self.output


class RateCard(msgspec.Struct, frozen=True):
    """All that a model charges: rates by service tier and length of the input, and what a call costs by itself.

    `standard` is for service tiers that have no rates of their own. `search` and `request` are in pico-dollars.
    """

    standard: Schedule
    tiers: dict[str, Schedule] = {}
    search: int = 0
    request: int = 0

    def cost(self, usage: Usage, service_tier: str | None = None) -> int:
        """Returns what an answer costs, in pico-dollars. Hot: once an exchange.

        `service_tier` is the one that the upstream says it was served in.
        """
        schedule = self.standard
        if service_tier is not None and self.tiers:
            schedule = self.tiers.get(service_tier, schedule)
        rates = schedule[0][1] if len(schedule) == 1 else _at_length(schedule, usage.input_tokens)
        return rates.of_tokens(usage) + self.request + usage.searches * self.search

    @property
    def flat(self) -> tuple[int, int, int] | None:
        """What a token of input, a token of output and a call cost at most, where all answers are charged alike."""
        if len(self.standard) > 1 or self.tiers:
            return None
        rates = self.standard[0][1]
        return rates.input, max(rates.output, rates.reasoning), self.request

    def at_most(self, tokens_in: int, tokens_out: int, service_tier: str | None = None) -> int:
        """Returns what an answer costs of which nothing is cached, and all of which may be reasoning.

        Hot: once an exchange.
        """
        schedule = self.standard
        if service_tier is not None and self.tiers:
            schedule = self.tiers.get(service_tier, schedule)
        rates = _at_length(schedule, tokens_in)
        dearest = rates.output if rates.output > rates.reasoning else rates.reasoning
        return tokens_in * rates.input + tokens_out * dearest + self.request


def rate_card(
    base: Prices,
    *,
    tiers: Sequence[tuple[int, Prices]] = (),
    service_tiers: Mapping[str, Prices] | None = None,
    search: int = 0,
    request: int = 0,
) -> RateCard:
    """Returns the card for prices, prices of inputs longer than so many tokens, and prices of service tiers.

    The latter two replace those prices of `base` that they name, except that tokens kept for an hour keep their
    relation to those kept for five minutes. Long inputs in a service tier are dearer in the proportion in which long
    inputs are dearer otherwise: that is how OpenAI and Google charge them.
    """
    longer = [(above, _over(base, prices)) for above, prices in sorted(tiers, key=lambda tier: tier[0], reverse=True)]
    standard = _schedule(base, longer)
    return RateCard(
        standard=standard,
        tiers={
            name: _schedule(served, [(above, _raised(served, base, prices)) for above, prices in longer])
            for name, prices in (service_tiers or {}).items()
            for served in [_over(base, prices)]
        },
        search=search,
        request=request,
    )


def dollars(pico: int) -> Decimal:
    """Returns an amount of pico-dollars in dollars, exactly."""
    return pico * PICO_DOLLAR


def written(cost: Decimal) -> str:
    """Returns an amount of dollars as it is told: all its digits, and no zeros behind them."""
    return f"{cost.normalize():f}" if cost else "0"


def _schedule(base: Prices, longer: Sequence[tuple[int, Prices]]) -> Schedule:
    return (*((above, Rates.of(prices)) for above, prices in longer), (-1, Rates.of(base)))


def _at_length(schedule: Schedule, length: int) -> Rates:
    for above, rates in schedule:
        if length > above:
            return rates
    raise ValueError("an input cannot be shorter than nothing")


def _over(base: Prices, prices: Prices) -> Prices:
    """Returns the prices of `base`, replaced where there are others."""
    merged = {**base, **prices}
    if "cache_write" in prices and "cache_write_1h" in base and "cache_write_1h" not in prices:
        merged["cache_write_1h"] = _in_proportion(base["cache_write_1h"], prices["cache_write"], base["cache_write"])
    return merged


def _raised(served: Prices, base: Prices, longer: Prices) -> Prices:
    """Returns the prices of a service tier for long inputs."""
    raised = dict(served)
    for name in longer:
        usual = base.get(name)
        raised[name] = _in_proportion(served[name], longer[name], usual) if usual else longer[name]
    return raised


def _in_proportion(price: int, to: int, of: int) -> int:
    """Returns `price * to / of`, to the nearest whole pico-dollar; `to` where there is nothing to go by."""
    return (2 * price * to + of) // (2 * of) if of else to
