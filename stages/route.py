"""The stage that chooses the deployments of a model, and the next one when one fails."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from proxy.config.types import Duration
from proxy.errors import BadRequest, ExchangeError
from proxy.exchange import Exchange
from proxy.patterns import stands_for
from proxy.pricing.book import PriceBook
from proxy.providers.provider import Deployment, TimeoutChanges
from proxy.routing.config import Fallback, Hedge, Mirror
from proxy.routing.health import Board
from proxy.routing.plan import RoutePlan, Rules
from proxy.routing.stage import RoutingStage
from proxy.routing.strategies import STRATEGIES, Strategy, cost_of
from proxy.routing.table import RouteTable
from proxy.stage import StageConfig


class RouteConfig(StageConfig, frozen=True, kw_only=True):
    """How to choose among the deployments of a model, and what to do when one fails."""

    strategy: Annotated[
        Strategy,
        Meta(
            description="Who is asked first: weighted shares requests by weight (a canary is a deployment of small "
            "weight); least-busy asks the one with the fewest requests in flight for its weight; latency the one that "
            "begins to answer sooner, of two drawn by weight; cost the cheapest by the prices of the file and the "
            "table. Requests in flight are those of all workers of a host, times those of one worker."
        ),
    ] = "weighted"
    sticky: Annotated[
        bool,
        Meta(
            description="Stay with the deployment that made the previous response, or the sealed thinking in the "
            "input; without either, let x-penstock-session, the conversation or prompt_cache_key decide, or how the "
            "history of a client began that carries encrypted reasoning itself. When it is down another one goes on."
        ),
    ] = False
    retries: Annotated[
        int, Meta(ge=0, le=10, description="How many more attempts one request may make after its first has failed.")
    ] = 2
    deadline: Annotated[
        Duration, Meta(description="How long after a request has come another attempt may still begin.")
    ] = Duration(600)
    max_wait: Annotated[
        Duration,
        Meta(
            description="The longest pause before an attempt, also when an upstream asks for a longer one or all "
            "deployments are cooling down; then the client is told when to come again."
        ),
    ] = Duration(10)
    cooldown: Annotated[
        Duration,
        Meta(
            description="How long a deployment that fails gets no requests, if there is another one; afterwards one "
            "request tries it. Retry-After counts for more. With 0 nothing else cools it down."
        ),
    ] = Duration(10)
    cooldown_after: Annotated[
        int,
        Meta(
            ge=1,
            description="How many failures in a row let a deployment cool down. A 429 or a refused key does at once.",
        ),
    ] = 3
    timeouts: Annotated[
        TimeoutChanges | None,
        Meta(description="Limits of one attempt in the place of the upstream's; those of a deployment count for more."),
    ] = None
    fallbacks: Annotated[
        tuple[Fallback, ...], Meta(description="Models that stand in when every deployment of a model has failed.")
    ] = ()
    hedge: Annotated[
        Hedge | None,
        Meta(
            description="Ask a second deployment for a stream that has shown nothing for a while. The first to show "
            "something is the answer, the other is closed; it counts as a retry, and both are paid."
        ),
    ] = None
    mirror: Annotated[
        Mirror | None,
        Meta(
            description="Send copies of requests to another model as well. Nobody waits for it, what it answers is "
            "thrown away, and the log has it under the request's id with -mirror behind it."
        ),
    ] = None


class Route(RoutingStage):
    """Finds the deployments behind the model's name and goes from one to the next when one fails.

    Deployments of a model share its requests by weight, or as `strategy` says. A retry goes to a deployment that has
    not been asked yet if there is one, then to the fallbacks, else to the same one after a pause, if its failure may
    pass. Failed connections, timeouts, 429, 5xx and refused keys count against a deployment; what is wrong with a
    request never does. Once the first output has reached the client nothing is retried. Stages below this one see the
    request once an attempt.

    Example:

        route:
          strategy: least-busy
          sticky: true
          retries: 2
          fallbacks:
            - {from: smart, to: [careful, fast]}
            - {from: smart, to: [long], errors: [context_window]}
    """

    name = "route"
    sets: ClassVar[tuple[Literal["key", "plan"], ...]] = ("plan",)
    Config = RouteConfig
    config: RouteConfig

    def __init__(self, config: RouteConfig | None = None) -> None:
        super().__init__(config)
        said = self.config
        self.board = Board(failures=said.cooldown_after, cooldown_s=float(said.cooldown))
        self.rules = Rules(
            board=self.board,
            choose=STRATEGIES[said.strategy],
            sticky=said.sticky,
            retries=said.retries,
            max_wait_s=float(said.max_wait),
            deadline_s=float(said.deadline),
            hedge_after_s=float(said.hedge.after) if said.hedge is not None else None,
        )
        self._table = RouteTable(
            self.board,
            said.fallbacks,
            timeouts=said.timeouts,
            cost=self._cost if said.strategy == "cost" else None,
        )

    @classmethod
    def models_of(cls, config: RouteConfig) -> Iterable[tuple[tuple[str | int, ...], str]]:
        """Returns the models of the fallbacks, and of the mirror."""
        for index, fallback in enumerate(config.fallbacks):
            if "*" not in fallback.from_:
                yield ("fallbacks", index, "from"), fallback.from_
            for place, name in enumerate(fallback.to):
                yield ("fallbacks", index, "to", place), name
        if config.mirror is not None:
            yield ("mirror", "to"), config.mirror.to
            if "*" not in config.mirror.from_:
                yield ("mirror", "from"), config.mirror.from_

    async def on_request(self, exchange: Exchange) -> None:
        """Makes the plan of attempts; raises BadRequest for a model that nothing serves."""
        model = exchange.request.model
        routes = self._table.find(model, exchange.models)
        if routes is None:
            raise _unknown(exchange, model)
        plan = RoutePlan(exchange, routes, self.rules)
        mirror = self.config.mirror
        if mirror is not None and stands_for(mirror.from_, model) and random.random() * 100 < mirror.percent:
            plan.mirror = self._mirrored
        exchange.plan = plan

    def _mirrored(self, copy: Exchange) -> RoutePlan:
        """Returns the plan of a copy of an exchange: one attempt at the mirror's model."""
        assert self.config.mirror is not None
        model = self.config.mirror.to
        routes = self._table.find(model, copy.models)
        if routes is None:
            raise _unknown(copy, model)
        return RoutePlan(copy, routes, self._mirror_rules)

    @property
    def _mirror_rules(self) -> Rules:
        return Rules(board=self.board, choose=self.rules.choose, retries=0)

    def _cost(self, deployment: Deployment) -> float:
        if self.prices is None:
            self.prices = PriceBook()
        return cost_of(self.prices.price_of(deployment))


def _unknown(exchange: Exchange, model: str) -> ExchangeError:
    reason = exchange.models.why_unavailable(model)
    if reason is not None:
        return BadRequest(
            f"The model '{model}' is not served here now: {reason}.", param="model", code="model_not_found"
        )
    return BadRequest(
        f"The model '{model}' does not exist or you do not have access to it.", param="model", code="model_not_found"
    )
