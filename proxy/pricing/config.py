"""What `prices:` of the file may say of one model."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, ClassVar, Self

import msgspec
from msgspec import Meta

from ..config.types import ConfigValue, Mistake, Sources, shown
from .rates import Prices, RateCard, rate_card

_MOST = Decimal(1_000_000)
_PER_TOKEN = Decimal("0.001")
"""A price for a million tokens below this is most likely one for a token."""


class _Money(int, ConfigValue):
    """An amount of dollars with so many decimals at most; as an integer it is counted in the last of them."""

    schema: ClassVar[Mapping[str, Any]] = {"type": "number", "minimum": 0, "maximum": int(_MOST)}
    decimals: ClassVar[int]

    @classmethod
    def parse(cls, value: object, sources: Sources) -> Self:
        """Returns the amount for its written form, digit by digit."""
        amount = _decimal(value)
        if amount is None:
            raise Mistake(f"{shown(value)} is no price", f"write a number of dollars {cls.label_per}, such as 2.5")
        cls.check(amount)
        scaled = amount.scaleb(cls.decimals)
        if scaled != int(scaled):
            raise Mistake(f"{amount} has too many decimals", f"write at most {cls.decimals}")
        return cls(int(scaled))

    label_per: ClassVar[str]

    @classmethod
    def check(cls, amount: Decimal) -> None:
        """Refuses what can be no price: raises Mistake."""
        if amount > _MOST:
            raise Mistake(f"{amount} is out of range", f"write dollars {cls.label_per}")

    @property
    def written(self) -> str:
        """The number of dollars."""
        return f"{Decimal(self).scaleb(-self.decimals).normalize():f}"


class TokenPrice(_Money):
    """Dollars for a million tokens; as an integer, pico-dollars a token."""

    label: ClassVar[str] = "dollars"
    label_per: ClassVar[str] = "per million tokens"
    decimals: ClassVar[int] = 6

    @classmethod
    def check(cls, amount: Decimal) -> None:
        """Refuses also what looks like a price for one token."""
        super().check(amount)
        if 0 < amount < _PER_TOKEN:
            raise Mistake(
                f"{amount} dollars per million tokens is next to nothing",
                f"write dollars per million tokens: {amount.scaleb(6).normalize():f}, if that was for one",
            )


class CallPrice(_Money):
    """Dollars for one call; as an integer, pico-dollars."""

    label: ClassVar[str] = "dollars"
    label_per: ClassVar[str] = "a call"
    decimals: ClassVar[int] = 12


def _decimal(value: object) -> Decimal | None:
    """Returns a number as it was written; None for what is none, or less than nothing."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        amount = Decimal(repr(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


def _about(description: str) -> Meta:
    return Meta(description=description)


class SomePrices(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Prices in dollars per million tokens."""

    input: Annotated[TokenPrice | None, _about("Tokens of the input, in dollars per million.")] = None
    output: Annotated[TokenPrice | None, _about("Tokens of the output, in dollars per million.")] = None
    cache_read: Annotated[
        TokenPrice | None, _about("Input that was read from a cache, in dollars per million; else like input.")
    ] = None
    cache_write: Annotated[
        TokenPrice | None, _about("Input that was written to a cache, in dollars per million; else like input.")
    ] = None
    cache_write_1h: Annotated[
        TokenPrice | None, _about("Input to be cached for an hour, in dollars per million; else like cache_write.")
    ] = None
    reasoning: Annotated[
        TokenPrice | None, _about("Output that is reasoning, in dollars per million; else like output.")
    ] = None
    audio_input: Annotated[TokenPrice | None, _about("Audio heard, in dollars per million; else like input.")] = None
    audio_output: Annotated[TokenPrice | None, _about("Audio spoken, in dollars per million; else like output.")] = None

    def prices(self) -> Prices:
        """Returns those that are given, in pico-dollars a token."""
        given = {name: getattr(self, name) for name in SomePrices.__struct_fields__}
        return {name: int(price) for name, price in given.items() if price is not None}


class LongInputPrices(SomePrices, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Prices that hold for the whole request when its input is long; what is not given stays as it is."""

    above: Annotated[
        Annotated[int, Meta(gt=0)], _about("They hold for requests with more input tokens than this, cached ones too.")
    ]


class ModelPrices(SomePrices, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What a model charges. With prices of its own it takes none from the table."""

    input: Annotated[TokenPrice, _about("Tokens of the input, in dollars per million.")]
    output: Annotated[TokenPrice, _about("Tokens of the output, in dollars per million.")]
    tiers: Annotated[tuple[LongInputPrices, ...], _about("Prices of requests with a long input.")] = ()
    service_tiers: Annotated[
        dict[str, SomePrices], _about("Prices of answers that were served in a tier, such as flex or priority.")
    ] = msgspec.field(default_factory=dict)
    search: Annotated[CallPrice, _about("A search that the upstream has run for the answer, in dollars.")] = CallPrice(
        0
    )
    request: Annotated[CallPrice, _about("Each request that was answered, in dollars.")] = CallPrice(0)

    def card(self) -> RateCard:
        """Returns what the model charges."""
        return rate_card(
            self.prices(),
            tiers=[(tier.above, tier.prices()) for tier in self.tiers],
            service_tiers={name: some.prices() for name, some in self.service_tiers.items()},
            search=int(self.search),
            request=int(self.request),
        )
