"""One attempt at an answer: a deployment, the stages below `route`, the upstream's answer on its way to the client."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from .api.chat.relay import ChatRelay
from .api.dialects import MakePlain
from .client_side import ClientSide, answer_headers
from .errors import BadRequest, ExchangeError, InternalError, UpstreamError
from .events import Usage
from .exchange import Exchange, Outcome
from .providers.provider import Amended, Deployment
from .pump import AsyncPump, Pump
from .refusal import raise_for_status
from .reply import Reply
from .shortcut import Shortcut, fits
from .stage import ResponseFilter
from .translation import AsyncTranslation, Bridge, Relay, Translation
from .upstream.client import Timeouts, UpstreamRequest, UpstreamResponse

if TYPE_CHECKING:
    from .pipeline import Pipeline


class Answering:
    """Gets the answer of one deployment to the client. `filters` are those of the stages, in their order."""

    __slots__ = (
        "_bridge",
        "_deployment",
        "_exchange",
        "_filters",
        "_limits",
        "_pipeline",
        "_side",
        "_streaming",
        "pump",
    )

    def __init__(
        self,
        pipeline: Pipeline,
        exchange: Exchange,
        side: ClientSide,
        deployment: Deployment,
        filters: Sequence[ResponseFilter],
    ) -> None:
        self._pipeline = pipeline
        self._exchange = exchange
        self._side = side
        self._deployment = deployment
        self._filters = filters
        self._streaming = exchange.request.stream
        self._limits = _until_first_token(deployment.limits) if self._streaming else deployment.limits
        self._bridge: Bridge | None = None
        self.pump: Pump | None = None

    @property
    def told_usage(self) -> Usage | None:
        """What the upstream says it has used for an answer of which the client got nothing."""
        return self._bridge.told_usage if self._bridge is not None else None

    async def run(self, response: UpstreamResponse | None = None) -> Reply | None:
        """Asks the upstream, unless it has begun its `response` already; lets the answer through to the client.

        Returns the answer, or None when it went to the client as a stream. Raises ExchangeError. However it ends, the
        upstream's connection is free or closed behind it.
        """
        try:
            if self._exchange.request.dialect == "chat" and not self._passes_through(self._events_filters()):
                self._side.get_encoder()  # refuses what only a pass-through can do
            if response is None:  # as `ask` does, which is a coroutine more
                self._make_request()
                response = await self._sent()
                self._note_head(response)
                if response.status != 200:
                    response = await self._accepted(response)
            if self._streaming:
                await self._stream(response)
                return None
            return await self._whole(response)
        except BaseException:
            if response is not None:
                response.close()
            raise

    async def ask(self) -> UpstreamResponse:
        """Returns the head of the upstream's answer, one that is no error; raises ExchangeError."""
        self._make_request()
        response = await self._sent()
        try:
            self._note_head(response)
            return response if response.status == 200 else await self._accepted(response)
        except BaseException:
            response.close()
            raise

    def _sent(self) -> Awaitable[UpstreamResponse]:
        """Sends the request; what is to be awaited gives the head of the answer."""
        exchange = self._exchange
        assert exchange.upstream_request is not None
        exchange.timing.upstream_sent = time.monotonic()
        return self._deployment.provider.client.send(exchange.upstream_request, self._limits)

    def _note_head(self, response: UpstreamResponse) -> None:
        exchange = self._exchange
        exchange.timing.upstream_head = time.monotonic()
        exchange.attempts[-1].status = response.status

    async def _accepted(self, response: UpstreamResponse) -> UpstreamResponse:
        """Returns an answer that is no error, or that to what the provider makes of a request that was refused.

        What it has left out is remembered only when the upstream has taken the rest. Raises ExchangeError.
        """
        exchange, provider = self._exchange, self._deployment.provider
        amended: Amended | None = None
        while True:
            try:
                if response.status != 200:
                    await raise_for_status(provider, response)
            except UpstreamError as error:
                response.close()
                if amended is not None or (amended := provider.amended(exchange, error)) is None:
                    raise
            except BaseException:
                response.close()
                raise
            else:
                if amended is not None:
                    amended.remember()
                return response
            exchange.upstream_request = amended.request
            response = await self._sent()
            self._note_head(response)

    def _make_request(self) -> None:
        """Passes the request on as it is where no stage has translated it; then puts in the stages' headers."""
        exchange = self._exchange
        provider = self._deployment.provider
        if exchange.upstream_request is None:
            if not provider.speaks(exchange.request.dialect, self._deployment.model):
                raise BadRequest(
                    f'upstream "{provider.name}" does not speak {exchange.request.dialect}, and the pipeline has no '
                    '"stream-translate" stage to translate'
                )
            exchange.upstream_request = provider.passthrough(exchange, self._deployment.model)
        headers = exchange.marks.get("upstream_headers")
        if headers:
            _put_headers(headers, exchange.upstream_request)

    # --- which way the answer goes

    def _events_filters(self) -> list[ResponseFilter]:
        """Returns the filters that look at events, in the order in which a response climbs."""
        return [one for one in reversed(self._filters) if type(one).on_events is not ResponseFilter.on_events]

    @property
    def _relay(self) -> Callable[[Exchange], ChatRelay] | None:
        return self._pipeline.dialects[self._exchange.request.dialect].relay

    def _passes_through(self, filters: list[ResponseFilter]) -> bool:
        """Tells whether bytes can be passed on: same dialect, nobody looks at events, no encoder has spoken yet."""
        return (
            not filters
            and self._relay is not None
            and not self._drops_reasoning
            and self._deployment.provider.speaks(self._exchange.request.dialect, self._deployment.model)
            and (self._side.encoder is None or not self._side.stream.opened)
        )

    @property
    def _drops_reasoning(self) -> bool:
        """Whether something is to be taken out of the answer, for which it has to be looked at."""
        translate = self._exchange.translate
        return translate is not None and translate.reasoning == "drop"

    def _translation(self, filters: list[ResponseFilter]) -> Translation:
        exchange = self._exchange
        provider = self._deployment.provider
        encoder = self._side.get_encoder()
        sealer = provider.sealer(exchange, self._deployment.model)
        encoder.use(exchange.marks.get("tools"), sealer, heard=self._streaming)
        awaited = bool(filters) and any(inspect.iscoroutinefunction(type(one).on_events) for one in filters)
        kind = AsyncTranslation if awaited else Translation
        client = self._side if self._streaming else None
        as_it_is = not filters and not self._drops_reasoning
        decoder = (provider.relay(exchange) if as_it_is else None) or provider.decoder(exchange)
        translation = kind(exchange, decoder, filters, encoder, client, provider.parser(exchange))
        self._bridge = translation
        return translation

    # --- streamed

    async def _stream(self, response: UpstreamResponse) -> None:
        exchange, side = self._exchange, self._side
        filters = self._events_filters() if self._filters else []
        if side.filters:
            await side.head()
        came_whole = response.headers.get("content-type", "").startswith("application/json")
        if not came_whole and self._passes_through(filters):
            assert self._relay is not None
            side.bridge = self._bridge = bridge = Relay(exchange, self._relay(exchange))
            pump = Pump(bridge, side.stream, response, side.write)
        else:
            side.bridge = translation = self._translation(filters)
            if came_whole:
                body = await response.read(self._pipeline.max_answer_bytes)
                await self._encode_whole(translation, body, side.write)
                side.take_outcome()
                return
            if isinstance(translation, AsyncTranslation):
                pump = AsyncPump(translation, side.stream, response, side.write)
            else:
                pump = Pump(translation, side.stream, response, side.write)
                if fits(translation, side.stream):
                    pump.shortcut = shortcut = Shortcut(exchange, side, translation, pump)
                    side.on_other_stream = shortcut.stop
        self.pump = pump
        response.headers = {}  # nobody reads them from here on, and some upstreams send kilobytes
        try:
            patience_s = self._patience_s(response)
            await pump.run(first_token_s=patience_s, is_committed=self._is_committed, on_wait=self._open_later)
        finally:
            self.pump = side.on_other_stream = None
        side.take_outcome()

    def _open_later(self) -> None:
        """Sees to it that a stream is not opened without its first output as long as that may come soon."""
        if not isinstance(self._bridge, Relay):
            self._side.open_at(self._pipeline.commit_after_s)

    def _is_committed(self) -> bool:
        return self._exchange.committed

    def _patience_s(self, response: UpstreamResponse) -> float | None:
        """Returns how long the first token may still take; once it has come, the usual limit between reads holds."""
        limits = self._deployment.limits
        if limits.first_token is None:
            return None
        if limits.idle != self._limits.idle:
            self._side.on_first_event.append(lambda: response.limit_idle(limits.idle))
        sent = self._exchange.timing.upstream_sent or 0.0
        return max(0.001, round(limits.first_token - (time.monotonic() - sent), 3))

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

    # --- not streamed

    async def _whole(self, response: UpstreamResponse) -> Reply:
        exchange, side = self._exchange, self._side
        filters = self._events_filters() if self._filters else []
        body = response.at_hand(self._pipeline.max_answer_bytes)
        if body is None:
            body = await response.read(self._pipeline.max_answer_bytes)
        dialect = self._pipeline.dialects[exchange.request.dialect]
        outcome: Outcome | None
        if dialect.relay is not None and self._passes_through(filters):
            machine = dialect.relay(exchange)
            body, exchange.usage, outcome = machine.whole(body)
            exchange.service_tier = machine.service_tier
        else:
            if dialect.plain is None or not self._is_plain(dialect.plain, body, filters):
                await self._encode_whole(self._translation(filters), body)
            encoder = side.get_encoder()
            exchange.usage, outcome = encoder.usage, encoder.outcome
            exchange.service_tier = encoder.service_tier
            if encoder.error is not None:
                raise encoder.error
            body = encoder.final()
        exchange.committed = True
        exchange.timing.first_event = time.monotonic()
        self._pipeline.prices.charge(exchange)
        if side.filters:
            await side.head()
        exchange.outcome = outcome
        exchange.head_status = 200
        headers = answer_headers(exchange)
        headers["content-type"] = "application/json"
        return Reply(200, body, headers)

    def _is_plain(self, make: MakePlain, body: bytes, filters: Sequence[ResponseFilter]) -> bool:
        """Makes the answer in one step, where it is one text that all filters let through; tells whether it was."""
        exchange, side = self._exchange, self._side
        if side.encoder is not None:
            return False
        answer = self._deployment.provider.plain_answer(exchange, body)
        if answer is None:
            return False
        for one in filters:
            if not one.on_plain(exchange, answer):
                return False
        side.encoder = make(exchange, side.promise(), answer)
        return True

    def abort(self, error: ExchangeError) -> bool:
        """Ends an answer that is on its way with an error; False when none is."""
        if self.pump is None:
            return False
        self.pump.abort(error)
        return True

    def detach(self) -> None:
        """Goes on although the client, who may have stopped reading, has left."""
        if self.pump is not None:
            self.pump.detach(self._side.stream)


def _put_headers(headers: Mapping[str, str | None], request: UpstreamRequest) -> None:
    for name, value in headers.items():
        if value is None:
            request.headers.pop(name, None)
        else:
            request.headers[name] = value


def _until_first_token(limits: Timeouts) -> Timeouts:
    """Returns the limits that hold until the first token: waiting for it is no silence between two of them."""
    first = limits.first_token
    if first is None:
        return limits
    first_byte = first if limits.first_byte is None else min(first, limits.first_byte)
    idle = None if limits.idle is None else max(first, limits.idle)
    return msgspec.structs.replace(limits, first_byte=first_byte, idle=idle)
