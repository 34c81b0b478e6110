"""The provider of the echo models: a chat-completions upstream within the process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec

from ...api.responses.request import ResponsesRequest
from ...api.responses.tool_map import ToolMap
from ...errors import UpstreamError
from ...request import Dialect, ModelRequest
from ...upstream.client import UpstreamRequest
from ..chat.build import build_body
from ..chat.decoder import ChatDecoder
from ..chat.errors import refused
from ..chat.profile import ChatProfile
from ..chat.sealing import sealer
from ..connection import TimeoutSettings
from ..provider import Decoder, Provider, TranslateOptions, UpstreamConfig
from .client import EchoClient
from .models import model_names

if TYPE_CHECKING:
    from ...exchange import Exchange

_URL = "echo:/v1/chat/completions"
_HEADERS = {"content-type": "application/json"}
_ENCRYPTED = "reasoning.encrypted_content"

PROFILE = ChatProfile(service_tier=True)
"""What the echo models take: like most chat servers, they know only function tools."""


class EchoConfig(UpstreamConfig, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Built-in chat models that need no key and no network: echo, echo-reasoning, echo-tools and others."""

    tokens_per_s: Annotated[
        float, msgspec.Meta(ge=0, description="Pace of the answers, in tokens a second; 0 is as fast as possible.")
    ] = 0.0
    timeouts: Annotated[TimeoutSettings, msgspec.Meta(description="Limits of one attempt.")] = TimeoutSettings()


class Echo(Provider):
    """Answers from within the process; see `models` for what there is to ask, and `directives` for how to script it."""

    kind: ClassVar[str] = "echo"
    dialects: frozenset[Dialect] = frozenset(("chat",))
    Config = EchoConfig
    config: EchoConfig

    def __init__(self, name: str, config: EchoConfig) -> None:
        super().__init__(name, config)
        self.timeouts = config.timeouts.for_client()
        self.client = EchoClient(config.tokens_per_s)

    async def close(self) -> None:
        """Ends all answers."""
        await self.client.close()

    def build(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns the chat request for the exchange's request, and leaves the map of its tools in its marks."""
        request: ModelRequest = exchange.request
        if not isinstance(request, ResponsesRequest):
            return self.passthrough(exchange, model)
        options = exchange.translate or TranslateOptions()
        body, names = build_body(request, model, PROFILE, options, exchange.ignore, self.sealing)
        exchange.marks["tools"] = names
        return _request(body)

    def passthrough(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns the chat request as it is but for the model's name, and asking for the count of tokens."""
        request = exchange.request
        fields: dict[str, Any] = {**request.fields, "model": model}
        if request.stream:
            options = request.get("stream_options")
            fields["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
        exchange.marks["tools"] = ToolMap()
        return _request(msgspec.json.encode(fields))

    def decoder(self, exchange: Exchange) -> Decoder:
        """Returns a decoder for one answer."""
        return ChatDecoder()

    def sealer(self, exchange: Exchange, model: str) -> Callable[[dict[str, Any], str], str | None] | None:
        """Returns what seals thinking, when the client asked for it."""
        request: ModelRequest = exchange.request
        return (
            sealer(model, self.sealing) if isinstance(request, ResponsesRequest) and request.wants(_ENCRYPTED) else None
        )

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Maps an error answer to the tree of errors."""
        return refused(self.name, status, headers, body, advice="the echo models were asked to say so")

    async def models(self) -> list[str]:
        """Returns the names of the echo models."""
        return model_names()


def _request(body: bytes) -> UpstreamRequest:
    return UpstreamRequest(method="POST", url=_URL, headers=dict(_HEADERS), body=body)
