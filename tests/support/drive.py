"""Drives one stage by itself: a request and an answer's events in; what was forwarded, seen and decided out."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from typing import Any

import msgspec

from proxy.api.chat.request import ChatRequest
from proxy.api.responses.request import ResponsesRequest
from proxy.errors import ExchangeError
from proxy.events import Event, Finish, TextDelta, UpstreamFailed
from proxy.exchange import Client, Exchange, Key
from proxy.reply import Reply
from proxy.request import ModelRequest
from proxy.stage import Head, ResponseFilter, Stage


class Driven(msgspec.Struct):
    """What came of it. `request` is None when it went no further; `seen` is what the client would see."""

    exchange: Exchange
    request: ModelRequest | None
    seen: list[Event]
    head: Head
    reply: Reply | None = None

    @property
    def outcome(self) -> str | None:
        """How the exchange ended."""
        return self.exchange.outcome

    @property
    def text(self) -> str:
        """The visible text that the client saw."""
        return "".join(event.text for event in self.seen if isinstance(event, TextDelta))


def asking(text: str = "hi", **fields: Any) -> ResponsesRequest:
    """Returns a request of the Responses API."""
    return ResponsesRequest.parse(msgspec.json.encode({"model": "m", "input": text, **fields}))


def chatting(*contents: str, **fields: Any) -> ChatRequest:
    """Returns a request for a chat completion."""
    messages = [{"role": "user", "content": content} for content in contents or ("hi",)]
    return ChatRequest.parse(msgspec.json.encode({"model": "m", "messages": messages, **fields}))


def exchange_of(
    request: ModelRequest | None = None,
    *,
    headers: dict[str, str] | None = None,
    key: Key | None = None,
    address: str = "10.0.0.1",
) -> Exchange:
    """Returns a fresh exchange."""
    exchange = Exchange("req_1", Client(address, headers or {}), request or asking())
    exchange.key = key
    return exchange


def texts(*pieces: str) -> list[Event]:
    """Returns text deltas and a good end."""
    return [*map(TextDelta, pieces), Finish()]


async def drive(
    stage: Stage, request: ModelRequest | Exchange | None = None, events: Iterable[Event | Sequence[Event]] = ()
) -> Driven:
    """Runs an exchange through a stage that has been started; each event, or sequence of events, is one batch."""
    exchange = request if isinstance(request, Exchange) else exchange_of(request)
    driven = Driven(exchange, None, [], Head(200, exchange.response_headers))
    try:
        result = await stage.on_request(exchange)
    except ExchangeError as error:
        result = Reply.from_error(error)
    if isinstance(result, Reply):
        driven.reply, driven.head = result, Head(result.status, result.headers)
        exchange.error, exchange.outcome, exchange.head_status = result.error, "rejected", result.status
        return driven
    driven.request = exchange.request
    exchange.head_status = 200
    if result is not None:
        await result.on_head(exchange, driven.head)
    for batch in events:
        driven.seen += await _filtered(result, exchange, [batch] if isinstance(batch, Event) else list(batch))
        if driven.seen and isinstance(driven.seen[-1], (Finish, UpstreamFailed)):
            break
    last = driven.seen[-1] if driven.seen else None
    exchange.outcome = "completed"
    if isinstance(last, UpstreamFailed):
        exchange.outcome, exchange.error = "failed", last.error
    elif isinstance(last, Finish) and last.reason != "stop":
        exchange.outcome = "incomplete"
    if result is not None:
        await result.on_end(exchange)
    return driven


async def _filtered(one: ResponseFilter | None, exchange: Exchange, batch: list[Event]) -> list[Event]:
    if one is None:
        return batch
    result = one.on_events(exchange, batch)
    return await result if isinstance(result, Awaitable) else result
