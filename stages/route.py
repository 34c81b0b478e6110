"""The stage that chooses the deployments of a model, and the next one when one fails."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from proxy.config.types import Duration
from proxy.errors import BadRequest, ExchangeError, UpstreamError, UpstreamRefused
from proxy.exchange import Exchange
from proxy.patterns import stands_for
from proxy.providers.provider import Deployment
from proxy.stage import Stage, StageConfig

_BACKOFF_S = 0.25
_MAX_BACKOFF_S = 4.0


class Fallback(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Which models stand in for a model whose deployments all failed."""

    from_: Annotated[str, Meta(description="The model that failed; may hold a *.")]
    to: Annotated[tuple[str, ...], Meta(description="The models to try instead, in this order.", min_length=1)]


class RouteConfig(StageConfig, frozen=True, kw_only=True):
    """How to choose among the deployments of a model, and what to do when one fails."""

    retries: Annotated[
        int, Meta(ge=0, le=10, description="How many more attempts one request may make after its first has failed.")
    ] = 2
    fallbacks: Annotated[
        tuple[Fallback, ...], Meta(description="Models that stand in when every deployment of a model has failed.")
    ] = ()
    max_wait: Annotated[
        Duration, Meta(description="The longest pause before a retry, also when an upstream asks for a longer one.")
    ] = Duration(10)


class Route(Stage):
    """Finds the deployments behind the model's name and goes from one to the next when one fails.

    Deployments of a model share its requests by weight. A retry goes to a deployment that has not been asked yet if
    there is one, else to the same one after a pause, if its failure may pass. Once the first output has reached the
    client nothing is retried. Stages below this one see the request once an attempt.

    Example:

        route:
          retries: 2
          fallbacks:
            - {from: smart, to: [careful, fast]}
    """

    name = "route"
    sets: ClassVar[tuple[Literal["key", "plan"], ...]] = ("plan",)
    Config = RouteConfig
    config: RouteConfig

    @classmethod
    def models_of(cls, config: RouteConfig) -> Iterable[tuple[tuple[str | int, ...], str]]:
        """Returns the models of the fallbacks."""
        for index, fallback in enumerate(config.fallbacks):
            if "*" not in fallback.from_:
                yield ("fallbacks", index, "from"), fallback.from_
            for place, name in enumerate(fallback.to):
                yield ("fallbacks", index, "to", place), name

    async def on_request(self, exchange: Exchange) -> None:
        """Makes the plan of attempts; raises BadRequest for a model that nothing serves."""
        model = exchange.request.model
        deployments = exchange.models.resolve(model)
        if not deployments:
            raise _unknown(exchange, model)
        groups = [deployments]
        for fallback in self.config.fallbacks:
            if stands_for(fallback.from_, model):
                groups += [found for name in fallback.to if (found := exchange.models.resolve(name))]
        exchange.plan = RoutePlan(groups, retries=self.config.retries, max_wait_s=float(self.config.max_wait))


class RoutePlan:
    """The attempts of one exchange: deployments of the model first, then those of its fallbacks.

    One budget of retries covers them all. Raises nothing; `next` gives None when there is nothing left to try.
    """

    def __init__(self, groups: Sequence[Sequence[Deployment]], *, retries: int, max_wait_s: float) -> None:
        self._queue = [one for group in groups for one in _by_weight(group)]
        self._retries = retries
        self._max_wait_s = max_wait_s
        self._again: list[tuple[float, Deployment]] = []  # when they may be asked again, on the monotonic clock
        self._last: Deployment | None = None
        self._failures = 0

    async def next(self, failed: ExchangeError | None) -> Deployment | None:
        """Returns the deployment of the next attempt, after a pause where one is due; None to give up."""
        if failed is not None and not self._may_retry(failed):
            return None
        if self._queue:
            self._last = self._queue.pop(0)
            return self._last
        if not self._again:
            return None
        self._again.sort(key=lambda entry: entry[0])
        ready, deployment = self._again.pop(0)
        pause = ready - time.monotonic()
        if pause > self._max_wait_s:
            return None
        if pause > 0:
            await asyncio.sleep(pause)
        self._last = deployment
        return deployment

    def _may_retry(self, failed: ExchangeError) -> bool:
        """Notes a failure; tells whether another attempt may be made at all."""
        self._failures += 1
        if self._failures > self._retries or not isinstance(failed, UpstreamError):
            return False
        same = elsewhere = failed.retryable
        if isinstance(failed, UpstreamRefused):
            same, elsewhere = failed.retry_same, failed.fail_over
        if same and self._last is not None:
            backoff = min(_MAX_BACKOFF_S, _BACKOFF_S * 2 ** (self._failures - 1)) * random.uniform(0.75, 1.25)
            pause = failed.retry_after_s if failed.retry_after_s is not None else backoff
            self._again.append((time.monotonic() + pause, self._last))
        return same or elsewhere


def _by_weight(group: Sequence[Deployment]) -> list[Deployment]:
    """Returns the deployments in a random order in which each comes first as often as its weight says.

    Source of the method: Efraimidis and Spirakis, weighted random sampling (2006).
    """
    if len(group) == 1:
        return list(group)
    return sorted(group, key=lambda one: random.random() ** (1.0 / one.weight), reverse=True)


def _unknown(exchange: Exchange, model: str) -> ExchangeError:
    reason = exchange.models.why_unavailable(model)
    if reason is not None:
        return BadRequest(
            f"The model '{model}' is not served here now: {reason}.", param="model", code="model_not_found"
        )
    return BadRequest(
        f"The model '{model}' does not exist or you do not have access to it.", param="model", code="model_not_found"
    )
