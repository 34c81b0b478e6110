"""What everything that is kept in Redis may say of it."""

from __future__ import annotations

import importlib.util
from typing import Annotated

from msgspec import Meta

from .config.types import Duration, Mistake, Secret

_SCHEMES = ("redis://", "rediss://", "unix://")

RedisUrl = Annotated[Secret, Meta(description="redis://HOST:PORT/DB, rediss:// for TLS, unix:// for a socket.")]
KeyPrefix = Annotated[
    Annotated[str, Meta(min_length=1, pattern=r"^[^{}]+$")],
    Meta(description="What the names of its keys begin with, in braces: one hash tag, for Redis Cluster."),
]


def check_redis(url: Secret, timeout: Duration, usual: str) -> None:
    """Raises Mistake where Redis could not be used; `usual` is a timeout that would do."""
    if importlib.util.find_spec("redis") is None:
        raise Mistake("Redis needs a package that is not installed", "pip install 'penstock[redis]'")
    written = url.reveal()
    if written and not written.startswith(_SCHEMES):  # empty: the environment is not looked at
        raise Mistake(
            f"the url of Redis ({url.source}) does not begin with redis://, rediss:// or unix://",
            "write redis://HOST:PORT/DB",
        )
    if not timeout:
        raise Mistake("timeout is 0: Redis could never answer in time", f"write {usual}")
