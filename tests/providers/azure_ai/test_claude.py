"""Claude on Foundry: who it is, how it is asked, and whose errors are whose."""

from __future__ import annotations

import json

import pytest

from proxy.config.types import Secret
from proxy.exchange import Client, Exchange
from proxy.providers.azure_ai.claude import FoundryClaude, is_claude, is_messages_error
from proxy.providers.azure_ai.config import AzureAIConfig
from tests.support.asked import request
from tests.support.strict_messages import check

HOME = "https://mine.services.ai.azure.com"


def claude(**settings):
    return FoundryClaude("ai", AzureAIConfig(**{"base_url": HOME, "api_key": Secret("k1", "env:K"), **settings}))


def asked(model="claude-opus-4-5", **settings):
    return claude(**settings).build(Exchange("ex_1", Client("127.0.0.1", {}), request()), model)


@pytest.mark.parametrize(("model", "found"), [("claude-opus-4-5", True), ("Claude", True), ("DeepSeek-V3.1", False)])
def test_who_is_claude(model, found):
    assert is_claude(model) == found


def test_how_it_is_asked():
    made = asked(betas=("b-1",))
    assert made.url == f"{HOME}/anthropic/v1/messages"
    assert (made.headers["x-api-key"], made.headers["api-key"]) == ("k1", "k1")
    assert (made.headers["anthropic-version"], made.headers["anthropic-beta"]) == ("2023-06-01", "b-1")
    assert check(made.body)["model"] == "claude-opus-4-5"


def test_headers_of_the_file_count():
    assert asked(headers={"api-key": Secret("of-the-gateway")}).headers["api-key"] == "of-the-gateway"
    assert "x-api-key" not in asked(api_key=None).headers


def test_a_deployment_takes_what_its_model_takes():
    mine = claude(base_models={"careful": "claude-opus-4-5"})
    assert mine.traits("careful") == mine.traits("claude-opus-4-5") != mine.traits("unknown")


def test_whose_errors_are_whose():
    own = json.dumps({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}).encode()
    azures = json.dumps({"error": {"code": "401", "message": "Access denied"}}).encode()
    assert (is_messages_error(own), is_messages_error(azures), is_messages_error(b"<html>")) == (True, False, False)
    assert claude().error(529, {}, own).code == "overloaded"
    error = claude().error(401, {}, azures)
    assert (error.code, error.message) == ("upstream_auth", 'upstream "ai" answered 401: check its api_key (env:K)')
