"""Open models on Vertex AI, served as a managed API: Llama, DeepSeek, Qwen, gpt-oss, Grok, Mistral, Jamba and others.

All speak chat completions. Most are asked at one endpoint of the location, under the names of their publisher and their
own; those of Mistral and AI21 have addresses of their own, by rawPredict, and know only their own name.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from ...api.raw import Raw
from ...errors import BadRequest
from ...upstream.client import UpstreamClient, UpstreamRequest
from ..chat.presets import profile_of
from ..chat.profile import ChatProfile
from ..chat.surrogates import load
from ..openai_compatible.provider import ChatUpstream
from ..responses.profile import ResponsesProfile
from .address import Place, parse_open
from .config import VertexConfig

_VERSION = "v1beta1"
"""The version of the API whose endpoint serves open models."""
_BY_PREDICT = ("ai21", "mistralai")
_PREDICT, _STREAM_PREDICT = ":rawPredict", ":streamRawPredict"

_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


class OpenModels(ChatUpstream):
    """The open models of one project in a location, asked by the client of the upstream."""

    kind: ClassVar[str] = "vertex"

    def __init__(self, name: str, config: VertexConfig, place: Place, client: UpstreamClient) -> None:
        super().__init__(name, config, place.base, api="chat")
        if config.quota_project is not None:
            self._headers.setdefault("x-goog-user-project", config.quota_project)
        self._place = place
        self._profile = config.open_models
        self.client = client

    def key_headers(self, key: str) -> dict[str, str]:
        """Returns nothing: a key alone leads to no open model."""
        return {}

    def endpoint(self, path: str, model: str) -> str:
        """Returns the URL of a path of the API for a model; raises BadRequest for a name that can be none."""
        publisher, name = self._named(model)
        if self._place.project is None:
            message = f"The model '{model}' needs a project: with an API key alone only Gemini is served."
            raise BadRequest(message, param="model", code="model_not_found")
        if publisher in _BY_PREDICT:
            return f"{self._place.parent}/publishers/{publisher}/models/{name}{_PREDICT}"
        place = msgspec.structs.replace(self._place, version=_VERSION)
        return f"{place.parent}/endpoints/openapi{path}"

    def _named(self, model: str) -> tuple[str, str]:
        found = parse_open(model)
        assert found is not None, "others are not asked here"
        return found

    def profile(self, model: str) -> ChatProfile:
        """Returns what a model takes: as the file says, or as its maker's own server does."""
        if self._profile is not None:
            return self._profile
        return profile_of("mistral") if self._named(model)[0] == "mistralai" else ChatProfile()

    def responses_profile(self, model: str) -> ResponsesProfile:
        """Returns nothing of its own: none of them has the Responses API."""
        return ResponsesProfile()

    def _request(self, body: bytes, url: str, *, stream: bool) -> UpstreamRequest:
        """Returns the request, with the name under which the model is known at that address."""
        fields = _decode_fields(body)
        publisher, name = self._named(msgspec.json.decode(fields["model"], type=str))
        predicted = url.endswith(_PREDICT)
        fields["model"] = Raw(msgspec.json.encode(name if predicted else f"{publisher}/{name}"))
        if predicted and stream:
            url = url.removesuffix(_PREDICT) + _STREAM_PREDICT
        return super()._request(msgspec.json.encode(fields), url, stream=stream)


def is_chat_error(body: bytes) -> bool:
    """Tells whether an error answer is one of a server that speaks chat completions, and not Google's own."""
    said = load(body.strip())
    if not isinstance(said, dict):
        return False
    error = said.get("error")
    if isinstance(error, dict):
        return said.get("type") != "error" and not isinstance(error.get("status"), str) and "type" in error
    return said.get("object") == "error" or isinstance(error, str) or "detail" in said
