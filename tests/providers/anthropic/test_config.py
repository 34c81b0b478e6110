from __future__ import annotations

import pytest

from proxy.config.loader import load_text
from proxy.config.types import Mistake
from proxy.errors import ConfigError
from proxy.providers.anthropic.config import AnthropicConfig

FILE = (
    "upstreams: {{a: {{kind: anthropic{}}}}}\nmodels: {{m: [a/claude-opus-5]}}\npipeline: [route, stream-translate]\n"
)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://api.anthropic.com", "https://api.anthropic.com/v1"),
        ("https://api.anthropic.com/", "https://api.anthropic.com/v1"),
        ("https://api.anthropic.com/v1/", "https://api.anthropic.com/v1"),
        ("http://127.0.0.1:8080/anthropic", "http://127.0.0.1:8080/anthropic/v1"),
        ("http://127.0.0.1:8080/anthropic/v1/messages", "http://127.0.0.1:8080/anthropic/v1"),
    ],
)
def test_the_base_url_may_be_written_in_many_ways(base: str, url: str) -> None:
    assert AnthropicConfig(base_url=base).url == url


def test_without_one_it_is_anthropics_own() -> None:
    assert AnthropicConfig().url == "https://api.anthropic.com/v1"


def test_a_file() -> None:
    more = (
        ", api_key: sk-ant-1, version: '2026-10-21', betas: [a-1, b-2], timeouts: {connect: 2s}, "
        "profile: {max_tokens: 500, thinking_budgets: {high: 9000}, prompt_cache: always}"
    )
    config = load_text(FILE.format(more), "test").upstreams["a"].config
    assert isinstance(config, AnthropicConfig)
    assert (config.version, config.betas, config.timeouts.connect) == ("2026-10-21", ("a-1", "b-2"), 2.0)
    assert (config.profile.max_tokens, config.profile.thinking_budgets.high) == (500, 9000)


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        (", base_url: 'ftp://x'", "base_url"),
        (", base_url: 'https://x/?a=1'", "query"),
        (", betas: ['a b']", "betas"),
        (", betas: ['a,b']", "betas"),
        (", version: ''", "version"),
        (", profile: {thinking_budgets: {low: 5}}", "low"),
        (", profile: {extra_body: {model: x}}", "extra_body"),
        (", profil: {}", "profil"),
    ],
)
def test_mistakes_are_found_with_their_place(more: str, wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(FILE.format(more), "test")
    assert wrong in str(caught.value)
    assert str(caught.value).startswith("test:1:")


def test_what_cannot_stand_in_a_header() -> None:
    with pytest.raises(Mistake):
        AnthropicConfig(version="2023\n")
