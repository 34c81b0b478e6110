"""The kinds of upstream that Penstock ships, each loaded when a configuration first names it."""

from __future__ import annotations

from collections.abc import Mapping

from ..deferred import DeferredClasses
from .provider import Provider

SHIPPED: Mapping[str, str] = {
    "anthropic": "proxy.providers.anthropic.provider:Anthropic",
    "azure-ai": "proxy.providers.azure_ai.provider:AzureAI",
    "azure-openai": "proxy.providers.azure_openai.provider:AzureOpenAI",
    "bedrock": "proxy.providers.bedrock.provider:Bedrock",
    "echo": "proxy.providers.echo.provider:Echo",
    "gemini": "proxy.providers.gemini.provider:Gemini",
    "openai": "proxy.providers.openai.provider:OpenAI",
    "openai-compatible": "proxy.providers.openai_compatible.provider:OpenAICompatible",
    "vertex": "proxy.providers.vertex.provider:Vertex",
}
"""Where the provider of each kind is. A process that serves one kind does not load the others."""


def kinds() -> Mapping[str, type[Provider]]:
    """Returns the provider of each `kind` that an upstream of the file may have."""
    return DeferredClasses(SHIPPED)
