"""The way to a bucket: one object a batch, by S3's protocol."""

from __future__ import annotations

import contextlib
from typing import Any

from ..errors import ConfigError, Problem
from ..s3 import make_client, put_options
from .config import S3Config
from .delivery import DeliveryFailed


class S3Sender:
    """Puts batches into a bucket. A key is made of the prefix, the date and the batch's name, so one try is like
    another: it writes the same object.
    """

    def __init__(self, bucket: str, prefix: str, config: S3Config, timeout_s: float) -> None:
        self.where = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bucket = bucket
        self._prefix = prefix.strip("/")
        self._config = config
        self._timeout_s = timeout_s
        self._failures: tuple[type[Exception], ...] = ()
        self._exits = contextlib.AsyncExitStack()
        self._client: Any = None

    def key_of(self, name: str) -> str:
        """Returns the key of a batch: `prefix/2026/11/22/20261122T035559Z_HOST-WORKER-TOKEN_00000001_1000.jsonl.gz`."""
        date = f"{name[:4]}/{name[4:6]}/{name[6:8]}"
        ending = "jsonl.gz" if self._config.compress else "jsonl"
        return "/".join(part for part in (self._prefix, date, f"{name}.{ending}") if part)

    async def start(self) -> None:
        """Makes the client, without asking the server for anything; raises ConfigError without aiobotocore."""
        try:
            import botocore.exceptions

            client = make_client(self._config, connect_s=min(10.0, self._timeout_s), read_s=self._timeout_s)
        except ImportError:
            what = f"{self.where} is written to by aiobotocore, which is not installed"
            raise ConfigError([Problem("log", 1, 1, what, "pip install 'penstock[aws]'")]) from None
        self._failures = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)
        self._client = await self._exits.enter_async_context(client)

    async def send(self, name: str, body: bytes) -> None:
        """Writes the object; raises DeliveryFailed."""
        kind = "application/gzip" if self._config.compress else "application/x-ndjson"
        try:
            await self._client.put_object(
                Bucket=self._bucket, Key=self.key_of(name), Body=body, ContentType=kind, **put_options(self._config)
            )
        except self._failures as error:
            raise DeliveryFailed(str(error)) from error
        except OSError as error:
            raise DeliveryFailed(error.strerror or str(error)) from error

    async def close(self) -> None:
        """Closes the client."""
        await self._exits.aclose()
