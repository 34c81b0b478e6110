"""Names of LiteLLM's models, and who serves them."""

from __future__ import annotations

import pytest

from proxy.litellm.providers import Target, prefixes, target_of
from proxy.providers.registry import kinds
from proxy.providers.vendors import VENDORS

NAMES = [
    # name, custom_llm_provider, api_base: kind, prefix, model, api
    ("openai/gpt-4o", None, None, "openai", "openai", "gpt-4o", None),
    ("gpt-4o", None, None, "openai", "openai", "gpt-4o", None),
    ("openai/gpt-4o", None, "https://api.openai.com/v1", "openai", "openai", "gpt-4o", None),
    ("openai/mine", None, "http://10.0.0.1/v1", "openai-compatible", "openai-compatible", "mine", None),
    ("openai/responses/gpt-5", None, None, "openai", "openai", "gpt-5", "responses"),
    ("azure/my-deployment", None, "https://x.example", "azure-openai", "azure", "my-deployment", None),
    ("azure/o_series/o3-of-mine", None, "https://x.example", "azure-openai", "azure", "o3-of-mine", None),
    ("azure/responses/gpt-5", None, "https://x.example", "azure-openai", "azure", "gpt-5", "responses"),
    ("azure_ai/deepseek-r1", None, "https://x.example", "azure-ai", "azure_ai", "deepseek-r1", None),
    ("anthropic/claude-sonnet-4-5", None, None, "anthropic", "anthropic", "claude-sonnet-4-5", None),
    ("claude-sonnet-4-5", None, None, "anthropic", "anthropic", "claude-sonnet-4-5", None),
    ("gemini/gemini-2.5-pro", None, None, "gemini", "gemini", "gemini-2.5-pro", None),
    ("vertex_ai/claude-opus-4", None, None, "vertex", "vertex", "claude-opus-4", None),
    ("bedrock/anthropic.claude-3", None, None, "bedrock", "bedrock", "anthropic.claude-3", None),
    ("bedrock/converse/us.amazon.nova", None, None, "bedrock", "bedrock", "us.amazon.nova", "converse"),
    ("bedrock/invoke/anthropic.claude", None, None, "bedrock", "bedrock", "anthropic.claude", "invoke"),
    ("groq/llama-3.3-70b", None, None, "openai-compatible", "groq", "llama-3.3-70b", None),
    ("openrouter/google/gemma-3", None, None, "openai-compatible", "openrouter", "google/gemma-3", None),
    ("ollama_chat/llama3.2", None, None, "openai-compatible", "ollama", "llama3.2", None),
    ("hosted_vllm/qwen/qwen3", None, "http://h/v1", "openai-compatible", "vllm", "qwen/qwen3", None),
    ("together_ai/meta/llama", None, None, "openai-compatible", "together", "meta/llama", None),
    ("fireworks_ai/x", None, None, "openai-compatible", "fireworks", "x", None),
    ("litellm_proxy/x", None, "http://h", "openai-compatible", "openai-compatible", "x", None),
    ("qwen3", None, "http://h", "openai-compatible", "openai-compatible", "qwen3", None),
    ("text-embedding-ada-002", None, None, "openai", "openai", "text-embedding-ada-002", None),
    ("huggingface/a/b", None, "http://h", "openai-compatible", "openai-compatible", "a/b", None),
    ("x", "groq", None, "openai-compatible", "groq", "x", None),
    ("groq/x", "groq", None, "openai-compatible", "groq", "x", None),
    ("openai/*", None, None, "openai", "openai", "*", None),
]


@pytest.mark.parametrize("row", NAMES, ids=lambda row: f"{row[0]}-{row[2] or row[1] or ''}")
def test_each_prefix_leads_to_a_kind(row: tuple[str | None, ...]) -> None:
    name, provider, url, kind, prefix, model, api = row
    target = target_of(str(name), provider, url)
    assert isinstance(target, Target)
    assert (target.vendor.kind, target.vendor.prefix, target.model, target.api) == (kind, prefix, model, api)
    assert target.vendor.kind in kinds()


@pytest.mark.parametrize(
    ("name", "provider"), [("sagemaker/x", None), ("llama", None), ("x", "nobody"), ("groq/", None)]
)
def test_others_are_nobodys(name: str, provider: str | None) -> None:
    assert target_of(name, provider, None) is None
    assert target_of("litellm_proxy/x", None, None) is None
    assert {vendor.prefix for vendor in VENDORS} < set(prefixes())
