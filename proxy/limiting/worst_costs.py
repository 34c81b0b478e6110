"""What answers may cost at most, by the prices of the deployments that may give them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import BadRequest
from ..pricing.book import PriceBook
from ..pricing.rates import RateCard

if TYPE_CHECKING:
    from ..exchange import Exchange
    from ..models import ModelTable
    from ..providers.provider import Deployment
    from ..request import Fields

Cards = tuple[RateCard, ...] | None
"""What some deployments charge; None where the price of one of them is not known beforehand."""

_MOST_KNOWN, _MOST_NAME = 1024, 256


class WorstCosts:
    """Reckons what answers may cost. `unpriced` is what to assume where no price is known; None refuses those."""

    def __init__(self, prices: PriceBook, unpriced: int | None) -> None:
        self._prices = prices
        self._unpriced = unpriced
        self._known: dict[bytes, tuple[ModelTable, Cards]] = {}  # by the model's name, as JSON

    def of_model(self, exchange: Exchange, tokens_in: int, tokens_out: int) -> int:
        """Returns what an answer costs on the dearest deployment of a model, in nano-dollars. Hot: once an exchange.

        That is the model that the request names now, which a stage may have changed. What costs nothing by the token
        costs nothing here. Raises BadRequest where that is not known.
        """
        request = exchange.request
        if request is None:
            return 0
        return self._worst(exchange, self._cards_of_model(exchange, request.fields), tokens_in, tokens_out)

    def of(self, exchange: Exchange, deployments: Iterable[Deployment], tokens_in: int, tokens_out: int) -> int:
        """Returns the same for the dearest of some deployments."""
        return self._worst(exchange, self._cards(deployments), tokens_in, tokens_out)

    def covers(self, exchange: Exchange, deployment: Deployment) -> bool:
        """Tells whether a deployment charges what one of those does that are behind the model of the request."""
        cards = self._cards_of_model(exchange, exchange.request.fields)
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

    def _cards_of_model(self, exchange: Exchange, fields: Fields) -> Cards:
        raw = fields.get("model")
        known = None if raw is None else self._known.get(bytes(raw))
        if known is not None and known[0] is exchange.models:
            return known[1]
        if exchange.model is None:
            return ()
        cards = self._cards(exchange.models.resolve(exchange.request.model))
        if raw is not None and len(raw) <= _MOST_NAME:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[bytes(raw)] = exchange.models, cards
        return cards

    def _cards(self, deployments: Iterable[Deployment]) -> Cards:
        found: list[RateCard] = []
        for deployment in deployments:
            card = self._prices.price_of(deployment).card
            if card is None:
                return None
            if card not in found:  # deployments of one model mostly have the same
                found.append(card)
        return tuple(found)
