"""The provider for OpenAI's models on Azure, and for those of others that Azure serves over the same API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

import msgspec

from ...errors import UpstreamError
from ..chat.profile import ChatProfile
from ..openai.provider import OpenAIModels
from ..openai_compatible.provider import asked_again
from ..responses.profile import ResponsesProfile
from ..token_client import TokenClient
from .config import AzureOpenAIConfig
from .entra import with_tokens
from .errors import refused

_NOT_OPENAI = re.compile(
    r"(?:codestral|cohere|command|deepseek|gpt-oss|grok|jamba|kimi|llama|mai-|meta-|ministral|mistral|phi-|qwen)", re.I
)
"""Models of other makers, which Azure serves over the same API."""


class AzureOpenAI(OpenAIModels):
    """OpenAI's models on Azure, each under the name of its deployment."""

    kind: ClassVar[str] = "azure-openai"
    Config = AzureOpenAIConfig
    config: AzureOpenAIConfig

    def __init__(self, name: str, config: AzureOpenAIConfig) -> None:
        super().__init__(name, config, config.url, api=config.api)
        self.client = with_tokens(name, self.client, config.entra)

    async def start(self) -> None:
        """Begins to look for a token, without waiting for it."""
        if isinstance(self.client, TokenClient):
            self.client.prepare()

    def key_headers(self, key: str) -> dict[str, str]:
        """Returns the header that carries the key."""
        return {"api-key": key}

    def endpoint(self, path: str, model: str) -> str:
        """Returns the URL of a path of the API for a deployment."""
        return self.config.endpoint(path, model)

    def base_model(self, deployment: str) -> str:
        """Returns the model that a deployment is of: as the file says, else what it is called."""
        return self.config.base_models.get(deployment, deployment)

    def profile(self, model: str) -> ChatProfile:
        """Returns what a deployment takes over chat completions."""
        base = self.base_model(model)
        if _NOT_OPENAI.match(base):
            return ChatProfile()
        profile = super().profile(base)
        return msgspec.structs.replace(profile, cache_breakpoints=False, safety_identifier=False, tokenizer="none")

    def responses_profile(self, model: str) -> ResponsesProfile:
        """Returns what a deployment takes over the Responses API."""
        profile = super().responses_profile(self.base_model(model))
        return msgspec.structs.replace(profile, pads=not self.config.dated)

    def only_responses(self, model: str) -> bool:
        """Tells whether a deployment is not served over chat completions, by the name of its model."""
        return super().only_responses(self.base_model(model))

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Maps an error answer to the tree of errors."""
        return asked_again(refused(self.name, status, headers, body, advice=self.config.advice))

    async def models(self) -> list[str]:
        """Returns nothing: what Azure lists are models that could be deployed. Raises UpstreamError when it refuses."""
        await super().models()
        return []
