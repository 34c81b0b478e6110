"""The stage that tells a tracing system of every exchange."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, field

from proxy.config.types import Secret
from proxy.exchange import Exchange
from proxy.logs.config import DeliveryConfig
from proxy.logs.spans import otlp_packer, spans_of
from proxy.logs.target import RemoteSink, measures_of
from proxy.logs.trace_context import TraceContext, context_of
from proxy.logs.webhook import WebhookSender
from proxy.metrics.measure import Measure
from proxy.redact import Cleaner, credentials
from proxy.stage import ResponseFilter, Stage, StageConfig


class TraceConfig(StageConfig, frozen=True, kw_only=True):
    """Where the spans go, and of which exchanges there are any."""

    to: Annotated[
        str,
        Meta(pattern="^https?://", description="The collector's address for traces, by OTLP over HTTP (protobuf)."),
    ] = "http://localhost:4318/v1/traces"
    headers: Annotated[dict[str, Secret], Meta(description="Headers to send there, such as authorization.")] = field(
        default_factory=dict
    )
    service: Annotated[str, Meta(min_length=1, description="The service's name in the traces.")] = "penstock"
    sample: Annotated[
        float,
        Meta(
            ge=0, le=1, description="The share of exchanges that is traced; where a client names its trace, it decides."
        ),
    ] = 1.0
    propagate: Annotated[
        bool, Meta(description="Whether upstreams are told of the trace, by traceparent and tracestate.")
    ] = True
    delivery: Annotated[DeliveryConfig, Meta(description="How spans are batched, kept and tried again.")] = (
        DeliveryConfig(spill=None)
    )


class Trace(Stage):
    """Tells a tracing system of every exchange, by OpenTelemetry's protocol and its conventions for generative AI.

    An exchange has a span of its own, with how it ended, what it used and cost; each attempt has one below it, with
    `gen_ai.operation.name`, `gen_ai.provider.name`, `gen_ai.request.model`, `gen_ai.usage.*`, the time to the first
    piece of the answer, and its error. What was said is not in them. A client's `traceparent` is honoured, and
    upstreams are told of the exchange's span. The id of the trace stands in the log, as `trace_id`.

    Spans go out in batches, by the same queue as the rows of the log: a collector that is away holds up no answer. They
    are not spilled to disk unless `delivery` says where.

    Example:

        trace:
          to: http://otel-collector:4318/v1/traces
          sample: 0.1
    """

    name = "trace"
    observer = True
    Config = TraceConfig
    config: TraceConfig

    def __init__(self, config: TraceConfig | None = None) -> None:
        super().__init__(config)
        self._sink: RemoteSink | None = None

    async def start(self) -> None:
        """Begins to deliver; raises ConfigError without OpenTelemetry's library."""
        config = self.config
        headers = {name: secret.reveal() for name, secret in config.headers.items()}
        sender = WebhookSender(config.to, "application/x-protobuf", headers)
        self._sink = RemoteSink(sender, config.delivery, self.directory, pack=otlp_packer(config.service))
        await self._sink.start()

    async def close(self) -> None:
        """Delivers what is left."""
        if self._sink is not None:
            await self._sink.close()

    @property
    def lost(self) -> int:
        """How many exchanges' spans were dropped."""
        return 0 if self._sink is None else self._sink.lost

    def measures(self) -> Iterable[Measure]:
        """Yields what is dropped and what waits, for the metrics."""
        return () if self._sink is None else measures_of(self.name, self.config.to, self._sink)

    async def on_request(self, exchange: Exchange) -> Record | None:
        """Finds the exchange's place in a trace, tells the upstream of it, and asks to see the end of a sampled one."""
        assert self._sink is not None
        context = context_of(exchange.client.headers, self.config.sample)
        exchange.marks["trace_id"] = context.trace_id
        if self.config.propagate:
            headers = exchange.marks.setdefault("upstream_headers", {})
            headers["traceparent"] = context.traceparent
            if context.state is not None:
                headers["tracestate"] = context.state
        return Record(self._sink, context) if context.sampled else None


class Record(ResponseFilter):
    """Tells of one exchange."""

    def __init__(self, sink: RemoteSink, context: TraceContext) -> None:
        self._sink = sink
        self._context = context

    async def on_end(self, exchange: Exchange) -> None:
        """Makes its spans, with every secret taken out."""
        cleaner = Cleaner(credentials(exchange.client.headers))
        self._sink.put(spans_of(exchange, self._context, cleaner))
