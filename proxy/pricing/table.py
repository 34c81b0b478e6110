"""The table of prices that ships with Penstock: what providers charge, as of a day."""

from __future__ import annotations

import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

import msgspec

from .names import names, sold_as
from .rates import Prices, RateCard, rate_card

FILE = Path(__file__).with_name("prices.json")

_FIELDS = {
    "input": "in", "output": "out", "cache_read": "cache_read", "cache_write": "cache_write",
    "cache_write_1h": "cache_write_1h", "reasoning": "reasoning", "audio_input": "audio_in",
    "audio_output": "audio_out",
}  # fmt: skip
"""The fields of `Rates` in the words of the table."""


class PriceRow(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename=_FIELDS):
    """Prices in dollars for a million tokens, only those that there are."""

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    reasoning: Decimal | None = None
    audio_input: Decimal | None = None
    audio_output: Decimal | None = None

    def prices(self) -> Prices:
        """Returns them in pico-dollars a token. Raises ValueError for one that is no whole number of them."""
        given = {name: getattr(self, name) for name in _FIELDS}
        return {name: in_pico(price, 6) for name, price in given.items() if price is not None}


class LongRow(PriceRow, kw_only=True):
    """Prices of requests with more than `above` tokens of input."""

    above: int


class ModelRow(PriceRow, kw_only=True):
    """One line of the table. `web_search_call` is in dollars a call."""

    tiers: list[LongRow] = []
    service_tiers: dict[str, PriceRow] = {}
    web_search_call: Decimal = Decimal(0)

    def card(self) -> RateCard:
        """Returns what the model charges."""
        return rate_card(
            self.prices(),
            tiers=[(row.above, row.prices()) for row in self.tiers],
            service_tiers={name: row.prices() for name, row in self.service_tiers.items()},
            search=in_pico(self.web_search_call, 12),
        )


class Listed(msgspec.Struct, frozen=True):
    """A price of the table: the name it stands under, which need not be the one that was looked for."""

    name: str
    card: RateCard


class PriceTable(msgspec.Struct, frozen=True):
    """Prices of models by `vendor/model`, as of a day; `aliases` are further names of some."""

    as_of: datetime.date
    origin: str
    models: dict[str, msgspec.Raw]
    aliases: dict[str, str]

    def find(self, vendor: str, model: str) -> Listed | None:
        """Returns what a vendor charges for a model; None when the table does not say."""
        return next(filter(None, map(self.named, names(vendor, model))), None)

    def named(self, name: str) -> Listed | None:
        """Returns the price of a name of the table, None when it has no such name."""
        name = self.aliases.get(name, name)
        row = self.models.get(name)
        return None if row is None else Listed(name, _decode_row(row).card())

    def look_up(self, name: str) -> Listed | None:
        """Returns the price for `vendor/model`, spelled in any way that `find` knows."""
        vendor, slash, model = name.partition("/")
        return self.find(vendor, model) if slash else None

    def matching(self, pattern: str) -> list[str]:
        """Returns the names that a pattern of `vendor/model` stands for, and that have a price."""
        found = (sold_as(pattern, name) for name in self.names)
        return list(dict.fromkeys(name for name in found if name is not None))

    @property
    def names(self) -> tuple[str, ...]:
        """All names that it has, aliases too."""
        return (*self.models, *self.aliases)


_decode_row = msgspec.json.Decoder(ModelRow).decode


@cache
def price_table() -> PriceTable:
    """Returns the table that ships, read once a process."""
    return msgspec.json.decode(FILE.read_bytes(), type=PriceTable)


def in_pico(amount: Decimal, digits: int) -> int:
    """Returns an amount in units of 10^-digits of what it is given in: dollars a million tokens, or dollars.

    Raises ValueError when that is no whole number.
    """
    scaled = amount.scaleb(digits)
    if scaled != int(scaled):
        raise ValueError(f"{amount} has more than {digits} decimals")
    return int(scaled)
