"""The stage that limits what one client may spend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from proxy.config.types import Duration, Mistake
from proxy.counters import Grant, Limit, Unit
from proxy.counters.limits import NANO
from proxy.errors import RateLimited
from proxy.exchange import Exchange
from proxy.limiting.estimate import Expected, expected
from proxy.limiting.meter import Metered
from proxy.limiting.rules import Claim, Rule, dollars
from proxy.limiting.stage import Admitted, LimitStage
from proxy.limiting.subjects import Per
from proxy.limiting.worst_costs import WorstCosts
from proxy.pricing.book import PriceBook
from proxy.stage import StageConfig

_Usd = Annotated[float, Meta(gt=0, le=1_000_000)]
_Subject = Per | Annotated[tuple[Per, ...], Meta(min_length=1, max_length=4)]
_MONTH = Duration(30 * 86400)


class WindowBudget(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """So many dollars in a window."""

    usd: Annotated[_Usd, Meta(description="Dollars in any window.")]
    window: Annotated[Duration, Meta(description="How long the window is.")]

    def __post_init__(self) -> None:
        if self.window < 1:
            raise Mistake("the window is shorter than a second", "write 1d, say")


class BudgetConfig(StageConfig, frozen=True, kw_only=True):
    """How much money, and whose."""

    per: Annotated[
        _Subject,
        Meta(
            description="Who has the budget: each key, the team or user of a key, an end user, an address, each "
            "model; or, as a list, several of these together."
        ),
    ] = "key"
    usd: Annotated[_Usd | None, Meta(description="Dollars in any window.")] = None
    window: Annotated[Duration, Meta(description="How long the window is.")] = _MONTH
    limits: Annotated[
        tuple[WindowBudget, ...], Meta(description="More windows for the same subjects, each with its own dollars.")
    ] = ()
    usd_per_response: Annotated[
        _Usd | None,
        Meta(description="What one response may cost: the length of its output is limited to what that buys."),
    ] = None
    in_flight: Annotated[
        Literal["finish", "cut"],
        Meta(
            description="What becomes of a stream that costs more than was reserved for it when the budget is used up: "
            "it goes on to its end, or is cut (response.failed, code insufficient_quota)."
        ),
    ] = "finish"
    unpriced: Annotated[
        Literal["refuse", "allow"],
        Meta(description="What becomes of requests for a model whose price is not known beforehand."),
    ] = "refuse"
    assume_usd: Annotated[
        Annotated[float, Meta(ge=0, le=1000)],
        Meta(description="What is reserved for an allowed request for a model whose price is not known beforehand."),
    ] = 0.0
    assume_output: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)],
        Meta(description="Tokens of output that are reserved for a request that does not set max_output_tokens."),
    ] = 1024
    name: Annotated[
        str, Meta(description="What these counts are called; needed by a second stage with the same per and window.")
    ] = ""

    def __post_init__(self) -> None:
        windows = [float(window) for _, window in self.windows()]
        if not windows and self.usd_per_response is None:
            raise Mistake("there is no budget", "set usd, limits or usd_per_response")
        if min(windows, default=1) < 1:
            raise Mistake("the window is shorter than a second", "write 1d, say")
        if len(set(windows)) < len(windows):
            raise Mistake("two budgets are for the same window", "keep the lower one")
        if len(set(self.subjects)) < len(self.subjects):
            raise Mistake("per names something twice", "name it once")

    @property
    def subjects(self) -> tuple[Per, ...]:
        """What is counted by, as a list."""
        return (self.per,) if isinstance(self.per, str) else self.per

    def windows(self) -> Iterator[tuple[float, Duration]]:
        """Yields dollars and window of each budget."""
        if self.usd is not None:
            yield self.usd, self.window
        for one in self.limits:
            yield one.usd, one.window


class Budget(LimitStage):
    """Refuses requests whose subject has spent its money, and holds responses to what one may cost.

    A request reserves what it may cost at most: its input, estimated, and `max_output_tokens` (or `assume_output` where
    it sets none), at the price of the dearest deployment of its model. When it has ended, however that was, what it has
    really cost stands in the place of that; a request that cost nothing gives all of it back. So a burst cannot overrun
    a budget by more than estimates are wrong. Windows slide: what was spent is free again a window later.

    A refusal is a 429 with code `insufficient_quota`, which clients do not retry by themselves. Who the subjects are,
    and where the counts are kept, is as with `rate-limit`; limiting stages right above or below each other decide at
    once. Prices are those of `penstock prices`; a model that runs on one's own machines costs nothing unless the file
    says what. `usd_per_response` lowers `max_output_tokens` to what the money buys: the response ends as incomplete.

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
                Limit(unit="usd", most=round(usd * NANO), window_s=float(window)),
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
        wanted, rules = expected(exchange), self.rules(exchange)
        if not wanted.uses:
            return [Claim(rule, 0) for rule in rules]
        if self.config.usd_per_response is not None:
            self._shorten(exchange, wanted, round(self.config.usd_per_response * NANO))
        cost = self.costs.of_model(exchange, wanted.input_tokens, wanted.output(self.config.assume_output))
        if wanted.most_output is None:  # an assumption refuses nobody who might be within the budget
            least = self.costs.of_model(exchange, wanted.input_tokens, 0)
            return [Claim(rule, max(least, min(cost, rule.limit.most))) for rule in rules]
        return [Claim(rule, cost) for rule in rules]

    @property
    def meters(self) -> bool:
        """Whether streams may be cut."""
        return self.config.in_flight == "cut" and bool(self._rules)

    def meter(
        self, exchange: Exchange, grant: Grant, claims: Sequence[Claim], other: Admitted | None
    ) -> Admitted | None:
        """Returns what watches a stream whose length is not known, where it is to be cut."""
        if not exchange.request.stream:
            return None
        wanted = expected(exchange)
        if not wanted.uses or wanted.most_output is not None:
            return None
        reserved, deployments = self.config.assume_output, exchange.models.resolve(exchange.request.model)

        def cost(tokens: int) -> int:
            return self.costs.of(exchange, deployments, 0, tokens)

        rules = self.rules(exchange)
        own = [claim for claim in claims if claim.rule in rules]
        if isinstance(other, Metered):
            other.watch(exchange, own, reserved)
            return other
        return Metered(self.counters, grant, claims, exchange, own, reserved, cost)

    def _shorten(self, exchange: Exchange, wanted: Expected, most: int) -> None:
        """Limits the output to what is left of one response's money behind the input; refuses when that is nothing."""
        asked = self.costs.of_model(exchange, wanted.input_tokens, 0)
        per_million = self.costs.of_model(exchange, wanted.input_tokens, 1_000_000) - asked
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
