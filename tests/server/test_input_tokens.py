import json

import pytest

from proxy.errors import BadRequest
from proxy.exchange import Client, Exchange
from proxy.server.input_tokens import read_count


def read(**fields):
    exchange = Exchange("req_1", Client("", {}), None)
    assert read_count(exchange, json.dumps(fields).encode()) is None
    return exchange


def test_nothing_but_the_input_is_looked_at():
    exchange = read(model="m", input="x", stream=True, background=True, metadata=7, truncation="auto", foo=1)
    assert set(exchange.request.fields) == {"model", "input", "store"}
    assert exchange.counting
    assert exchange.request.stream is False
    assert exchange.request.get("store") is False


def test_what_is_counted_stays():
    fields = {
        "model": "m",
        "input": "x",
        "instructions": "y",
        "tools": [],
        "previous_response_id": "resp_1",
        "text": {},
        "reasoning": {},
    }
    assert set(read(**fields).request.fields) == {*fields, "store"}


def test_a_body_that_is_no_object_is_refused():
    with pytest.raises(BadRequest):
        read_count(Exchange("req_1", Client("", {}), None), b"[]")
