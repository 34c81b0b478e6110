"""Keyword arguments as a request: what stands in its body, and what is said beside it."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import BaseModel

from proxy.inprocess.call import Call


class Said(BaseModel):
    text: str
    unset: int = 3


def test_the_fields_are_the_body() -> None:
    call = Call.of({"model": "m", "input": [Said(text="hi"), MappingProxyType({"a": 1}), iter([2])], "stream": True})
    assert json.loads(call.body()) == {"model": "m", "input": [{"text": "hi"}, {"a": 1}, [2]], "stream": True}
    assert call.streams
    assert not Call.of({"stream": "yes"}).streams


def test_what_is_said_beside_does_not_stand_in_the_body() -> None:
    call = Call.of(
        {
            "input": "hi",
            "api_key": "k",
            "api_base": "http://a",
            "timeout": 3,
            "extra_headers": {"X-Team": 7},
            "extra_body": {"top_k": 1},
            "extra_query": None,
        }
    )
    assert call.fields == {"input": "hi", "top_k": 1}
    assert (call.base_url, call.timeout_s) == ("http://a", 3)
    exchange = call.exchange("/v1/responses")
    assert exchange.client.headers == {"user-agent": "penstock", "x-team": "7", "authorization": "Bearer k"}
    assert exchange.client.path == "/v1/responses"
    assert "authorization" not in Call.of({"api_key": ""}).exchange("/").client.headers


def test_each_exchange_has_an_id_of_its_own() -> None:
    call = Call.of({})
    assert call.exchange("/").id != call.exchange("/").id


def test_a_query_has_texts() -> None:
    call = Call.of({"limit": 3, "include": ["a", "b"], "stream": True, "after": None})
    assert call.query() == {"limit": ["3"], "include": ["a", "b"], "stream": ["true"]}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"timeout": "soon"}, "expected seconds"),
        ({"api_key": 7}, "api_key: expected a text"),
        ({"extra_query": {"a": 1}}, "extra_query"),
        ({"input": object()}, "type object cannot be sent"),
    ],
)
def test_what_cannot_be_meant_is_refused(asked: dict[str, Any], why: str) -> None:
    with pytest.raises(TypeError, match=why):
        Call.of(asked).body()
