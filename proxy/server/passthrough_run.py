"""Runs one exchange that is passed on as it is: through the stages, to an upstream of OpenAI's wire, and back.

It goes the way of every exchange (observers, the stages above and including `route`, attempts, ends in reverse), but
for what needs to know what is said: nothing is translated, no filter sees events, nothing is kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from ..client_side import answer_headers
from ..ending import tell_end, tell_failure
from ..errors import BadRequest, ExchangeError, Forbidden, InternalError, Overloaded, UpstreamError
from ..exchange import Attempt, Exchange, pass_gates
from ..limiting.estimate import expected
from ..marks import SEARCHED
from ..providers.provider import Deployment, Provider
from ..reply import Reply
from ..stage import Head, ResponseFilter, Stage
from ..stage_times import asked, received
from ..upstream.client import Upload, UpstreamRequest, UpstreamResponse
from .passthrough_body import Sending
from .passthrough_filters import RawFilters
from .passthrough_request import RawRequest
from .passthrough_stream import RawStream
from .passthrough_usage import UsageTail

if TYPE_CHECKING:
    from ..pipeline import Pipeline

_log = logging.getLogger("penstock")

_PASSED_UP = ("accept", "content-type", "openai-beta", "range")
_PASSED_DOWN = (
    "accept-ranges",
    "cache-control",
    "content-disposition",
    "content-language",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
    "openai-processing-ms",
    "openai-version",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
)
_LIMITS = "x-ratelimit-"
_RUN_LATER = ("batches", "fine_tuning")
_KEPT = (*_RUN_LATER, "files", "uploads", "vector_stores")
_VERSION = "api-version="  # what Azure's clients send; the upstream's own is in its URL
_COUNTED = ("application/json", "text/event-stream")
_MAX_ERROR_BODY = 256 * 1024
_ERROR_BODY_S = 10.0


class Asked(msgspec.Struct, frozen=True):
    """What a client asks to be passed on: method, path below `/v1`, query as it was written, body."""

    method: str
    path: str
    query: str
    body: Sending
    owner: Provider | None = None
    """Who serves it where it names no model."""


class Passage:
    """One exchange on its way. Its answer goes to `stream`, or is returned as a Reply.

    Exactly one of `run`, `refuse` and `left` is called.
    """

    _asked: Asked

    def __init__(self, pipeline: Pipeline, exchange: Exchange, stream: RawStream) -> None:
        self._pipeline = pipeline
        self._exchange = exchange
        self._stream = stream
        self._filters: list[ResponseFilter] = []
        self._refusal: tuple[ExchangeError, Reply] | None = None  # an upstream's own words for an error
        self._task: asyncio.Task[object] | None = None
        self._aborted: ExchangeError | None = None

    async def run(self, asked: Asked) -> Reply | None:
        """Serves the exchange; returns the answer, or None when it went to the stream."""
        self._asked = asked
        exchange = self._exchange
        exchange.models = self._pipeline.models
        exchange.translate = self._pipeline.translate
        received(exchange, always=self._pipeline.shows_times)
        self._task = asyncio.current_task()
        try:
            return await self._served()
        except asyncio.CancelledError:
            if self._aborted is not None and self._task is not None and not self._task.uncancel():
                return self._failed(self._aborted)
            if exchange.outcome is None:
                exchange.outcome = "cancelled"
            raise
        finally:
            self._task = None
            await self._settle()

    async def refuse(self, error: ExchangeError) -> Reply | None:
        """Answers a request that could not be read; observers see it like any other."""
        try:
            await self._observe()
            return self._failed(error)
        except asyncio.CancelledError:
            self._exchange.outcome = "cancelled"
            raise
        finally:
            await self._settle()

    async def left(self) -> None:
        """Ends an exchange whose client left before its request could be read."""
        self._exchange.outcome = "cancelled"
        try:
            await self._observe()
        finally:
            await self._settle()

    async def _observe(self) -> None:
        try:
            await self._requests(self._pipeline.observers)
        except Exception as error:  # the top of an exchange
            _log.error("exchange %s failed", self._exchange.id, exc_info=error)

    def abort(self, error: ExchangeError) -> None:
        """Ends a running exchange with an error of ours; one that is being answered is cut."""
        if self._task is not None and self._aborted is None:
            self._aborted = error
            self._task.cancel()

    async def _served(self) -> Reply | None:
        try:
            return await self._answered()
        except ExchangeError as error:
            return self._failed(error)
        except Exception as error:  # the top of an exchange: whatever went wrong, the client gets an answer
            _log.error("exchange %s failed", self._exchange.id, exc_info=error)
            return self._failed(InternalError("Penstock failed on this request; its log says why."))

    async def _answered(self) -> Reply | None:
        try:
            reply = await self._admit()
            return reply if reply is not None else await self._attempts()
        except UpstreamError as error:
            await self._screen(error)
            raise

    async def _screen(self, error: UpstreamError) -> None:
        """Lets filters see a failure; where they change its words, the upstream's own are not told at all."""
        said = UpstreamError("")
        if self._refusal is not None and self._refusal[0] is error:
            said.message = body = self._refusal[1].body.decode(errors="replace")
        await tell_failure(self._filters, self._exchange, said, error)
        if said.message and said.message != body:
            self._refusal = None

    # --- down

    async def _admit(self) -> Reply | None:
        """Takes the request through the stages above and including `route`; a stage may answer it instead."""
        exchange = self._exchange
        exchange.asked_model = exchange.model
        stages = self._pipeline.above
        if self._asked.owner is not None:
            stages = tuple(stage for stage in stages if "plan" not in stage.sets)
        reply = await self._requests(stages)
        if reply is not None:
            return await self._replied(reply)
        if self._asked.owner is None and exchange.plan is None:
            raise InternalError("No stage of the pipeline has chosen an upstream.")
        if self._asked.owner is not None and exchange.key is not None and exchange.key.models:
            self._check_reach(exchange.key.id)
        return None

    def _check_reach(self, key: str) -> None:
        """Refuses what an upstream serves whatever the model to a key that may use some models only.

        But for what is only kept there: no model is asked for that.
        """
        if not is_kept_upstream(self._asked.path) or runs_models(self._asked.path):
            raise Forbidden(
                f"The API key '{key}' may use some models only: name one.", code="model_not_allowed", param="model"
            )

    async def _requests(self, stages: Sequence[Stage]) -> Reply | None:
        for stage in stages:
            result = await asked(stage, self._exchange)
            if isinstance(result, Reply):
                return result
            if result is not None:
                self._filters.append(result)
        return None

    async def _attempts(self) -> Reply | None:
        """Goes from one deployment to the next while the body can be sent again; gives the last one's answer."""
        exchange, body = self._exchange, self._asked.body
        original, ignored = exchange.request, len(exchange.ignored)
        failed: ExchangeError | None = None
        unfit: Deployment | None = None
        deployment = await self._next(None)
        while deployment is not None:
            head = deployment.provider.forwarded(self._asked.path, deployment.model)
            if head is None:
                unfit = deployment
                deployment = await self._next(None)
                continue
            exchange.request = original.copy()
            del exchange.ignored[ignored:]
            if self._asked.owner is None:  # else no model is asked
                try:
                    await pass_gates(exchange, deployment)
                except ExchangeError as error:
                    failed = error
                    deployment = await self._next(None)
                    continue
            exchange.deployment = deployment
            exchange.attempts.append(Attempt(deployment.provider.name, deployment.model, time.monotonic()))
            try:
                return await self._attempt(deployment, head)
            except ExchangeError as error:
                failed = self._noted(error, deployment)
                if exchange.committed:
                    raise
            deployment = await self._next(failed) if body.again else None
        if failed is None and unfit is not None:
            raise self._unfit(unfit)
        raise failed or Overloaded("No upstream can take this request now.")

    async def _next(self, failed: ExchangeError | None) -> Deployment | None:
        """Returns the deployment of the next attempt; a request without a model has one only."""
        owner, exchange = self._asked.owner, self._exchange
        if owner is not None:
            return None if exchange.attempts else Deployment(owner, "")
        assert exchange.plan is not None
        return await exchange.plan.next(failed)

    def _noted(self, error: ExchangeError, deployment: Deployment) -> ExchangeError:
        attempt = self._exchange.attempts[-1]
        attempt.error, attempt.param = error.code or error.type, error.param
        if isinstance(error, UpstreamError) and error.upstream is None:
            error.upstream = deployment.provider.name
        return error

    def _unfit(self, deployment: Deployment) -> BadRequest:
        provider = deployment.provider
        return BadRequest(
            f"The model '{self._exchange.asked_model}' is served by upstream \"{provider.name}\" ({provider.kind}), "
            f"which has no /v1{self._asked.path}: only upstreams that speak OpenAI's API have other endpoints.",
            param="model",
            code="unsupported_endpoint",
        )

    # --- one attempt

    async def _attempt(self, deployment: Deployment, made: UpstreamRequest) -> Reply | None:
        """Asks one deployment, and passes on what it says. Raises ExchangeError.

        However it ends, the upstream's connection is free or closed behind it.
        """
        exchange, provider = self._exchange, deployment.provider
        below = [stage for stage in self._pipeline.below if stage.translate is None]
        reply = await self._requests(below)
        if reply is not None:
            return await self._replied(reply)
        self._complete(made, deployment.model)
        exchange.upstream_request = made
        exchange.timing.upstream_sent = time.monotonic()
        response = await provider.client.send(made, deployment.limits)
        try:
            exchange.timing.upstream_head = time.monotonic()
            exchange.attempts[-1].status = response.status
            if not 200 <= response.status < 300:
                await self._refuse(provider, response)
            await self._pass_on(response)
        except BaseException:
            response.close()
            raise
        return None

    def _complete(self, made: UpstreamRequest, model: str) -> None:
        """Puts in what the client and the stages say."""
        exchange, asked = self._exchange, self._asked
        assert isinstance(exchange.request, RawRequest)
        made.method = asked.method
        query = "&".join(one for one in asked.query.split("&") if one and not one.startswith(_VERSION))
        if query:
            made.url += ("&" if "?" in made.url else "?") + query
        for name in _PASSED_UP:
            if name in exchange.client.headers:
                made.headers.setdefault(name, exchange.client.headers[name])
        for name, value in exchange.marks.get("upstream_headers", {}).items():
            if value is None:
                made.headers.pop(name, None)
            else:
                made.headers[name] = value
        exchange.request.searched = SEARCHED in exchange.marks
        body = asked.body.to(exchange.request, model)
        if isinstance(body, Upload):
            made.upload = body
        else:
            made.body = body

    async def _refuse(self, provider: Provider, response: UpstreamResponse) -> None:
        """Raises what an error answer means, and keeps what the upstream said: the client is told it as it came.

        But for what is about how Penstock is set up: that is nobody else's.
        """
        try:
            async with asyncio.timeout(_ERROR_BODY_S):
                body = await response.read(_MAX_ERROR_BODY)
        except (UpstreamError, TimeoutError):
            body = b""
        error = provider.error(response.status, response.headers, body)
        if body and response.status >= 400 and error.code != "upstream_auth":
            self._refusal = error, Reply(response.status, body, passed_down(response.headers), error)
        raise error

    async def _pass_on(self, response: UpstreamResponse) -> None:
        """Lets an answer through, as fast as the client reads it."""
        exchange, stream = self._exchange, self._stream
        head = Head(response.status, {**passed_down(response.headers), **answer_headers(exchange)})
        for one in reversed(self._filters):
            await one.on_head(exchange, head)
        exchange.head_status = head.status
        exchange.committed = True
        exchange.timing.first_event = time.monotonic()
        through = RawFilters(exchange, head, self._filters)
        stream.begin(head.status, head.headers, None if through else _length(response))
        tail = UsageTail() if response.headers.get("content-type", "").startswith(_COUNTED) else None
        ended: asyncio.Future[UpstreamError | None] = asyncio.get_running_loop().create_future()

        def on_data(data: bytes) -> None:
            if tail is not None:
                tail.feed(data)
            if ended.done():
                return
            try:
                stream.write(through.feed(data))
            except UpstreamError as error:
                on_end(error)
            if through.done:
                on_end(None)

        def on_end(error: UpstreamError | None) -> None:
            if not ended.done():
                ended.set_result(error)

        stream.on_flow(response.pause, response.resume)
        try:
            if stream.paused:
                response.pause()
            response.stream(on_data, on_end)
            error = await ended
        finally:
            stream.on_flow(None, None)
            if tail is not None:
                exchange.usage = tail.usage()
                cut = through.done or not _came_whole(ended)
                if exchange.usage is None and self._asked.owner is None and cut:
                    exchange.usage = tail.estimate(expected(exchange).input_tokens)
        if error is not None:
            raise error
        if through.done:  # the rest is for nobody
            response.close()
        stream.write(await through.finish())
        exchange.outcome = "completed"

    # --- the end

    async def _replied(self, reply: Reply) -> Reply:
        """Takes a stage's own answer; filters that were there before it may still change its head."""
        exchange = self._exchange
        exchange.error = reply.error
        exchange.outcome = "rejected" if reply.error is not None else "completed"
        head = Head(reply.status, {**answer_headers(exchange), **reply.headers})
        for one in reversed(self._filters):
            await one.on_head(exchange, head)
        exchange.head_status = head.status
        return Reply(head.status, reply.body, head.headers, reply.error)

    def _failed(self, error: ExchangeError) -> Reply | None:
        """Ends the exchange in an error: as HTTP while nothing was sent, else by cutting the answer."""
        exchange = self._exchange
        exchange.error = error
        asked = exchange.attempts and not isinstance(error, BadRequest)
        exchange.outcome = "failed" if asked or self._stream.opened else "rejected"
        if self._stream.opened:
            self._stream.cut()
            return None
        given = self._refusal is not None and self._refusal[0] is error
        reply = self._refusal[1] if self._refusal is not None and given else Reply.from_error(error)
        reply.headers = {**answer_headers(exchange), **reply.headers}
        exchange.head_status = reply.status
        return reply

    async def _settle(self) -> None:
        """Runs every `on_end` once, in reverse, to the end, even when the client's task is cancelled meanwhile."""
        self._exchange.timing.ended = time.monotonic()
        if self._exchange.outcome == "cancelled" and self._stream.opened:
            self._stream.cut()
        if self._exchange.plan is not None:
            self._exchange.plan.settle(self._exchange)
        self._pipeline.prices.charge(self._exchange)
        if any(one.lingers for one in self._filters):
            self._pipeline.settling(tell_end(self._filters, self._exchange))
        elif self._filters:
            await self._pipeline.shielded(tell_end(self._filters, self._exchange))


def _came_whole(ended: asyncio.Future[UpstreamError | None]) -> bool:
    return ended.done() and not ended.cancelled() and ended.result() is None


def is_kept_upstream(path: str) -> bool:
    """Tells whether a path below `/v1` is about what one upstream keeps, such as files, and no other can serve.

    What a request says of a model there is for that upstream to read.
    """
    return _first(path) in _KEPT


def runs_models(path: str) -> bool:
    """Tells whether a path is about what is kept and yet asks models, which ones nobody here sees."""
    return _first(path) in _RUN_LATER


def _first(path: str) -> str:
    return path.partition("/")[2].partition("/")[0]


def passed_down(headers: dict[str, str]) -> dict[str, str]:
    """Returns the headers of an upstream's answer that are the client's too."""
    return {name: value for name, value in headers.items() if name in _PASSED_DOWN or name.startswith(_LIMITS)}


def _length(response: UpstreamResponse) -> int | None:
    """Returns how long the body will be; None where only its end will tell."""
    said = response.headers.get("content-length", "")
    return int(said) if said.isdecimal() else None
