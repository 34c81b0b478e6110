"""Runs one exchange through the chain: the only place that knows all its phases, in their order.

1. Requests run down the stages above and including `route`; observers first, wherever they stand.
2. Attempts: `route`'s plan names a deployment, the stages below it see the request once more, the upstream is asked.
   A failure before the first output event leads to the next deployment; after it, into the stream.
3. However it ended, every filter's `on_end` runs once, in reverse, out of reach of a cancelled client.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .api.chat.relay import ChatRelay
from .errors import BadRequest, ExchangeError, InternalError, Overloaded, UpstreamError
from .events import Usage
from .exchange import Attempt, Exchange, Outcome
from .providers.provider import Deployment
from .pump import AsyncPump, ClientStream, Pump
from .reply import Reply
from .stage import Head, ResponseFilter, Stage
from .translation import AsyncTranslation, Bridge, Encoder, Relay, Translation
from .upstream.client import UpstreamResponse

if TYPE_CHECKING:
    from .pipeline import Pipeline

_log = logging.getLogger("penstock")
_MAX_ERROR_BODY = 256 * 1024
_ERROR_BODY_S = 10.0
_MAX_HEADER = 1024
_JSON = {"content-type": "application/json"}


class Run:
    """One exchange on its way. `client` is where a stream goes; a non-streamed answer is returned as a Reply."""

    __slots__ = (
        "_aborted",
        "_attempt_filters",
        "_bridge",
        "_client",
        "_early",
        "_encoder",
        "_exchange",
        "_filters",
        "_head_lock",
        "_headed",
        "_pipeline",
        "_pump",
        "_streaming",
        "_task",
        "_timers",
    )

    def __init__(self, pipeline: Pipeline, exchange: Exchange, client: ClientStream) -> None:
        self._pipeline = pipeline
        self._exchange = exchange
        self._client = client
        self._filters: list[ResponseFilter] = []
        self._attempt_filters: list[ResponseFilter] = []
        self._encoder: Encoder | None = None
        self._bridge: Bridge | None = None
        self._pump: Pump | None = None
        self._streaming = False
        self._headed = False
        self._head_lock = asyncio.Lock()
        self._early: asyncio.Task[None] | None = None
        self._task: asyncio.Task[Reply | None] | None = None
        self._aborted: ExchangeError | None = None
        self._timers: list[asyncio.TimerHandle] = []

    async def run(self) -> Reply | None:
        """Serves the exchange; returns the answer, or None when it went to the client as a stream."""
        try:
            reply = await self._served()
            await self._conclude()
            return reply
        except asyncio.CancelledError:
            self._exchange.outcome = "cancelled"
            raise
        finally:
            await self._settle()

    async def _served(self) -> Reply | None:
        """Serves the exchange; whatever fails becomes an answer, as HTTP or in the stream."""
        self._task = asyncio.current_task()
        try:
            return await self._serve()
        except asyncio.CancelledError:
            if self._aborted is None or self._task is None or self._task.uncancel():
                raise
            return self._failed(self._aborted)
        except ExchangeError as error:
            return self._failed(error)
        except Exception as error:  # the top of an exchange: whatever went wrong, the client gets an answer
            _log.error("exchange %s failed", self._exchange.id, exc_info=error)
            return self._failed(InternalError("Penstock failed on this request; its log says why."))

    def abort(self, error: ExchangeError) -> None:
        """Ends a running exchange with an error of ours, in the stream if it has begun.

        A stream that has ended and waits for the store is told its end now.
        """
        if self._pump is not None:
            self._pump.abort(error)
        elif self._task is not None and self._aborted is None and self._exchange.outcome is None:
            self._aborted = error
            self._task.cancel()
        else:
            self._tell_end()

    async def refuse(self, error: ExchangeError) -> Reply:
        """Answers an exchange whose request could not be read; observers see it like any other."""
        try:
            await self._observe()
            return self._failed(error) or Reply.from_error(error)
        except asyncio.CancelledError:
            self._exchange.outcome = "cancelled"
            raise
        finally:
            await self._settle()

    async def left(self) -> None:
        """Ends an exchange whose client left before its request had come whole."""
        self._exchange.outcome = "cancelled"
        try:
            await self._observe()
        finally:
            await self._settle()

    async def _observe(self) -> None:
        try:
            await self._requests(self._pipeline.observers, self._filters)
        except Exception as error:  # the top of an exchange
            _log.error("exchange %s failed", self._exchange.id, exc_info=error)

    # --- the request's way down

    async def _serve(self) -> Reply | None:
        exchange = self._exchange
        exchange.asked_model = exchange.model
        reply = await self._requests(self._pipeline.above, self._filters)
        if reply is not None:
            return await self._replied(reply)
        exchange.request.validate()
        await self._pipeline.keeper.resolve(exchange)
        self._streaming = exchange.request.stream
        if exchange.plan is None:
            raise InternalError("No stage of the pipeline has chosen an upstream.")
        if self._streaming and self._pipeline.keepalive_s:
            self._at(self._pipeline.keepalive_s, self._open_early)
        original, ignored = exchange.request, len(exchange.ignored)
        failed: ExchangeError | None = None
        while (deployment := await exchange.plan.next(failed)) is not None:
            exchange.deployment = deployment
            exchange.request = original.copy()
            exchange.marks.pop("tools", None)
            del exchange.ignored[ignored:]
            attempt = Attempt(deployment.provider.name, deployment.model, time.monotonic())
            exchange.attempts.append(attempt)
            try:
                return await self._attempt(deployment, attempt)
            except ExchangeError as error:
                attempt.error = error.code or error.type
                if isinstance(error, UpstreamError) and error.upstream is None:
                    error.upstream = deployment.provider.name
                if exchange.committed:
                    raise
                failed = error
        raise failed or Overloaded("No upstream can take this request now.")

    async def _requests(self, stages: Sequence[Stage], filters: list[ResponseFilter]) -> Reply | None:
        for stage in stages:
            result = await stage.on_request(self._exchange)
            if isinstance(result, Reply):
                return result
            if result is not None:
                filters.append(result)
                if filters is not self._filters:
                    self._filters.append(result)
        return None

    async def _replied(self, reply: Reply) -> Reply | None:
        """Takes a stage's own answer; filters that were there before it may still change its head.

        Behind the head of a stream only a refusal can still be told.
        """
        exchange = self._exchange
        if self._client.opened:
            return self._failed(reply.error or InternalError("A stage answered when the stream had been opened."))
        exchange.error = reply.error
        exchange.outcome = "rejected" if reply.error is not None else "completed"
        head = Head(reply.status, {**self._headers(), **reply.headers})
        for one in reversed(self._filters):
            await one.on_head(exchange, head)
        exchange.head_status = head.status
        return Reply(head.status, reply.body, head.headers, reply.error)

    # --- one attempt

    async def _attempt(self, deployment: Deployment, attempt: Attempt) -> Reply | None:
        exchange = self._exchange
        provider = deployment.provider
        exchange.upstream_request = None
        self._attempt_filters = [*self._filters]
        reply = await self._requests(self._pipeline.below, self._attempt_filters)
        if reply is not None:
            return await self._replied(reply)
        if exchange.upstream_request is None:
            if exchange.request.dialect not in provider.dialects:
                raise BadRequest(
                    f'upstream "{provider.name}" does not speak {exchange.request.dialect}, and the pipeline has no '
                    '"stream-translate" stage to translate'
                )
            exchange.upstream_request = provider.passthrough(exchange, deployment.model)
        for name, value in exchange.marks.get("upstream_headers", {}).items():
            if value is None:
                exchange.upstream_request.headers.pop(name, None)
            else:
                exchange.upstream_request.headers[name] = value
        exchange.timing.upstream_sent = time.monotonic()
        response = await provider.client.send(exchange.upstream_request, provider.timeouts)
        try:
            exchange.timing.upstream_head = time.monotonic()
            attempt.status = response.status
            if not 200 <= response.status < 300:
                raise provider.error(response.status, response.headers, await _error_body(response))
            if self._streaming:
                await self._stream(deployment, response)
                return None
            return await self._whole(deployment, response)
        except BaseException:
            response.close()
            raise

    def _events_filters(self) -> list[ResponseFilter]:
        """Returns the filters that look at events, in the order in which a response climbs."""
        return [one for one in reversed(self._attempt_filters) if type(one).on_events is not ResponseFilter.on_events]

    def _translation(self, deployment: Deployment, filters: list[ResponseFilter]) -> Translation:
        exchange = self._exchange
        encoder = self._get_encoder()
        encoder.use(exchange.marks.get("tools"), deployment.provider.sealer(exchange, deployment.model))
        awaited = any(inspect.iscoroutinefunction(type(one).on_events) for one in filters)
        kind = AsyncTranslation if awaited else Translation
        open_client = self._open if self._streaming else None
        return kind(exchange, deployment.provider.decoder(exchange), filters, encoder, open_client)

    def _get_encoder(self) -> Encoder:
        """Returns the exchange's encoder; it outlives attempts, so that the response keeps its id."""
        if self._encoder is None:
            self._encoder = self._pipeline.dialects[self._exchange.request.dialect].encoder(self._exchange)
        return self._encoder

    @property
    def _relay(self) -> Callable[[Exchange], ChatRelay] | None:
        return self._pipeline.dialects[self._exchange.request.dialect].relay

    def _passes_through(self, deployment: Deployment, filters: list[ResponseFilter]) -> bool:
        """Tells whether bytes can be passed on: same dialect, nobody looks at events, no encoder has spoken yet."""
        return (
            not filters
            and self._relay is not None
            and self._exchange.request.dialect in deployment.provider.dialects
            and (self._encoder is None or not self._client.opened)
        )

    async def _stream(self, deployment: Deployment, response: UpstreamResponse) -> None:
        exchange = self._exchange
        filters = self._events_filters()
        await self._head()
        came_whole = response.headers.get("content-type", "").startswith("application/json")
        if not came_whole and self._passes_through(deployment, filters):
            assert self._relay is not None
            self._bridge = bridge = Relay(exchange, self._relay(exchange))
            pump = Pump(bridge, self._client, response, self._write)
        else:
            translation = self._translation(deployment, filters)
            self._bridge = translation
            if came_whole:
                body = await response.read(self._pipeline.max_answer_bytes)
                await self._take_whole(translation, body)
                return
            if isinstance(translation, AsyncTranslation):
                pump = AsyncPump(translation, self._client, response, self._write)
            else:
                pump = Pump(translation, self._client, response, self._write)
            self._at(self._pipeline.commit_after_s(exchange), self._open_waiting)
        self._pump = pump
        try:
            await pump.run(
                first_token_s=deployment.provider.timeouts.first_token, is_committed=lambda: exchange.committed
            )
        finally:
            self._pump = None
        self._finished_stream()

    async def _take_whole(self, translation: Translation, body: bytes) -> None:
        """Streams an answer that came whole although a stream was asked for."""
        await self._encode_whole(translation, body, self._write)
        self._finished_stream()

    async def _encode_whole(
        self, translation: Translation, body: bytes, write: Callable[[bytes], None] | None = None
    ) -> None:
        """Takes a whole answer through the filters; raises when they have kept its end."""
        if isinstance(translation, AsyncTranslation):
            out = await translation.pass_async(translation.decode_whole(body))
        else:
            out = translation.whole(body)
        if write is not None:
            write(out)
        if not translation.done:
            raise InternalError("A stage of the pipeline has withheld the end of the answer.")

    async def _whole(self, deployment: Deployment, response: UpstreamResponse) -> Reply:
        """Answers a request that is not streamed."""
        exchange = self._exchange
        filters = self._events_filters()
        body = await response.read(self._pipeline.max_answer_bytes)
        if self._passes_through(deployment, filters):
            assert self._relay is not None
            body, exchange.usage, exchange.outcome = self._relay(exchange).whole(body)
        else:
            translation = self._translation(deployment, filters)
            await self._encode_whole(translation, body)
            encoder = self._get_encoder()
            exchange.usage, exchange.outcome = encoder.usage, encoder.outcome
            if encoder.error is not None:
                raise encoder.error
            await self._pipeline.keeper.keep(exchange, encoder)
            body = encoder.final()
        exchange.committed = True
        exchange.timing.first_event = time.monotonic()
        await self._head()
        headers = {**self._headers(), **_JSON}
        exchange.head_status = 200
        return Reply(200, body, headers)

    # --- the client's side

    async def _head(self) -> None:
        """Lets the filters see status and headers of the answer, once an exchange; returns when all have."""
        async with self._head_lock:
            if self._headed:
                return
            self._headed = True
            head = Head(200, self._exchange.response_headers)
            for one in reversed(self._attempt_filters or self._filters):
                await one.on_head(self._exchange, head)

    def _headers(self) -> dict[str, str]:
        exchange = self._exchange
        headers = {"x-request-id": exchange.id, **exchange.response_headers}
        if exchange.deployment is not None:
            headers["x-penstock-upstream"] = exchange.deployment.provider.name
            headers["x-penstock-upstream-model"] = exchange.deployment.model[:_MAX_HEADER]
        if exchange.ignored:
            headers["x-penstock-ignored-params"] = _joined(exchange.ignored)
        if len(exchange.attempts) > 1:
            headers["x-penstock-attempts"] = str(len(exchange.attempts))
        return headers

    def _open(self) -> None:
        """Sends the head and the events that open the stream; another attempt may still be made."""
        if not self._client.opened:
            self._client.open(self._headers())
            self._exchange.head_status = 200
            if not isinstance(self._bridge, Relay):
                self._client.write(self._get_encoder().begin())

    def _open_early(self) -> None:
        """Opens the stream before the upstream has answered, so that no hop in between takes the silence for death."""
        if not self._client.opened:
            self._early = asyncio.get_running_loop().create_task(self._head_and_open())

    async def _head_and_open(self) -> None:
        try:
            await self._head()
        except Exception as error:  # the top of a task
            _log.error("exchange %s failed", self._exchange.id, exc_info=error)
            self.abort(InternalError("Penstock failed on this request; its log says why."))
        else:
            self._open_waiting()

    def _open_waiting(self) -> None:
        """Opens the stream of an exchange that still waits for its answer."""
        if self._exchange.outcome is None:
            self._open()

    def _write(self, out: bytes) -> None:
        """Sends bytes to the client. Hot: once a read."""
        if self._exchange.timing.first_event is None and self._exchange.committed:
            self._exchange.timing.first_event = time.monotonic()
        if not self._client.opened:
            self._open()
        self._client.write(out)

    def _at(self, delay_s: float, call: object) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(delay_s, call))  # type: ignore[arg-type]

    # --- the end

    def _finished_stream(self) -> None:
        """Takes over how a stream has ended."""
        exchange = self._exchange
        source = self._bridge.machine if isinstance(self._bridge, Relay) else self._get_encoder()
        exchange.outcome, exchange.usage, exchange.error = source.outcome, source.usage, source.error

    async def _conclude(self) -> None:
        """Keeps the response and tells its end, where the end was held back for that."""
        encoder = self._encoder
        if encoder is not None and self._client.opened:
            try:
                await self._pipeline.keeper.keep(self._exchange, encoder)
            except Exception as error:  # a bug there must not take the end from the client
                _log.error("response %s is not kept", self._exchange.response_id, exc_info=error)
            finally:
                self._tell_end()

    def _tell_end(self) -> None:
        """Sends the end that was held back, once."""
        if self._encoder is not None and self._client.opened:
            self._client.write(self._encoder.end())

    def _failed(self, error: ExchangeError) -> Reply | None:
        """Ends the exchange in an error: as HTTP while nothing was sent, else in the stream."""
        exchange = self._exchange
        exchange.error = error
        exchange.outcome = _outcome_of(error, exchange)
        if not self._client.opened:
            reply = Reply.from_error(error)
            reply.headers = {**self._headers(), **reply.headers}
            exchange.head_status = reply.status
            return reply
        if self._bridge is not None and exchange.committed:
            self._client.write(self._bridge.fail(error))
        else:
            self._client.write(self._get_encoder().fail(error))
        return None

    async def _settle(self) -> None:
        """Runs every `on_end` once, in reverse, to the end, even when the client's task is cancelled meanwhile."""
        self._client.finish()
        for timer in self._timers:
            timer.cancel()
        if self._early is not None:
            self._early.cancel()
        exchange = self._exchange
        exchange.timing.ended = time.monotonic()
        if exchange.usage is None and exchange.committed:
            exchange.usage = self._estimated_usage()
        if self._filters:
            await self._pipeline.shielded(self._ends())

    async def _ends(self) -> None:
        for one in reversed(self._filters):
            try:
                await one.on_end(self._exchange)
            except Exception as error:  # one stage's bug must not keep the others from settling
                _log.error("on_end of %s failed", type(one).__name__, exc_info=error)

    def _estimated_usage(self) -> Usage | None:
        """Returns a guess at what was used, where the upstream did not get to say it: four characters a token."""
        source = self._bridge.machine if isinstance(self._bridge, Relay) else self._encoder
        if source is None or self._exchange.upstream_request is None:
            return None
        if source.usage is not None:
            return source.usage
        asked = len(self._exchange.upstream_request.body) // 4
        said = -(-source.output_chars() // 4)
        return Usage(input_tokens=asked, output_tokens=said, total_tokens=asked + said, estimated=True)


def _outcome_of(error: ExchangeError, exchange: Exchange) -> Outcome:
    """Returns `rejected` for what was refused before any upstream had been asked, else `failed`."""
    return "failed" if exchange.attempts and not isinstance(error, BadRequest) else "rejected"


async def _error_body(response: UpstreamResponse) -> bytes:
    """Returns what an upstream says about its error; nothing when it cannot be had, for the status says enough."""
    try:
        async with asyncio.timeout(_ERROR_BODY_S):
            return await response.read(_MAX_ERROR_BODY)
    except (UpstreamError, TimeoutError):
        return b""


def _joined(names: Sequence[str]) -> str:
    """Returns names as a list that fits in a header; what does not fit is an ellipsis."""
    text = ", ".join(names)
    return text if len(text) <= _MAX_HEADER else text[:_MAX_HEADER].rpartition(", ")[0] + ", ..."
