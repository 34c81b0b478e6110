"""The stage that limits what one client may spend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from proxy.counters import Grant, Limit, Unit
from proxy.counters.limits import NANO
from proxy.errors import BadRequest, RateLimited
from proxy.exchange import Exchange
from proxy.limiting.budget_config import BudgetConfig
from proxy.limiting.estimate import Expected, expected
from proxy.limiting.meter import Cut, Metered
from proxy.limiting.rules import Claim, Rule, dollars
from proxy.limiting.spending import Spending
from proxy.limiting.stage import Admitted, LimitStage
from proxy.limiting.worst_costs import WorstCosts
from proxy.pricing.book import PriceBook
from proxy.providers.provider import Deployment


class Budget(LimitStage):
    """Refuses requests whose subject has spent its money, and holds responses to what one may cost.

    A request reserves what it may cost at most: its input, estimated, and `max_output_tokens` (or `assume_output` where
    it sets none), at the price of the dearest deployment of its model. A fallback that is dearer, a retry after an
    attempt that was charged, or a second attempt beside the first (`hedge`) reserves the difference when it begins; one
    that the budget has no room for is not made, and the next fallback has its turn. When the request has ended, however
    that was, what all its attempts have really cost stands in the place of that; one that cost nothing gives all of it
    back. So a burst cannot overrun a budget by more than estimates are wrong. Windows slide: what was spent is free
    again a window later. `window: month` (or `day`, `week`) is that of the calendar, in UTC, whose budget begins anew
    with its first second.

    A refusal is a 429 with code `insufficient_quota`, which clients do not retry by themselves; `retry-after` says when
    there will be enough again. Who the subjects are, and where the counts are kept, is as with `rate-limit`; limiting
    stages right above or below each other decide at once. Where each key is counted, the `usd` of a key's own entry
    stands in the place of these, also where the file sets none for the others. Prices are those of `penstock prices`; a
    model that runs on one's own machines costs nothing unless the file says what. `usd_per_response` lowers
    `max_output_tokens` to what the money buys, once more for a dearer fallback: the response ends as incomplete. Copies
    for a mirror are in no budget.

    Example:

        budget:
          per: team
          usd: 250
          window: 30d
          limits:
            - {usd: 25, window: 1d}
          usd_per_response: 0.5
          in_flight: cut
    """

    name = "budget"
    after: ClassVar[tuple[str, ...]] = ("auth",)
    once: ClassVar[bool] = False
    units: ClassVar[tuple[Unit, ...]] = ("usd",)
    watches: ClassVar[bool] = True
    advice: ClassVar[dict[str, str]] = {
        "route": "then the budget is asked again for every attempt",
        "guardrail": "then requests are searched that no budget is left for",
    }
    Config = BudgetConfig
    config: BudgetConfig

    def __init__(self, config: BudgetConfig) -> None:
        rules = [
            Rule(
                self.name,
                config.subjects,
                Limit(unit="usd", most=round(usd * NANO), window_s=float(window), period=window.period),
                window.written,
                config.name,
            )
            for usd, window in config.windows()
        ]
        super().__init__(config, rules)
        self._unpriced = None if config.unpriced == "refuse" else round(config.assume_usd * NANO)
        self.costs = WorstCosts(PriceBook(), self._unpriced)

    async def start(self) -> None:
        """Starts the counters; takes the prices of the table where no others were given."""
        await super().start()
        self.prices = self.prices or PriceBook()
        self.costs = WorstCosts(self.prices, self._unpriced)

    def claims(self, exchange: Exchange) -> list[Claim]:
        """Returns what the request may cost at most; lowers its limit of output to what one response may cost."""
        wanted = expected(exchange)
        if not wanted.uses:
            return [Claim(rule, 0) for rule in self.rules(exchange)]
        here = exchange.deployment if exchange.attempts else None  # known below `route`
        claims = self._claims(exchange, wanted, () if here is None else (here,), 0)
        if not claims and not exchange.attempts:
            exchange.gates = (*exchange.gates, self._before_attempt)
        return claims

    def covers(self, exchange: Exchange, deployment: Deployment) -> bool:
        """Tells whether a first attempt at a deployment costs no more than was reserved for the model."""
        return self.costs.covers(exchange, deployment)

    def attempt_claims(self, exchange: Exchange, deployments: Sequence[Deployment], spent: int) -> list[Claim]:
        """Returns what the budgets are asked for, in all, when deployments are asked at the same time.

        `spent` is what the exchange has cost until then. Where one of them is asked, its output is limited to what one
        response may cost.
        """
        wanted = msgspec.structs.replace(expected(exchange))
        return self._claims(exchange, wanted, deployments, spent)

    def output_cost(self, exchange: Exchange, tokens: int) -> int:
        """Returns what so many more tokens of output cost on the deployment that answers."""
        here = exchange.deployment
        return self._cost(exchange, () if here is None else (here,), 0, tokens)

    def watched(
        self,
        exchange: Exchange,
        grant: Grant,
        claims: Sequence[Claim],
        parts: Sequence[tuple[Budget, Sequence[Claim]]],
    ) -> Admitted | Spending | Metered:
        """Returns what reserves more for dearer attempts, and for streams whose length is not known that may be cut."""
        wanted = expected(exchange)
        if not wanted.uses:
            return Admitted(self.counters, grant, claims, exchange)
        if wanted.most_output is None and _streams(exchange):
            cuts = [
                Cut(stage, own, stage.config.assume_output) for stage, own in parts if stage.config.in_flight == "cut"
            ]
            if cuts:
                return Metered(self.counters, grant, claims, exchange, parts, cuts)
        return Spending(self.counters, grant, claims, exchange, parts)

    def _before_attempt(self, exchange: Exchange, deployments: Sequence[Deployment]) -> None:
        """Holds an attempt to what one response may cost, where nothing else is limited."""
        if len(deployments) > 1 or not self.covers(exchange, deployments[0]):
            self.attempt_claims(exchange, deployments, 0)

    def _claims(
        self, exchange: Exchange, wanted: Expected, deployments: Sequence[Deployment], spent: int
    ) -> list[Claim]:
        rules = self.rules(exchange)
        if self.config.usd_per_response is not None and len(deployments) < 2:
            self._shorten(exchange, wanted, deployments, round(self.config.usd_per_response * NANO))
        if not rules:
            return []
        cost = spent + self._cost(exchange, deployments, wanted.input_tokens, wanted.output(self.config.assume_output))
        if wanted.most_output is None:  # an assumption refuses nobody who might be within the budget
            least = spent + self._cost(exchange, deployments, wanted.input_tokens, 0)
            return [Claim(rule, max(least, min(cost, rule.limit.most))) for rule in rules]
        return [Claim(rule, cost) for rule in rules]

    def _cost(self, exchange: Exchange, deployments: Sequence[Deployment], tokens_in: int, tokens_out: int) -> int:
        """Returns what answers of all of some deployments cost; without any, one of the dearest that the model has."""
        if not deployments:
            return self.costs.of_model(exchange, tokens_in, tokens_out)
        return sum([self.costs.of(exchange, (one,), tokens_in, tokens_out) for one in deployments])

    def _shorten(self, exchange: Exchange, wanted: Expected, deployments: Sequence[Deployment], most: int) -> None:
        """Limits the output to what is left of one response's money behind the input; refuses when that is nothing."""
        asked = self._cost(exchange, deployments, wanted.input_tokens, 0)
        per_million = self._cost(exchange, deployments, wanted.input_tokens, 1_000_000) - asked
        if not per_million and asked <= most:
            return
        affordable = max(0, most - asked) * 1_000_000 // per_million // wanted.answers if per_million else 0
        if affordable < 1:
            raise RateLimited(
                f"This request costs more than a response may: ${dollars(most)}.",
                code="insufficient_quota",
                type="insufficient_quota",
            )
        if wanted.most_output is None or affordable < wanted.most_output:
            wanted.most_output = affordable
            names = ("max_output_tokens", "max_completion_tokens", "max_tokens")
            request = exchange.request
            there = [name for name in names if name in request.fields]
            for name in there or [names[0] if request.dialect == "responses" else names[1]]:
                request.set(name, affordable)


def _streams(exchange: Exchange) -> bool:
    """Tells whether the client wants a stream.

    What cannot be read is for validation to refuse: a fault here would keep what has been reserved.
    """
    try:
        return exchange.request.stream
    except BadRequest:
        return False
