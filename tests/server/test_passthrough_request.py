"""Requests that are passed on: their model, their texts, and the bytes that go up."""

from __future__ import annotations

import json

import pytest

from proxy.errors import BadRequest
from proxy.server.passthrough_request import RawRequest

BODY = b'{ "model": "m", "input": ["a", [1, 2]],  "x": 1.0 }'


def test_values_go_up_byte_for_byte_under_the_upstreams_name_for_the_model() -> None:
    request = RawRequest.parse(BODY)
    assert request.body("m") == b'{"model":"m","input":["a", [1, 2]],"x":1.0}'
    assert request.copy().body("up/m") == b'{"model":"up/m","input":["a", [1, 2]],"x":1.0}'
    assert RawRequest.parse(b'{"x": 1}').body("") == b'{"x":1}'


def test_a_model_that_is_named_twice_is_the_one_that_was_looked_at() -> None:
    request = RawRequest.parse(b'{"model":"a","model":"b"}')
    assert (request.model, request.body("b")) == ("b", b'{"model":"b"}')


def test_what_a_stage_changes_goes_up() -> None:
    request = RawRequest.parse(BODY)
    copy = request.copy()
    copy.set("x", 2)
    copy.drop("input")
    assert copy.body("m") == b'{"model":"m","x":2}'
    assert request.body("m") == b'{"model":"m","input":["a", [1, 2]],"x":1.0}'


@pytest.mark.parametrize(
    ("body", "names"), [(BODY, True), (b"{}", False), (b'{"model":null}', False), (b'{"model":""}', True)]
)
def test_whether_it_names_a_model(body: bytes, names: bool) -> None:
    assert RawRequest.parse(body).names_model == names


def test_of_a_form_only_the_model_is_known() -> None:
    assert RawRequest.naming("m").model == "m"
    assert not RawRequest.naming(None).names_model
    with pytest.raises(BadRequest):
        _ = RawRequest.naming(None).model


def test_the_texts_that_a_model_will_read() -> None:
    request = RawRequest.parse(b'{"input":["a",5,"b"],"prompt":"c","query":"q","documents":[{"text":"d"},"e"],"x":"y"}')
    assert {place.path: place.text for place in request.texts()} == {
        "input[0]": "a",
        "input[2]": "b",
        "prompt": "c",
        "query": "q",
        "documents[0].text": "d",
        "documents[1]": "e",
    }


def test_texts_may_be_replaced() -> None:
    request = RawRequest.parse(b'{"input":["a",5,"b"],"prompt":"c"}')
    for place in request.texts():
        place.replace(f"[{place.text}]")
    assert request.get("input") == ["[a]", 5, "[b]"]
    assert request.get("prompt") == "[c]"


def test_nothing_else_is_checked_or_added() -> None:
    request = RawRequest.parse(b'{"input":{"odd":1}}')
    request.validate()
    request.add_instructions("Be kind.", "prepend")
    assert list(request.texts()) == []
    assert request.body("") == b'{"input":{"odd":1}}'
    assert request.dialect == "raw"


def test_texts_inside_objects_are_seen_and_replaced():
    request = RawRequest.parse(
        b'{"documents": ["a", {"text": "b", "id": 1}, {"id": 2}, 3], "input": [{"type": "text", "text": "c"}]}'
    )
    found = {one.path: one for one in request.texts()}
    assert {path: one.text for path, one in found.items()} == {
        "input[0].text": "c", "documents[0]": "a", "documents[1].text": "b"}  # fmt: skip
    found["documents[1].text"].replace("x")
    found["documents[0]"].replace("y")
    assert request.get("documents") == ["y", {"text": "x", "id": 1}, {"id": 2}, 3]
    twin = RawRequest.parse(b'{"input": [{"text": "a", "Text": "b"}]}')
    with pytest.raises(BadRequest, match="Did you mean 'text'"):
        list(twin.texts())


def test_texts_are_found_wherever_they_stand() -> None:
    document = {"title": "a", "fields": ["b"]}
    said = [{"role": "user", "content": [{"type": "text", "text": "c"}]}]
    request = RawRequest.parse(
        json.dumps({"suffix": "d", "query": {"text": "e"}, "documents": [document], "messages": said}).encode()
    )
    for place in request.texts():
        place.replace(place.text.upper())
    assert json.loads(request.body("")) == {
        "suffix": "D",
        "query": {"text": "E"},
        "documents": [{"title": "A", "fields": ["B"]}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "C"}]}],
    }
    deep = b"[" * 100_000 + b"]" * 100_000
    with pytest.raises(BadRequest):
        list(RawRequest.parse(b'{"input":' + deep + b"}").texts())


def test_a_form_is_what_it_names_and_says():
    request = RawRequest.of_form("m", [("prompt", "a"), ("input", "b"), ("prompt", "c")])
    assert (request.model, request.get("prompt"), request.get("input")) == ("m", ["a", "c"], "b")
    assert [one.text for one in request.texts()] == ["b", "a", "c"]
    request.searched = True
    assert request.copy().searched
    assert not RawRequest.of_form(None, []).names_model
