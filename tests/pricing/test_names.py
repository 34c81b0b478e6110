"""Names under which a model may stand in the table."""

from __future__ import annotations

import pytest

from proxy.pricing.names import names, sold_as


@pytest.mark.parametrize(
    ("vendor", "model", "expected"),
    [
        ("openai", "gpt-4o", ["gpt-4o"]),
        ("openai", "gpt-4o-2024-08-06", ["gpt-4o-2024-08-06", "gpt-4o"]),
        ("anthropic", "claude-x-20250929", ["claude-x-20250929", "claude-x"]),
        ("vertex_ai", "claude-x@20251101", ["claude-x@20251101", "claude-x"]),
        ("vertex_ai", "claude-x@default", ["claude-x@default", "claude-x"]),
        ("vertex_ai", "google/gemma-x", ["gemma-x"]),
        ("vertex_ai", "projects/p/locations/l/publishers/anthropic/models/claude-x", ["claude-x"]),
        ("vertex_ai", "publishers/xai/models/grok-x", ["xai/grok-x"]),
        ("vertex_ai", "xai/grok-x", ["xai/grok-x"]),
        ("gemini", "models/gemma-x", ["gemma-x"]),
        ("groq", "openai/gpt-oss", ["openai/gpt-oss"]),
        ("mistral", "mistral-large-2411", ["mistral-large-2411"]),
        ("cohere", "command-r-08-2024", ["command-r-08-2024"]),
        ("bedrock", "amazon.nova-v1:0", ["amazon.nova-v1:0", "amazon.nova"]),
        ("bedrock", "us.a.nova-v1:0", ["us.a.nova-v1:0", "a.nova-v1:0", "us.a.nova", "a.nova"]),
        ("bedrock", "eu.zai.glm", ["eu.zai.glm", "us.zai.glm", "zai.glm"]),
        ("bedrock", "us-gov.zai.glm", ["us-gov.zai.glm", "us.zai.glm", "zai.glm"]),
        ("bedrock", "apac.zai.glm", ["apac.zai.glm", "us.zai.glm", "zai.glm"]),
        ("bedrock", "global.zai.glm", ["global.zai.glm", "zai.glm"]),
        (
            "bedrock",
            "anthropic.claude-x-20260416-v1:0",
            ["anthropic.claude-x-20260416-v1:0", "anthropic.claude-x-20260416", "anthropic.claude-x"],
        ),
        ("bedrock", "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.a.x", ["eu.a.x", "us.a.x", "a.x"]),
        ("bedrock", "arn:aws:bedrock:us-east-1::foundation-model/zai.glm", ["zai.glm"]),
        ("bedrock", "arn:aws:bedrock:us-east-1:123:application-inference-profile/abc123", ["abc123"]),
    ],
)  # fmt: skip
def test_the_most_exact_first(vendor: str, model: str, expected: list[str]) -> None:
    assert list(names(vendor, model)) == [f"{vendor}/{name}" for name in expected]


@pytest.mark.parametrize(
    ("vendor", "model", "expected"),
    [
        ("vertex_ai", "publishers/google/models/gemini-x", ["vertex_ai/gemini-x", "gemini/gemini-x"]),
        ("vertex", "google/gemini-x", ["vertex_ai/gemini-x", "gemini/gemini-x"]),
        ("gemini", "models/gemini-x", ["gemini/gemini-x", "vertex_ai/gemini-x"]),
        ("together", "a/b", ["together_ai/a/b"]),
        ("azure-openai", "gpt-x", ["azure/gpt-x"]),
    ],
)
def test_names_under_other_vendors(vendor: str, model: str, expected: list[str]) -> None:
    assert list(names(vendor, model)) == expected


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        ("*", "gemini/gemini-x", "gemini/gemini-x"),
        ("vertex/gem*", "gemini/gemini-x", "vertex_ai/gemini-x"),
        ("vertex/gem*", "vertex_ai/gemini-x", "vertex_ai/gemini-x"),
        ("vertex_ai/gem*", "gemini/gemma-x", None),
        ("gemini/*", "vertex_ai/gemini-x", "gemini/gemini-x"),
        ("gemini/*", "vertex_ai/claude-x", None),
        ("openai/*", "gemini/gemini-x", None),
    ],
)
def test_patterns_of_a_vendor(pattern: str, name: str, found: str | None) -> None:
    assert sold_as(pattern, name) == found
