"""`providers: env`: who is served for the variables that are set, under which names, and what is said of the others."""

from __future__ import annotations

import pytest

from proxy.assembly import assemble
from proxy.config.file import Config
from proxy.config.loader import load_text
from proxy.config.types import Sources
from proxy.errors import ConfigError
from proxy.providers.registry import kinds
from proxy.providers.vendors import VENDORS
from tests.support.fake_registry import STAGES

TEXT = "providers: env\nupstreams: {e: {kind: echo}}\nmodels: {e: [e/echo]}\npipeline: [route]\n"


def config_of(environ: dict[str, str], text: str = TEXT) -> Config:
    return load_text(text, "f", sources=Sources(environ), providers=kinds(), stages=STAGES)


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@pytest.mark.parametrize("vendor", [one for one in VENDORS if one.in_environment], ids=lambda one: one.prefix)
def test_a_key_is_enough(vendor):
    """For those that have a place of their own; the others need that, too, and servers of one's own nothing else."""
    environ = dict.fromkeys(vendor.variables[:1], "k")
    if vendor.missing(environ):
        assert vendor.prefix not in config_of(environ).upstreams
        environ |= dict.fromkeys(vendor.url_variables[:1], "http://127.0.0.1:9/v1")
    config = config_of(environ)
    assert list(config.upstreams) == ["e", vendor.prefix]
    assert type(config.upstreams[vendor.prefix].provider) is type(kinds()[vendor.kind])
    for prefix in (vendor.prefix, *vendor.also):
        assert [(one.upstream, one.model) for one in config.models[f"{prefix}/*"]] == [(vendor.prefix, "*")]


def test_names_lead_to_them():
    models = assemble(
        config_of({"OPENAI_API_KEY": "k", "OPENROUTER_API_KEY": "k", "AWS_BEARER_TOKEN_BEDROCK": "k"})
    ).models

    def found(name: str) -> list[tuple[str, str]]:
        return [(one.provider.name, one.model) for one in models.resolve(name)]

    assert found("openai/gpt-5") == found("gpt-5") == [("openai", "gpt-5")]
    assert found("bedrock/anthropic.claude-sonnet-4") == [("bedrock", "anthropic.claude-sonnet-4")]
    assert found("openrouter/anthropic/claude-sonnet-4") == [("openrouter", "anthropic/claude-sonnet-4")]
    assert found("claude-sonnet-4") == found("nobody/x") == []
    for name in ("claude-sonnet-4", "anthropic/claude-sonnet-4"):
        assert models.why_unavailable(name) == "environment variable ANTHROPIC_API_KEY is not set"
    assert models.why_unavailable("nobody/x") is None


def test_what_is_missing_is_said():
    missing = {one.name: (one.reason, one.missing) for one in config_of({"AZURE_AI_API_KEY": "k"}).skipped}
    assert missing["azure"] == (
        "environment variables AZURE_API_KEY and AZURE_API_BASE are not set", ("AZURE_API_KEY", "AZURE_API_BASE")
    )  # fmt: skip
    assert missing["azure_ai"][1] == ("AZURE_AI_API_BASE",)
    assert missing["groq"] == missing["groq/*"] == ("environment variable GROQ_API_KEY is not set", ("GROQ_API_KEY",))


def test_a_mistake_in_the_environment_keeps_nothing_else_from_being_served(monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    environ = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "nowhere", "AWS_BEARER_TOKEN_BEDROCK": "k", "XAI_API_KEY": "k"}
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "k")
    config = config_of(environ)
    assert list(config.upstreams) == ["e", "xai"]
    reasons = {one.name: one.reason for one in config.skipped if not one.missing}
    assert set(reasons) == {"openai", "openai/*", "gpt-*", "chatgpt-*", "o1*", "o3*", "o4*", "codex-*",
                            "computer-use-*", "ft:gpt-*", "bedrock", "bedrock/*"}  # fmt: skip
    assert "base_url" in reasons["openai"]
    assert reasons["bedrock"] == "the region is not known (add region: us-east-1, or set AWS_REGION)"


def test_the_file_counts_for_more():
    text = (
        "providers: env\n"
        "upstreams: {openai: {kind: openai, api_key: mine}}\n"
        "models:\n  group: [openai/gpt-5, anthropic/claude-x, xai/grok-x]\n  claude-*: [openai/gpt-5]\n"
        "pipeline: [route]\n"
    )
    config = config_of({"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}, text)
    assert config.upstreams["openai"].config.api_key.reveal() == "mine"
    assert [one.upstream for one in config.models["group"]] == ["openai", "anthropic"]
    assert [one.upstream for one in config.models["claude-*"]] == ["openai"]
    assert "gpt-*" not in config.models
    assert "anthropic/*" in config.models


def test_only_when_the_file_says_so():
    assert list(config_of({"OPENAI_API_KEY": "k"}, TEXT.replace("providers: env\n", "")).upstreams) == ["e"]
    with pytest.raises(ConfigError, match="providers"):
        config_of({}, TEXT.replace("env", "all"))
