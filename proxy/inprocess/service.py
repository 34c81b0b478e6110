"""One pipeline in one event loop, asked by calls instead of requests.

What is answered is what the server would answer: JSON, to be made into values where the caller is. Errors are raised.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any

import msgspec

from ..errors import BadRequest, ExchangeError, InternalError, NotFound, Overloaded, UpstreamTimeout
from ..exchange import Exchange
from ..pipeline import Pipeline
from ..reply import Reply
from ..server.compact import read_compact
from ..server.conversations import Conversations
from ..server.input_tokens import read_count
from ..server.kept import KeptResponses
from ..server.screening import Screening
from ..stores.keeper import owner_of
from .call import Call
from .outlet import Delivery, Outlet, to_nobody
from .refused import raise_refusal
from .ways import RESPONSES, Finish, Read, Way

_LAST_WORDS_S = 5.0
_CLOSED = "This Penstock was closed before the response had ended."

Deliver = Callable[[Delivery], None]


class OpenStream:
    """A stream on its way to a reader of this process, who may be in another thread."""

    def __init__(self, outlet: Outlet, task: asyncio.Task[None]) -> None:
        self.outlet = outlet
        self._task = task
        self._loop = task.get_loop()

    def leave_soon(self) -> None:
        """Says that nobody reads any more, from whichever thread: the upstream is closed in the loop's next turn."""
        if self._task.done():
            return
        try:
            self._loop.call_soon_threadsafe(self._task.cancel)
        except RuntimeError:  # the loop is closed: nothing runs in it any more
            return

    async def leave(self) -> None:
        """Says that nobody reads any more; returns when the exchange has been settled."""
        self._task.cancel()
        await asyncio.wait((self._task,))

    def raise_failure(self) -> None:
        """Raises what kept a stream that is over from coming to its end."""
        if self._task.cancelled():
            raise Overloaded(_CLOSED)
        if (error := self._task.exception()) is not None:
            raise error


