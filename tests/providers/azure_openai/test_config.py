"""Settings of OpenAI's models on Azure: where paths of the API stand, and what is refused."""

from __future__ import annotations

import msgspec
import pytest

from proxy.config.types import Mistake, Secret
from proxy.providers.azure_openai.config import AzureOpenAIConfig
from proxy.providers.azure_openai.entra import Entra

HOME = "https://eu.openai.azure.com"


def url(path="/chat/completions", deployment="gpt-4o", **settings):
    return AzureOpenAIConfig(**{"base_url": HOME, **settings}).endpoint(path, deployment)


@pytest.mark.parametrize(
    ("version", "path", "expected"),
    [
        (None, "/chat/completions", "/openai/v1/chat/completions"),
        (None, "/responses", "/openai/v1/responses"),
        (None, "/files", "/openai/v1/files"),
        ("v1", "/responses", "/openai/v1/responses?api-version=v1"),
        ("preview", "/embeddings", "/openai/v1/embeddings?api-version=preview"),
        ("2024-10-21", "/chat/completions", "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"),
        ("2024-10-21", "/embeddings", "/openai/deployments/gpt-4o/embeddings?api-version=2024-10-21"),
        ("2025-04-01-preview", "/responses", "/openai/responses?api-version=2025-04-01-preview"),
        ("2024-10-21", "/files", "/openai/files?api-version=2024-10-21"),
        ("2024-10-21", "/models", "/openai/models?api-version=2024-10-21"),
    ],
)
def test_where_paths_stand(version, path, expected):
    assert url(path, api_version=version) == HOME + expected


def test_names_of_deployments_stand_in_the_path_as_they_are():
    assert "/deployments/my%20gpt%2F4/" in url(deployment="my gpt/4", api_version="2024-10-21")
    assert url("/audio/speech", "", api_version="2024-10-21") == f"{HOME}/openai/audio/speech?api-version=2024-10-21"


@pytest.mark.parametrize(
    "written",
    [
        HOME,
        f"{HOME}/",
        f"{HOME}/openai",
        f"{HOME}/openai/v1",
        f"{HOME}/openai/v1/",
        f"{HOME}/openai/deployments/gpt-4o/chat/completions",
    ],
)
def test_whatever_the_portal_shows_is_understood(written):
    assert url(base_url=written) == f"{HOME}/openai/v1/chat/completions"


def test_a_gateway_in_front_keeps_its_path():
    assert url(base_url="https://gw.example/team/a/openai") == "https://gw.example/team/a/openai/v1/chat/completions"
    assert url(base_url="https://gw.example/team/a") == "https://gw.example/team/a/openai/v1/chat/completions"


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"base_url": "eu.openai.azure.com"}, "base_url"),
        ({"base_url": f"{HOME}/openai/deployments/x/chat/completions?api-version=2024-10-21"}, "query"),
        ({"api_version": "2024"}, "no version"),
        ({"api_version": "2024-10-21&x=1"}, "no version"),
        ({"api_key": Secret("k"), "entra": Entra()}, "both api_key and entra"),
    ],
)
def test_what_is_refused(settings, what):
    with pytest.raises(Mistake, match=what):
        AzureOpenAIConfig(**{"base_url": HOME, **settings})


def test_what_to_do_about_a_refusal():
    key = Secret("k", "env:AZURE_KEY")
    assert AzureOpenAIConfig(base_url=HOME, api_key=key).advice == "check its api_key (env:AZURE_KEY)"
    assert AzureOpenAIConfig(base_url=HOME).advice == "it wants an api_key, or entra"
    assert "managed-identity" in AzureOpenAIConfig(base_url=HOME, entra=Entra(use="managed-identity")).advice


def test_every_setting_is_documented():
    for kind in (AzureOpenAIConfig, Entra):
        for field in msgspec.inspect.type_info(kind).fields:
            assert isinstance(field.type, msgspec.inspect.Metadata), field.name
