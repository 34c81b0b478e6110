"""The stage that writes down every exchange."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from proxy.config.types import Mistake, Size
from proxy.events import Event
from proxy.exchange import Exchange
from proxy.logs.config import AuditConfig, DeliveryConfig, RotateConfig, S3Config, WebhookConfig
from proxy.logs.content import Content, ContentBounds, Said, Writer
from proxy.logs.row import Rows, encode
from proxy.logs.target import FileSink, Sink, kind_of, measures_of, s3_sink, webhook_sink
from proxy.metrics.measure import Measure
from proxy.redact import credentials
from proxy.stage import ResponseFilter, Stage, StageConfig

_FITS = {"rotate": "file", "audit": "file", "s3": "s3", "webhook": "webhook"}
_WHAT = {"file": "a file", "s3": "s3://BUCKET/PREFIX", "webhook": "a URL"}


class LogConfig(StageConfig, frozen=True, kw_only=True):
    """Where the lines go, and what is in them."""

    to: Annotated[
        str,
        Meta(
            min_length=1,
            description="stdout, stderr, the path of a file, s3://BUCKET/PREFIX, or a URL that batches are posted to. "
            "A file that was renamed or removed is opened anew; several workers may write to one.",
        ),
    ] = "stdout"
    content: Annotated[
        Literal["none", "redacted", "full"],
        Meta(
            description="Whether messages and tool calls are written down: not at all; as guardrails have left them, "
            "without what looks like a secret; or as guardrails have left them."
        ),
    ] = "none"
    content_limit: Annotated[
        Size,
        Meta(
            description="The most of an exchange's input, and of its output, that is written down; of longer input "
            "the beginning and the end."
        ),
    ] = Size(32 * 1024)
    sample: Annotated[
        float,
        Meta(gt=0, le=1, description="The share of completed exchanges that is written down; all others always are."),
    ] = 1.0
    rotate: Annotated[RotateConfig | None, Meta(description="When a new file begins.")] = None
    audit: Annotated[
        AuditConfig | None,
        Meta(description="Chains the lines of a file by hashes; `penstock audit verify` finds changes. {} will do."),
    ] = None
    s3: Annotated[S3Config | None, Meta(description="How the bucket is reached.")] = None
    webhook: Annotated[WebhookConfig | None, Meta(description="How batches are posted.")] = None
    delivery: Annotated[
        DeliveryConfig | None, Meta(description="How rows to S3 or a URL are batched, kept and tried again.")
    ] = None

    def __post_init__(self) -> None:
        kind = kind_of(self.to)
        for name, wanted in _FITS.items():
            if getattr(self, name) is not None and kind != wanted:
                raise Mistake(f"{name} is for rows that go to {_WHAT[wanted]}", f"remove it, or change to: {self.to}")
        if self.delivery is not None and kind not in ("s3", "webhook"):
            raise Mistake("delivery is for rows that go to S3 or to a URL", "remove it")
        if kind == "s3" and not self.to.removeprefix("s3://").partition("/")[0]:
            raise Mistake(f'"{self.to}" names no bucket', "write s3://BUCKET/PREFIX")
        if self.audit is not None and self.sample < 1:
            raise Mistake("an audit has all exchanges", "remove sample")


class Log(Stage):
    """Writes one line of JSON for every exchange, also for those that were refused, failed or left by their client.

    A line says who asked for what, who answered, how it ended, what was used and how long it took: `time`,
    `user_agent`, `key`, `owner`, `team`, `user`, `dialect`, `path`, `model`, `stream`, `upstream`, `upstream_model`,
    `id`, `response_id`, `client`, `end_user`, `attempts`, `status`, `outcome`, `kept`, `error`, `usage`, `cost` (in
    dollars, of all attempts; null where no price is known), `cost_estimated`, `timing_ms`, `ignored`, `guardrail` and
    `trace_id`.
    Texts are cut to 500 characters; what looks like a key or a password, or is a secret of the file, becomes `***`.

    What was said is in it only where `content` asks for that: `content` then has `input` (the texts as stages have
    left them, without earlier turns), `output` (what reached the client) and `withheld`, why there is no input: where
    no upstream was asked, some stage may not have looked at it. Answers of what is passed on to other endpoints are
    not in it. Streams are then read event by event, and not passed on as they are.

    It stands anywhere in the list and sees the same. Nothing that is slow, full or away holds up an answer. For a file,
    16 MiB of lines wait. For S3 and URLs, rows go out in batches and leave the queue when they were delivered; until
    then they are tried again, and spilled to disk while the other side fails or when memory is full; the next start
    delivers what is left there. A batch has one name for ever: one that is written to S3 twice is the same object. What
    is dropped in the end is counted and said; a process that is killed takes the rows of its last seconds with it.

    With `audit`, all workers write one chain: each line has `seq`, `prev` (the hash of the line before) and `hash`. It
    goes on over rotation and restarts, and `FILE.anchor` holds its end. `penstock audit verify FILE...` finds the first
    line that was changed, removed or inserted, and whether lines are missing at the end.

    Example:

        log:
          to: ./audit.jsonl
          content: redacted
          rotate: {size: 100MB, every: 1d, files: 30}
          audit: {}
    """

    name = "log"
    observer = True
    once: ClassVar[bool] = False
    Config = LogConfig
    config: LogConfig

    _write: Write

    def __init__(self, config: LogConfig | None = None) -> None:
        super().__init__(config)
        self._sink: Sink | None = None
        content = self.config.content
        self._bounds = None if content == "none" else ContentBounds(content, int(self.config.content_limit))

    async def start(self) -> None:
        """Opens the file, or begins to deliver; raises ConfigError when that cannot be done."""
        config, delivery = self.config, self.config.delivery or DeliveryConfig()
        kind = kind_of(config.to)
        sink: Sink
        if kind == "s3":
            sink = s3_sink(config.to, config.s3 or S3Config(), delivery, self.directory)
        elif kind == "webhook":
            sink = webhook_sink(config.to, config.webhook or WebhookConfig(), delivery, self.directory)
        else:
            sink = FileSink(config.to, self.directory, config.rotate, config.audit)
        self._sink = sink
        self._write = Write(sink, Rows(), config.sample)
        await sink.start()

    async def close(self) -> None:
        """Writes what is left."""
        if self._sink is not None:
            await self._sink.close()

    @property
    def lost(self) -> int:
        """How many rows were dropped."""
        return 0 if self._sink is None else self._sink.lost

    def measures(self) -> Iterable[Measure]:
        """Yields what is dropped and what waits, for the metrics."""
        return () if self._sink is None else measures_of(self.name, self.config.to, self._sink)

    async def on_request(self, exchange: Exchange) -> Write | WriteContent:
        """Asks to see the end, and the answer where it is to be written down."""
        if self._bounds is None:
            return self._write
        return WriteContent(self._write, self._bounds)


class Write(ResponseFilter):
    """Writes the lines of exchanges. It knows nothing of one before its end, so that all of them share it."""

    ends_at_once = True

    def __init__(self, sink: Sink, rows: Rows, sample: float) -> None:
        self._put = sink.put
        self._row = rows.row
        self._sample = sample

    async def on_end(self, exchange: Exchange) -> None:
        """Writes one, with every secret taken out at this last moment, wherever it came from."""
        if self._sample == 1.0 or self._is_wanted(exchange):
            self._put(self._row(exchange, credentials(exchange.client.headers)))

    def with_content(self, exchange: Exchange, content: Callable[[list[str]], Content]) -> None:
        """Writes one with what was said, which `content` returns without the secrets that it is given."""
        if self._is_wanted(exchange):
            secrets = credentials(exchange.client.headers)
            row = self._row(exchange, secrets)
            self._put(row[:-2] + b',"content":' + encode(content(secrets)) + b"}\n")

    def _is_wanted(self, exchange: Exchange) -> bool:
        return exchange.outcome != "completed" or random.random() < self._sample


class WriteContent(ResponseFilter):
    """Writes the line of one exchange with what was said."""

    ends_at_once = True

    def __init__(self, write: Write, bounds: ContentBounds) -> None:
        self._write = write
        self._bounds = bounds
        self._said = Said(bounds.most)

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        """Notes what goes to the client. Hot: once a read."""
        self._said.take(events)
        return events

    def on_text(self, exchange: Exchange, text: str) -> bool:
        """Notes it too. Hot: once a read."""
        self._said.add_text(text)
        return True

    async def on_end(self, exchange: Exchange) -> None:
        """Writes it."""
        self._write.with_content(exchange, lambda secrets: Writer(self._bounds, secrets).content(exchange, self._said))
