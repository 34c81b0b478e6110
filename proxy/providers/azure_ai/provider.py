"""The provider for models on Azure AI Foundry: by its inference API, and Claude by the Messages API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from ...api.raw import Raw
from ...api.responses.request import ResponsesRequest
from ...errors import BadRequest, UpstreamError, UpstreamRefused
from ...events import PlainAnswer
from ...request import Dialect
from ...upstream.client import UpstreamRequest
from ..azure_openai.entra import with_tokens
from ..chat.profile import ChatProfile
from ..openai_compatible.provider import ChatUpstream
from ..provider import Decoder, Provider
from ..responses.profile import ResponsesProfile
from ..token_client import TokenClient
from .claude import FoundryClaude, is_claude, is_messages_error
from .config import AzureAIConfig
from .errors import HINTS, UNSUPPORTED, refused

if TYPE_CHECKING:
    from ...exchange import Exchange

_KNOWN = frozenset(
    (
        "frequency_penalty",
        "max_tokens",
        "messages",
        "modalities",
        "model",
        "presence_penalty",
        "response_format",
        "seed",
        "stop",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
    )
)
"""Fields of the inference API. Others go to the model only where a header says so."""
_FORWARDED = ("/embeddings", "/images/embeddings")
_EXTRA = "extra-parameters"
_MAX_INFO = 1024 * 1024
_AS_ASKED = {"reasoning_effort": "reasoning.effort"}
"""Names that fields have for clients of the Responses API."""

_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


class AzureAI(ChatUpstream):
    """Models of many makers on Azure AI Foundry."""

    kind: ClassVar[str] = "azure-ai"
    Config = AzureAIConfig
    config: AzureAIConfig

    def __init__(self, name: str, config: AzureAIConfig) -> None:
        super().__init__(name, config, config.url, api="chat")
        self.client = with_tokens(name, self.client, config.entra)
        self._claude = FoundryClaude(name, config)
        self._claude.client = self.client

    async def start(self) -> None:
        """Begins to look for a token, without waiting for it."""
        if isinstance(self.client, TokenClient):
            self.client.prepare()

    def key_headers(self, key: str) -> dict[str, str]:
        """Returns the headers that carry the key: some endpoints read one, some the other."""
        return {"authorization": f"Bearer {key}", "api-key": key}

    def endpoint(self, path: str, model: str) -> str:
        """Returns the URL of a path of the inference API."""
        return f"{self.url}{path}?api-version={self.config.api_version}"

    def profile(self, model: str) -> ChatProfile:
        """Returns what the models take over chat completions."""
        return self.config.profile

    def responses_profile(self, model: str) -> ResponsesProfile:
        """Returns nothing of its own: the inference API has no Responses API."""
        return ResponsesProfile()

    def _for(self, model: str) -> Provider | None:
        """Returns who asks a model that is not asked over the inference API."""
        if not is_claude(self.config.base_models.get(model, model)):
            return None
        self._claude.sealing = self.sealing
        return self._claude

    def _of(self, exchange: Exchange) -> Provider | None:
        return None if exchange.deployment is None else self._for(exchange.deployment.model)

    def speaks(self, dialect: Dialect, model: str) -> bool:
        """Tells whether a client of that dialect is served over the API that it speaks."""
        return self._for(model) is None and super().speaks(dialect, model)

    def build(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns the request that says what the client's says; raises BadRequest."""
        other = self._for(model)
        if other is not None:
            return other.build(exchange, model)
        return self._adapted(super().build(exchange, model), exchange)

    def passthrough(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns the request as it is but for what is Penstock's, and what the model has refused."""
        other = self._for(model)
        if other is not None:
            return other.passthrough(exchange, model)
        return self._adapted(super().passthrough(exchange, model), exchange)

    def _adapted(self, made: UpstreamRequest, exchange: Exchange) -> UpstreamRequest:
        """Leaves out hints that the model has refused a moment ago, and says what is to be done with extra fields."""
        fields = _decode_fields(made.body)
        refused_here = {
            one.param for one in exchange.attempts if one.upstream == self.name and one.error == UNSUPPORTED
        }
        dropped = [name for name in fields if name in refused_here and name in HINTS]
        for name in dropped:
            self._ignore(exchange, name)
            del fields[name]
        if dropped:
            made.body = msgspec.json.encode(fields)
        extra = self.config.extra_parameters
        if extra is None and not _KNOWN.issuperset(fields):
            extra = "pass-through"
        if extra is not None:
            made.headers.setdefault(_EXTRA, extra)
        return made

    def _ignore(self, exchange: Exchange, name: str) -> None:
        if isinstance(exchange.request, ResponsesRequest):
            name = _AS_ASKED.get(name, name)
        if exchange.translate is not None and exchange.translate.params == "strict":
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            raise BadRequest(message, param=name, code=UNSUPPORTED)
        exchange.ignore(name)

    def forwarded(self, path: str, model: str) -> UpstreamRequest | None:
        """Returns the beginning of a request for one of the few other paths of the inference API."""
        if path not in _FORWARDED or self._for(model) is not None:
            return None
        return super().forwarded(path, model)

    def decoder(self, exchange: Exchange) -> Decoder:
        """Returns a decoder for one answer."""
        other = self._of(exchange)
        return super().decoder(exchange) if other is None else other.decoder(exchange)

    def plain_answer(self, exchange: Exchange, body: bytes) -> PlainAnswer | None:
        """Returns an answer over chat completions that is one text and nothing else."""
        return super().plain_answer(exchange, body) if self._of(exchange) is None else None

    def relay(self, exchange: Exchange) -> Decoder | None:
        """Returns None: no model here is asked over the Responses API."""
        return None

    def sealer(self, exchange: Exchange, model: str) -> Callable[[dict[str, Any], str], str | None] | None:
        """Returns what seals thinking, when the client asked for it and the upstream may get it back."""
        other = self._for(model)
        return super().sealer(exchange, model) if other is None else other.sealer(exchange, model)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Maps an error answer to the tree of errors."""
        if is_messages_error(body):
            return self._claude.error(status, headers, body)
        return refused(self.name, status, headers, body, advice=self.config.advice)

    async def count_tokens(self, exchange: Exchange, model: str) -> int | None:
        """Returns how many tokens the exchange's request is for a model, where the upstream can say."""
        other = self._for(model)
        return None if other is None else await other.count_tokens(exchange, model)

    async def models(self) -> list[str]:
        """Returns nothing, for deployments are not listed; raises UpstreamError when the upstream cannot be asked."""
        request = UpstreamRequest(method="GET", url=self.endpoint("/info", ""), headers=dict(self._headers))
        try:
            await self._answer_to(request, _MAX_INFO)
        except UpstreamRefused as error:
            if error.upstream_status not in (400, 404, 405):  # it has heard us, and has nothing of the kind
                raise
        return []
