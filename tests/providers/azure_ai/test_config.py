"""Settings of models on Azure AI Foundry."""

from __future__ import annotations

import msgspec
import pytest

from proxy.config.types import Mistake, Secret
from proxy.providers.azure_ai.config import AzureAIConfig
from proxy.providers.azure_openai.entra import Entra

HOME = "https://mine.services.ai.azure.com"


@pytest.mark.parametrize(
    ("written", "url"),
    [
        (HOME, f"{HOME}/models"),
        (f"{HOME}/", f"{HOME}/models"),
        (f"{HOME}/models", f"{HOME}/models"),
        (f"{HOME}/models/chat/completions", f"{HOME}/models"),
        (f"{HOME}/anthropic/v1/messages", f"{HOME}/models"),
        ("https://r1.eastus.models.ai.azure.com", "https://r1.eastus.models.ai.azure.com"),
        ("https://r1.eastus.models.ai.azure.com/chat/completions", "https://r1.eastus.models.ai.azure.com"),
        ("https://gw.example/ai", "https://gw.example/ai/models"),
    ],
)
def test_where_the_inference_api_begins(written, url):
    assert AzureAIConfig(base_url=written).url == url


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"base_url": "mine"}, "base_url"),
        ({"api_version": "v1"}, "no version"),
        ({"api_key": Secret("k"), "entra": Entra()}, "both api_key and entra"),
    ],
)
def test_what_is_refused(settings, what):
    with pytest.raises(Mistake, match=what):
        AzureAIConfig(**{"base_url": HOME, **settings})


def test_every_setting_is_documented():
    for field in msgspec.inspect.type_info(AzureAIConfig).fields:
        assert isinstance(field.type, msgspec.inspect.Metadata), field.name
