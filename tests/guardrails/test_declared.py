"""Names of tools that clients have given, in either dialect and as upstreams know them."""

from __future__ import annotations

from proxy.api.responses.tool_map import ToolMap
from proxy.guardrails.declared import declared_by
from tests.support.drive import asking, chatting, exchange_of

FUNCTION = {"type": "function", "name": "look", "parameters": {}}


def test_names_are_known_as_the_client_and_as_the_upstream_writes_them() -> None:
    space = {"type": "namespace", "name": "far", "description": "d", "tools": [FUNCTION]}
    request = asking(tools=[space, {"type": "custom", "name": "say"}])
    exchange = exchange_of(request)
    exchange.marks["tools"] = ToolMap.of(request.tools)
    is_declared = declared_by(exchange)
    assert [is_declared(name) for name in ("look", "far__look", "say", "far", "other")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_tools_of_chat_completions_have_their_names_further_down() -> None:
    tools = [{"type": "function", "function": {"name": "look"}}, {"type": "custom", "custom": {"name": "say"}}, 3]
    is_declared = declared_by(exchange_of(chatting("hi", tools=tools, functions=[{"name": "old"}])))
    assert [is_declared(name) for name in ("look", "say", "old", "function", "None")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert not declared_by(exchange_of(chatting("hi", tools="x")))("x")
