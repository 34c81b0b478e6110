"""The provider for upstreams that speak OpenAI's chat completions, its Responses API, or both."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from ...api.raw import Raw, given
from ...api.responses.request import ResponsesRequest
from ...api.responses.tool_map import ToolMap
from ...errors import BadRequest, UpstreamError, UpstreamRefused
from ...events import PlainAnswer
from ...request import Dialect
from ...upstream.client import UpstreamRequest
from ..chat.build import build_body
from ..chat.decoder import ChatDecoder
from ..chat.errors import refused
from ..chat.plain import plain_answer
from ..chat.profile import ChatProfile
from ..chat.said_otherwise import said_otherwise
from ..chat.sealing import LOST, sealer
from ..chat.uncounted import UncountedStreams
from ..connection import ConnectedConfig
from ..provider import Amended, Decoder, Provider, TranslateOptions
from ..responses.config import Api
from ..responses.profile import ResponsesProfile
from ..responses.wire import REFUSED_THOUGHTS, decoder_for, relay_for, request_body, sealer_for, without_thoughts
from .config import OpenAICompatibleConfig
from .token_count import MAX_ANSWER, input_tokens_body, read_count, tokenize_body, tokenize_url

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
    """An upstream of OpenAI's wire at `url`: chat completions, the Responses API, or both, as `api` says.

    With `auto` every client is served over the API that it speaks itself. Children say how the upstream differs, by
    profiles.
    """

    config: ConnectedConfig

    def __init__(
        self, name: str, config: ConnectedConfig, url: str, *, api: Api, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(name, config)
        self.url = url
        self.api = api
        spoken: dict[Api, tuple[Dialect, ...]] = {
            "auto": ("chat", "responses"),
            "chat": ("chat",),
            "responses": ("responses",),
        }
        self.dialects = frozenset(spoken[api])
        self.timeouts = config.timeouts.for_client()
        self._headers = {"content-type": "application/json", "user-agent": "penstock", **(headers or {})}
        if config.api_key is not None:
            self._headers.update(self.key_headers(config.api_key.reveal()))
        self._headers.update((key.lower(), value.reveal()) for key, value in config.headers.items())
        self.client = config.make_client(name)
        self._uncounted = UncountedStreams(name)

    async def close(self) -> None:
        """Closes all connections."""
        await self.client.close()

    def key_headers(self, key: str) -> dict[str, str]:
        """Returns the headers that carry the key."""
        return {"authorization": f"Bearer {key}"}

    def endpoint(self, path: str, model: str) -> str:
        """Returns the URL of a path of the API, such as `/chat/completions`, for a model ("" where none is asked)."""
        return self.url + path

    @abstractmethod
    def profile(self, model: str) -> ChatProfile:
        """Returns what a model of this upstream takes over chat completions."""

    @abstractmethod
    def responses_profile(self, model: str) -> ResponsesProfile:
        """Returns what a model of this upstream takes over the Responses API."""

    def only_responses(self, model: str) -> bool:
        """Tells whether a model is not served over chat completions at all."""
        return False

    def speaks(self, dialect: Dialect, model: str) -> bool:
        """Tells whether a client of that dialect is served over the API that it speaks."""
        if self.api == "auto" and dialect == "chat":
            return not self.only_responses(model)
        return dialect in self.dialects

    def _uses_responses(self, exchange: Exchange, model: str) -> bool:
        return not self.speaks("chat", model) or (self.api == "auto" and exchange.request.dialect == "responses")

    def build(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns the request that says what the client's says, and leaves the map of its tools in its marks."""
        request = exchange.request
        if self._uses_responses(exchange, model):
            return self._responses_request(exchange, model)
        if not isinstance(request, ResponsesRequest):
            return self.passthrough(exchange, model)
        options = exchange.translate or TranslateOptions()
        profile = self._uncounted.profile(model, self.profile(model))
        body, names = build_body(request, model, profile, options, exchange.ignore, self.sealing)
        exchange.marks["tools"] = names
        return self._request(body, self.endpoint("/chat/completions", model), stream=request.stream)

    def passthrough(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns the request as it is but for what is Penstock's: the model's name, and what is kept and counted."""
        request = exchange.request
        if self._uses_responses(exchange, model):
            return self._responses_request(exchange, model)
        fields: dict[str, Any] = {**said_otherwise(request, self.profile(model)), "model": model}
        stream = request.stream
        if stream and model in self._uncounted:
            if fields.pop("stream_options", None) is not None:
                exchange.ignore("stream_options")
        elif stream and self.profile(model).stream_usage:
            fields["stream_options"] = _with_usage(request.fields.get("stream_options"))
        exchange.marks["tools"] = ToolMap()
        return self._request(msgspec.json.encode(fields), self.endpoint("/chat/completions", model), stream=stream)

    def amended(self, exchange: Exchange, error: UpstreamError) -> Amended | None:
        """Returns the request without the count of tokens, where the upstream has refused to be asked for that."""
        model = _model_of(exchange)
        if exchange.upstream_request is None or self._uses_responses(exchange, model):
            return None
        return self._uncounted.amended(exchange.upstream_request, model, error)

    def _responses_request(self, exchange: Exchange, model: str) -> UpstreamRequest:
        body = request_body(exchange, model, self.responses_profile(model), self.sealing)
        if any(one.upstream == self.name and one.error == REFUSED_THOUGHTS for one in exchange.attempts):
            body = without_thoughts(body)
            exchange.ignore(LOST)
        return self._request(body, self.endpoint("/responses", model), stream=exchange.request.stream)

    def _request(self, body: bytes, url: str, *, stream: bool) -> UpstreamRequest:
        headers = {**self._headers}
        headers.setdefault("accept", "text/event-stream" if stream else "application/json")
        if stream:
            # what compresses a stream also holds it back until there is something to compress
            headers.setdefault("accept-encoding", "identity")
        return UpstreamRequest(method="POST", url=url, headers=headers, body=body)

    def forwarded(self, path: str, model: str) -> UpstreamRequest | None:
        """Returns the beginning of a request for any path of the API."""
        headers = {name: value for name, value in self._headers.items() if name != "content-type"}
        return UpstreamRequest(method="POST", url=self.endpoint(path, model), headers=headers)

    def decoder(self, exchange: Exchange) -> Decoder:
        """Returns a decoder for one answer."""
        model = _model_of(exchange)
        if self._uses_responses(exchange, model):
            return decoder_for(exchange)
        profile = self.profile(model)
        return ChatDecoder(think_tags=profile.think_tags, split_names=profile.split_names)

    def plain_answer(self, exchange: Exchange, body: bytes) -> PlainAnswer | None:
        """Returns an answer over chat completions that is one text and nothing else."""
        model = _model_of(exchange)
        if self._uses_responses(exchange, model) or self.profile(model).think_tags != "off":
            return None
        return plain_answer(body)

    def relay(self, exchange: Exchange) -> Decoder | None:
        """Returns what passes an answer of the Responses API on to a client that speaks it."""
        return relay_for(exchange) if self._uses_responses(exchange, _model_of(exchange)) else None

    def sealer(self, exchange: Exchange, model: str) -> Callable[[dict[str, Any], str], str | None] | None:
        """Returns what seals thinking, when the client asked for it and the upstream may get it back."""
        request = exchange.request
        if self._uses_responses(exchange, model):
            return sealer_for(exchange, model, self.sealing)
        if not isinstance(request, ResponsesRequest) or self.profile(model).replay_reasoning == "never":
            return None
        return sealer(model, self.sealing) if request.wants(_ENCRYPTED) or exchange.is_remembered else None

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Maps an error answer to the tree of errors."""
        key = self.config.api_key
        advice = "it wants an api_key" if key is None else f"check its api_key ({key.source})"
        return asked_again(refused(self.name, status, headers, body, advice=advice))

    async def models(self) -> list[str]:
        """Returns the names of the models that `GET /models` lists; raises UpstreamError when it cannot be asked."""
        request = UpstreamRequest(method="GET", url=self.endpoint("/models", ""), headers=dict(self._headers))
        body = await self._answer_to(request, _MAX_CATALOG)
        try:
            return [model.id for model in _decode_catalog(body).data]
        except (msgspec.DecodeError, UnicodeDecodeError):
            return []

    async def count_tokens(self, exchange: Exchange, model: str) -> int | None:
        """Returns how many tokens a request is, where the profile says that the upstream can tell."""
        tokenizer = self.profile(model).tokenizer
        built = self.build(exchange, model)
        if tokenizer == "vllm" and not self._uses_responses(exchange, model):
            url, body = tokenize_url(self.url), tokenize_body(built.body)
        elif tokenizer == "openai" and self._uses_responses(exchange, model):
            url, body = self.endpoint("/responses/input_tokens", model), input_tokens_body(built.body)
        else:
            return None
        headers = {**self._headers, "accept": "application/json"}
        request = UpstreamRequest(method="POST", url=url, headers=headers, body=body)
        return read_count(self.name, await self._answer_to(request, MAX_ANSWER))

    async def _answer_to(self, request: UpstreamRequest, max_bytes: int) -> bytes:
        """Returns the body of an answer; raises UpstreamError for a failure and for an error status."""
        response = await self.client.send(request, self.timeouts)
        try:
            body = await response.read(max_bytes)
        finally:
            response.close()
        if not 200 <= response.status < 300:
            raise self.error(response.status, response.headers, body)
        return body


def asked_again(error: UpstreamRefused) -> UpstreamRefused:
    """Lets an upstream be asked again that has refused the reasoning of earlier turns: then without it."""
    if error.code == REFUSED_THOUGHTS:
        error.retry_same = True
    return error


class OpenAICompatible(ChatUpstream):
    """Any server that speaks chat completions or the Responses API."""

    kind: ClassVar[str] = "openai-compatible"
    Config = OpenAICompatibleConfig
    config: OpenAICompatibleConfig

    def __init__(self, name: str, config: OpenAICompatibleConfig) -> None:
        super().__init__(name, config, config.url, api=config.api)
        self._profile = config.chat_profile()
        self._responses_profile = ResponsesProfile(
            keeps=config.store, ask_encrypted=config.encrypted_reasoning, summary=config.reasoning_summary
        )

    def _uses_responses(self, exchange: Exchange, model: str) -> bool:
        return self.api != "chat" and super()._uses_responses(exchange, model)

    def profile(self, model: str) -> ChatProfile:
        """Returns what the server takes over chat completions, the same for all its models."""
        return self._profile

    def responses_profile(self, model: str) -> ResponsesProfile:
        """Returns what the server takes over the Responses API, the same for all its models."""
        return self._responses_profile


def _model_of(exchange: Exchange) -> str:
    return exchange.deployment.model if exchange.deployment is not None else ""


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
