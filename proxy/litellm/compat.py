"""What LiteLLM's clients say and read in headers (`compat: litellm`): two stages that stand where no file names them.

Source: LiteLLM's documentation of request headers and response headers (docs.litellm.ai, proxy).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from .. import __version__
from ..config.types import Duration
from ..errors import BadRequest, ExchangeError
from ..pricing.rates import written
from ..providers.provider import Deployment, Plan, TimeoutChanges
from ..reply import Reply
from ..stage import Head, ResponseFilter, Stage

if TYPE_CHECKING:
    from ..exchange import Exchange
    from ..pipeline import Pipeline

_KEY = "x-litellm-api-key"
_END_USERS = ("x-litellm-end-user-id", "x-litellm-customer-id")
_OWN_KEYS = ("authorization", "x-api-key", "api-key")
_END_USER_FIELDS = ("safety_identifier", "user")
_TIMEOUT, _STREAM_TIMEOUT, _RETRIES = "x-litellm-timeout", "x-litellm-stream-timeout", "x-litellm-num-retries"
_MOST_TIMEOUT_S = 86400.0
_MOST_RETRIES = 10


class Headers(Stage):
    """Takes the client's key and end user from LiteLLM's headers, and answers with its headers."""

    name = "litellm-headers"

    async def on_request(self, exchange: Exchange) -> Told:
        """Reads the headers that are for stages below; asks to see the head."""
        headers = exchange.client.headers
        if _KEY in headers and not any(name in headers for name in _OWN_KEYS):
            key = headers[_KEY].removeprefix("Bearer ")
            seen = {**headers, "authorization": f"Bearer {key}"}
            exchange.client = msgspec.structs.replace(exchange.client, headers=seen)
        end_user = next((headers[name] for name in _END_USERS if headers.get(name)), None)
        request = exchange.request
        if request is not None:
            if end_user is not None and not any(request.get(name) for name in _END_USER_FIELDS):
                request.set("user", end_user)
            exchange.response_headers["x-litellm-call-id"] = headers.get("x-litellm-call-id", exchange.id)
            exchange.response_headers["x-litellm-version"] = f"penstock-{__version__}"
            if exchange.model is not None:
                exchange.response_headers["x-litellm-model-group"] = exchange.model
        return Told()


class Told(ResponseFilter):
    """Puts what is known of the answer into LiteLLM's headers."""

    async def on_head(self, exchange: Exchange, head: Head) -> None:
        """Adds the headers; of a stream they tell what is known when it begins."""
        deployment, timing = exchange.deployment, exchange.timing
        took = time.monotonic() - timing.started
        upstream = 0.0
        if timing.upstream_sent is not None and timing.upstream_head is not None:
            upstream = timing.upstream_head - timing.upstream_sent
        headers = head.headers
        headers["x-litellm-response-duration-ms"] = f"{took * 1000:.3f}"
        headers["x-litellm-overhead-duration-ms"] = f"{max(0.0, took - upstream) * 1000:.3f}"
        if deployment is None:
            return
        own = [one.name for one in exchange.models.resolve(exchange.request.model)]
        headers["x-litellm-model-id"] = deployment.name
        headers["x-litellm-attempted-retries"] = str(max(0, len(exchange.attempts) - 1))
        headers["x-litellm-attempted-fallbacks"] = "0" if deployment.name in own else "1"
        base_url = getattr(deployment.provider.config, "base_url", None)
        if base_url:
            headers["x-litellm-model-api-base"] = base_url
        if exchange.cost is not None:
            headers["x-litellm-response-cost"] = written(exchange.cost)


class AskedPlan(Plan):
    """A plan whose attempts keep to the timeouts and the number of retries that the client asked for."""

    __slots__ = ("_attempts", "_changes", "_most", "_plan", "hedge_after_s", "mirror")

    def __init__(self, plan: Plan, changes: TimeoutChanges | None, most: int | None) -> None:
        self.hedge_after_s = plan.hedge_after_s
        self.mirror = plan.mirror
        self._plan = plan
        self._changes = changes
        self._most = most
        self._attempts = 0

    async def next(self, failed: ExchangeError | None) -> Deployment | None:
        """Returns the deployment of the next attempt, or None."""
        if self._most is not None and self._attempts > self._most:
            return None
        self._attempts += 1
        return self._changed(await self._plan.next(failed))

    def settle(self, exchange: Exchange) -> None:
        """Passes it on."""
        self._plan.settle(exchange)

    def hedge(self) -> Deployment | None:
        """Returns the deployment of an attempt beside the one at hand."""
        return self._changed(self._plan.hedge())

    def hedge_ended(self, failed: ExchangeError | None) -> None:
        """Passes it on."""
        self._plan.hedge_ended(failed)

    def hedge_takes_over(self, failed: ExchangeError | None) -> None:
        """Passes it on."""
        self._plan.hedge_takes_over(failed)

    def _changed(self, deployment: Deployment | None) -> Deployment | None:
        if deployment is None or self._changes is None:
            return deployment
        own = deployment.timeouts
        changes = self._changes if own is None else self._changes.over(own)
        return msgspec.structs.replace(deployment, timeouts=changes)


class AskedRoute(Stage):
    """Stands for the stage that makes the plan, and adds what the client asks of it in LiteLLM's headers."""

    name = "litellm-route"
    sets: ClassVar[tuple[Literal["key", "plan"], ...]] = ("plan",)

    def __init__(self, route: Stage) -> None:
        super().__init__()
        self._route = route

    async def on_request(self, exchange: Exchange) -> ResponseFilter | Reply | None:
        """Lets the stage make the plan; raises BadRequest for a header that is no number."""
        headers = exchange.client.headers
        result = await self._route.on_request(exchange)
        plan = exchange.plan
        if plan is None or not any(name in headers for name in (_TIMEOUT, _STREAM_TIMEOUT, _RETRIES)):
            return result
        changes: dict[str, Duration] = {}
        if _TIMEOUT in headers:
            changes["total"] = Duration(_number(headers, _TIMEOUT, _MOST_TIMEOUT_S))
        if _STREAM_TIMEOUT in headers:
            changes["first_token"] = Duration(_number(headers, _STREAM_TIMEOUT, _MOST_TIMEOUT_S))
        most = int(_number(headers, _RETRIES, _MOST_RETRIES, least=0.0)) if _RETRIES in headers else None
        exchange.plan = AskedPlan(plan, TimeoutChanges(**changes) if changes else None, most)
        return result


def _number(headers: Mapping[str, str], name: str, most: float, *, least: float = 0.001) -> float:
    raw = headers[name]
    try:
        number = float(raw)
    except ValueError:
        number = math.nan
    if not least <= number:
        raise BadRequest(f"The header {name} is no number: {raw[:40]!r}.", code="invalid_value")
    return min(number, most)


def adopt(pipeline: Pipeline) -> None:
    """Lets a pipeline take LiteLLM's headers, and answer with them."""
    *before, chooser = pipeline.above
    pipeline.above = (Headers(), *before, AskedRoute(chooser))
