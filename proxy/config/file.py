"""The structs of `pipeline.yaml`: what may stand in the file, and what is left of it once it is loaded."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ..errors import Problem
from ..pricing.own import OwnPrice
from ..providers.provider import Provider, TimeoutChanges, UpstreamConfig
from ..stage import Stage, StageConfig
from ..stores.config import StoresConfig
from .listen import Listen
from .problems import Place
from .secret_list import SecretList
from .types import Duration, Secret, Size


class Limits(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What one client may ask of the server, and how long the server waits."""

    body: Annotated[Size, Meta(description="The largest request body, as sent and after decompression.")] = Size(
        32 * 1024 * 1024
    )
    upload: Annotated[
        Size,
        Meta(description="The largest body that is passed on piece by piece: files, and forms with files in them."),
    ] = Size(512 * 1024 * 1024)
    header: Annotated[Size, Meta(description="The largest request head: request line and all headers.")] = Size(
        64 * 1024
    )
    keepalive_comment: Annotated[
        Duration, Meta(description="How long a stream may be silent before a comment is sent to keep it open.")
    ] = Duration(15)
    drain: Annotated[
        Duration, Meta(description="How long running streams may go on after the server was told to stop.")
    ] = Duration(600)
    websocket: Annotated[
        Duration,
        Meta(
            description="How long a WebSocket may be open before its client is told to open a new one; 0 serves none."
        ),
    ] = Duration(3600)
    max_requests: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="How many requests one worker serves at a time.")
    ] = None
    background: Annotated[
        Annotated[int, Meta(ge=1)], Meta(description="How many background responses one worker makes at a time.")
    ] = 64
    background_waiting: Annotated[
        Annotated[int, Meta(ge=0)],
        Meta(
            description="How many background responses may wait for their turn in one worker; more are refused (429)."
        ),
    ] = 1000


class ModelTarget(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One deployment that serves a model, with its share of the requests."""

    use: Annotated[str, Meta(description="The upstream and its name for the model: upstream/model.")]
    weight: Annotated[
        float, Meta(gt=0, le=1_000_000, description="Its share, compared with the others of the model.")
    ] = 1.0
    timeouts: Annotated[
        TimeoutChanges | None, Meta(description="Limits of one attempt here, in the place of the upstream's.")
    ] = None


class AdminConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Who may see and change what the server does, under /admin."""

    key: Annotated[Secret, Meta(description="The admin key: env:NAME, file:PATH, or as it is. No other key opens it.")]


class File(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A pipeline.yaml: where tokens come from, the names clients ask for, and what happens on the way."""

    listen: Annotated[
        Listen,
        Meta(description="The address to serve; beyond the loopback only with a stage that asks for keys."),
    ] = Listen()
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | Literal["auto"],
        Meta(description="How many processes serve the address; auto is one for each processor."),
    ] = 1
    limits: Annotated[Limits, Meta(description="What one client may ask of the server.")] = Limits()
    stores: Annotated[StoresConfig, Meta(description="Where state is kept: responses, counters, keys, the ledger.")] = (
        StoresConfig()
    )
    secret: Annotated[
        SecretList | None,
        Meta(
            description="What seals what clients carry for Penstock: thinking, compactions. Of several the first one "
            "seals and all open. Without it a key is made beside the store's file."
        ),
    ] = None
    admin: Annotated[
        AdminConfig | None, Meta(description="Paths under /admin for whoever has the key; without it there are none.")
    ] = None
    compat: Annotated[
        Literal["litellm"] | None,
        Meta(
            description="litellm adds what clients of LiteLLM's proxy rely on: the HTTP status as error.code, choices "
            "and usage.prompt_tokens on responses that are not streamed, x-litellm-* headers, /health/liveliness and "
            "/health/readiness."
        ),
    ] = None
    server_timing: Annotated[
        bool,
        Meta(
            description="Whether every answer has a Server-Timing header with the milliseconds of each stage; without "
            "it those have that are asked for with the header x-penstock-timing: 1."
        ),
    ] = False
    default_upstream: Annotated[
        str | None,
        Meta(
            description="The upstream of requests that name no model, such as those for /v1/files; by default the only "
            "one that has the endpoint."
        ),
    ] = None
    providers: Annotated[
        Literal["env"] | None,
        Meta(
            description="env serves each provider that the environment has a key for, beside the upstreams of the file "
            "and under its own name: openai/gpt-5-mini, groq/llama-3.3-70b-versatile, also gpt-5-mini."
        ),
    ] = None
    upstreams: Annotated[
        Any, Meta(description="Where tokens come from: a name of your own, then its kind and settings.")
    ]
    models: Annotated[Any, Meta(description="The names clients ask for, and the deployments that serve each.")]
    prices: Annotated[
        Any,
        Meta(
            description="What models cost that the table of prices does not have, or has otherwise: by the name that "
            "clients ask for, by upstream/model or by the upstream's name for it; a * stands for any."
        ),
    ] = None
    pipeline: Annotated[
        Any, Meta(description="The order of processing: a request falls down this list, its response climbs back up.")
    ]


class UpstreamEntry(msgspec.Struct, frozen=True):
    """One upstream of the file, checked, not yet opened: `provider(name, config)` opens it."""

    name: str
    provider: type[Provider]
    config: UpstreamConfig
    place: Place = Place(1, 1)


class DeploymentEntry(msgspec.Struct, frozen=True):
    """One way to serve a model. `model` may hold a `*` that stands for what the `*` in the model's name matched."""

    upstream: str
    model: str
    weight: float = 1.0
    timeouts: TimeoutChanges | None = None


class StageEntry(msgspec.Struct, frozen=True):
    """One entry of the pipeline, checked, not yet started: `stage(config)` makes the stage."""

    name: str
    stage: type[Stage]
    config: StageConfig
    place: Place


class Skipped(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that is left out on this machine, and why. `missing` are variables that would have it served.

    Only what the environment may provide has them; all else stands in the file.
    """

    kind: Literal["upstream", "model"]
    name: str
    reason: str
    missing: tuple[str, ...] = ()


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was loaded and found right. Everything is in the order of the file.

    `digest` tells its text from any other text.
    """

    file: str
    digest: str = ""
    listen: Listen
    workers: int
    limits: Limits
    stores: StoresConfig
    secret: SecretList | None = None
    admin: AdminConfig | None = None
    compat: Literal["litellm"] | None = None
    server_timing: bool = False
    default_upstream: str | None = None
    upstreams: dict[str, UpstreamEntry]
    models: dict[str, tuple[DeploymentEntry, ...]]
    prices: tuple[OwnPrice, ...] = ()
    pipeline: tuple[StageEntry, ...]
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def asks_for_keys(self) -> bool:
        """Whether some stage finds out who is asking, so that the server may listen beyond the loopback."""
        return any("key" in entry.stage.sets for entry in self.pipeline)


def processors() -> int:
    """Returns how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
