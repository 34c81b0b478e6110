"""What answers may cost at most, by the prices of the deployments that may give them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from ..errors import BadRequest
from ..models import ModelTable
from ..pricing.book import PriceBook
from ..pricing.rates import RateCard

if TYPE_CHECKING:
    from ..exchange import Exchange
    from ..providers.provider import Deployment
    from ..request import Fields

Cards = tuple[RateCard, ...] | None
"""What some deployments charge; None where the price of one of them is not known beforehand."""

_MOST_KNOWN, _MOST_NAME = 1024, 256


class _Known(msgspec.Struct, frozen=True):
    """What the deployments of a model charge; `flat` where that is the same for every length and service tier."""

    models: ModelTable
    cards: Cards
    flat: tuple[int, int, int] | None = None


class WorstCosts:
    """Reckons what answers may cost. `unpriced` is what to assume where no price is known; None refuses those."""

    def __init__(self, prices: PriceBook, unpriced: int | None) -> None:
        self._prices = prices
        self._unpriced = unpriced
        self._known: dict[bytes, _Known] = {}  # by the model's name, as JSON

    def of_model(self, exchange: Exchange, tokens_in: int, tokens_out: int) -> int:
        """Returns what an answer costs on the dearest deployment of a model, in nano-dollars. Hot: once an exchange.

        That is the model that the request names now, which a stage may have changed. What costs nothing by the token
        costs nothing here. Raises BadRequest where that is not known.
        """
        request = exchange.request
        if request is None:
            return 0
        known = self._of_model(exchange, request.fields)
        if known.flat is not None:
            price_in, price_out, once = known.flat
            return -(-(tokens_in * price_in + tokens_out * price_out + once) // 1000)
        return self._worst(exchange, known.cards, tokens_in, tokens_out)

    def of(self, exchange: Exchange, deployments: Iterable[Deployment], tokens_in: int, tokens_out: int) -> int:
        """Returns the same for the dearest of some deployments."""
        return self._worst(exchange, self._cards(deployments), tokens_in, tokens_out)

    def covers(self, exchange: Exchange, deployment: Deployment) -> bool:
        """Tells whether a deployment charges what one of those does that are behind the model of the request."""
        cards = self._of_model(exchange, exchange.request.fields).cards
        return cards is not None and self._prices.price_of(deployment).card in cards

    def _worst(self, exchange: Exchange, cards: Cards, tokens_in: int, tokens_out: int) -> int:
        if cards is None:
            return self._assumed(exchange)
        request, tier = exchange.request, None
        if "service_tier" in request.fields and not isinstance(tier := request.get("service_tier"), str):
            tier = None
        worst = 0
        for card in cards:
            cost = card.at_most(tokens_in, tokens_out, tier)
            worst = cost if cost > worst else worst  # a call of max() takes as long as all else
        return -(-worst // 1000)  # pico-dollars

    def _assumed(self, exchange: Exchange) -> int:
        if self._unpriced is None:
            raise BadRequest(
                f"What the model '{exchange.model}' costs is not known, and there is a budget for it. "
                "Whoever runs this server can give it a price (prices:), or let it pass (budget: unpriced: allow).",
                param="model",
                code="model_without_price",
            )
        return self._unpriced

    def _of_model(self, exchange: Exchange, fields: Fields) -> _Known:
        raw = fields.get("model")
        known = None if raw is None else self._known.get(bytes(raw))
        if known is not None and known.models is exchange.models:
            return known
        if exchange.model is None:
            return _Known(exchange.models, ())
        cards = self._cards(exchange.models.resolve(exchange.request.model))
        flat = cards[0].flat if cards is not None and len(cards) == 1 else None
        known = _Known(exchange.models, cards, flat)
        if raw is not None and len(raw) <= _MOST_NAME:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[bytes(raw)] = known
        return known

    def _cards(self, deployments: Iterable[Deployment]) -> Cards:
        found: list[RateCard] = []
        for deployment in deployments:
            card = self._prices.price_of(deployment).card
            if card is None:
                return None
            if card not in found:  # deployments of one model mostly have the same
                found.append(card)
        return tuple(found)
