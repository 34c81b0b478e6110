"""Between aiohttp's requests and the engine's."""

from __future__ import annotations

import re

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from proxy.reply import Reply
from proxy.server.http import client_of, query_of, request_id, to_response


@pytest.mark.parametrize("given", ["abc-1", "a" * 128, "trace:1/2=+.x"])
def test_a_request_keeps_its_own_id(given: str) -> None:
    assert request_id(make_mocked_request("GET", "/", {"x-request-id": given})) == given


@pytest.mark.parametrize("given", ["", "a b", "a" * 129, "ä", "x\ty"])
def test_any_other_id_is_replaced(given: str) -> None:
    assert re.fullmatch(r"req_[0-9a-f]{32}", request_id(make_mocked_request("GET", "/", {"x-request-id": given})))


def test_repeated_headers_and_queries_are_kept() -> None:
    headers = [("Accept", "a"), ("accept", "b"), ("X-One", "1")]
    request = make_mocked_request("GET", "/p?include[]=a&include[]=b&x=", CIMultiDict(headers))
    assert client_of(request).headers == {"accept": "a, b", "x-one": "1"}
    assert client_of(request).path == "/p"
    assert query_of(request) == {"include[]": ["a", "b"], "x": [""]}


def test_a_reply_cannot_begin_another_header() -> None:
    reply = Reply(201, b"x", {"x-told": "a\r\nset-cookie: b", "content-type": "text/plain"})
    response = to_response(make_mocked_request("GET", "/", {"x-request-id": "r1"}), reply)
    assert (response.status, response.body) == (201, b"x")
    assert response.headers["x-told"] == "a  set-cookie: b"
    assert response.headers["server"] == "penstock"
    assert response.headers["x-request-id"] == "r1"
