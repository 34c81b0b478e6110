"""The kinds of upstream that Penstock ships."""

from __future__ import annotations

from .anthropic.provider import Anthropic
from .azure_ai.provider import AzureAI
from .azure_openai.provider import AzureOpenAI
from .bedrock.provider import Bedrock
from .echo.provider import Echo
from .gemini.provider import Gemini
from .openai.provider import OpenAI
from .openai_compatible.provider import OpenAICompatible
from .provider import Provider
from .vertex.provider import Vertex

SHIPPED: tuple[type[Provider], ...] = (
    Anthropic,
    AzureAI,
    AzureOpenAI,
    Bedrock,
    Echo,
    Gemini,
    OpenAI,
    OpenAICompatible,
    Vertex,
)


def kinds() -> dict[str, type[Provider]]:
    """Returns the provider of each `kind` that an upstream of the file may have."""
    return {provider.kind: provider for provider in SHIPPED}
