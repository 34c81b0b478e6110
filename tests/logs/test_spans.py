"""The spans of an exchange, as a collector reads them."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from proxy.errors import ConfigError, RateLimited, UpstreamCut
from proxy.events import Usage
from proxy.exchange import Attempt, Exchange, Key
from proxy.logs.spans import otlp_packer, spans_of
from proxy.logs.trace_context import TraceContext, context_of
from proxy.redact import Cleaner
from tests.support.drive import asking, exchange_of

KEY = "sk-planted0123456789"


def read(body: bytes) -> list[dict[str, Any]]:
    """Returns the spans of an OTLP request, attributes as plain values."""
    request = ExportTraceServiceRequest.FromString(body)
    spans = []
    for resource in request.resource_spans:
        service = {each.key: each.value.string_value for each in resource.resource.attributes}["service.name"]
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            attributes = {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}
            spans.append(
                {
                    "service": service,
                    "name": span.name,
                    "trace": span.trace_id.hex(),
                    "id": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "kind": span.kind,
                    "ms": (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6,
                    "status": (span.status.code, span.status.message),
                    **attributes,
                }
            )
    return spans


def told(exchange: Exchange, context: TraceContext | None = None) -> list[dict[str, Any]]:
    row = spans_of(exchange, context or context_of({}, 1.0), Cleaner())
    return read(otlp_packer("river")([row]))


def used(exchange: Exchange) -> Exchange:
    exchange.usage = Usage(10, 5, cached_tokens=4, reasoning_tokens=2, total_tokens=15)
    exchange.cost = Decimal("0.25")
    exchange.attempts = [
        Attempt("a", "up-1", 100.0, 503, "overloaded"),
        Attempt("b", "up-2", 100.5, 200, usage=exchange.usage, cost=exchange.cost),
    ]
    exchange.timing.started, exchange.timing.wall = 99.0, 1_700_000_000.0
    exchange.timing.first_event, exchange.timing.ended = 100.75, 102.5
    exchange.outcome, exchange.head_status, exchange.response_id = "completed", 200, "resp_1"
    return exchange


def test_an_exchange_and_its_attempts() -> None:
    context = context_of({"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, 1.0)
    own, first, second = told(used(exchange_of(asking(model="fast"), key=Key("ci", team="t"))), context)
    assert own["name"] == "POST /v1/responses"
    assert (own["trace"], own["id"], own["parent"]) == (context.trace_id, context.span_id, context.parent_id)
    assert (own["service"], own["kind"], own["ms"], own["status"]) == ("river", 2, 3500, (0, ""))
    assert (own["penstock.outcome"], own["http.response.status_code"], own["penstock.cost"]) == ("completed", 200, 0.25)
    assert (own["gen_ai.request.model"], own["penstock.key"], own["penstock.team"]) == ("fast", "ci", "t")
    assert own["gen_ai.usage.cache_read.input_tokens"] == 4
    assert (first["name"], first["kind"], first["ms"]) == ("chat up-1", 3, 500)
    assert (first["error.type"], first["http.response.status_code"]) == ("overloaded", 503)
    assert first["status"] == (2, "overloaded")
    assert first["trace"] == second["trace"] == context.trace_id
    assert first["parent"] == second["parent"] == context.span_id
    assert (second["name"], second["ms"], second["status"]) == ("chat up-2", 2000, (0, ""))
    assert (second["gen_ai.operation.name"], second["gen_ai.provider.name"]) == ("chat", "b")
    assert (second["gen_ai.usage.input_tokens"], second["gen_ai.usage.output_tokens"]) == (10, 5)
    assert (second["gen_ai.response.id"], second["gen_ai.response.time_to_first_chunk"]) == ("resp_1", 0.25)


def test_many_exchanges_are_one_request() -> None:
    rows = [spans_of(exchange_of(), context_of({}, 1.0), Cleaner()) for _ in range(20)]
    spans = read(otlp_packer("river")(rows))
    assert len({span["id"] for span in spans}) == len({span["trace"] for span in spans}) == 20
    assert {span["service"] for span in spans} == {"river"}


def test_a_refusal_is_no_error_of_the_server() -> None:
    exchange = exchange_of()
    exchange.error, exchange.outcome, exchange.head_status = RateLimited("Too much."), "rejected", 429
    (own,) = told(exchange)
    assert (own["error.type"], own["penstock.outcome"], own["status"][0]) == ("rate_limit_exceeded", "rejected", 0)


def test_a_failure_is_one() -> None:
    exchange = exchange_of()
    exchange.error, exchange.outcome, exchange.head_status = UpstreamCut(f"lost with {KEY}"), "failed", 200
    (own,) = told(exchange)
    assert own["status"] == (2, "lost with ***")


def test_no_secret_is_in_a_span() -> None:
    exchange = used(exchange_of(asking(model=KEY), headers={"user-agent": KEY}, key=Key(KEY, team=KEY)))
    exchange.id, exchange.response_id = KEY, KEY
    exchange.attempts.append(Attempt(KEY, KEY, 101.0, None, KEY))
    body = otlp_packer("river")([spans_of(exchange, context_of({}, 1.0), Cleaner())])
    assert b"planted" not in body


def test_without_the_library_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(ConfigError, match=r"pip install 'penstock\[otel\]'"):
        otlp_packer("river")
