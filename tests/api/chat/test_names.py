"""Clients of chat completions are told of what they have said by the names that they have for it."""

from __future__ import annotations

import pytest

from proxy.api.chat.names import chat_name


@pytest.mark.parametrize(
    ("param", "name"),
    [
        ("text.verbosity", "verbosity"),
        ("text.format", "response_format"),
        ("text.format.schema", "response_format"),
        ("reasoning.effort", "reasoning_effort"),
        ("reasoning", "reasoning_effort"),
        ("max_output_tokens", "max_completion_tokens"),
        ("instructions", "messages"),
        ("input", "messages"),
        ("input[0].content[1].image_url", "messages"),
        ("service_tier", "service_tier"),
        ("tools[0]: web_search", "tools[0]: web_search"),
        ("messages[0].content", "messages[0].content"),
        ("odd", "odd"),
    ],
)
def test_names_of_the_responses_api(param: str, name: str) -> None:
    assert chat_name(param, ("model", "messages")) == name


def test_what_the_client_itself_has_said_keeps_its_name() -> None:
    assert chat_name("reasoning.effort", ("model", "reasoning")) == "reasoning.effort"
    assert chat_name("input", ("input",)) == "input"
