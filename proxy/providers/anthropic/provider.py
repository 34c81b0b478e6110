"""The provider for Anthropic's own API and servers that speak it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import msgspec

from ...api.responses.request import ResponsesRequest
from ...errors import UpstreamError, UpstreamGarbled
from ...upstream.client import UpstreamRequest
from ..asking import ask
from ..provider import Decoder, Provider
from .asked import asked, keeps_state
from .build import Built, Target, build_body
from .config import AnthropicConfig
from .decoder import MessagesDecoder
from .errors import refused
from .sealing import sealer
from .traits import Traits, traits_of

if TYPE_CHECKING:
    from ...exchange import Exchange

_SOURCES = "web_search_call.action.sources"
_BY_TOOL = "answers_by_tool"
_OAUTH_KEY = "sk-ant-oat"
_WITHOUT_SAMPLING = "2026-10-21"
_LONG_ANSWER = 21_333
"""Tokens of an answer from which it is streamed in any case: whole, it may come after ten minutes of silence."""
_MAX_PAGES = 20
_COUNTED = ("model", "system", "messages", "tools", "tool_choice", "thinking", "output_config", "mcp_servers")


class _Model(msgspec.Struct):
    id: str


class _Catalog(msgspec.Struct):
    data: list[_Model] = []
    has_more: bool = False
    last_id: str | None = None


class _Counted(msgspec.Struct):
    input_tokens: int


_decode_catalog = msgspec.json.Decoder(_Catalog).decode
_decode_counted = msgspec.json.Decoder(_Counted).decode


class Anthropic(Provider):
    """Anthropic's own API, or a server that speaks it."""

    kind: ClassVar[str] = "anthropic"
    Config = AnthropicConfig
    config: AnthropicConfig

    def __init__(self, name: str, config: AnthropicConfig) -> None:
        super().__init__(name, config)
        self.timeouts = config.timeouts.for_client()
        self._headers = {
            "content-type": "application/json",
            "user-agent": "penstock",
            "anthropic-version": config.version,
        }
        if config.api_key is not None:
            key = config.api_key.reveal()
            if key.startswith(_OAUTH_KEY):
                self._headers["authorization"] = f"Bearer {key}"
            else:
                self._headers["x-api-key"] = key
        self._headers.update((key.lower(), value.reveal()) for key, value in config.headers.items())
        self.client = config.make_client(name)

    async def close(self) -> None:
        """Closes all connections."""
        await self.client.close()

    def traits(self, model: str) -> Traits:
        """Returns what a model takes, as this upstream is asked."""
        traits = traits_of(model)
        return traits if self.config.version < _WITHOUT_SAMPLING else msgspec.structs.replace(traits, sampling=False)

    def build(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns the request for the exchange's, and leaves the map of its tools in its marks."""
        built = self._built(exchange, model)
        exchange.marks["tools"] = built.tools
        exchange.marks[_BY_TOOL] = built.answers_by_tool
        stream = exchange.request.stream or built.body["max_tokens"] > _LONG_ANSWER
        body = {**built.body, "stream": True} if stream else built.body
        return self._request("/messages", body, built.betas, stream=stream)

    def passthrough(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns what `build` does: no client speaks this API itself."""
        return self.build(exchange, model)

    def _built(self, exchange: Exchange, model: str) -> Built:
        """Returns the request; what the upstream has refused a moment ago is left out of it."""
        said = asked(exchange, self.name, model)
        target = Target(
            model=model,
            traits=self.traits(model),
            profile=self.config.profile,
            thoughts=said.thoughts,
            strict=said.strict,
            show_thinking=said.show_thinking,
        )
        return build_body(said.request, target, said.options, exchange.ignore, self.sealing)

    def _request(self, path: str, body: dict[str, Any], betas: list[str], *, stream: bool) -> UpstreamRequest:
        headers = self._with_betas(betas)
        headers.setdefault("accept", "text/event-stream" if stream else "application/json")
        if stream:
            # what compresses a stream also holds it back until there is something to compress
            headers.setdefault("accept-encoding", "identity")
        return UpstreamRequest(
            method="POST", url=f"{self.config.url}{path}", headers=headers, body=msgspec.json.encode(body)
        )

    def _with_betas(self, betas: list[str]) -> dict[str, str]:
        headers = dict(self._headers)
        own = headers.get("anthropic-beta")
        wanted = [*([own] if own else ()), *self.config.betas, *betas]
        if wanted:
            headers["anthropic-beta"] = ",".join(dict.fromkeys(wanted))
        return headers

    def decoder(self, exchange: Exchange) -> Decoder:
        """Returns a decoder for one answer."""
        request = exchange.request
        sources = isinstance(request, ResponsesRequest) and request.wants(_SOURCES)
        return MessagesDecoder(
            answers_by_tool=exchange.marks.get(_BY_TOOL) is True, sources=sources, keeps=keeps_state(exchange)
        )

    def sealer(self, exchange: Exchange, model: str) -> Callable[[dict[str, Any], str], str | None] | None:
        """Returns what seals thinking, when the client asked for it and the upstream may get it back."""
        return sealer(model, self.sealing) if keeps_state(exchange) else None

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Maps an error answer to the tree of errors."""
        key = self.config.api_key
        advice = "it wants an api_key" if key is None else f"check its api_key ({key.source})"
        return refused(self.name, status, headers, body, advice=advice)

    async def count_tokens(self, exchange: Exchange, model: str) -> int | None:
        """Returns how many tokens the exchange's request is for a model, as the upstream counts them."""
        built = self._built(exchange, model)
        body = {name: value for name, value in built.body.items() if name in _COUNTED}
        answer = await ask(self, self._request("/messages/count_tokens", body, built.betas, stream=False))
        try:
            return _decode_counted(answer).input_tokens
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise UpstreamGarbled("The upstream's count of tokens cannot be read.") from None

    async def models(self) -> list[str]:
        """Returns the names of the models that `GET /v1/models` lists; raises UpstreamError when it cannot be asked."""
        found: list[str] = []
        after = ""
        for _ in range(_MAX_PAGES):
            url = f"{self.config.url}/models?limit=1000{after}"
            answer = await ask(self, UpstreamRequest(method="GET", url=url, headers=self._with_betas([])))
            try:
                page = _decode_catalog(answer)
            except (msgspec.DecodeError, UnicodeDecodeError):
                break
            found += [model.id for model in page.data]
            if not page.has_more or not page.last_id:
                break
            after = f"&after_id={quote(page.last_id, safe='')}"
        return found
