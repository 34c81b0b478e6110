"""Who charges for an upstream."""

from __future__ import annotations

import pytest

from proxy.pricing.sellers import Seller, seller_of
from proxy.pricing.table import price_table
from proxy.providers.vendors import VENDORS, Vendor

OWN, UNKNOWN = Seller(own=True), Seller()


@pytest.mark.parametrize(
    ("kind", "url", "seller"),
    [
        ("openai", None, Seller("openai")),
        ("openai", "https://eu.api.openai.com/v1", Seller("openai")),
        ("openai", "http://127.0.0.1:9/v1", Seller("openai")),
        ("openai", "https://api.x.ai/v1", Seller("xai")),
        ("anthropic", "https://api.anthropic.com", Seller("anthropic")),
        ("anthropic", "https://api.deepseek.com/anthropic", Seller("deepseek")),
        ("anthropic", "https://mine.services.ai.azure.com/anthropic", Seller("azure_ai")),
        ("azure-openai", "https://mine.openai.azure.com", Seller("azure")),
        ("azure-ai", "https://mine.services.ai.azure.com", Seller("azure_ai")),
        ("gemini", "https://generativelanguage.googleapis.com/v1beta", Seller("gemini")),
        ("vertex", None, Seller("vertex_ai")),
        ("bedrock", None, Seller("bedrock")),
        ("openai-compatible", "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1", Seller("bedrock")),
        ("openai-compatible", "https://us-east5-aiplatform.googleapis.com/v1/x", Seller("vertex_ai")),
        ("openai-compatible", "https://API.GROQ.com/openai/v1", Seller("groq")),
        ("openai-compatible", "https://api.deepseek.com", Seller("deepseek")),
        ("openai-compatible", "https://notapi.deepseek.com.evil.example", UNKNOWN),
        ("openai-compatible", "https://fakeapi.x.ai", UNKNOWN),
        ("openai-compatible", "https://openrouter.ai/api/v1", Seller(tells=True)),
        ("openai-compatible", "https://notopenrouter.ai/api/v1", UNKNOWN),
        ("openai-compatible", "https://llm.example.com/v1", UNKNOWN),
        ("openai-compatible", "https://8.8.8.8/v1", UNKNOWN),
        ("openai-compatible", "http://127.0.0.1:11434/v1", OWN),
        ("openai-compatible", "http://localhost:1234/v1", OWN),
        ("openai-compatible", "http://[::1]:1234/v1", OWN),
        ("openai-compatible", "http://10.0.0.7:8000/v1", OWN),
        ("openai-compatible", "http://vllm:8000/v1", OWN),
        ("openai-compatible", "http://gpu.local:8000/v1", OWN),
        ("openai-compatible", "http://host.docker.internal:11434/v1", OWN),
        ("openai-compatible", None, UNKNOWN),
        ("echo", None, OWN),
        ("of-somebody-else", None, UNKNOWN),
        ("of-somebody-else", "http://127.0.0.1:1/v1", OWN),
    ],
)
def test_who_charges(kind: str, url: str | None, seller: Seller) -> None:
    assert seller_of(kind, url) == seller


def test_every_vendor_of_the_table_is_somebody() -> None:
    vendors = {name.partition("/")[0] for name in price_table().models}
    hosts = {
        "together_ai": "api.together.xyz", "fireworks_ai": "api.fireworks.ai", "moonshot": "api.moonshot.ai",
        "zai": "api.z.ai", "minimax": "api.minimax.io", "dashscope": "dashscope-intl.aliyuncs.com",
        "perplexity": "api.perplexity.ai", "cohere": "api.cohere.com", "mistral": "api.mistral.ai",
        "cerebras": "api.cerebras.ai", "groq": "api.groq.com", "xai": "api.x.ai", "deepseek": "api.deepseek.com",
    }  # fmt: skip
    kinds = ("openai", "azure-openai", "azure-ai", "anthropic", "gemini", "vertex", "bedrock")
    found = {seller_of("openai-compatible", f"https://{host}/v1").vendor for host in hosts.values()}
    assert found | {seller_of(kind, None).vendor for kind in kinds} == vendors


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.prefix)
def test_those_who_are_served_by_their_key_alone_are_found_in_the_table(vendor: Vendor) -> None:
    known = {name.partition("/")[0] for name in price_table().models} & {vendor.prefix, *vendor.also}
    seller = seller_of(vendor.kind, vendor.base_url)
    assert {seller.vendor} - {None} == known
    assert seller.own == bool(vendor.kind == "echo" or "127.0.0.1" in (vendor.base_url or ""))
