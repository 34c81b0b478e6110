"""The provider for the Gemini API of Google AI Studio."""

from __future__ import annotations

import re
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

from ...api.raw import Raw
from ...errors import BadRequest
from .config import GeminiConfig
from .upstream import GeminiUpstream

_MODEL = re.compile(r"(?:(?:models|tunedModels)/)?[A-Za-z0-9][A-Za-z0-9._-]*")
_MAX_PAGES = 20


class _Model(msgspec.Struct, rename="camel"):
    name: str
    supported_generation_methods: list[str] | None = None


class _Page(msgspec.Struct, rename="camel"):
    models: list[_Model] = []
    next_page_token: str = ""


_decode_page = msgspec.json.Decoder(_Page).decode


class Gemini(GeminiUpstream):
    """The Gemini API of Google AI Studio: generateContent with an API key."""

    kind: ClassVar[str] = "gemini"
    Config = GeminiConfig
    config: GeminiConfig

    def __init__(self, name: str, config: GeminiConfig) -> None:
        super().__init__(name, config)
        if config.api_key is not None:
            # never as ?key=...: addresses stand in logs
            self._headers.setdefault("x-goog-api-key", config.api_key.reveal())

    def endpoint(self, model: str, method: str) -> str:
        """Returns the URL of a method of a model; raises BadRequest for a name that can be none."""
        return f"{self.config.url}/{model_path(model)}:{method}"

    def count_body(self, model: str, body: dict[str, Raw]) -> dict[str, Any]:
        """Returns what countTokens wants for the body of a request: the request itself, with the model's name."""
        return {"generateContentRequest": {"model": model_path(model), **body}}

    def advice(self) -> str:
        """Returns what to do when the upstream takes us for nobody."""
        key = self.config.api_key
        return "it wants an api_key" if key is None else f"check its api_key ({key.source})"

    async def models(self) -> list[str]:
        """Returns the names of the models that can be asked; raises UpstreamError when it cannot say."""
        found: list[str] = []
        token = ""
        for _ in range(_MAX_PAGES):
            more = f"&pageToken={quote(token, safe='')}" if token else ""
            body = await self.fetch("GET", f"{self.config.url}/models?pageSize=1000{more}")
            try:
                page = _decode_page(body)
            except (msgspec.DecodeError, UnicodeDecodeError):
                break
            found += [one.name.removeprefix("models/") for one in page.models if _can_answer(one)]
            token = page.next_page_token
            if not token:
                break
        return found


def _can_answer(model: _Model) -> bool:
    methods = model.supported_generation_methods
    return methods is None or "generateContent" in methods


def model_path(model: str) -> str:
    """Returns where a model stands; raises BadRequest for a name that would lead elsewhere.

    Names may come from clients, where the file has a `*`.
    """
    if not _MODEL.fullmatch(model):
        message = f"The model '{model}' does not exist: that is no name of a model."
        raise BadRequest(message, param="model", code="model_not_found")
    return model if "/" in model else f"models/{model}"
