"""Knows what each deployment charges, and puts on every exchange what it has cost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import msgspec

from .own import OwnPrice, OwnPrices
from .rates import RateCard, dollars, rate_card
from .sellers import seller_of
from .table import PriceTable, price_table

if TYPE_CHECKING:
    from decimal import Decimal

    from ..events import Usage
    from ..exchange import Exchange
    from ..providers.provider import Deployment

_FREE = rate_card({"input": 0, "output": 0})
_NOTHING = dollars(0)
_MAX_REMEMBERED = 1024
_MAX_REMEMBERED_NAME = 256  # characters; longer names are looked up each time


class Price(msgspec.Struct, frozen=True):
    """What a deployment charges, and where that is from: the file, the table, or that it runs on one's own machines.

    `name` is what it is found under in the table, or in the file, there in `line`; `like` is the name of the table that
    the file points to. Without a `card` nobody knows what it costs, unless the upstream says so with an answer: those
    that always do are `told`.
    """

    origin: Literal["file", "table", "own", "told", "unknown"]
    card: RateCard | None = None
    name: str = ""
    line: int = 0
    like: str | None = None


_UNKNOWN = Price("unknown")
_TOLD = Price("told")
_OWN = Price("own", _FREE)


class PriceBook:
    """The prices of the file, in front of the table."""

    def __init__(self, own: Iterable[OwnPrice] = (), table: PriceTable | None = None) -> None:
        self._own = OwnPrices(own)
        self._table = table or price_table()
        self._remembered: dict[tuple[str, str], Price] = {}

    def price(
        self, upstream: str, model: str, *, kind: str, base_url: str | None, base_model: str | None = None
    ) -> Price:
        """Returns what a model costs at an upstream of that kind and place.

        `base_model` is what it is in the table, where the upstream has another name for it.
        """
        own = self._own.find(f"{upstream}/{model}")
        if own is not None:
            return Price("file", own.card, own.name, own.line, own.like)
        seller = seller_of(kind, base_url)
        if seller.vendor is None:
            return _OWN if seller.own else _TOLD if seller.tells else _UNKNOWN
        listed = self._table.find(seller.vendor, base_model or model)
        return _UNKNOWN if listed is None else Price("table", listed.card, listed.name)

    def price_of(self, deployment: Deployment) -> Price:
        """Returns what a deployment charges. Hot: once an exchange."""
        provider = deployment.provider
        key = (provider.name, deployment.model)
        price = self._remembered.get(key)
        if price is None:
            kind, url = getattr(provider, "kind", ""), getattr(provider.config, "base_url", None)
            base = getattr(provider.config, "base_models", {}).get(deployment.model)
            price = self.price(provider.name, deployment.model, kind=kind, base_url=url, base_model=base)
            if len(deployment.model) <= _MAX_REMEMBERED_NAME:
                if len(self._remembered) >= _MAX_REMEMBERED:
                    self._remembered.clear()
                self._remembered[key] = price
        return price

    def charge(self, exchange: Exchange) -> None:
        """Adds to an exchange what its last attempt has cost, once its usage is final; where that is known.

        Each attempt is charged once. What the upstream says that it charges counts for more than the table, and less
        than the file.
        """
        attempts, usage, deployment = exchange.attempts, exchange.usage, exchange.deployment
        if not attempts or usage is None or deployment is None:
            return
        attempt = attempts[-1]
        if attempt.usage is None:
            attempt.usage = usage
            attempt.cost = self._add(exchange, deployment, usage, exchange.service_tier)

    def charge_beside(self, exchange: Exchange, deployment: Deployment, usage: Usage) -> Decimal | None:
        """Adds to an exchange what somebody else has cost who was asked for its sake; returns that, where it is known.

        It is none of the attempts at the answer.
        """
        return self._add(exchange, deployment, usage, None)

    def _add(self, exchange: Exchange, deployment: Deployment, usage: Usage, tier: str | None) -> Decimal | None:
        price = self.price_of(deployment)
        cost = None
        if usage.cost is not None and price.origin != "file":
            cost = usage.cost
        elif price.card is _FREE:
            cost = _NOTHING
        elif price.card is not None:
            cost = dollars(price.card.cost(usage, tier))
        if cost is not None:
            exchange.cost = cost if exchange.cost is None else exchange.cost + cost
        return cost
