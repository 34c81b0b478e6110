"""A coded body on its way to a reader who pauses, stops and asks again at the worst moments."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from proxy.errors import UpstreamCut, UpstreamError
from proxy.upstream.codings import PIECE, decoder_for
from proxy.upstream.decoded import DecodedBody

LARGE = bytes(5 * PIECE)
PACKED = gzip.compress(LARGE)


class Reader:
    """Notes what it is told; `on_piece` is done at each piece."""

    peer = "a:1"

    def __init__(self) -> None:
        self.paused = False
        self.size = 0
        self.pieces = 0
        self.ends: list[UpstreamError | None] = []
        self.faults: list[str] = []
        self.on_piece: Callable[[], None] = lambda: None
        decoder = decoder_for("gzip")
        assert decoder is not None
        self.body = DecodedBody(decoder, self._on_data, self)

    def _on_data(self, data: bytes) -> None:
        self.size += len(data)
        self.pieces += 1
        self.on_piece()

    def garbled(self, why: str) -> None:
        self.faults.append(why)
        self.body.stop()

    def end(self, error: UpstreamError | None) -> None:
        self.ends.append(error)
        self.body.stop()


@pytest.fixture
def reader() -> Reader:
    return Reader()


def test_all_at_once(reader: Reader) -> None:
    reader.body.feed(PACKED)
    assert reader.size == len(LARGE)
    assert reader.ends == []
    reader.body.end(None)
    assert reader.ends == [None]


def test_a_pause_between_two_pieces_of_one_read(reader: Reader) -> None:
    def pause() -> None:
        reader.paused = True

    reader.on_piece = pause
    reader.body.feed(PACKED)
    reader.body.end(None)
    for number in range(1, 6):
        assert (reader.pieces, reader.ends) == (number, [])
        reader.paused = False
        reader.body.run()
    assert (reader.size, reader.ends) == (len(LARGE), [None])


def test_what_comes_while_paused_waits(reader: Reader) -> None:
    reader.paused = True
    for i in range(len(PACKED)):
        reader.body.feed(PACKED[i : i + 1])
    reader.body.end(UpstreamCut("gone"))
    assert (reader.size, reader.ends) == (0, [])
    reader.paused = False
    reader.body.run()
    assert reader.size == len(LARGE)
    assert [str(end) for end in reader.ends] == ["gone"]


def test_asking_to_go_on_from_within_changes_nothing(reader: Reader) -> None:
    depth: list[int] = []

    def ask() -> None:
        depth.append(len(depth))
        reader.body.run()
        depth.pop()
        assert depth == []  # no piece comes while the one before is being taken

    reader.on_piece = ask
    reader.body.feed(PACKED)
    assert (reader.size, reader.pieces) == (len(LARGE), 5)


def test_stopped_from_within_is_stopped(reader: Reader) -> None:
    reader.on_piece = reader.body.stop
    reader.body.feed(PACKED)
    reader.body.end(None)
    reader.body.run()
    assert (reader.pieces, reader.ends) == (1, [])


def test_a_body_that_breaks_off_is_cut_though_http_ended_well(reader: Reader) -> None:
    reader.body.feed(PACKED[:-3])
    reader.body.end(None)
    (end,) = reader.ends
    assert isinstance(end, UpstreamCut)
    assert "a:1" in str(end)
    assert "broke off" in str(end)


def test_what_cannot_be_decoded(reader: Reader) -> None:
    reader.body.feed(b"this is no gzip")
    reader.body.feed(PACKED)
    reader.body.end(None)
    assert (reader.faults, reader.ends, reader.size) == (["the compressed body is damaged"], [], 0)
