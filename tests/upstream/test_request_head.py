"""The head of a request."""

from __future__ import annotations

import pytest

from proxy.errors import InternalError
from proxy.upstream.client import UpstreamRequest
from proxy.upstream.request_head import target_of, write_head


def _written(method: str = "POST", body: bytes = b"{}", **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = UpstreamRequest(method=method, url="http://a:1/v1?x=y", headers=named, body=body)
    return write_head(request, target_of(request))


def test_a_post() -> None:
    assert _written(authorization="Bearer k", content_type="application/json") == (
        b"POST /v1?x=y HTTP/1.1\r\nhost: a:1\r\nauthorization: Bearer k\r\ncontent-type: application/json\r\n"
        b"accept-encoding: identity\r\ncontent-length: 2\r\n\r\n"
    )


def test_the_caller_may_ask_for_a_coding() -> None:
    head = _written(accept_encoding="gzip")
    assert b"accept-encoding: gzip\r\n" in head
    assert b"identity" not in head


def test_a_post_without_body_says_so_and_a_get_does_not() -> None:
    assert b"content-length: 0\r\n" in _written(body=b"")
    assert b"content-length" not in _written(method="GET", body=b"")
    assert b"content-length: 2\r\n" in _written(method="DELETE")


def test_values_beyond_ascii_go_out_as_they_came() -> None:
    assert "x-name: Grüße\r\n".encode() in _written(x_name="Grüße")
    assert b"x-name: \xff\r\n" in _written(x_name=b"\xff".decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize("value", ["sk-secret\n", "a\r\nx-b: c", "a\0b"])
def test_a_line_break_in_a_value_is_refused_and_not_quoted(value: str) -> None:
    with pytest.raises(InternalError, match='header "authorization" holds a line break') as caught:
        _written(authorization=value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(InternalError, match="is no header name"):
        _written(**{name: "x"})


@pytest.mark.parametrize("method", ["", "GE T", "POST /x\r\n", "HEAD", "CONNECT"])
def test_a_method_that_cannot_be_sent(method: str) -> None:
    with pytest.raises(InternalError, match="cannot be sent upstream"):
        _written(method=method)


def test_an_address_that_is_none() -> None:
    with pytest.raises(InternalError, match="must begin with http"):
        target_of(UpstreamRequest(method="GET", url="local", headers={}))


def test_what_was_written_once_is_not_mixed_up() -> None:
    """What is the same in all requests to one place is remembered: by method, place, names and values."""
    first = _written(a="1", b="2")
    assert _written(a="1", b="2", body=b"123").replace(b"length: 3", b"length: 2") == first
    for other in (_written(b="2", a="1"), _written(a="12", b=""), _written("PUT", a="1", b="2"), _written(ab="12")):
        assert other != first
    assert _written(a="z" * 10_000).count(b"z") == 10_000
