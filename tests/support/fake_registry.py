"""Small stages and providers with settings of every form, so that tests of the file depend on no real ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from proxy.config.types import Duration, Mistake, Secret, Size
from proxy.errors import UpstreamError
from proxy.exchange import Exchange
from proxy.providers.provider import Decoder, Provider, UpstreamConfig
from proxy.reply import Reply
from proxy.stage import ResponseFilter, Stage, StageConfig
from proxy.upstream.client import UpstreamRequest


class FakeProvider(Provider):
    """A provider that is never asked anything."""

    def build(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns a request that nobody sends."""
        return UpstreamRequest(method="POST", url="http://127.0.0.1/", headers={})

    def passthrough(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns a request that nobody sends."""
        return self.build(exchange, model)

    def decoder(self, exchange: Exchange) -> Decoder:
        """Refuses: there is nothing to decode."""
        raise LookupError(exchange.id)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Returns an error for any status."""
        return UpstreamError(str(status))


class Compatible(FakeProvider):
    """Any server that speaks chat completions."""

    kind = "openai-compatible"

    class Config(UpstreamConfig, kw_only=True, frozen=True):
        """Where the server is."""

        base_url: Annotated[str, Meta(pattern="^https?://", description="Address of the API, with /v1.")]
        api_key: Annotated[Secret | None, Meta(description="Its key.")] = None
        idle: Annotated[Duration, Meta(description="How long it may be silent.")] = Duration(120)


class OpenAI(FakeProvider):
    """OpenAI itself."""

    kind = "openai"

    class Config(UpstreamConfig, kw_only=True, frozen=True):
        """The key."""

        api_key: Annotated[Secret, Meta(description="Its key.")]


class Echo(FakeProvider):
    """Says again what it was told."""

    kind = "echo"

    class Config(UpstreamConfig, kw_only=True, frozen=True):
        """How fast it talks."""

        tokens_per_second: Annotated[float, Meta(gt=0, description="How fast it talks.")] = 50.0


class Auth(Stage):
    """Lets in who has a key."""

    name = "auth"
    sets = ("key",)

    class Config(StageConfig, kw_only=True, frozen=True):
        """Where the keys are."""

        keys: Annotated[str | tuple[str, ...], Meta(description="A file of keys, or the keys.")]


class Settle(ResponseFilter):
    """Counts at the end."""

    async def on_end(self, exchange: Exchange) -> None:
        """Counts."""


class RateLimit(Stage):
    """Refuses a request when its key has asked too often. Counts are exact.

    The counts are kept in memory.

    Example:

        - rate-limit:
            per: key
            requests_per_minute: 600
    """

    name = "rate-limit"
    after = ("auth",)

    class Config(StageConfig, kw_only=True, frozen=True):
        """How often is too often."""

        per: Annotated[Literal["key", "ip"], Meta(description="Whose requests are counted together.")] = "key"
        requests_per_minute: Annotated[
            Annotated[int, Meta(gt=0)] | None, Meta(description="Requests a minute, at most.")
        ] = None
        window: Annotated[Duration, Meta(description="How far back is counted.")] = Duration(60)

    async def on_request(self, exchange: Exchange) -> Settle | Reply | None:
        """Counts."""
        return None


class Words(msgspec.Struct, tag_field="match", tag="words", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Looks for words."""

    words: Annotated[tuple[str, ...], Meta(min_length=1, description="The words.")]
    action: Annotated[Literal["block", "redact"], Meta(description="What to do about it.")] = "block"


class Pattern(msgspec.Struct, tag_field="match", tag="regex", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Looks for a regular expression."""

    pattern: Annotated[str, Meta(description="The expression.")]


class Watch(ResponseFilter):
    """Reads the stream."""

    def on_events(self, exchange: Exchange, events: list[Any]) -> list[Any]:
        """Reads the stream."""
        return events


class Guardrail(Stage):
    """Keeps words from passing."""

    name = "guardrail"
    side = "above"
    advice: Mapping[str, str] = {"route": "it then runs once an attempt, not once a request"}

    class Config(StageConfig, kw_only=True, frozen=True):
        """What may not pass."""

        rules: Annotated[tuple[Words | Pattern, ...], Meta(description="What may not pass.")] = ()
        buffer: Annotated[Size, Meta(description="How much is held back.")] = Size(1024)
        by_model: Annotated[dict[str, tuple[str, ...]], Meta(description="More words, by model.")] = msgspec.field(
            default_factory=dict
        )

        def __post_init__(self) -> None:
            if not self.rules and not self.by_model:
                raise Mistake("there is nothing to look for", "add rules or by_model")

    async def on_request(self, exchange: Exchange) -> Watch | None:
        """Reads the request."""
        return Watch()


class Route(Stage):
    """Chooses an upstream."""

    name = "route"
    sets = ("plan",)

    class Config(StageConfig, kw_only=True, frozen=True):
        """How often to try."""

        retries: Annotated[int, Meta(ge=0, le=10, description="How often to try again.")] = 2
        sticky: Annotated[bool, Meta(description="Whether a client stays where it was.")] = False


class Transform(Stage):
    """Changes parameters."""

    name = "transform"
    once = False

    class Config(StageConfig, kw_only=True, frozen=True):
        """What to change."""

        drop: Annotated[tuple[str, ...], Meta(description="Parameters to leave out.")] = ()
        set: Annotated[dict[str, Any], Meta(description="Parameters to set.")] = msgspec.field(default_factory=dict)


class UpstreamHeaders(Stage):
    """Changes headers of the upstream's request."""

    name = "upstream-headers"
    side = "below"


class Translate(Stage):
    """Turns one dialect into another."""

    name = "stream-translate"
    after = ("route",)
    requires = ("route",)


class Log(Stage):
    """Writes a line for each exchange."""

    name = "log"
    observer = True


PROVIDERS: dict[str, type[Provider]] = {provider.kind: provider for provider in (Compatible, OpenAI, Echo)}
STAGES: dict[str, type[Stage]] = {
    stage.name: stage for stage in (Auth, RateLimit, Guardrail, Route, Transform, UpstreamHeaders, Translate, Log)
}
