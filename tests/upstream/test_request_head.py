"""The head of a request."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from proxy.errors import InternalError
from proxy.upstream.client import Upload, UpstreamRequest
from proxy.upstream.request_head import Heads, target_of, write_head


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
    heads = Heads()
    for _ in range(2):
        for method, body, headers in (
            ("POST", b"{}", {"a": "1", "b": "2"}),
            ("POST", b"123", {"a": "1", "b": "2"}),
            ("POST", b"", {"a": "1", "b": "2"}),
            ("PUT", b"{}", {"a": "1", "b": "2"}),
            ("GET", b"", {"a": "1", "b": "2"}),
            ("POST", b"{}", {"a": "12", "b": ""}),
            ("POST", b"{}", {"ab": "12"}),
            ("POST", b"{}", {"a": "z" * 10_000}),
        ):
            for url in ("http://a:1/v1?x=y", "http://b:1/v1", "http://a:1/v2"):
                request = UpstreamRequest(method=method, url=url, headers=headers, body=body)
                target = target_of(request)
                assert heads.write(request) == (target, write_head(request, target))


def test_headers_that_are_changed_later_are_not_those_that_were_written() -> None:
    heads, headers = Heads(), {"a": "1"}
    request = UpstreamRequest(method="POST", url="http://a:1/", headers=headers)
    _, before = heads.write(request)
    headers["a"] = "2"
    assert heads.write(request)[1] == before.replace(b"a: 1", b"a: 2")


@pytest.mark.parametrize(("length", "said"), [(None, b"transfer-encoding: chunked"), (7, b"content-length: 7")])
def test_an_upload_says_how_long_it_is_where_it_knows(length: int | None, said: bytes) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b""

    request = UpstreamRequest(method="POST", url="http://a:1/", headers={}, upload=Upload(pieces(), length))
    for head in (Heads().write(request)[1], write_head(request, target_of(request))):
        assert head.endswith(b"\r\n" + said + b"\r\n\r\n")


def test_what_cannot_be_sent_is_refused_each_time() -> None:
    heads = Heads()
    for _ in range(2):
        with pytest.raises(InternalError, match='header "a" holds a line break'):
            heads.write(UpstreamRequest(method="POST", url="http://a:1/", headers={"a": "1\n"}))


def test_of_many_places_few_are_remembered() -> None:
    heads = Heads()
    for number in range(300):
        heads.write(UpstreamRequest(method="POST", url=f"http://a:1/{number}", headers={}))
        heads.write(UpstreamRequest(method="POST", url="http://a:1/", headers={"a": str(number)}))
    assert len(heads) <= 300
