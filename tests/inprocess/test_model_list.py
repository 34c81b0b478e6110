"""LiteLLM's list of deployments as the sections of a file."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.inprocess.model_list import read_model_list


def entry(name: str, model: str, **params: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model, **params}}


def test_entries_become_upstreams_and_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EU_BASE", "https://eu.example")
    sections = read_model_list(
        [
            entry("smart", "azure/gpt-4o", api_base="os.environ/EU_BASE", api_key="os.environ/EU_KEY", weight=3),
            entry("smart", "azure/gpt-4o", api_base="https://us.example", api_key="k", api_version="2024-10-21", rpm=2),
            entry("fast", "groq/llama", api_key="g", timeout=30, extra_headers={"x-a": "b"}),
            entry("faster", "groq/llama-8b", api_key="g", timeout=30, extra_headers={"x-a": "b"}),
            {**entry("near", "qwen", api_base="http://127.0.0.1:1/v1"), "model_info": {"id": "1"}, "tpm": 7},
            entry("claude", "bedrock/anthropic.x", aws_region_name="eu-west-1", aws_profile_name="p"),
            entry("plain", "x", custom_llm_provider="openai", api_key="o", organization="org"),
        ],
        timeout=5,
    )
    slow = {"connect": 5.0, "first_byte": 5, "idle": 5}
    assert sections.mistakes == []
    assert sections.models == {
        "smart": [{"use": "azure/gpt-4o", "weight": 3}, {"use": "azure-2/gpt-4o", "weight": 2}],
        "fast": [{"use": "groq/llama", "weight": 1}],
        "faster": [{"use": "groq/llama-8b", "weight": 1}],
        "near": [{"use": "openai-compatible/qwen", "weight": 7}],
        "claude": [{"use": "bedrock/anthropic.x", "weight": 1}],
        "plain": [{"use": "openai/x", "weight": 1}],
    }
    assert sections.upstreams["azure"] == {
        "kind": "azure-openai",
        "base_url": "https://eu.example",
        "api_key": "os.environ/EU_KEY",
        "timeouts": slow,
    }
    assert sections.upstreams["azure-2"]["api_version"] == "2024-10-21"
    assert sections.upstreams["groq"]["timeouts"] == {"connect": 5.0, "first_byte": 30, "idle": 30}
    assert sections.upstreams["groq"]["headers"] == {"x-a": "b"}
    assert sections.upstreams["bedrock"]["region"] == "eu-west-1"
    assert sections.upstreams["openai"]["organization"] == "org"
    assert sections.origins["azure-2"] == "model_list[1]"


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([], "model_list is empty"),
        ([{"model_name": "m"}], "model_list[0]: expected model_name and litellm_params"),
        ([{**entry("m", "groq/x"), "modle": 1}], "model_list[0]: unknown option 'modle'; known are model_name"),
        (
            [entry("m", "groq/x", api_bse="u")],
            "model_list[0].litellm_params: unknown option 'api_bse'; known are model",
        ),
        ([entry("m", "")], "model is missing"),
        ([entry("m", "llama")], "'llama' names no provider; known are anthropic"),
        ([entry("m", "x", custom_llm_provider="nobody")], "'nobody' names no provider"),
    ],
)
def test_mistakes_are_named(entries: list[dict[str, Any]], why: str) -> None:
    assert why in "\n".join(read_model_list(entries).mistakes)
