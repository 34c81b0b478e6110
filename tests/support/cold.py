"""Stores of two tiers over a bucket of moto's, on a clock that a test sets."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from proxy.config.types import Duration, Secret
from proxy.stores.bounds import Bounds
from proxy.stores.cold_bucket import Bucket
from proxy.stores.cold_config import ColdConfig
from proxy.stores.sqlite import SqliteStore
from proxy.stores.sqlite_cold import ColdRule
from proxy.stores.tiered import TieredStore
from tests.support.cold_bucket import remember_nothing, until
from tests.support.s3 import ACCESS_KEY, REGION, SECRET_KEY, S3Server
from tests.support.store_files import rows
from tests.support.stored import Clock


def cold_config(server: S3Server, bucket: str, **settings: Any) -> ColdConfig:
    """Returns settings for a bucket; bodies leave the disk as soon as they may, unless told otherwise."""
    defaults: dict[str, Any] = {"after": Duration(0), "prefix": "penstock/kept", "endpoint_url": server.url}
    defaults["timeout"] = Duration(30)
    return ColdConfig(
        bucket=bucket,
        region=REGION,
        access_key_id=Secret(ACCESS_KEY),
        secret_access_key=Secret(SECRET_KEY),
        **{**defaults, **settings},
    )


class Tiers:
    """Opens stores of one host over one bucket, and looks into both tiers."""

    def __init__(self, server: S3Server, directory: Path) -> None:
        self.server = server
        self.bucket = server.bucket()
        self.path = directory / "kept.db"
        self.clock = Clock()
        self.open: list[TieredStore] = []

    async def store(self, path: Path | None = None, bounds: Bounds | None = None, **settings: Any) -> TieredStore:
        """Returns a started store; `settings` are those of the cold tier."""
        config = cold_config(self.server, self.bucket, **settings)
        rule = ColdRule(after_s=config.after, backlog=config.backlog, content=config.content)
        local = SqliteStore(path or self.path, bounds, clock=self.clock, sweep_every_s=0.02, cold=rule)
        remember_nothing(local)
        store = TieredStore(local, Bucket(config), config.content, flush_s=config.flush, poll_s=0.02, clock=self.clock)
        await store.start()
        self.open.append(store)
        return store

    async def close(self, store: TieredStore) -> None:
        """Closes one."""
        self.open.remove(store)
        await store.close()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Returns what the file says to a connection of its own."""
        return rows(self.path, sql)

    def states(self) -> dict[str, int]:
        """Returns the state of each entry that is moved."""
        return dict(self.rows("SELECT id, state FROM cold JOIN entries ON seq = entry"))

    def keys(self) -> list[str]:
        """Returns the keys of the bucket."""
        pages = self.server.client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", ()))

    def object(self, key: str) -> bytes:
        """Returns an object as it is."""
        body: bytes = self.server.client().get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def plain(self, key: str) -> bytes:
        """Returns an object as JSON."""
        return zstd.decompress(self.object(key))

    async def until_alone(self, *ids: str) -> None:
        """Waits until the bodies of these entries are in the bucket alone."""
        await until(lambda: all(self.states().get(id) == 2 for id in ids))

    async def until_gone(self, *, again: bool = False) -> None:
        """Waits until nothing is left to be removed in the bucket, but for what is removed once more later."""
        more = "WHERE again" if again else ""
        await until(lambda: self.rows(f"SELECT count(*) FROM cold_gone {more}") == [(0,)])


@asynccontextmanager
async def tiers(server: S3Server, directory: Path) -> AsyncIterator[Tiers]:
    """Gives a host of its own over a bucket of its own; closes its stores at the end."""
    made = Tiers(server, directory)
    try:
        yield made
    finally:
        for store in made.open:
            await store.close()
