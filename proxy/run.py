"""Runs one exchange through the chain: the only place that knows all its phases, in their order.

1. Requests run down the stages above and including `route`; observers first, wherever they stand. What the request
   refers to is found in the store.
2. Attempts: `route`'s plan names a deployment, the stages below it see the request once more, the upstream is asked.
   A failure before the first output event leads to the next deployment; after it, into the stream.
3. The response is kept, then its end is told.
4. However it ended, every filter's `on_end` runs once, in reverse, out of reach of a cancelled client.

A background response is acknowledged between 1 and 2; the rest of it belongs to the pipeline, not to its client. So
does the rest of a stream whose client has left, where the file says that it goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from .api.responses.encoder import ResponsesEncoder
from .api.responses.plain import PlainResponse
from .api.responses.request import ResponsesRequest
from .attempts import Attempts
from .client_side import ClientSide
from .compaction.history import unfold
from .compaction.plan import compacted, may_be_compacted
from .descent import Descent
from .ending import Ending, tell_failure
from .errors import ExchangeError, InternalError, ResponseCancelled, UpstreamError
from .events import Finish
from .exchange import Exchange
from .following import Follower, Nobody
from .guarded import is_cancelled
from .in_flight import Ticket
from .pump import ClientStream
from .reply import Reply

if TYPE_CHECKING:
    from .pipeline import Pipeline

_log = logging.getLogger("penstock")
_JSON = {"content-type": "application/json"}


class Run:
    """One `exchange` on its way. `client` is where a stream goes; a non-streamed answer is returned as a Reply."""

    __slots__ = (
        "_aborted",
        "_attempts",
        "_client",
        "_descent",
        "_ending",
        "_pipeline",
        "_side",
        "_task",
        "_ticket",
        "exchange",
    )

    def __init__(self, pipeline: Pipeline, exchange: Exchange, client: ClientStream) -> None:
        self._pipeline = pipeline
        self.exchange = exchange
        self._client = client
        make_encoder = pipeline.dialects[exchange.request.dialect if exchange.request is not None else "chat"].encoder
        self._side = ClientSide(exchange, client, make_encoder, self.abort)
        self._ending = Ending(pipeline, exchange, self._side, self._ended)
        self._descent = Descent(exchange, self._side, self._ending)
        self._attempts = Attempts(pipeline, exchange, self._side, self._descent)
        self._task: asyncio.Task[object] | None = None
        self._aborted: ExchangeError | None = None
        self._ticket: Ticket | None = None

    @property
    def is_settled(self) -> bool:
        """Whether everybody has been told that it is over."""
        return self._ending.is_settled

    @property
    def encoder(self) -> ResponsesEncoder | PlainResponse:
        """The encoder of a response, or the Response itself; only for runs that are in flight under a response id."""
        encoder = self._side.get_encoder()
        assert isinstance(encoder, (ResponsesEncoder, PlainResponse))
        return encoder

    # --- the whole

    async def run(self) -> Reply | None:
        """Serves the exchange; returns the answer, or None when it went to the client as a stream."""
        going_on = False
        task = asyncio.current_task()
        try:
            reply = await self._served(self._admit, task)
            going_on = reply is None and self.exchange.outcome is None
            if going_on and self.exchange.background:
                reply = await self._served(self._queue, task)
                going_on = reply is None
                if reply is not None and self.exchange.response_id is not None:
                    self._pipeline.spawn(self._pipeline.keeper.withdraw(self.exchange))
        except asyncio.CancelledError:
            going_on = False
            self.exchange.outcome = "cancelled"
            raise
        finally:
            if not going_on:
                await self._ending.settle()
        if not going_on:
            return reply
        if self.exchange.background:
            return await self._in_background()
        if self.exchange.keeps_log and self._may_outlive_client():
            return await self._in_own_task()
        return await self._rest(task)

    async def _rest(self, task: asyncio.Task[object] | None = None) -> Reply | None:
        """Serves what was admitted, to its very end; in the task that is given, or in one of its own."""
        try:
            reply = await self._served(self._answer, task or asyncio.current_task())
            if self._side.stream.opened or self.exchange.is_remembered:
                await self._ending.conclude()
            encoder = self._side.encoder
            if reply is None and encoder is not None and not self._side.stream.opened:  # cancelled, and not streamed
                return Reply(200, encoder.final(), {**self._side.headers(), **_JSON})
            return reply
        except asyncio.CancelledError:
            self._ending.desert()
            raise
        finally:
            await self._ending.settle()

    async def refuse(self, error: ExchangeError) -> Reply:
        """Answers an exchange whose request could not be read; observers see it like any other."""
        try:
            await self._observe()
            return self._ending.fail(error) or Reply.from_error(error)
        except asyncio.CancelledError:
            self.exchange.outcome = "cancelled"
            raise
        finally:
            await self._ending.settle()

    async def copied(self) -> None:
        """Serves a copy of another exchange, whose plan is made: of the stages above, only observers see it."""
        await self._observe()
        await self._rest()

    async def left(self) -> None:
        """Ends an exchange whose client left before its request had come whole."""
        self.exchange.outcome = "cancelled"
        try:
            await self._observe()
        finally:
            await self._ending.settle()

    async def noted(self) -> None:
        """Ends an exchange that is answered elsewhere, and was not refused; observers see it."""
        try:
            await self._observe()
            self.exchange.outcome = "completed"
        except asyncio.CancelledError:
            self.exchange.outcome = "cancelled"
            raise
        finally:
            await self._ending.settle()

    async def _observe(self) -> None:
        try:
            await self._descent.through(self._pipeline.observers)
        except Exception as error:  # the top of an exchange
            _log.error("exchange %s failed", self.exchange.id, exc_info=error)

    async def _served(
        self, work: Callable[[], Awaitable[Reply | None]], task: asyncio.Task[object] | None
    ) -> Reply | None:
        """Does one part of the exchange, in this task; whatever fails becomes an answer, as HTTP or in the stream."""
        if self._aborted is not None:  # between two parts
            return self._ending.fail(self._aborted)
        self._task = task
        try:
            return await work()
        except asyncio.CancelledError as error:
            if not is_cancelled():  # something that was awaited was cancelled, and nobody has left
                return self._broke(error)
            if self._aborted is None or self._task is None or self._task.uncancel():
                raise
            return self._ending.fail(self._aborted)
        except ExchangeError as error:
            return self._ending.fail(error)
        except Exception as error:  # the top of an exchange: whatever went wrong, the client gets an answer
            return self._broke(error)
        finally:
            self._task = None

    def _broke(self, error: BaseException) -> Reply | None:
        _log.error("exchange %s failed", self.exchange.id, exc_info=error)
        return self._ending.fail(InternalError("Penstock failed on this request; its log says why."))

    # --- what others do to it

    def abort(self, error: ExchangeError) -> None:
        """Ends a running exchange with an error of ours, in the stream if it has begun.

        A stream that has ended and waits for the store is told its end now.
        """
        if self._attempts.abort(error):
            return
        if self._aborted is None and self.exchange.outcome is None:
            self._aborted = error
            if self._task is not None:
                self._task.cancel()
        elif not isinstance(error, ResponseCancelled):
            self._side.tell_end()

    async def cancel(self) -> None:
        """Cancels the response, wherever it is; returns when it has been kept and settled. Too late is no error."""
        self.abort(ResponseCancelled("The response was cancelled."))
        await self._ending.settled()

    async def follow(self, client: ClientStream, starting_after: int) -> None:
        """Writes the events of the response to one more client, which must be open, and goes on live."""
        log = self.encoder.log
        assert log is not None
        follower = Follower(log, client, log.position_after(starting_after))
        leave = self._side.follow(follower)
        if self._side.finished:
            follower.stop()
        try:
            await follower.run()
        finally:
            leave()

    # --- without its client

    def _may_outlive_client(self) -> bool:
        translate = self.exchange.translate
        return translate is not None and translate.on_disconnect == "continue"

    async def _in_own_task(self) -> Reply | None:
        """Serves the rest in a task of the pipeline's, which goes on when the client leaves."""
        task = self._pipeline.spawn(self._rest())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # as long as it is not opened, nobody has been told an id to come back with
            if self._side.stream.opened and self._pipeline.leave_alone(self):
                self._side.detach()
                self._attempts.detach()
            elif not task.done():
                task.cancel()
                await asyncio.wait((task,))
            raise

    async def _queue(self) -> None:
        """Acknowledges a background response: from here on it is kept, and will come to an end."""
        fields = self.exchange.request.fields
        self._ticket = self._pipeline.background.enter(sum(map(len, fields.values())))
        encoder = self._side.queue()
        await self._pipeline.keeper.accept(self.exchange, encoder)
        self._side.filters = self._descent.filters
        await self._side.head()

    async def _in_background(self) -> Reply | None:
        """Lets a response go on by itself; answers with what it is now, or with its stream."""
        exchange, client = self.exchange, self._client
        headers = self._side.headers()
        self._pipeline.in_flight.add(self)  # only now: nobody may end what was not acknowledged
        self._side.detach()
        exchange.head_status = 200
        snapshot = self.encoder.now()
        self._pipeline.spawn(self._rest())
        if not exchange.request.stream:
            return Reply(200, snapshot, {**headers, **_JSON})
        client.open(headers)
        await self.follow(client, -1)
        return None

    # --- the phases

    async def _admit(self) -> Reply | None:
        """Takes the request down to the plan of attempts; a stage may answer it instead."""
        exchange = self.exchange
        exchange.asked_model = exchange.model
        reply = await self._descent.through(self._pipeline.above)
        if reply is not None:
            return await self._descent.replied(reply)
        request = exchange.request
        request.validate()
        if isinstance(request, ResponsesRequest):
            own = len(request.items)
            await self._pipeline.keeper.resolve(exchange)
            if not request.is_plain:  # there may be summaries of earlier turns
                unfold(request, self._pipeline.sealing, earlier=len(request.items) - own)
        else:
            await self._pipeline.keeper.resolve(exchange)
        if exchange.plan is None:
            raise InternalError("No stage of the pipeline has chosen an upstream.")
        return None

    async def _answer(self) -> Reply | None:
        """Makes attempts until one gives the answer; raises the failure of the last.

        What an upstream has failed with, filters see before anybody is told.
        """
        exchange, plan = self.exchange, self.exchange.plan
        assert plan is not None
        try:
            if exchange.counting:
                return await self._attempts.count(plan)
            if self._ticket is not None:
                await self._ticket.turn()
            self._promise()
            if not exchange.generate:
                return await self._warmed_up()
            if may_be_compacted(exchange.request):
                self._attempts.own_filters = await compacted(
                    exchange, self._pipeline.sealing, lambda inner: self._pipeline.serve(inner, Nobody())
                )
            if plan.mirror is not None:
                self._pipeline.mirrors.offer(exchange, plan.mirror)
            return await self._attempts.run(plan)
        except UpstreamError as error:
            await tell_failure(self._descent.filters, exchange, error)
            raise

    def _promise(self) -> None:
        """Gives a response its id, by which it can be found from here on; sees to it that a stream is not silent."""
        exchange, side = self.exchange, self._side
        stream = exchange.request.stream
        if self._ticket is not None:
            side.begin()
        elif exchange.request.dialect == "responses":
            if stream:
                side.get_encoder()
            else:
                side.promise()
            self._pipeline.in_flight.add(self)
        if stream and exchange.generate and self._pipeline.keepalive_s:
            side.open_early_at(self._pipeline.keepalive_s)

    async def _warmed_up(self) -> Reply | None:
        """Ends a response that was only to prepare the context."""
        exchange, side = self.exchange, self._side
        exchange.committed = True
        side.open()
        side.write(side.get_encoder().encode([Finish()]))
        side.take_outcome()
        return None

    def _ended(self) -> None:
        if self._ticket is not None:
            self._ticket.leave()
        self._pipeline.ended(self)
