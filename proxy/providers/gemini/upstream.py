"""What all upstreams share that are asked over generateContent, whichever way leads to it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ...api.chat.request import ChatRequest
from ...api.raw import Raw
from ...api.responses.request import ResponsesRequest
from ...errors import InternalError, UpstreamError
from ...upstream.client import UpstreamRequest
from ..provider import Decoder, Provider, TranslateOptions
from .build import Target, build_body
from .config import AskedConfig
from .decoder import GeminiDecoder
from .errors import INVALID_SIGNATURE, refused
from .from_chat import responses_request
from .profile import profile_of
from .settings import AskSettings
from .state import sealer
from .tools import GeminiNames

if TYPE_CHECKING:
    from ...exchange import Exchange

_ENCRYPTED = "reasoning.encrypted_content"
_MAX_BODY = 8 * 1024 * 1024


class _Counted(msgspec.Struct, rename="camel"):
    total_tokens: int


_decode_counted = msgspec.json.Decoder(_Counted).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


class GeminiUpstream(Provider):
    """An upstream that is asked over generateContent. Its children say where, and by whom."""

    config: AskedConfig

    def __init__(self, name: str, config: AskedConfig) -> None:
        super().__init__(name, config)
        self.timeouts = config.timeouts.for_client()
        self._headers = {"content-type": "application/json", "user-agent": "penstock"}
        self._headers.update((key.lower(), value.reveal()) for key, value in config.headers.items())
        self._settings = self.ask_settings()
        self.client = config.make_client(name)

    async def close(self) -> None:
        """Closes all connections."""
        await self.client.close()

    def ask_settings(self) -> AskSettings:
        """Returns how models are to be asked."""
        return self.config.ask_settings()

    @abstractmethod
    def endpoint(self, model: str, method: str) -> str:
        """Returns the URL of a method of a model; raises BadRequest for a name that can be none."""

    @abstractmethod
    def count_body(self, model: str, body: dict[str, Raw]) -> dict[str, Any]:
        """Returns what countTokens wants for the body of a request."""

    def build(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns the request, and leaves the map of its tools in the exchange's marks; raises BadRequest."""
        stream = exchange.request.stream
        body, names = self._body(exchange, model)
        exchange.marks["tools"] = names
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        headers = {"accept": "text/event-stream" if stream else "application/json", **self._headers}
        if stream:
            # what compresses a stream also holds it back until there is something to compress
            headers.setdefault("accept-encoding", "identity")
        return UpstreamRequest(method="POST", url=self.endpoint(model, method), headers=headers, body=body)

    def _body(self, exchange: Exchange, model: str) -> tuple[bytes, GeminiNames]:
        """Returns the body of a request of any dialect, and the names of its tools."""
        request = exchange.request
        signatures: dict[str, str] = {}
        options = exchange.translate or TranslateOptions()
        if isinstance(request, ChatRequest):
            made_by = self._made_by(model)
            request, signatures = responses_request(request, model, made_by, options, exchange.ignore)
        if not isinstance(request, ResponsesRequest):
            raise InternalError(f"There is no way from {request.dialect} to generateContent.")
        failures = {one.error for one in exchange.attempts if one.upstream == self.name}
        target = Target(
            family=self.kind,
            model=model,
            profile=profile_of(model),
            settings=self._settings,
            replay=INVALID_SIGNATURE not in failures,
        )
        return build_body(request, target, options, exchange.ignore, self.sealing, signatures)

    def passthrough(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Raises InternalError: no client speaks generateContent."""
        raise InternalError(f'upstream "{self.name}" speaks no dialect of a client')

    def decoder(self, exchange: Exchange) -> Decoder:
        """Returns a decoder for one answer."""
        deployment = exchange.deployment
        made_by = self._made_by(deployment.model) if deployment is not None else ""
        return GeminiDecoder(made_by, at_once=self._settings.stream_arguments)

    def _made_by(self, model: str) -> str:
        return f"{self.kind}/{model}"

    def sealer(self, exchange: Exchange, model: str) -> Callable[[dict[str, Any], str], str | None] | None:
        """Returns what seals signatures, when the client asked for them or a later turn may go on from the answer."""
        request = exchange.request
        if not isinstance(request, ResponsesRequest):
            return None
        wanted = request.wants(_ENCRYPTED) or exchange.is_remembered
        return sealer(self.kind, model, self.sealing) if wanted else None

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Maps an error answer to the tree of errors."""
        return refused(self.name, status, headers, body, advice=self.advice())

    @abstractmethod
    def advice(self) -> str:
        """Returns what to do when the upstream takes us for nobody."""

    async def count_tokens(self, exchange: Exchange, model: str) -> int | None:
        """Returns how many tokens the exchange's request is for a model; raises UpstreamError."""
        body, _ = self._body(exchange, model)
        asked = msgspec.json.encode(self.count_body(model, _decode_fields(body)))
        counted = await self.fetch("POST", self.endpoint(model, "countTokens"), asked)
        try:
            return _decode_counted(counted).total_tokens
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    async def fetch(self, method: str, url: str, body: bytes = b"") -> bytes:
        """Returns the body of an answer; raises UpstreamError for any status but 2xx."""
        request = UpstreamRequest(method=method, url=url, headers=dict(self._headers), body=body)
        response = await self.client.send(request, self.timeouts)
        try:
            answer = await response.read(_MAX_BODY)
        finally:
            response.close()
        if not 200 <= response.status < 300:
            raise self.error(response.status, response.headers, answer)
        return answer
