"""The provider for Vertex AI, with credentials of Google Cloud.

Gemini is asked over generateContent, Claude over rawPredict, and open models over chat completions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import msgspec

from ...api.raw import Raw
from ...errors import UpstreamError
from ...request import Dialect
from ...upstream.client import UpstreamRequest
from ..access_tokens import Tokens
from ..anthropic.sealing import sealer as claude_sealer
from ..chat.errors import refused as chat_refused
from ..gemini.settings import AskSettings
from ..gemini.upstream import GeminiUpstream
from ..provider import Amended, Decoder
from . import claude
from .address import is_claude, parse_model, parse_open
from .client import ProjectClient
from .config import VertexConfig
from .credentials import OF, fetcher
from .open_models import OpenModels, is_chat_error

if TYPE_CHECKING:
    from ...exchange import Exchange

_TIER_HEADER = "x-vertex-ai-llm-shared-request-type"
_TIERS = ("flex", "priority")
_LISTED = "v1beta1"
"""The version of the API that lists models."""
_MAX_PAGES = 20
_COUNTED = ("contents", "systemInstruction", "tools", "generationConfig")


class _Model(msgspec.Struct):
    name: str


class _Page(msgspec.Struct, rename="camel"):
    publisher_models: list[_Model] = []
    next_page_token: str = ""


class _Counted(msgspec.Struct):
    input_tokens: int


_decode_page = msgspec.json.Decoder(_Page).decode
_decode_counted = msgspec.json.Decoder(_Counted).decode


class Vertex(GeminiUpstream):
    """Vertex AI of Google Cloud: Gemini, Claude and open models in a project's location."""

    kind: ClassVar[str] = "vertex"
    Config = VertexConfig
    config: VertexConfig

    def __init__(self, name: str, config: VertexConfig) -> None:
        super().__init__(name, config)
        self._place = config.place()
        self._tokens: Tokens | None = None
        if config.quota_project is not None:
            self._headers.setdefault("x-goog-user-project", config.quota_project)
        if config.api_key is not None:
            self._headers.setdefault("x-goog-api-key", config.api_key.reveal())
        else:
            account = config.credentials.reveal() if config.credentials is not None else None
            self._tokens = Tokens(fetcher(account), OF)
            self.client = ProjectClient(name, self.client, self._tokens)
        self._open = OpenModels(name, config, self._place, self.client)

    async def start(self) -> None:
        """Begins to look for a token, without waiting for it."""
        if self._tokens is not None:
            self._tokens.prepare()

    def ask_settings(self) -> AskSettings:
        """Returns how models are to be asked: tiers stand in a header, and hosted tools are told of anyway."""
        return msgspec.structs.replace(
            self.config.ask_settings(),
            service_tiers=False,
            tells_hosted=False,
            stream_arguments=self.config.stream_arguments,
        )

    def endpoint(self, model: str, method: str) -> str:
        """Returns the URL of a method of a model; raises BadRequest for a name that can be none."""
        return self._place.endpoint(model, method)

    def count_body(self, model: str, body: dict[str, Raw]) -> dict[str, Any]:
        """Returns what countTokens wants for the body of a request."""
        return {name: raw for name, raw in body.items() if name in _COUNTED}

    def _chat(self, model: str) -> OpenModels | None:
        """Returns who asks a model, if it speaks chat completions."""
        if parse_open(model) is None:
            return None
        self._open.sealing = self.sealing
        return self._open

    def speaks(self, dialect: Dialect, model: str) -> bool:
        """Tells whether a client of that dialect is answered over the API that it speaks itself."""
        chat = self._chat(model)
        return chat is not None and chat.speaks(dialect, model)

    def passthrough(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns the request of a chat client as it is but for what is Penstock's; only for open models."""
        chat = self._chat(model)
        return super().passthrough(exchange, model) if chat is None else chat.passthrough(exchange, model)

    def build(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns the request, and leaves the map of its tools in the exchange's marks; raises BadRequest."""
        if (chat := self._chat(model)) is not None:
            return chat.build(exchange, model)
        made = self._claude(exchange, model) if is_claude(model) else super().build(exchange, model)
        tier = exchange.request.get("service_tier")
        if tier in _TIERS:
            made.headers[_TIER_HEADER] = tier
        return made

    def _claude(self, exchange: Exchange, model: str) -> UpstreamRequest:
        made = claude.built(exchange, self.name, parse_model(model)[1], self.config.claude, self.sealing)
        exchange.marks["tools"] = made.tools
        stream = claude.is_streamed(exchange, made)
        headers = {"accept": "text/event-stream" if stream else "application/json", **self._headers}
        if stream:
            headers.setdefault("accept-encoding", "identity")
        if betas := (*self.config.betas, *made.betas):
            headers["anthropic-beta"] = ",".join(dict.fromkeys(betas))
        url = self.endpoint(model, "streamRawPredict" if stream else "rawPredict")
        return UpstreamRequest(method="POST", url=url, headers=headers, body=claude.predict_body(made, stream=stream))

    def decoder(self, exchange: Exchange) -> Decoder:
        """Returns a decoder for one answer."""
        deployment = exchange.deployment
        if deployment is None:
            return super().decoder(exchange)
        if (chat := self._chat(deployment.model)) is not None:
            return chat.decoder(exchange)
        return claude.decoder_for(exchange) if is_claude(deployment.model) else super().decoder(exchange)

    def sealer(self, exchange: Exchange, model: str) -> Callable[[dict[str, Any], str], str | None] | None:
        """Returns what seals signatures, when the client asked for them or a later turn may go on from the answer."""
        if (chat := self._chat(model)) is not None:
            return chat.sealer(exchange, model)
        seal = super().sealer(exchange, model)
        return claude_sealer(model, self.sealing) if seal is not None and is_claude(model) else seal

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Maps an error answer to the tree of errors; whether Google says it or a model's maker shows in its form."""
        if is_chat_error(body):
            return chat_refused(self.name, status, headers, body, advice=self.advice())
        return claude.refused(self.name, status, headers, body, self.advice())

    def advice(self) -> str:
        """Returns what to do when the upstream takes us for nobody."""
        key, credentials = self.config.api_key, self.config.credentials
        if key is not None:
            return f"check its api_key ({key.source})"
        found = f"credentials ({credentials.source})" if credentials is not None else "application default credentials"
        return f"check its {found}, and what they may do in the project"

    def amended(self, exchange: Exchange, error: UpstreamError) -> Amended | None:
        """Returns what to ask an open model instead, where it has refused what Penstock itself had asked for."""
        chat = self._chat(exchange.deployment.model) if exchange.deployment is not None else None
        return None if chat is None else chat.amended(exchange, error)

    async def count_tokens(self, exchange: Exchange, model: str) -> int | None:
        """Returns how many tokens the exchange's request is for a model, None for open ones; raises UpstreamError."""
        if self._chat(model) is not None:
            return None
        if not is_claude(model):
            return await super().count_tokens(exchange, model)
        name = parse_model(model)[1]
        made = claude.built(exchange, self.name, name, self.config.claude, self.sealing)
        url = self.endpoint(f"anthropic/{claude.COUNTER}", "rawPredict")
        try:
            return _decode_counted(await self.fetch("POST", url, claude.count_body(made, name))).input_tokens
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    async def models(self) -> list[str]:
        """Returns the names of Google's models in the location; raises UpstreamError when it cannot say."""
        found: list[str] = []
        token = ""
        for _ in range(_MAX_PAGES):
            more = f"&pageToken={quote(token, safe='')}" if token else ""
            url = f"{self._place.base}/{_LISTED}/publishers/google/models?pageSize=300{more}"
            try:
                page = _decode_page(await self.fetch("GET", url))
            except (msgspec.DecodeError, UnicodeDecodeError):
                break
            found += [model.name.rpartition("/")[2] for model in page.publisher_models]
            token = page.next_page_token
            if not token:
                break
        return found
