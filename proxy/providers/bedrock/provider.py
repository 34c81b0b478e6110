"""The provider for Amazon Bedrock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import msgspec

from ...errors import UpstreamError, UpstreamRefused
from ...sse.event_stream import EventStreamParser
from ...upstream.client import UpstreamClient, UpstreamRequest
from ..anthropic.asked import asked, keeps_state
from ..asking import ask
from ..provider import Decoder, Parser, Provider
from .address import control_url, model_path, runtime_url
from .build import Built, build_body
from .client import SigningClient
from .config import Api, BedrockConfig
from .credentials import FoundKeys, GivenKeys, Keys, KeySource, find_keys
from .decoder import ConverseDecoder
from .draft import Target
from .errors import refused
from .families import Family, family_of, region_of
from .invoke import build_invoke
from .invoke_decoder import InvokeDecoder
from .sealing import sealer

if TYPE_CHECKING:
    from ...exchange import Exchange

_BY_TOOL = "answers_by_tool"
_OPERATIONS = {
    ("converse", False): "converse",
    ("converse", True): "converse-stream",
    ("invoke", False): "invoke",
    ("invoke", True): "invoke-with-response-stream",
}
_MEANT = ("model_not_found", "upstream_auth")
"""What a refusal of a count of tokens may mean that would keep answers from coming too."""
_COUNTED = ("messages", "system", "toolConfig", "additionalModelRequestFields")


class _Summary(msgspec.Struct, rename="camel"):
    model_id: str = ""
    inference_profile_id: str = ""


class _Catalog(msgspec.Struct, rename="camel"):
    model_summaries: list[_Summary] = []
    inference_profile_summaries: list[_Summary] = []


class _Counted(msgspec.Struct, rename="camel"):
    input_tokens: int


_decode_catalog = msgspec.json.Decoder(_Catalog).decode
_decode_counted = msgspec.json.Decoder(_Counted).decode


class Bedrock(Provider):
    """Amazon Bedrock: all models over the Converse API, Claude over its own where the file says so."""

    kind: ClassVar[str] = "bedrock"
    Config = BedrockConfig
    config: BedrockConfig

    def __init__(self, name: str, config: BedrockConfig) -> None:
        super().__init__(name, config)
        self.timeouts = config.timeouts.for_client()
        self._headers = {"content-type": "application/json", "user-agent": "penstock"}
        self._headers.update((key.lower(), value.reveal()) for key, value in config.headers.items())
        self.client = self._make_client()

    def _make_client(self) -> UpstreamClient:
        """Returns the client: one that signs, unless a key is sent as it is."""
        client, bearer = self.config.make_client(self.name), self.config.bearer
        if bearer is not None:
            self._headers["authorization"] = f"Bearer {bearer.reveal()}"
            return client
        region = self.config.home_region
        assert region is not None, "seen to when the file was read"
        return SigningClient(self.name, client, self._key_source(region), region)

    def _key_source(self, region: str) -> KeySource:
        config, given = self.config, None
        if config.access_key_id is not None and config.secret_access_key is not None:
            token = config.session_token.reveal() if config.session_token is not None else None
            given = Keys(config.access_key_id.reveal(), config.secret_access_key.reveal(), token)
            if config.role is None:
                return GivenKeys(given)
        role = config.role.for_sts() if config.role is not None else None
        return FoundKeys(find_keys(given, profile=config.aws_profile, role=role, region=region))

    async def close(self) -> None:
        """Closes all connections."""
        await self.client.close()

    # --- the request

    def family(self, model: str) -> Family:
        """Returns what a model takes."""
        return family_of(self.base_model(model))

    def base_model(self, model: str) -> str:
        """Returns the id of the model behind an id."""
        return self.config.base_models.get(model, model)

    def api(self, model: str) -> Api:
        """Returns over which API a model is asked."""
        return "invoke" if self.config.api == "invoke" and self.family(model).claude is not None else "converse"

    def url(self, model: str, operation: str) -> str:
        """Returns where an operation on a model is asked: in the region that its ARN names, if it is one."""
        base = self.config.base_url
        if base is None:
            region = region_of(model) or self.config.home_region
            assert region is not None, "seen to when the file was read"
            base = runtime_url(region, fips=self.config.fips)
        return base.rstrip("/") + model_path(model, operation)

    def build(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns the request for the exchange's, and leaves the map of its tools in its marks."""
        api = self.api(model)
        built = self._built(exchange, model, api)
        exchange.marks["tools"] = built.tools
        exchange.marks[_BY_TOOL] = built.answers_by_tool
        stream = exchange.request.stream
        request = self._request(model, _OPERATIONS[api, stream], built.body, stream=stream)
        request.headers.update(built.headers)
        return request

    def guardrail_request(self, guardrail: str, version: str, body: bytes) -> UpstreamRequest:
        """Returns the request that applies a guardrail, given by id or ARN, to texts."""
        url = self.url(guardrail, "apply")  # where a model of the same region is asked
        path = f"/guardrail/{quote(guardrail, safe='')}/version/{quote(version, safe='')}/apply"
        headers = {**self._headers, "accept": "application/json"}
        return UpstreamRequest(
            method="POST", url=url.removesuffix(model_path(guardrail, "apply")) + path, headers=headers, body=body
        )

    def passthrough(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns what `build` does: no client speaks this API itself."""
        return self.build(exchange, model)

    def _built(self, exchange: Exchange, model: str, api: Api) -> Built:
        """Returns the request; what the upstream has refused a moment ago is left out of it."""
        said = asked(exchange, self.name, model)
        target = Target(
            model=self.base_model(model),
            family=self.family(model),
            profile=self.config.profile,
            thoughts=said.thoughts,
            strict=said.strict,
            show_thinking=said.show_thinking,
        )
        build = build_invoke if api == "invoke" else build_body
        return build(said.request, target, said.options, exchange.ignore, self.sealing)

    def _request(self, model: str, operation: str, body: Any, *, stream: bool = False) -> UpstreamRequest:
        headers = dict(self._headers)
        headers.setdefault("accept", "application/vnd.amazon.eventstream" if stream else "application/json")
        if stream:
            headers.setdefault("accept-encoding", "identity")
        return UpstreamRequest(
            method="POST", url=self.url(model, operation), headers=headers, body=msgspec.json.encode(body)
        )

    # --- the answer

    def parser(self, exchange: Exchange) -> Parser:
        """Returns a parser for AWS's event streams."""
        return EventStreamParser()

    def decoder(self, exchange: Exchange) -> Decoder:
        """Returns a decoder for one answer."""
        model = exchange.deployment.model if exchange.deployment is not None else ""
        by_tool = exchange.marks.get(_BY_TOOL) is True
        if self.api(model) == "invoke":
            return InvokeDecoder(answers_by_tool=by_tool)
        return ConverseDecoder(answers_by_tool=by_tool, summaries=self.family(model).summaries)

    def sealer(self, exchange: Exchange, model: str) -> Callable[[dict[str, Any], str], str | None] | None:
        """Returns what seals thinking, when the client asked for it and the upstream may get it back."""
        return sealer(self.base_model(model), self.sealing) if keeps_state(exchange) else None

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Maps an error answer to the tree of errors."""
        return refused(self.name, status, headers, body, advice=self._advice())

    def _advice(self) -> str:
        """Returns what to look at when Bedrock takes us for nobody."""
        config = self.config
        bearer = config.bearer
        if bearer is not None:
            return f"check its API key ({bearer.source})"
        if config.access_key_id is not None:
            return f"check its access_key_id ({config.access_key_id.source})"
        if config.aws_profile is not None:
            return f'check its aws_profile "{config.aws_profile}"'
        return "check its credentials of AWS"

    # --- beside answers

    async def count_tokens(self, exchange: Exchange, model: str) -> int | None:
        """Returns how many tokens the exchange's request is, as Bedrock counts; None for models that it cannot."""
        if self.family(model).claude is None:
            return None
        body = self._built(exchange, model, "converse").body
        counted = {"input": {"converse": {name: body[name] for name in _COUNTED if name in body}}}
        try:
            answer = await ask(self, self._request(model, "count-tokens", counted))
            return _decode_counted(answer).input_tokens
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    async def models(self) -> list[str]:
        """Returns the ids of models and inference profiles of the region; nothing where only a base URL is known.

        Raises UpstreamError when Bedrock cannot be asked.
        """
        config = self.config
        if config.base_url is not None or config.home_region is None:
            return []
        base = control_url(config.home_region, fips=config.fips)
        found: list[str] = []
        for path in ("/foundation-models", "/inference-profiles"):
            request = UpstreamRequest(method="GET", url=base + path, headers=dict(self._headers))
            try:
                catalog = _decode_catalog(await ask(self, request))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            found += [one.model_id for one in catalog.model_summaries if one.model_id]
            found += [one.inference_profile_id for one in catalog.inference_profile_summaries]
        return [one for one in found if one]

    async def probe(self, exchange: Exchange | None, model: str) -> None:
        """Asks for a count of tokens, also of models that have none: before Bedrock says so, it looks at who asks."""
        if exchange is None:
            await self.models()
            return
        body = self._built(exchange, model, "converse").body
        counted = {"input": {"converse": {name: body[name] for name in _COUNTED if name in body}}}
        try:
            await ask(self, self._request(model, "count-tokens", counted))
        except UpstreamRefused as refusal:
            if refusal.upstream_status != 400 or refusal.code in _MEANT:
                raise
