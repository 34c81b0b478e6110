"""What `stores:` of the file may say, and the stores made from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from ..auth.store_config import KeysConfig
from ..config.types import Duration, Mistake, Size
from ..counters.config import CountersConfig, SharedConfig
from ..deferred import Deferred, load
from ..ledger.config import LedgerConfig
from ..redis_config import KeyPrefix, RedisUrl, check_redis
from .bounds import Bounds
from .cold_config import ColdConfig
from .conversation_memory import MemoryConversations
from .conversation_sqlite import SqliteConversations
from .conversations import ConversationBounds, ConversationStore
from .memory import MemoryStore
from .sqlite import SqliteStore
from .sqlite_cold import ColdRule
from .store import ResponseStore

if TYPE_CHECKING:
    from . import cold_bucket, redis_store, tiered
else:
    redis_store = Deferred("proxy.stores.redis_store")
    cold_bucket, tiered = Deferred("proxy.stores.cold_bucket"), Deferred("proxy.stores.tiered")

_MONTH = Duration(30 * 86400)

Keep = Annotated[
    Duration,
    Meta(description="How long a response is kept after it was made, and a conversation after its last change."),
]
Resume = Annotated[
    Duration, Meta(description="How long the events of a stream can be read again after its end; 0 keeps none.")
]
MaxResponses = Annotated[
    Annotated[int, Meta(ge=1)],
    Meta(description="How many responses are kept; beyond, the oldest finished ones are forgotten."),
]
MaxBytes = Annotated[
    Size,
    Meta(
        description="How many bytes of JSON and of events are kept, before compression; beyond, the oldest go: "
        "the events of streams first, then finished responses. Conversations may take as much again."
    ),
]
MaxConversations = Annotated[
    Annotated[int, Meta(ge=1)],
    Meta(description="How many conversations are kept; beyond, those unchanged for the longest time are forgotten."),
]
MaxConversationItems = Annotated[
    Annotated[int, Meta(ge=1)],
    Meta(description="How many items a conversation may have; all of them are part of every turn."),
]


class _Kind(msgspec.Struct, tag_field="kind", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Base of the kinds of store."""


class SqliteConfig(_Kind, tag="sqlite", frozen=True):
    """Responses in one SQLite file on a local disk, shared by all workers of the host; they outlive a restart."""

    path: Annotated[
        str, Meta(min_length=1, description="The file, from the directory of this one; made when it is not there.")
    ] = "./penstock.db"
    keep: Keep = _MONTH
    resume: Resume = Duration(600)
    max_responses: MaxResponses = 100_000
    max_bytes: MaxBytes = Size(2 * 1024**3)
    max_conversations: MaxConversations = 100_000
    max_conversation_items: MaxConversationItems = 10_000
    on_corrupt: Annotated[
        Literal["refuse", "move-aside"],
        Meta(description="What to do when the file is broken: not start, or rename it and begin a new one."),
    ] = "refuse"


class MemoryConfig(_Kind, tag="memory", frozen=True):
    """Responses in memory: gone after a restart, and each worker knows its own only."""

    keep: Keep = _MONTH
    resume: Resume = Duration(600)
    max_responses: MaxResponses = 10_000
    max_bytes: MaxBytes = Size(256 * 1024**2)
    max_conversations: MaxConversations = 10_000
    max_conversation_items: MaxConversationItems = 10_000


class RedisStoreConfig(_Kind, tag="redis", frozen=True):
    """Responses in Redis, shared by all hosts that use it. Conversations are not kept there.

    Redis must not evict keys (maxmemory-policy noeviction): what is too much is forgotten by the bounds here.
    """

    url: RedisUrl
    prefix: KeyPrefix = "penstock"
    timeout: Annotated[Duration, Meta(description="How long a call waits for Redis; then clients get a 503.")] = (
        Duration(2)
    )
    keep: Keep = _MONTH
    resume: Resume = Duration(600)
    max_responses: MaxResponses = 100_000
    max_bytes: MaxBytes = Size(2 * 1024**3)

    def __post_init__(self) -> None:
        check_redis(self.url, self.timeout, "2s")
        load(redis_store)


class NoneConfig(_Kind, tag="none", frozen=True):
    """No response is kept: none can be retrieved or continued."""


ResponsesConfig = SqliteConfig | MemoryConfig | RedisStoreConfig | NoneConfig


class StoresConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where state is kept."""

    responses: Annotated[ResponsesConfig, Meta(description="Where responses and their chains are kept.")] = (
        SqliteConfig()
    )
    cold: Annotated[
        ColdConfig | None,
        Meta(description="A bucket of S3 that has responses too, and has them alone once they are old."),
    ] = None
    counters: Annotated[CountersConfig, Meta(description="Where limits and budgets are counted.")] = SharedConfig()
    ledger: Annotated[
        LedgerConfig | None,
        Meta(description="Where it is written down what each request has cost, and whom; without it that is not."),
    ] = None
    keys: Annotated[
        KeysConfig, Meta(description="Where the keys are that `penstock keys` makes, for auth: {keys: store}.")
    ] = KeysConfig()

    def __post_init__(self) -> None:
        if self.cold is None:
            return
        if not isinstance(self.responses, SqliteConfig):
            raise Mistake("cold needs responses on disk, where they wait for it", "write responses: {kind: sqlite}")
        if self.cold.after >= self.responses.keep:
            raise Mistake("cold.after is not shorter than responses.keep: nothing would ever leave", "lower cold.after")
        load(cold_bucket, tiered)


def make_store(config: ResponsesConfig, directory: Path, cold: ColdConfig | None = None) -> ResponseStore | None:
    """Returns the store for its settings, not yet started; None when responses are not kept.

    Relative paths begin at `directory`. With `cold`, what is on disk is moved to a bucket.
    """
    if isinstance(config, NoneConfig):
        return None
    bounds = Bounds(keep_s=config.keep, max_responses=config.max_responses, max_bytes=config.max_bytes)
    if isinstance(config, MemoryConfig):
        return MemoryStore(bounds)
    if isinstance(config, RedisStoreConfig):
        return redis_store.RedisStore(config.url.reveal(), bounds, prefix=config.prefix, timeout_s=config.timeout)
    path = directory / Path(config.path).expanduser()
    if cold is None:
        return SqliteStore(path, bounds, on_corrupt=config.on_corrupt)
    rule = ColdRule(after_s=cold.after, backlog=cold.backlog, content=cold.content)
    local = SqliteStore(path, bounds, on_corrupt=config.on_corrupt, cold=rule)
    return tiered.TieredStore(local, cold_bucket.Bucket(cold), cold.content, flush_s=cold.flush)


def make_conversations(config: ResponsesConfig, directory: Path) -> ConversationStore | None:
    """Returns the store of conversations, which is where the responses are; None without one."""
    if isinstance(config, NoneConfig | RedisStoreConfig):
        return None
    bounds = ConversationBounds(
        keep_s=config.keep,
        max_conversations=config.max_conversations,
        max_items=config.max_conversation_items,
        max_bytes=config.max_bytes,
    )
    if isinstance(config, MemoryConfig):
        return MemoryConversations(bounds)
    return SqliteConversations(directory / Path(config.path).expanduser(), bounds, on_corrupt=config.on_corrupt)
