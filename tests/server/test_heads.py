"""Heads of requests: which are plain, what is read of them, and what is found by them."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser, RawRequestMessage

from proxy.server import heads as module
from proxy.server.heads import PATHS, Heads, lower_headers
from tests.support.forms import FORMS, Form, each_form

LINES = (
    "Host: here",
    "Authorization: Bearer one",
    "Content-Type: application/json",
    "Content-Length: {}",
    "X-A: 1 and: 2",
)
FIRST = "POST /v1/responses HTTP/1.1"


def sent(body: bytes = b'{"a":1}', lines: tuple[str, ...] = LINES, first: str = FIRST) -> bytes:
    return "\r\n".join((first, *lines, "\r\n")).replace("{}", str(len(body))).encode() + body


def read(data: bytes) -> RawRequestMessage:
    """Returns what aiohttp makes of a request."""
    loop = asyncio.get_running_loop()
    parser: Any = HttpRequestParser(BaseProtocol(loop), loop, 2**16, auto_decompress=False)
    message: RawRequestMessage = parser.feed_data(data)[0][0][0]
    return message


def test_a_plain_head_is_read_and_known_whatever_the_length_of_its_body() -> None:
    heads = Heads()
    first = heads.find(sent())
    assert first is not None
    assert first.headers == {
        "host": "here",
        "authorization": "Bearer one",
        "content-type": "application/json",
        "content-length": "7",
        "x-a": "1 and: 2",
    }
    for body in (b"{}", b"x" * 123_456, b"", b"\r\n\r\nContent-Length: 3\r\n\r\n"):
        head = heads.find(sent(body))
        assert head is first
        assert (head.body(sent(body)), head.path, head.write(len(body)) + body) == (body, "/v1/responses", sent(body))
        assert len(head.write(len(body))) <= head.most_bytes


def test_what_is_another_head_or_no_whole_request_is_not_taken_for_it() -> None:
    heads = Heads()
    head = heads.find(sent())
    assert head is not None
    others = [
        sent(lines=(*LINES, "X-B: 1")),
        sent().replace(b"one", b"two"),
        sent().replace(b"Content-Length", b"content-length"),
        sent().replace(b"h: 7", b"h: 07"),
        sent().replace(b"h: 7", b"h:  7"),
        sent().replace(b"h: 7", b"h: +7"),
        sent().replace(b"h: 7", b"h: "),
        sent().replace(b"h: 7", b"h: 7 "),
        sent().replace(b"h: 7", b"h: 7, 7"),
        sent()[: sent().index(b"h: 7") + 3],
        sent()[: sent().index(b"h: 7") + 4],
        sent()[:-1],
        sent() + b" ",
        sent()[:40],
        b"",
        b"\r\n\r\n",
    ]
    for data in others:
        assert head.body(data) is None
        assert (other := heads.find(data)) is not head or other.body(data) is None
    assert heads.find(sent()) is head  # whatever came since


@pytest.mark.parametrize(
    ("first", "lines"),
    [
        ("POST /v1/embeddings HTTP/1.1", LINES),
        ("POST /v1/responses?a=b HTTP/1.1", LINES),
        ("PUT /v1/responses HTTP/1.1", LINES),
        ("POST /v1/responses HTTP/1.0", LINES),
        ("\r\nPOST /v1/responses HTTP/1.1", LINES),
        *(
            (FIRST, (*LINES, more))
            for more in (
                "Connection: close",
                "Connection: keep-alive, upgrade",
                "Proxy-Connection: close",
                "Expect: 100-continue",
                "Content-Encoding: gzip",
                "Transfer-Encoding: chunked",
                "Upgrade: websocket",
                "Sec-WebSocket-Key1: a",
                "X-Long: " + "a" * 5000,
                "Content-Length: {}",
                "content-type: application/json",
                "x-a: 2",
                "X-Folded: a\r\n b",
                "X-Bare: a\rb",
                "X-Bare: a\nb",
                "X-Nul: a\0b",
                "X-Far: \u00e9",
                "X-Empty:",
                "X-Empty: ",
                "X-Tight:a",
                "X-Wide:  a",
                "X-Behind: a ",
                "X-Tab: a\tb",
                "X Space: a",
                "X-Space : a",
                ": a",
                "no header",
                "",
            )
        ),
        (FIRST, tuple(line for line in LINES if not line.startswith("Host"))),
        (FIRST, tuple(line for line in LINES if not line.startswith("Content-T"))),
        (FIRST, ("Host: x", "Content-Type: text/plain", "Content-Length: {}")),
        (FIRST, ("Host: x", "Content-Type: application/json", "CONTENT-LENGTH: {}")),
        (FIRST, (*LINES, *(f"x-{n}: 1" for n in range(70)))),
    ],
)
def test_what_is_not_plain_is_left_to_aiohttp(first: str, lines: tuple[str, ...]) -> None:
    heads, data = Heads(), sent(lines=lines, first=first)
    for _ in range(2):
        head = heads.find(data)
        assert head is None or head.body(data) is None


@pytest.mark.parametrize(
    "lines",
    [
        LINES,
        ("HOST: 127.0.0.1:80", "content-type: application/json; charset=utf-8", "content-length: {}"),
        (*LINES, "Connection: keep-alive", "user-agent: a (b; c) d/1.0", "x-b: !\"#$%&'()*+,-./:;<=>?@[]^_`|~"),
        (*LINES, "Keep-Alive: timeout=5", "Accept: */*", "Accept-Encoding: gzip, deflate", "Cookie: a=b"),
    ],
)
async def test_what_is_plain_aiohttp_reads_the_same_way(lines: tuple[str, ...]) -> None:
    for path in PATHS:
        data = sent(lines=lines, first=f"POST {path} HTTP/1.1")
        head = Heads().find(data)
        message = read(data)
        assert head is not None
        assert head.headers == lower_headers(message.headers)
        assert (head.path, message.method, message.version) == (message.path, "POST", (1, 1))
        assert (message.should_close, message.upgrade, message.chunked, message.compression) == (False,) * 3 + (None,)


def test_so_many_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_KNOWN", 2)
    come = [sent(lines=(*LINES, f"X-B: {n}")) for n in range(3)]
    heads = Heads()
    found = [heads.find(data) for data in come]
    assert heads.find(come[2]) is found[2] is not None
    assert heads.find(come[0]) is not found[0] is not None
    assert len(heads._known) == 2


def test_none_is_longer_than_heads_may_be() -> None:
    data = sent()
    length = data.index(b"\r\n\r\n") + 4
    assert Heads(length - 1).find(data) is None
    assert Heads(length).find(data) is not None


@each_form
def test_a_head_finds_its_body_and_nothing_else(form: Form) -> None:
    before, behind = b"POST / HTTP/1.1\r\ncontent-length: ", b"\r\nhost: x"
    head = form.KnownHead(before, behind, "/", {"host": "x"})
    assert (head.before, head.behind, head.path, head.headers) == (before, behind, "/", {"host": "x"})
    for body in (b"", b"1", b"\r\n\r\n", b"x" * 300_000):
        data = head.write(len(body)) + body
        assert head.body(data) == body
        assert len(data) - len(body) <= head.most_bytes
        assert head.body(data + b"x") is head.body(data[:-1]) is None
    for digits in (b"", b"01", b"+1", b"1 ", b"1_0", b"\xb9", b"9" * 18, b"9" * 19, b"9" * 30):
        assert head.body(before + digits + behind + b"\r\n\r\nx") is None
    assert head.body(before + b"0" + behind + b"\r\n\r\n") == b""
    assert head.body(before) is head.body(before + b"1" + behind) is head.body(b"") is None
    assert form.KnownHead(before, b"", "/", {}).body(before + b"2\r\n\r\n{}") == b"{}"


def test_both_forms_of_a_head_find_the_same() -> None:
    chance = random.Random(5)
    for _ in range(300):
        data = bytearray(sent(b"{}" * chance.randrange(60)))
        at = data.index(b"h: ") + 3
        parts = bytes(data[:at]), data[at:].partition(b"\r\n\r\n")[0].lstrip(b"0123456789")
        if chance.random() < 0.8:
            data[chance.randrange(at - 4, len(data))] = chance.randrange(256)
        found = [form.KnownHead(*map(bytes, parts), "/", {}).body(bytes(data)) for form in FORMS]
        assert found[0] == found[-1]
