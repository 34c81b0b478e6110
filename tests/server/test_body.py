"""Decoding of bodies at their limits; the wire side is tested with the routes."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web import RequestPayloadError
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import BadRequest, RequestTooLarge, UnsupportedMedia
from proxy.server.body import _codings, _decode, body_at_hand

PACK = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}


@given(data=st.binary(min_size=1, max_size=5000), coding=st.sampled_from(sorted(PACK)))
def test_what_was_packed_comes_back(data: bytes, coding: str) -> None:
    assert _decode(coding, PACK[coding](data), 5000) == data


@pytest.mark.parametrize("coding", sorted(PACK))
def test_a_bomb_is_stopped_at_the_limit(coding: str) -> None:
    with pytest.raises(RequestTooLarge):
        _decode(coding, PACK[coding](bytes(50_000_000)), 1_000_000)


@pytest.mark.parametrize("coding", sorted(PACK))
@given(cut=st.integers(min_value=1, max_value=15))
def test_a_body_that_ends_too_early_is_broken(coding: str, cut: int) -> None:
    packed = PACK[coding](bytes(range(256)) * 20)
    with pytest.raises(BadRequest, match="not valid"):
        _decode(coding, packed[: len(packed) - cut - (8 if "gzip" in coding else 0)], 1_000_000)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@given(frames=st.lists(st.integers(min_value=0, max_value=700_000), min_size=1, max_size=5))
@settings(max_examples=15, deadline=None)
def test_several_frames_are_one_body(coding: str, frames: list[int]) -> None:
    content = [bytes([number]) * size for number, size in enumerate(frames)]
    whole = b"".join(content)
    assert _decode(coding, b"".join(map(PACK[coding], content)), len(whole)) == whole


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_frames_without_end_are_refused(coding: str) -> None:
    """A million empty frames in one body would hold the event loop for an hour if each copied what is behind it."""
    with pytest.raises(BadRequest, match="more than 1024 frames"):
        _decode(coding, PACK[coding](b"") * 1025, 100)


def test_more_codings_than_anyone_needs_are_refused() -> None:
    with pytest.raises(UnsupportedMedia):
        _codings("gzip, gzip, gzip, gzip")


@pytest.mark.parametrize("pieces", [[b"{}"], [b"{", b"}"], [b" " * 40_000 + b"{}"]])
async def test_a_body_that_came_with_its_head_is_there_at_once(pieces: list[bytes]) -> None:
    loop = asyncio.get_running_loop()
    content = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    request: Any = SimpleNamespace(content=content, headers={"content-type": "application/json"})
    for piece in pieces:
        content.feed_data(piece)
        assert body_at_hand(request, 50_000) is None
    content.feed_eof()
    whole = b"".join(pieces)
    if len(whole) > 40_000:
        with pytest.raises(RequestTooLarge):
            body_at_hand(request, 40_000)
    else:
        assert body_at_hand(request, 40_000) == whole


async def test_no_body_is_at_hand_too_and_a_broken_one_is_not() -> None:
    loop = asyncio.get_running_loop()
    request: Any = SimpleNamespace(content=EMPTY_PAYLOAD, headers={})
    assert body_at_hand(request, 10) == b""
    request.content = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    request.content.set_exception(RequestPayloadError())
    assert body_at_hand(request, 10) is None
