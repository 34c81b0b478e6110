"""Claude on Azure AI Foundry: Anthropic's own API at the resource, each model under the name of its deployment."""

from __future__ import annotations

from collections.abc import Mapping

from ...config.types import Secret
from ...errors import UpstreamRefused
from ..anthropic.config import AnthropicConfig
from ..anthropic.errors import refused as messages_refused
from ..anthropic.provider import Anthropic
from ..anthropic.traits import Traits
from ..azure_openai.errors import refused as azure_refused
from ..chat.surrogates import load
from .config import AzureAIConfig


def is_claude(model: str) -> bool:
    """Tells whether a model is one of Anthropic's."""
    return "claude" in model.lower()


def is_messages_error(body: bytes) -> bool:
    """Tells whether an error answer has the form that Anthropic gives it."""
    said = load(body.strip())
    return isinstance(said, dict) and said.get("type") == "error"


class FoundryClaude(Anthropic):
    """The models of one resource that are Anthropic's; its client is that of the upstream."""

    def __init__(self, name: str, config: AzureAIConfig) -> None:
        key, headers = config.api_key, config.headers
        if key is not None:  # the SDK sends both, and so do gateways expect one or the other
            headers = {"api-key": Secret(key.reveal()), **headers}
        own = AnthropicConfig(
            base_url=f"{config.root}/anthropic",
            api_key=key,
            headers=headers,
            betas=config.betas,
            profile=config.claude,
            timeouts=config.timeouts,
        )
        super().__init__(name, own)
        self._base_models = config.base_models
        self._advice = config.advice

    def traits(self, model: str) -> Traits:
        """Returns what a deployment takes."""
        return super().traits(self._base_models.get(model, model))

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamRefused:
        """Maps an error answer to the tree of errors; whether Azure says it or Anthropic shows in its form."""
        mapped = messages_refused if is_messages_error(body) else azure_refused
        return mapped(self.name, status, headers, body, advice=self._advice)
