"""Answers that write their own bytes: the head, the end that is told once, and clients that have gone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.http import HttpVersion

from proxy.server.own_answer import OwnAnswer, header_value


def answer(*, frames: bool, gone: bool = False) -> tuple[OwnAnswer, Any, list[bytes]]:
    written: list[bytes] = []
    transport = None if gone else SimpleNamespace(write=written.append)
    connection = SimpleNamespace(transport=transport, writing_paused=True, on_pause=None, on_resume=None, begun=False)
    request: Any = SimpleNamespace(protocol=connection, version=HttpVersion(1, 1), keep_alive=True)
    return OwnAnswer(request, frames=frames), request, written


@pytest.mark.parametrize(("frames", "end"), [(True, [b"0\r\n\r\n"]), (False, [])])
async def test_the_end_is_told_once(frames: bool, end: list[bytes]) -> None:
    one, _, written = answer(frames=frames)
    await one.write_eof()
    await one.write_eof()
    assert written == end


def test_the_head_is_counted_as_sent() -> None:
    one, request, written = answer(frames=False)
    assert one._send_head("HTTP/1.1 200 OK\r\n", {"x-a": "b\r\nx-evil: 1"}, 3)
    lines = b"HTTP/1.1 200 OK\r\nx-a: b  x-evil: 1\r\ncontent-length: 3\r\n"
    assert written[0].startswith(lines)
    assert written[0].endswith(b"\r\n\r\n")
    assert (one.opened, request.protocol.begun) == (True, True)


async def test_a_client_that_has_gone_is_told_nothing() -> None:
    one, request, written = answer(frames=True, gone=True)
    assert not one._send_head("HTTP/1.1 200 OK\r\n", {})
    await one.write_eof()
    assert (one.opened, one.paused, written, request.protocol.begun) == (True, True, [], False)


def test_what_may_not_stand_in_a_header() -> None:
    assert header_value("a\r\nb\x7f\té") == "a  b \t?"


async def test_it_says_what_it_is_and_how_far() -> None:
    one, _, _ = answer(frames=True)
    said = [repr(one)]
    one._send_head("HTTP/1.1 200 OK\r\n", {})
    said.append(repr(one))
    await one.write_eof()
    assert [*said, repr(one)] == ["<OwnAnswer not opened>", "<OwnAnswer opened>", "<OwnAnswer ended>"]
