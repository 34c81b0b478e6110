"""The attempts at an answer: from one deployment of the plan to the next, until one of them gives it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .api.responses.truncation import Truncation
from .attempt import Answering
from .client_side import ClientSide
from .counting import counted
from .descent import Descent
from .errors import ExchangeError, Overloaded, ResponseCancelled, UpstreamError
from .exchange import Attempt, Exchange
from .providers.provider import Deployment, Plan
from .pump import Pump
from .reply import Reply
from .stage import ResponseFilter

if TYPE_CHECKING:
    from .pipeline import Pipeline


class Attempts:
    """What is tried to get one exchange's answer. `own_filters` are nearer to the client than those of any stage."""

    __slots__ = ("_answering", "_descent", "_exchange", "_pipeline", "_side", "own_filters")

    def __init__(self, pipeline: Pipeline, exchange: Exchange, side: ClientSide, descent: Descent) -> None:
        self._pipeline = pipeline
        self._exchange = exchange
        self._side = side
        self._descent = descent
        self._answering: Answering | None = None
        self.own_filters: list[ResponseFilter] = []

    @property
    def pump(self) -> Pump | None:
        """What moves a stream from the upstream to the client, while one is on its way."""
        return self._answering.pump if self._answering is not None else None

    async def run(self, plan: Plan) -> Reply | None:
        """Goes from one deployment to the next, or asks the same one for less, until one answers.

        Raises the failure of the last.
        """
        exchange = self._exchange
        original, ignored = exchange.request, len(exchange.ignored)
        truncation = Truncation()
        failed: ExchangeError | None = None
        deployment = await plan.next(None)
        while deployment is not None:
            exchange.deployment = deployment
            exchange.request = original.copy()
            exchange.usage = None
            exchange.marks.pop("tools", None)
            del exchange.ignored[ignored:]
            attempt = Attempt(deployment.provider.name, deployment.model, time.monotonic())
            exchange.attempts.append(attempt)
            try:
                return await self._attempt(deployment)
            except ResponseCancelled:
                raise
            except ExchangeError as error:
                attempt.error, attempt.param = error.code or error.type, error.param
                if isinstance(error, UpstreamError) and error.upstream is None:
                    error.upstream = deployment.provider.name
                if exchange.committed:
                    raise
                failed = error
            finally:
                self._charge_unanswered()
            shorter = truncation.after(failed, original)
            if shorter is None:
                deployment = await plan.next(failed)
            else:
                original = shorter
                exchange.response_headers["x-penstock-truncated-items"] = str(truncation.dropped)
        raise failed or _nobody()

    async def _attempt(self, deployment: Deployment) -> Reply | None:
        """Takes the request through the stages below `route`, and gets the answer of one deployment."""
        exchange = self._exchange
        exchange.upstream_request = self._answering = None
        filters = self._side.filters = [*self.own_filters, *self._descent.filters]
        reply = await self._descent.through(self._pipeline.below, filters)
        if reply is not None:
            return await self._descent.replied(reply)
        self._answering = Answering(self._pipeline, exchange, self._side, deployment, filters)
        return await self._answering.run()

    def _charge_unanswered(self) -> None:
        """Charges an attempt that gave no answer for what its upstream says that it has used all the same."""
        exchange = self._exchange
        if not exchange.committed and self._answering is not None:
            exchange.usage = self._answering.told_usage
            self._pipeline.prices.charge(exchange)

    async def count(self, plan: Plan) -> Reply | None:
        """Answers how long the input is."""
        deployment = await plan.next(None)
        if deployment is None:
            raise _nobody()
        self._exchange.deployment = deployment
        return await self._descent.replied(await counted(self._exchange, deployment))

    def abort(self, error: ExchangeError) -> bool:
        """Ends an answer that is on its way with an error; False when none is."""
        return self._answering is not None and self._answering.abort(error)

    def detach(self) -> None:
        """Goes on although the client has left."""
        if self._answering is not None:
            self._answering.detach()


def _nobody() -> Overloaded:
    return Overloaded("No upstream can take this request now.")
