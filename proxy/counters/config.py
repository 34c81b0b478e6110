"""What `stores.counters` of the file may say, and the counters made from it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from ..config.types import Duration, Mistake
from ..deferred import Deferred, load
from ..redis_config import KeyPrefix, RedisUrl, check_redis
from .limits import Counters
from .local import LocalCounters
from .shared import SharedCounters

if TYPE_CHECKING:
    from . import redis_counters
else:
    redis_counters = Deferred("proxy.counters.redis_counters")

TABLE = "PENSTOCK_COUNTERS"
"""The variable that names the table of workers that have no file of their own to keep it in."""

_of_process: dict[tuple[int, str], Counters] = {}


class _Kind(msgspec.Struct, tag_field="kind", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Base of the kinds of counters."""


class SharedConfig(_Kind, tag="shared", frozen=True):
    """Counters of this host, exact over its workers, in a table that all of them have in memory."""

    path: Annotated[
        str | None,
        Meta(
            description="The table's file, from the directory of this one, on a local disk. By default it is beside "
            "the store of responses; without one on disk what was counted is gone after a restart."
        ),
    ] = None
    lease: Annotated[Duration, Meta(description="How long what a killed worker has held of limits stays held.")] = (
        Duration(15)
    )

    def __post_init__(self) -> None:
        _check_lease(self.lease)


class RedisConfig(_Kind, tag="redis", frozen=True):
    """Counters in Redis, exact over all hosts that use it."""

    url: RedisUrl
    prefix: KeyPrefix = "penstock"
    timeout: Annotated[Duration, Meta(description="How long a decision waits for Redis.")] = Duration(0.1)
    on_failure: Annotated[
        Literal["local", "open", "closed"],
        Meta(
            description="While Redis does not answer: each host counts for itself, nothing is limited, or requests "
            "are refused (503). What was used meanwhile is counted when it answers again."
        ),
    ] = "local"
    lease: Annotated[
        Duration, Meta(description="How long what a host that vanished has held of limits stays held.")
    ] = Duration(30)

    def __post_init__(self) -> None:
        _check_lease(self.lease)
        check_redis(self.url, self.timeout, "100ms")
        load(redis_counters)


CountersConfig = SharedConfig | RedisConfig


def make_counters(config: CountersConfig, responses: Path | None, directory: Path) -> Counters:
    """Returns the counters for their settings, not yet started; `responses` is the file of the store, if it has one.

    Those of this host are the same at every call in a process: a new pipeline hands out no fresh quotas. Relative paths
    begin at `directory`. Raises OSError, and ValueError for a file that is no table.
    """
    if isinstance(config, RedisConfig):
        settings = redis_counters.RedisSettings(
            url=config.url.reveal(),
            prefix=config.prefix,
            timeout_s=config.timeout,
            lease_s=config.lease,
            on_failure=config.on_failure,
        )
        return redis_counters.RedisCounters(settings, _of_host(SharedConfig(), responses, directory))
    return _of_host(config, responses, directory)


def _of_host(config: SharedConfig, responses: Path | None, directory: Path) -> Counters:
    path = os.environ.get(TABLE)
    if config.path is not None:
        path = str(directory / Path(config.path).expanduser())
    elif responses is not None and responses.parent.is_dir():
        path = str(responses.with_name(f"{responses.name}-counters"))
    key = os.getpid(), os.path.abspath(path) if path else ""
    counters = _of_process.get(key)
    if counters is None:
        for other in [other for other in _of_process if other[0] != key[0]]:  # inherited from another process by a fork
            del _of_process[other]
        counters = SharedCounters(path, lease_s=config.lease) if path else LocalCounters()
        _of_process[key] = counters
    return counters


def _check_lease(lease: Duration) -> None:
    if lease < 1:
        raise Mistake("the lease is shorter than a second", "write 15s")
