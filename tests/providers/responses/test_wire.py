"""Which way there and back an exchange takes over the Responses API."""

from __future__ import annotations

import json

import pytest

from proxy.api.responses.tool_map import ToolMap
from proxy.errors import InternalError
from proxy.events import ToolCallStart
from proxy.providers.responses.profile import ResponsesProfile
from proxy.providers.responses.relay import ResponsesRelay
from proxy.providers.responses.wire import decoder_for, relay_for, request_body, sealer_for, without_thoughts
from proxy.request import ModelRequest
from proxy.sealing import Sealing
from tests.support.drive import asking, chatting, exchange_of
from tests.support.responses_streams import Upstream, events_of

SEALING = Sealing(["k" * 32])
PLAIN = ResponsesProfile()
TOOLS = [{"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "f"}]}]


def test_a_request_of_either_api() -> None:
    for request in (asking("hi"), chatting("hi")):
        exchange = exchange_of(request)
        body = json.loads(request_body(exchange, "up-1", PLAIN, SEALING))
        assert (body["model"], body["store"]) == ("up-1", False)
        assert isinstance(exchange.marks["tools"], ToolMap)


def test_a_request_of_no_known_api() -> None:
    class Other(ModelRequest):
        dialect = "chat"
        validate = texts = add_instructions = copy = None  # type: ignore[assignment]

    Other.__abstractmethods__ = frozenset()
    with pytest.raises(InternalError):
        request_body(exchange_of(Other({})), "up-1", PLAIN, SEALING)  # type: ignore[abstract]


def test_tools_in_namespaces_get_the_names_by_which_the_client_is_told() -> None:
    exchange = exchange_of(asking("hi", tools=TOOLS))
    request_body(exchange, "up-1", PLAIN, SEALING)
    up = Upstream()
    raw = up.begin() + up.call("f", "{}").replace(b'"name":"f"', b'"name":"f","namespace":"ns"') + up.end()
    start = next(event for event in events_of(raw, decoder=decoder_for(exchange)) if isinstance(event, ToolCallStart))
    form = exchange.marks["tools"].lookup(start.name)
    assert (form.name, form.namespace) == ("f", "ns")


def test_only_clients_of_the_same_api_get_it_passed_on() -> None:
    assert isinstance(relay_for(exchange_of(asking())), ResponsesRelay)
    assert relay_for(exchange_of(chatting())) is None


def test_what_is_sealed_for_whom() -> None:
    exchange = exchange_of(asking())
    assert sealer_for(exchange, "m", SEALING) is None
    exchange.keeps = True
    assert sealer_for(exchange, "m", SEALING) is not None
    assert sealer_for(exchange_of(asking("hi", include=["reasoning.encrypted_content"])), "m", SEALING) is not None
    assert sealer_for(exchange_of(chatting()), "m", SEALING) is None


def test_a_body_without_the_thoughts_of_earlier_turns() -> None:
    said = {"role": "user", "content": "hi"}
    body = {"model": "m", "input": [{"type": "reasoning", "encrypted_content": "x"}, said], "store": False}
    assert json.loads(without_thoughts(json.dumps(body).encode())) == {**body, "input": [said]}
    alone = {"model": "m", "input": "hi"}
    assert json.loads(without_thoughts(json.dumps(alone).encode())) == alone
