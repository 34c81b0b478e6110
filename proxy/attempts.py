"""The attempts at an answer: from one deployment of the plan to the next, until one of them gives it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from .api.responses.truncation import Truncation
from .attempt import Answering
from .client_side import ClientSide
from .counting import counted
from .descent import Descent
from .errors import ExchangeError, Overloaded, ResponseCancelled, UpstreamError
from .exchange import Attempt, Exchange, pass_gates
from .hedging import SLOWER, HeldResponse, Scout, begun_usage
from .providers.provider import Deployment, Plan
from .pump import Pump
from .reply import Reply
from .request import ModelRequest
from .stage import ResponseFilter

if TYPE_CHECKING:
    from .pipeline import Pipeline


class Attempts:
    """What is tried to get one exchange's answer. `own_filters` are nearer to the client than those of any stage."""

    __slots__ = ("_above", "_answering", "_descent", "_exchange", "_original", "_pipeline", "_side", "own_filters")

    def __init__(self, pipeline: Pipeline, exchange: Exchange, side: ClientSide, descent: Descent) -> None:
        self._pipeline = pipeline
        self._exchange = exchange
        self._side = side
        self._descent = descent
        self._answering: Answering | None = None
        self._original: ModelRequest | None = None  # as it was before any attempt, as long as there may be another
        self._above = 0  # filters of the stages above, which see every attempt
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
        self._original, ignored = exchange.request, len(exchange.ignored)
        self._above = len(self._descent.filters)
        if exchange.request.stream:
            self._side.on_first_event.append(self._forget)
        truncation: Truncation | None = None
        failed: ExchangeError | None = None
        deployment = await plan.next(None)
        while deployment is not None:
            exchange.request = self._asked.copy()
            exchange.usage = None
            if failed is not None:  # what the attempt before has left
                exchange.marks.pop("tools", None)
                del exchange.ignored[ignored:]
            try:
                if exchange.gates:
                    await pass_gates(exchange, deployment)
            except ExchangeError as error:
                failed = error
                deployment = await plan.next(None)
                continue
            exchange.deployment = deployment
            exchange.attempts.append(Attempt(deployment.provider.name, deployment.model, time.monotonic()))
            try:
                if plan.hedge_after_s is not None and exchange.request.stream:
                    return await self._hedged(plan, deployment)
                reply = await self._descent.through(self._pipeline.below, self._filters())  # as `_attempt` does
                if reply is not None:
                    return await self._descent.replied(reply)
                return await self._answer_by(deployment).run()
            except ResponseCancelled:
                raise
            except ExchangeError as error:
                self._note(error)
                if exchange.committed:
                    raise
                failed = error
            finally:
                if not exchange.committed:
                    self._charge_unanswered()
            truncation = truncation or Truncation()
            shorter = truncation.after(failed, self._asked)
            if shorter is None:
                deployment = await plan.next(failed)
            else:
                self._original = shorter
                exchange.response_headers["x-penstock-truncated-items"] = str(truncation.dropped)
        raise failed or _nobody()

    @property
    def _asked(self) -> ModelRequest:
        """The request as each attempt begins with it."""
        assert self._original is not None
        return self._original

    def _forget(self) -> None:
        """Lets go of what only another attempt would need: now there will be none."""
        exchange = self._exchange
        exchange.request.forget()
        self._original = None
        if exchange.upstream_request is not None:
            exchange.upstream_request = exchange.upstream_request.forgetful()

    def _note(self, error: ExchangeError) -> None:
        """Puts into the record what the last attempt has failed with."""
        attempt = self._exchange.attempts[-1]
        attempt.error, attempt.param = error.code or error.type, error.param
        if isinstance(error, UpstreamError) and error.upstream is None:
            error.upstream = attempt.upstream

    async def _attempt(self, deployment: Deployment) -> Reply | None:
        """Takes the request through the stages below `route`, and gets the answer of one deployment."""
        reply = await self._descent.through(self._pipeline.below, self._filters())
        if reply is not None:
            return await self._descent.replied(reply)
        return await self._answer_by(deployment).run()

    def _filters(self) -> list[ResponseFilter]:
        """Begins an attempt: returns the filters of the stages above, to which those below add theirs."""
        self._exchange.upstream_request = self._answering = None
        filters = self._descent.filters[: self._above]
        if self.own_filters:
            filters = [*self.own_filters, *filters]
        self._side.filters = filters
        return filters

    def _answer_by(self, deployment: Deployment) -> Answering:
        side = self._side
        made = self._answering = Answering(self._pipeline, self._exchange, side, deployment, side.filters)
        return made

    def _charge_unanswered(self) -> None:
        """Charges an attempt that gave no answer for what its upstream says that it has used all the same."""
        if self._answering is not None:
            self._exchange.usage = self._answering.told_usage
            self._pipeline.prices.charge(self._exchange)

    # --- two at a time

    async def _hedged(self, plan: Plan, deployment: Deployment) -> Reply | None:
        """Makes an attempt, and another one beside it where that shows nothing in time."""
        exchange, loop = self._exchange, asyncio.get_running_loop()
        first = loop.create_task(self._attempt(deployment))
        beside: asyncio.Task[HeldResponse] | None = None
        scout: Scout | None = None
        try:
            await asyncio.wait((first,), timeout=plan.hedge_after_s)
            other = await self._other(plan, deployment, first)
            if other is None:
                return await first
            scout = Scout(self._pipeline, exchange, self._asked, other, lambda: self._gives_way(first))
            exchange.attempts.insert(-1, scout.attempt)  # the last one in the record is the one that speaks
            beside = loop.create_task(scout.run(self._side))
            self._side.on_first_event.append(beside.cancel)
            await asyncio.wait((first, beside), return_when=asyncio.FIRST_COMPLETED)
            if scout.won or (self._has_failed(first) and not beside.done()):
                await _ended(first)
                self._make_way(first, plan, scout)
                return await self._answer_of(beside, scout)
            return await first
        finally:
            try:
                await _ended(first, beside)
            finally:
                if scout is not None and beside is not None:
                    self._beside_is_over(beside, plan, scout)

    async def _other(self, plan: Plan, deployment: Deployment, first: asyncio.Task[Reply | None]) -> Deployment | None:
        """Returns the deployment to ask beside the one that is being asked, if it may be, and is still of use."""
        exchange = self._exchange
        other = plan.hedge() if not first.done() and not exchange.committed else None
        if other is None:
            return None
        try:
            await pass_gates(exchange, other, deployment)
        except ExchangeError:  # the first attempt goes on
            plan.hedge_ended(None)
            return None
        if first.done() or exchange.committed:
            plan.hedge_ended(None)
            return None
        return other

    def _make_way(self, first: asyncio.Task[Reply | None], plan: Plan, scout: Scout) -> None:
        """Puts the attempt beside the first in its place: that has failed, or was slower."""
        exchange, record = self._exchange, self._exchange.attempts
        error = None if first.cancelled() else first.exception()
        failed = error if isinstance(error, ExchangeError) else None
        if failed is not None:
            self._note(failed)
        else:
            record[-1].error = SLOWER
        told = self._answering.told_usage if self._answering is not None else None
        exchange.usage = told or (begun_usage(exchange, record[-1]) if failed is None else None)
        self._pipeline.prices.charge(exchange)
        plan.hedge_takes_over(failed)
        record[-2], record[-1] = record[-1], record[-2]
        exchange.deployment, exchange.usage, self._answering = scout.deployment, None, None

    async def _answer_of(self, beside: asyncio.Task[HeldResponse], scout: Scout) -> Reply | None:
        """Lets the answer of the attempt beside the first through, whose place it has."""
        exchange, twin = self._exchange, scout.exchange
        held = await beside
        exchange.request, exchange.upstream_request = twin.request, twin.upstream_request
        exchange.marks.pop("tools", None)
        exchange.marks.update(twin.marks)
        exchange.ignored[:] = twin.ignored
        exchange.response_headers.update(twin.response_headers)
        exchange.timing.upstream_sent = twin.timing.upstream_sent
        exchange.timing.upstream_head = twin.timing.upstream_head
        filters = self._side.filters = [*self.own_filters, *self._descent.filters[: self._above], *scout.filters]
        self._answering = Answering(self._pipeline, exchange, self._side, scout.deployment, filters)
        return await self._answering.run(held)

    def _beside_is_over(self, beside: asyncio.Task[HeldResponse], plan: Plan, scout: Scout) -> None:
        """Settles what an attempt beside the first has left; it may have been the answer."""
        self._descent.filters.extend(scout.filters)
        error = None if beside.cancelled() else beside.exception()
        failed = error if isinstance(error, ExchangeError) else None
        if self._exchange.attempts[-1] is scout.attempt:
            if self._answering is None:
                scout.charge(self._exchange, failed)
            return
        if failed is None:
            scout.attempt.error = SLOWER
        else:
            scout.attempt.error, scout.attempt.param = failed.code or failed.type, failed.param
        plan.hedge_ended(failed)
        scout.charge(self._exchange, failed)

    def _gives_way(self, first: asyncio.Task[Reply | None]) -> bool:
        """Ends the first attempt, unless it has shown something; nothing of it reaches the client from now on."""
        if self._exchange.committed:
            return False
        first.cancel()
        return True

    def _has_failed(self, first: asyncio.Task[Reply | None]) -> bool:
        """Tells whether an attempt has failed in a way that another one may mend."""
        if not first.done() or first.cancelled():
            return False
        return isinstance(first.exception(), UpstreamError) and not self._exchange.committed

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


async def _ended(*tasks: asyncio.Task[Reply | None] | asyncio.Task[HeldResponse] | None) -> None:
    """Cancels attempts and waits until their connections are closed, also when the caller is cancelled meanwhile."""
    left = [task for task in tasks if task is not None]
    for task in left:
        task.cancel()
    cancelled: asyncio.CancelledError | None = None
    while running := [task for task in left if not task.done()]:
        try:
            await asyncio.wait(running)
        except asyncio.CancelledError as error:
            cancelled = error
    for task in left:
        if not task.cancelled():
            task.exception()  # whoever wants it has it
    if cancelled is not None:
        raise cancelled


def _nobody() -> Overloaded:
    return Overloaded("No upstream can take this request now.")
