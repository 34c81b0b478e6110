"""Heads that come again: which are remembered, and what is found by them."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser, RawRequestMessage

from proxy.server import heads as module
from proxy.server.heads import Heads
from tests.support.forms import FORMS, Form, each_form

LINES = (
    "Host: here",
    "Authorization: Bearer one",
    "Content-Type: application/json",
    "Content-Length: {}",
    "X-A: 1",
    "x-a: 2",
)


def sent(body: bytes = b'{"a":1}', lines: tuple[str, ...] = LINES, first: str = "POST /v1/responses HTTP/1.1") -> bytes:
    return "\r\n".join((first, *lines, "\r\n")).format(len(body)).encode() + body


def read(data: bytes) -> RawRequestMessage:
    loop = asyncio.get_running_loop()
    parser: Any = HttpRequestParser(BaseProtocol(loop), loop, 2**16, auto_decompress=False)
    message: RawRequestMessage = parser.feed_data(data)[0][0][0]
    return message


def learned(*come: bytes) -> Heads:
    heads = Heads()
    for data in come:
        heads.learn(data, read(data))
    return heads


async def test_a_head_is_known_at_its_third_time_whatever_the_length_of_its_body() -> None:
    heads = learned(sent())
    assert heads.find(sent()) is None
    heads.learn(sent(b"{}"), read(sent(b"{}")))
    head = None
    for body in (b"{}", b"x" * 123_456, b"", b"\r\n\r\nContent-Length: 3\r\n\r\n"):
        head = heads.find(sent(body))
        assert head is not None
        assert (head.body(sent(body)), head.path, head.write(len(body)) + body) == (body, "/v1/responses", sent(body))
        assert len(head.write(len(body))) <= head.most_bytes
    assert head is not None
    assert head.headers == {
        "host": "here",
        "authorization": "Bearer one",
        "content-type": "application/json",
        "content-length": "2",
        "x-a": "1, 2",
    }


async def test_what_is_another_head_or_no_whole_request_is_not_found() -> None:
    heads = learned(sent(), sent())
    head = heads.find(sent())
    assert head is not None
    others = [
        sent(lines=(*LINES, "X-B: 1")),
        sent().replace(b"one", b"two"),
        sent().replace(b"Content-Length", b"content-length"),
        sent().replace(b"h: 7", b"h: 07"),
        sent().replace(b"h: 7", b"h:  7"),
        sent().replace(b"h: 7", b"h: +7"),
        sent()[:-1],
        sent() + b" ",
        sent()[:40],
        sent().replace(b"h: 7", b"h: "),
        sent().replace(b"h: 7", b"h: 7 "),
        sent()[: sent().index(b"h: 7") + 3],
        sent()[: sent().index(b"h: 7") + 4],
        b"",
        b"\r\n\r\n",
    ]
    for data in others:
        assert head.body(data) is None
        other = heads.find(data)
        assert other is None or other.body(data) is None


@pytest.mark.parametrize(
    ("first", "lines"),
    [
        ("POST /v1/embeddings HTTP/1.1", LINES),
        ("POST /v1/responses?a=b HTTP/1.1", LINES),
        ("PUT /v1/responses HTTP/1.1", LINES),
        ("POST /v1/responses HTTP/1.0", LINES),
        *(("POST /v1/responses HTTP/1.1", (*LINES, more)) for more in ("Connection: close", "Expect: 100-continue")),
        ("POST /v1/responses HTTP/1.1", (*LINES, "Content-Encoding: gzip")),
        ("POST /v1/responses HTTP/1.1", (*LINES, "X-Long: " + "a" * 5000)),
        ("POST /v1/responses HTTP/1.1", ("Host: x", "Content-Type: text/plain", "Content-Length: {}")),
        ("POST /v1/responses HTTP/1.1", ("Host: x", "Content-Length: {}")),
        ("POST /v1/responses HTTP/1.1", ("Host: x", "Content-Type: application/json", "CONTENT-LENGTH: {}")),
    ],
)
async def test_what_somebody_has_to_look_at_is_not_remembered(first: str, lines: tuple[str, ...]) -> None:
    data = sent(lines=lines, first=first)
    if not first.startswith("POST /v1/responses HTTP/1.1"):
        assert not Heads().learn(data, read(data))
    assert learned(data, data, data).find(data) is None


async def test_so_many_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_KNOWN", 2)
    monkeypatch.setattr(module, "_MOST_SEEN", 2)
    come = [
        sent(lines=("Host: x", "Content-Type: application/json", f"X-A: {n}", "Content-Length: {}")) for n in range(3)
    ]
    heads = learned(*(data for data in come for _ in range(2)))
    assert [heads.find(data) is not None for data in come] == [False, False, True]
    heads = learned(*come, come[0])  # which was forgotten as seen
    assert not any(heads.find(data) for data in come)


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
