"""Where rows go: a standard stream, a file, a bucket, a server."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..deferred import Deferred
from ..errors import ConfigError, Problem
from ..linesink import LineSink
from ..metrics.measure import Measure
from ..redact import redact
from .chain import Chain
from .config import AuditConfig, DeliveryConfig, RotateConfig, S3Config, WebhookConfig
from .rotation import Rotation

if TYPE_CHECKING:
    from . import delivery, s3, webhook
else:  # a file needs none of them
    delivery, s3, webhook = (Deferred(f"proxy.logs.{name}") for name in ("delivery", "s3", "webhook"))

Pack = Callable[[Sequence[bytes]], bytes]
"""Makes the bytes of a batch out of rows."""

STREAMS: Mapping[str, int] = {"stdout": 1, "stderr": 2}


class Sink(Protocol):
    """Takes rows as lines of JSON. `lost` counts those that were dropped."""

    @property
    def lost(self) -> int:
        """How many rows were dropped."""

    @property
    def waiting_bytes(self) -> int:
        """How many bytes of rows wait in memory."""

    async def start(self) -> None:
        """Makes ready; raises ConfigError."""

    def put(self, row: bytes) -> None:
        """Takes a row. Never waits and never fails."""

    async def close(self) -> None:
        """Writes or delivers what is left, within its time."""


def kind_of(to: str) -> str:
    """Returns `stream`, `file`, `s3` or `webhook` for what `to` says."""
    if to in STREAMS:
        return "stream"
    return {"s3": "s3", "http": "webhook", "https": "webhook"}.get(
        to.partition("://")[0] if "://" in to else "", "file"
    )


def measures_of(stage: str, to: str, sink: Sink) -> Iterator[Measure]:
    """Yields what a sink tells of itself to the metrics."""
    labels = {"stage": stage, "to": redact(to.partition("?")[0])}
    lost, waiting = float(sink.lost), float(sink.waiting_bytes)
    yield Measure("penstock_log_lost_rows_total", "counter", "Rows of the log that were dropped.", lost, labels)
    yield Measure("penstock_log_waiting_bytes", "gauge", "Bytes of rows that wait in memory.", waiting, labels)


class FileSink:
    """A file or a standard stream."""

    def __init__(
        self, to: str, directory: Path, rotate: RotateConfig | None = None, audit: AuditConfig | None = None
    ) -> None:
        self._path = directory / Path(to).expanduser()
        if to in STREAMS:
            self._lines = LineSink(STREAMS[to])
        else:
            chain = None
            if audit is not None:
                chain = Chain(self._path, None if audit.key is None else audit.key.reveal(), sync=audit.sync)
            rotation = None if rotate is None else Rotation(self._path, rotate)
            self._lines = LineSink(self._path, rotation=rotation, chain=chain)

    @property
    def lost(self) -> int:
        """How many rows were dropped."""
        return self._lines.lost

    @property
    def waiting_bytes(self) -> int:
        """How many bytes of rows wait in memory."""
        return self._lines.waiting_bytes

    async def start(self) -> None:
        """Opens the file; raises ConfigError when it cannot be written."""
        try:
            self._lines.open()
        except OSError as error:
            what = f"the log cannot be written there: {(error.strerror or str(error)).lower()}"
            raise ConfigError([Problem(str(self._path), 1, 1, what, "check the path and its rights")]) from None

    @property
    def put(self) -> Callable[[bytes], None]:
        """Takes a row. Hot: whoever takes it once needs no step between."""
        return self._lines.write

    async def close(self) -> None:
        """Writes what is left."""
        await asyncio.to_thread(self._lines.close)


class RemoteSink:
    """A bucket or a server, behind the queue of all remote sinks."""

    def __init__(self, sender: delivery.Sender, config: DeliveryConfig, directory: Path, pack: Pack = b"".join) -> None:
        spill = None
        if config.spill is not None:  # one directory a destination: nobody must deliver what is meant for another
            name = hashlib.sha256(f"{sender.where} {pack is packed}".encode()).hexdigest()[:16]
            spill = directory / Path(config.spill).expanduser() / name
        self._spill = spill
        self._delivery = delivery.Delivery(sender, config, spill, pack)

    @property
    def lost(self) -> int:
        """How many rows were dropped."""
        return self._delivery.lost

    @property
    def waiting_bytes(self) -> int:
        """How many bytes of rows wait in memory."""
        return self._delivery.waiting_bytes

    async def start(self) -> None:
        """Begins to deliver; raises ConfigError when batches could not be spilled."""
        try:
            await self._delivery.start()
        except OSError as error:
            what = f"batches cannot be spilled there: {(error.strerror or str(error)).lower()}"
            raise ConfigError([Problem(str(self._spill), 1, 1, what, "check the path and its rights")]) from None

    def put(self, row: bytes) -> None:
        """Takes a row."""
        self._delivery.put(row)

    async def close(self) -> None:
        """Delivers what is left, or spills it."""
        await self._delivery.close()


def s3_sink(to: str, config: S3Config, delivery: DeliveryConfig, directory: Path) -> RemoteSink:
    """Returns the sink of `s3://BUCKET/PREFIX`."""
    bucket, _, prefix = to.removeprefix("s3://").partition("/")
    sender = s3.S3Sender(bucket, prefix, config, float(delivery.timeout))
    return RemoteSink(sender, delivery, directory, packed if config.compress else b"".join)


def webhook_sink(to: str, config: WebhookConfig, delivery: DeliveryConfig, directory: Path) -> RemoteSink:
    """Returns the sink of a URL; rows are posted as lines of JSON."""
    headers = {name: secret.reveal() for name, secret in config.headers.items()}
    secret = None if config.secret is None else config.secret.reveal()
    return RemoteSink(webhook.WebhookSender(to, "application/x-ndjson", headers, secret), delivery, directory)


def packed(rows: Sequence[bytes]) -> bytes:
    """Returns rows compressed by gzip."""
    return gzip.compress(b"".join(rows), 6, mtime=0)
