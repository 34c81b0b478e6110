"""The spans of an exchange: one of its own, and one of each attempt, by OpenTelemetry's conventions for generative AI.

What is known of them is kept as a row; it becomes OTLP when a batch is made, in a thread. What was said is not in it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from .. import __version__
from ..errors import ConfigError, Problem
from ..events import Usage
from ..exchange import Attempt, Exchange
from ..redact import Cleaner
from .trace_context import TraceContext

Attributes = dict[str, str | int | float | bool]

_SERVER, _CLIENT = 2, 3  # OTLP's kinds of spans
_AT_ONCE = 8
_REST_S = 0.0005
"""The thread that makes OTLP takes a tenth of a millisecond an exchange: it lets streams go on again and again."""
_PROVIDERS: Mapping[str, str] = {
    "azure-ai": "azure.ai.inference",
    "azure-openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""What the conventions call a provider, where that is not its kind."""


class SpanRow(msgspec.Struct):
    """One span. Times are nanoseconds since 1970; `error` is why it failed."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: int
    start: int
    end: int
    attributes: Attributes
    error: str | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[SpanRow]).decode


def spans_of(exchange: Exchange, context: TraceContext, cleaner: Cleaner) -> bytes:
    """Returns the spans of an exchange that has ended, as a row. Hot: once an exchange that is sampled."""
    timing, attempts = exchange.timing, exchange.attempts
    ended = timing.ended if timing.ended is not None else timing.started

    def at(moment: float) -> int:
        return int((timing.wall + moment - timing.started) * 1e9)

    spans = [_own(exchange, context, cleaner, at(timing.started), at(ended))]
    for place, attempt in enumerate(attempts):
        last = place + 1 == len(attempts)
        until = ended if last else attempts[place + 1].started
        attributes = _attempt(exchange, attempt, cleaner)
        if last:
            _answer(exchange, attempt, attributes, cleaner)
        name = f"{attributes['gen_ai.operation.name']} {attributes['gen_ai.request.model']}".strip()
        error = None if attempt.error is None else cleaner.text(attempt.error)
        span_id = os.urandom(8).hex()
        span = SpanRow(context.trace_id, span_id, context.span_id, name, _CLIENT, at(attempt.started), at(until), {})
        span.attributes, span.error = attributes, error
        spans.append(span)
    return _encode(spans)


def _own(exchange: Exchange, context: TraceContext, cleaner: Cleaner, start: int, end: int) -> SpanRow:
    client, error = exchange.client, exchange.error
    path = cleaner.text(client.path.partition("?")[0])
    attributes: Attributes = {
        "http.request.method": client.method,
        "url.path": path,
        "client.address": client.address,
        "penstock.exchange": cleaner.text(exchange.id),
    }
    optional = {
        "user_agent.original": client.headers.get("user-agent"),
        "gen_ai.request.model": exchange.model,
        "penstock.outcome": exchange.outcome,
        "penstock.key": None if exchange.key is None else exchange.key.id,
        "penstock.team": None if exchange.key is None else exchange.key.team,
        "error.type": None if error is None else error.code or error.type,
    }
    for name, value in optional.items():
        if value is not None:
            attributes[name] = cleaner.text(value)
    if exchange.head_status is not None:
        attributes["http.response.status_code"] = exchange.head_status
    if exchange.cost is not None:
        attributes["penstock.cost"] = float(exchange.cost)
    _use(exchange.usage, attributes)
    failed = exchange.outcome == "failed" or (exchange.head_status or 0) >= 500
    message = None if error is None or not failed else cleaner.text(error.message)
    name = f"{client.method} {path}"
    return SpanRow(context.trace_id, context.span_id, context.parent_id, name, _SERVER, start, end, attributes, message)


def _attempt(exchange: Exchange, attempt: Attempt, cleaner: Cleaner) -> Attributes:
    attributes: Attributes = {
        "gen_ai.operation.name": _operation(exchange),
        "gen_ai.provider.name": cleaner.text(_provider(exchange, attempt)),
        "gen_ai.request.model": cleaner.text(attempt.model),
        "penstock.upstream": cleaner.text(attempt.upstream),
    }
    if attempt.status is not None:
        attributes["http.response.status_code"] = attempt.status
    if attempt.error is not None:
        attributes["error.type"] = cleaner.text(attempt.error)
    if attempt.cost is not None:
        attributes["penstock.cost"] = float(attempt.cost)
    _use(attempt.usage, attributes)
    return attributes


def _answer(exchange: Exchange, attempt: Attempt, attributes: Attributes, cleaner: Cleaner) -> None:
    if exchange.response_id is not None:
        attributes["gen_ai.response.id"] = cleaner.text(exchange.response_id)
    if exchange.timing.first_event is not None:
        attributes["gen_ai.response.time_to_first_chunk"] = round(exchange.timing.first_event - attempt.started, 6)
    if attempt.usage is None:
        _use(exchange.usage, attributes)


def _use(usage: Usage | None, attributes: Attributes) -> None:
    if usage is not None:
        attributes["gen_ai.usage.input_tokens"] = usage.input_tokens
        attributes["gen_ai.usage.output_tokens"] = usage.output_tokens
        if usage.cached_tokens:
            attributes["gen_ai.usage.cache_read.input_tokens"] = usage.cached_tokens
        if usage.reasoning_tokens:
            attributes["gen_ai.usage.reasoning.output_tokens"] = usage.reasoning_tokens


def _operation(exchange: Exchange) -> str:
    if exchange.request is not None and exchange.request.dialect != "raw":
        return "chat"
    return exchange.client.path.partition("?")[0].rstrip("/").rpartition("/")[2] or "request"


def _provider(exchange: Exchange, attempt: Attempt) -> str:
    deployment = exchange.deployment
    if deployment is None or deployment.provider.name != attempt.upstream:
        return attempt.upstream
    return _PROVIDERS.get(deployment.provider.kind, deployment.provider.kind)


def otlp_packer(service: str) -> Callable[[Sequence[bytes]], bytes]:
    """Returns what makes the body of an OTLP request of rows; raises ConfigError without OpenTelemetry."""
    try:
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
    except ImportError:
        what = "traces are made by OpenTelemetry, which is not installed"
        raise ConfigError([Problem("trace", 1, 1, what, "pip install 'penstock[otel]'")]) from None
    resource = Resource.create({"service.name": service, "service.version": __version__})
    scope = InstrumentationScope("penstock", __version__)
    kinds = {_SERVER: SpanKind.SERVER, _CLIENT: SpanKind.CLIENT}

    def place(trace_id: str, span_id: str, *, remote: bool) -> Any:
        return SpanContext(int(trace_id, 16), int(span_id, 16), remote, TraceFlags(TraceFlags.SAMPLED))

    def span_of(row: SpanRow) -> Any:
        return ReadableSpan(
            row.name,
            context=place(row.trace_id, row.span_id, remote=False),
            parent=None if row.parent_id is None else place(row.trace_id, row.parent_id, remote=row.kind == _SERVER),
            resource=resource,
            attributes=row.attributes,
            kind=kinds[row.kind],
            status=Status(StatusCode.UNSET) if row.error is None else Status(StatusCode.ERROR, row.error),
            start_time=row.start,
            end_time=row.end,
            instrumentation_scope=scope,
        )

    def pack(rows: Sequence[bytes]) -> bytes:
        parts: list[bytes] = []  # requests of OTLP may be joined to one
        for place in range(0, len(rows), _AT_ONCE):
            spans = [span_of(span) for row in rows[place : place + _AT_ONCE] for span in _decode(row)]
            parts.append(encode_spans(spans).SerializeToString())
            time.sleep(_REST_S)  # a thread of the log's: lets the event loop have the interpreter
        return b"".join(parts)

    return pack
