"""The top-level fields of a request, in both dialects."""

from __future__ import annotations

import pytest

from proxy.api.chat.request import ChatRequest
from proxy.api.responses.request import ResponsesRequest
from proxy.errors import BadRequest
from proxy.request import ModelRequest
from proxy.server.passthrough_request import RawRequest

BOTH = pytest.mark.parametrize("kind", [ResponsesRequest, ChatRequest])


@BOTH
def test_fields_are_set_renamed_and_dropped(kind: type[ModelRequest]) -> None:
    request = kind.parse(b'{"model": "m", "temperature": 0.5, "stream": true}')
    assert (request.model, request.stream, request.get("temperature")) == ("m", True, 0.5)
    request.set("top_p", 0.1)
    assert request.rename("temperature", "heat")
    assert request.drop("stream")
    assert not request.drop("stream")
    assert not request.rename("temperature", "x")
    assert (request.get("top_p"), request.get("heat"), request.get("temperature")) == (0.1, 0.5, None)
    assert request.stream is False


@BOTH
def test_null_is_absent(kind: type[ModelRequest]) -> None:
    request = kind.parse(b'{"model": "m", "stream": null, "user": null}')
    assert request.stream is False
    assert request.get("user", "nobody") == "nobody"


@BOTH
def test_a_copy_keeps_its_changes_to_itself(kind: type[ModelRequest]) -> None:
    request = kind.parse(b'{"model": "m", "input": "x", "messages": [{"role": "user", "content": "x"}]}')
    twin = request.copy()
    twin.set("model", "other")
    twin.add_instructions("Be brief.", "prepend")
    assert request.model == "m"
    assert "Be brief." not in [text.text for text in request.texts()]
    assert "Be brief." in [text.text for text in twin.texts()]


@BOTH
@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b"{}", "model", "missing_required_parameter"),
        (b'{"model": ""}', "model", "invalid_type"),
        (b'{"model": 5}', "model", "invalid_type"),
        (b'{"model": "m", "stream": 1}', "stream", "invalid_type"),
        (b'{"model": 1e999}', "model", "invalid_value"),
        (b'{"model": "m", "stream": 1e999}', "stream", "invalid_value"),
    ],
)
def test_the_fields_that_everything_needs_are_checked(
    kind: type[ModelRequest], body: bytes, param: str, code: str
) -> None:
    request = kind.parse(body)
    with pytest.raises(BadRequest) as caught:
        _ = request.model, request.stream
    assert (caught.value.param, caught.value.code) == (param, code)


@BOTH
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"{'a': 1}", b'{"a": \xff}', b'{"a": NaN}', b'{"a": 1} x'])
def test_what_is_no_json_object_is_refused(kind: type[ModelRequest], body: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        kind.parse(body).get("a")
    assert caught.value.code == "invalid_json"


TWINS = pytest.mark.parametrize("kind", [ResponsesRequest, ChatRequest, RawRequest])


@TWINS
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ('{"model": "a", "Model": "b"}', "Model"),
        ('{"MODEL": "b"}', "MODEL"),
        ('{"model": "a", "\\u017ftream": true}', "\u017ftream"),
        ('{"model": "a", "\\u017fTREAM": true}', "\u017fTREAM"),
        ('{"model": "a", "vendor_field": 1, "Vendor_Field": 2}', "Vendor_Field"),
    ],
)
def test_keys_that_only_some_servers_take_for_known_ones_are_refused(kind, body, param) -> None:
    with pytest.raises(BadRequest) as caught:
        kind.parse(body.encode())
    assert (caught.value.param, caught.value.code) == (param, "unknown_parameter")


@TWINS
def test_unknown_keys_are_nobodys_twins_and_the_last_of_two_equal_ones_counts(kind) -> None:
    request = kind.parse(b'{"model": "a", "Vendor": 1, "model": "b", "top_k": 1, "input": "x", "input": "y"}')
    assert (request.model, request.get("Vendor"), request.get("input")) == ("b", 1, "y")
    assert list(request.fields) == ["model", "Vendor", "top_k", "input"]