class Service:
    """Serves calls in the event loop in which it is made, and closes itself when that loop ends in good order.

    `others` are the services of the same file in other loops: what one of them is making is found from all.
    """

    def __init__(self, pipeline: Pipeline, others: Callable[[], Iterable[Service]]) -> None:
        pipeline.keepalive_s = 0.0  # no hop on the way could take silence for death: failures can be raised all along
        self.pipeline = pipeline
        self.loop = asyncio.get_running_loop()
        self._others = others
        self._kept: KeptResponses | None = None
        self._conversations: Conversations | None = None
        if pipeline.store is not None:
            self._kept = KeptResponses(pipeline.store, pipeline.keeper, pipeline.in_flight)
            if pipeline.conversations is not None:
                screening = Screening(pipeline.stages, pipeline)
                self._conversations = Conversations(pipeline.conversations, pipeline.store, screening)
        self._serving: set[asyncio.Task[None]] = set()
        self._life = self._live()
        self._starting = self.loop.create_task(self._start())
        self._closing: asyncio.Task[None] | None = None

    # --- its life

    async def _start(self) -> None:
        await self.pipeline.start()
        await anext(self._life)

    async def _live(self) -> AsyncGenerator[None, None]:
        """Is closed by the loop when that ends: loops do so with the generators that have begun in them."""
        try:
            yield
        finally:
            await self._shut()

    async def started(self) -> None:
        """Returns when calls can be served; raises what keeps the pipeline from starting."""
        await asyncio.shield(self._starting)

    async def close(self) -> None:
        """Ends what is still running with an error that says why, and closes the pipeline."""
        if self._closing is None:
            self._closing = self.loop.create_task(self._life.aclose())
        await asyncio.shield(self._closing)

    def close_soon(self) -> None:
        """Closes it, from whichever thread, without waiting for that."""
        try:
            self.loop.call_soon_threadsafe(lambda: self.loop.create_task(self.close()))
        except RuntimeError:  # the loop is closed, and all with it
            return

    async def _shut(self) -> None:
        self.pipeline.abort_all(Overloaded(_CLOSED, code="server_error"))
        if self._serving:
            _, late = await asyncio.wait(self._serving, timeout=_LAST_WORDS_S)
            for task in late:
                task.cancel()
        await self.pipeline.close()

    # --- answers

    async def create(self, call: Call, way: Way = RESPONSES) -> Reply:
        """Returns the answer to a call that is not streamed."""
        return await self._answer(call, way.read, way.path)

    async def compact(self, call: Call) -> Reply:
        """Returns a conversation made short."""
        return await self._answer(call, read_compact, "/v1/responses/compact")

    async def count(self, call: Call) -> Reply:
        """Returns how many tokens an input is."""
        return await self._answer(call, read_count, "/v1/responses/input_tokens")

    async def open(self, call: Call, deliver: Deliver, way: Way = RESPONSES) -> OpenStream:
        """Returns the answer to a call that is streamed, when it has begun."""
        exchange, outlet = self.exchange(call, way.path), Outlet(deliver, way.payloads)
        async with _within(call.timeout_s):
            await self._read(exchange, call, way.read, outlet)
        return await self._begin(outlet, self._stream(exchange, outlet, way), call.timeout_s)

    def exchange(self, call: Call, path: str, method: str = "POST") -> Exchange:
        """Returns the exchange of a call; raises TypeError for what only means something elsewhere."""
        for name, value in (("base_url", call.base_url), ("custom_llm_provider", call.provider)):
            if value is not None:
                raise TypeError(f"{name} cannot be given here: the pipeline's upstreams say where models are")
        return call.exchange(path, method)

    async def prepare(self, exchange: Exchange, call: Call) -> None:
        """Does what is to be done with a request before it is served; raises ExchangeError."""

    async def _read(self, exchange: Exchange, call: Call, read: Read, outlet: Outlet) -> Finish | None:
        """Gives an exchange its request; raises what is wrong with that, which observers then have seen."""
        try:
            finish = read(exchange, call.body())
            await self.prepare(exchange, call)
        except ExchangeError as error:
            raise_refusal(await self.pipeline.refuse(exchange, error, outlet))
            raise
        return finish

    async def _answer(self, call: Call, read: Read, path: str) -> Reply:
        exchange, outlet = self.exchange(call, path), Outlet(to_nobody, RESPONSES.payloads)
        async with _within(call.timeout_s):
            finish = await self._read(exchange, call, read, outlet)
            reply = await self.pipeline.serve(exchange, outlet)
        if reply is None:
            raise InternalError("The answer went into a stream that was not asked for.")
        if finish is not None:
            reply = finish(reply)
        raise_refusal(reply)
        return reply

    async def _stream(self, exchange: Exchange, outlet: Outlet, way: Way) -> None:
        """Serves a stream. A stage's own answer is told as if it had been streamed."""
        reply = await self.pipeline.serve(exchange, outlet)
        if reply is not None:
            raise_refusal(reply)
            told = way.retold(reply)
            outlet.open(reply.headers)
            outlet.hand_over(told, len(reply.body))
        elif exchange.error is not None and not way.tells_failures:
            raise exchange.error

    async def _begin(
        self, outlet: Outlet, work: Coroutine[Any, Any, None], timeout_s: float | None = None
    ) -> OpenStream:
        """Lets a stream go on by itself; returns when it has begun, raises what it has ended with instead."""
        task = self.loop.create_task(work)
        self._serving.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._serving.discard(task)
            if not task.cancelled():
                task.exception()  # who still reads raises it; else nobody is there to be told
            outlet.end()

        task.add_done_callback(ended)
        opened = OpenStream(outlet, task)
        try:
            async with _within(timeout_s):
                await outlet.ready()
        except BaseException:
            await opened.leave()
            raise
        if not outlet.opened:
            opened.raise_failure()
        return opened

    # --- what is kept

    async def retrieve(self, id: str, call: Call) -> bytes:
        """Returns a Response in its present state."""
        owner = await self._owner(call, f"/v1/responses/{id}", "GET")
        return await self._at_maker(id, owner, lambda kept: kept.retrieve(id, owner, call.query()))

    async def cancel(self, id: str, call: Call) -> bytes:
        """Ends a response that is being made; returns it as it is then."""
        owner = await self._owner(call, f"/v1/responses/{id}/cancel", "POST")
        return await self._at_maker(id, owner, lambda kept: kept.cancel(id, owner))

    async def delete(self, id: str, call: Call) -> bytes:
        """Forgets a response."""
        owner = await self._owner(call, f"/v1/responses/{id}", "DELETE")
        return await self._at_maker(id, owner, lambda kept: kept.delete(id, owner))

    async def input_items(self, id: str, call: Call) -> bytes:
        """Returns a page of a request's own items."""
        owner = await self._owner(call, f"/v1/responses/{id}/input_items", "GET")
        return await self._at_maker(id, owner, lambda kept: kept.input_items(id, owner, call.query()))

    async def follow(self, id: str, call: Call, deliver: Deliver) -> OpenStream:
        """Returns the stream of a response once more, going on live; raises BadRequest when another loop makes it."""
        owner = await self._owner(call, f"/v1/responses/{id}", "GET")
        if not self.makes(id, owner) and any(other.makes(id, owner) for other in self._others()):
            why = (
                "This response is being made in another event loop: follow it there, or read it here when it has ended."
            )
            raise BadRequest(why, param="stream", code="unsupported_value")
        follow = await self._responses().stream(id, owner, call.query())
        outlet = Outlet(deliver, RESPONSES.payloads)
        outlet.open({})
        return await self._begin(outlet, follow.to(outlet))

    async def conversation(
        self, call: Call, method: str, work: Callable[[Conversations, str], Awaitable[Any]]
    ) -> bytes:
        """Returns what is answered to work on the conversations of the caller, whom the work is told as their owner."""
        asker = await self._asker(call, "/v1/conversations", method)
        if self._conversations is None:
            raise _nothing_kept()
        return msgspec.json.encode(await work(self._conversations.asked_by(asker), owner_of(asker)))

    def makes(self, id: str, owner: str) -> bool:
        """Tells whether a response is being made in this loop. May be called in any thread."""
        return self._kept is not None and self._kept.is_here(id, owner)

    async def _at_maker(self, id: str, owner: str, work: Callable[[KeptResponses], Coroutine[Any, Any, Any]]) -> bytes:
        """Does work on a response in the loop that is making it, else here."""
        if not self.makes(id, owner):
            for other in self._others():
                if other.makes(id, owner) and other.loop.is_running():
                    asked = asyncio.run_coroutine_threadsafe(work(other._responses()), other.loop)
                    return msgspec.json.encode(await asyncio.wrap_future(asked))
        return msgspec.json.encode(await work(self._responses()))

    def _responses(self) -> KeptResponses:
        if self._kept is None:
            raise _nothing_kept()
        return self._kept

    async def _owner(self, call: Call, path: str, method: str) -> str:
        """Returns the owner of what a caller may see; raises what those are told who may see nothing."""
        return owner_of(await self._asker(call, path, method))

    async def _asker(self, call: Call, path: str, method: str) -> Exchange:
        """Finds out who is asking; raises what those are told who may not."""
        exchange = self.exchange(call, path, method)
        for stage in self.pipeline.stages:
            if "key" in stage.sets and isinstance(refused := await stage.on_request(exchange), Reply):
                raise_refusal(refused)
        return exchange


def _nothing_kept() -> NotFound:
    return NotFound("No responses are kept here (stores.responses of the file).")


@contextlib.asynccontextmanager
async def _within(limit_s: float | None) -> AsyncIterator[None]:
    """Limits how long an answer, or the beginning of a stream, is waited for."""
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError:
        raise UpstreamTimeout(f"There was no answer within {limit_s:g} s.", phase="total") from None
