"""The provider for upstreams that speak OpenAI's chat completions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from ...api.raw import Raw, given
from ...api.responses.request import ResponsesRequest
from ...api.responses.tool_map import ToolMap
from ...errors import BadRequest, UpstreamError
from ...request import Dialect
from ...upstream.client import UpstreamRequest
from ..chat.build import build_body
from ..chat.decoder import ChatDecoder
from ..chat.errors import refused
from ..chat.profile import ChatProfile
from ..chat.sealing import sealer
from ..connection import ConnectedConfig
from ..provider import Decoder, Provider, TranslateOptions
from .config import OpenAICompatibleConfig

if TYPE_CHECKING:
    from ...exchange import Exchange

_MAX_CATALOG = 8 * 1024 * 1024
_ENCRYPTED = "reasoning.encrypted_content"


class _Model(msgspec.Struct):
    id: str


class _Catalog(msgspec.Struct):
    data: list[_Model] = []


_decode_catalog = msgspec.json.Decoder(_Catalog).decode
_decode_options = msgspec.json.Decoder(dict[str, Raw]).decode


class ChatUpstream(Provider):
    """An upstream that speaks chat completions at `url`. Its children say how it differs, by a profile."""

    dialects: ClassVar[frozenset[Dialect]] = frozenset(("chat",))
    config: ConnectedConfig

    def __init__(self, name: str, config: ConnectedConfig, url: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(name, config)
        self.url = url
        self.timeouts = config.timeouts.for_client()
        self._endpoint = f"{url}/chat/completions"
        self._headers = {"content-type": "application/json", "user-agent": "penstock", **(headers or {})}
        if config.api_key is not None:
            self._headers["authorization"] = f"Bearer {config.api_key.reveal()}"
        self._headers.update((key.lower(), value.reveal()) for key, value in config.headers.items())
        self.client = config.make_client()

    async def close(self) -> None:
        """Closes all connections."""
        await self.client.close()

    @abstractmethod
    def profile(self, model: str) -> ChatProfile:
        """Returns what a model of this upstream takes."""

    def build(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns the chat request for the exchange's request, and leaves the map of its tools in its marks."""
        request = exchange.request
        if not isinstance(request, ResponsesRequest):
            return self.passthrough(exchange, model)
        options = exchange.translate or TranslateOptions()
        body, names = build_body(request, model, self.profile(model), options, exchange.ignore, self.sealing)
        exchange.marks["tools"] = names
        return self._request(body, stream=request.stream)

    def passthrough(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns the chat request as it is but for the model's name, and asking for the count of tokens."""
        request = exchange.request
        fields: dict[str, Any] = {**request.fields, "model": model}
        stream = request.stream
        if stream and self.profile(model).stream_usage:
            fields["stream_options"] = _with_usage(request.fields.get("stream_options"))
        exchange.marks["tools"] = ToolMap()
        return self._request(msgspec.json.encode(fields), stream=stream)

    def _request(self, body: bytes, *, stream: bool) -> UpstreamRequest:
        headers = dict(self._headers)
        headers.setdefault("accept", "text/event-stream" if stream else "application/json")
        if stream:
            # what compresses a stream also holds it back until there is something to compress
            headers.setdefault("accept-encoding", "identity")
        return UpstreamRequest(method="POST", url=self._endpoint, headers=headers, body=body)

    def decoder(self, exchange: Exchange) -> Decoder:
        """Returns a decoder for one answer."""
        deployment = exchange.deployment
        return ChatDecoder(think_tags=self.profile(deployment.model if deployment is not None else "").think_tags)

    def sealer(self, exchange: Exchange, model: str) -> Callable[[dict[str, Any], str], str | None] | None:
        """Returns what seals thinking, when the client asked for it and the upstream may get it back."""
        request = exchange.request
        if not isinstance(request, ResponsesRequest) or self.profile(model).replay_reasoning == "never":
            return None
        return sealer(model, self.sealing) if request.wants(_ENCRYPTED) or exchange.keeps else None

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Maps an error answer to the tree of errors."""
        key = self.config.api_key
        advice = "it wants an api_key" if key is None else f"check its api_key ({key.source})"
        return refused(self.name, status, headers, body, advice=advice)

    async def models(self) -> list[str]:
        """Returns the names of the models that `GET /models` lists; raises UpstreamError when it cannot be asked."""
        request = UpstreamRequest(method="GET", url=f"{self.url}/models", headers=dict(self._headers))
        response = await self.client.send(request, self.timeouts)
        try:
            body = await response.read(_MAX_CATALOG)
        finally:
            response.close()
        if not 200 <= response.status < 300:
            raise self.error(response.status, response.headers, body)
        try:
            return [model.id for model in _decode_catalog(body).data]
        except (msgspec.DecodeError, UnicodeDecodeError):
            return []


class OpenAICompatible(ChatUpstream):
    """Any server that speaks chat completions."""

    kind: ClassVar[str] = "openai-compatible"
    Config = OpenAICompatibleConfig
    config: OpenAICompatibleConfig

    def __init__(self, name: str, config: OpenAICompatibleConfig) -> None:
        super().__init__(name, config, config.url)
        self._profile = config.chat_profile()

    def profile(self, model: str) -> ChatProfile:
        """Returns what the server takes, the same for all its models."""
        return self._profile


def _with_usage(raw: Raw | None) -> dict[str, Any]:
    """Returns the client's options for the stream with the count of tokens asked for."""
    options: dict[str, Any] = {}
    if raw is not None and given(raw):
        try:
            options = dict(_decode_options(raw))
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise BadRequest(
                "Invalid type for 'stream_options': expected an object.", param="stream_options", code="invalid_type"
            ) from None
    options["include_usage"] = True
    return options
