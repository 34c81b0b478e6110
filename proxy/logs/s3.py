"""The way to a bucket: one object a batch, by S3's protocol."""

from __future__ import annotations

import contextlib
from typing import Any

from ..errors import ConfigError, Problem
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
            import aiobotocore.config
            import aiobotocore.session
            import botocore.exceptions
        except ImportError:
            what = f"{self.where} is written to by aiobotocore, which is not installed"
            raise ConfigError([Problem("log", 1, 1, what, "pip install 'penstock[aws]'")]) from None
        config = self._config
        self._failures = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)
        client = aiobotocore.session.get_session().create_client(
            "s3",
            region_name=config.region,
            endpoint_url=config.endpoint_url,
            aws_access_key_id=None if config.access_key is None else config.access_key.reveal(),
            aws_secret_access_key=None if config.secret_key is None else config.secret_key.reveal(),
            config=aiobotocore.config.AioConfig(
                connect_timeout=min(10.0, self._timeout_s),
                read_timeout=self._timeout_s,
                retries={"total_max_attempts": 1},  # the queue tries again itself
                s3={"addressing_style": "path" if config.endpoint_url else "auto"},
            ),
        )
        self._client = await self._exits.enter_async_context(client)

    async def send(self, name: str, body: bytes) -> None:
        """Writes the object; raises DeliveryFailed."""
        config = self._config
        options: dict[str, str] = {}
        if config.encryption is not None:
            options["ServerSideEncryption"] = config.encryption
        if config.kms_key is not None:
            options["SSEKMSKeyId"] = config.kms_key
        if config.storage_class is not None:
            options["StorageClass"] = config.storage_class
        kind = "application/gzip" if config.compress else "application/x-ndjson"
        try:
            await self._client.put_object(
                Bucket=self._bucket, Key=self.key_of(name), Body=body, ContentType=kind, **options
            )
        except self._failures as error:
            raise DeliveryFailed(str(error)) from error
        except OSError as error:
            raise DeliveryFailed(error.strerror or str(error)) from error

    async def close(self) -> None:
        """Closes the client."""
        await self._exits.aclose()
