"""Content codings undone, wherever the coded bytes are cut."""

from __future__ import annotations

import gzip
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.codings import PIECE, BodyDecoder, CodingError, decoder_for

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


CODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", _raw_deflate),
    "zstd": ("zstd", zstd.compress),
}
each_coding = pytest.mark.parametrize(("coding", "pack"), CODERS.values(), ids=CODERS.keys())


def _decoder(coding: str) -> BodyDecoder:
    decoder = decoder_for(coding)
    assert decoder is not None
    return decoder


def _all(decoder: BodyDecoder, *reads: bytes) -> bytes:
    return b"".join(piece for read in reads for piece in decoder.feed(read))


@each_coding
@pytest.mark.parametrize("body", [b"", b"x", b"data: hello\n\n" * 200, bytes(range(256)) * 900])
def test_round_trip(coding: str, pack: Callable[[bytes], bytes], body: bytes) -> None:
    decoder = _decoder(coding)
    assert _all(decoder, pack(body)) == body
    assert decoder.finish()


@each_coding
def test_byte_by_byte(coding: str, pack: Callable[[bytes], bytes]) -> None:
    body = b'data: {"x": 1}\n\n' * 50
    decoder = _decoder(coding)
    packed = pack(body)
    assert _all(decoder, *(packed[i : i + 1] for i in range(len(packed)))) == body
    assert decoder.finish()


@given(data=st.data(), body=st.binary(max_size=2000), name=st.sampled_from(sorted(CODERS)))
def test_where_it_is_cut_makes_no_difference(data: st.DataObject, body: bytes, name: str) -> None:
    coding, pack = CODERS[name]
    packed = pack(body)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(packed)), max_size=5)))
    reads = [packed[a:b] for a, b in zip([0, *cuts], [*cuts, len(packed)], strict=True)]
    decoder = _decoder(coding)
    assert _all(decoder, *reads) == body
    assert decoder.finish()


@each_coding
def test_a_body_that_breaks_off_is_not_complete(coding: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(b"something to say " * 20)
    for cut in range(1, len(packed)):
        decoder = _decoder(coding)
        _all(decoder, packed[:cut])
        assert not decoder.finish(), cut


@each_coding
def test_damage_is_noticed(coding: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(b"something to say " * 20)
    decoder = _decoder(coding)
    with suppress(CodingError):  # deflate without its wrapper has no check sum, so it need not notice
        _all(decoder, packed[:4] + bytes(255 - b for b in packed[4:]))
    assert not decoder.finish()


@pytest.mark.parametrize(("coding", "end"), [("gzip", 5), ("deflate", 1)])
def test_a_wrong_check_sum_is_noticed(coding: str, end: int) -> None:
    packed = bytearray(CODERS[coding][1](b"something to say " * 20))
    packed[-end] ^= 1
    with pytest.raises(CodingError, match="damaged"):
        _all(_decoder(coding), bytes(packed))


@each_coding
def test_no_piece_is_large_however_far_it_unfolds(coding: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(bytes(30_000_000))
    decoder = _decoder(coding)
    tracemalloc.start()
    size = 0
    for piece in decoder.feed(packed):
        assert 0 < len(piece) <= PIECE
        size += len(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == 30_000_000
    assert peak < 5_000_000
    assert decoder.finish()


@each_coding
def test_sizes_around_a_piece(coding: str, pack: Callable[[bytes], bytes]) -> None:
    for size in range(PIECE - 40, PIECE + 300):
        decoder = _decoder(coding)
        assert len(_all(decoder, pack(bytes(size)))) == size
        assert decoder.finish(), size


def test_several_members_and_frames() -> None:
    assert _all(_decoder("gzip"), gzip.compress(b"one ") + gzip.compress(b"two") + bytes(7)) == b"one two"
    assert _all(_decoder("gzip"), gzip.compress(b"one "), gzip.compress(b"two")) == b"one two"
    assert _all(_decoder("zstd"), zstd.compress(b"one ") + zstd.compress(b"two")) == b"one two"
    assert _all(_decoder("zstd"), zstd.compress(b"one "), zstd.compress(b"two")) == b"one two"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_bytes_behind_the_end(coding: str) -> None:
    pack = CODERS[coding][1]
    with pytest.raises(CodingError):
        _all(_decoder(coding), pack(b"x") + b"and then some more that is not coded")
    with pytest.raises(CodingError):
        _all(_decoder(coding), pack(b"x"), b"and then some more that is not coded")


def test_a_window_that_would_cost_too_much_memory_is_refused() -> None:
    options = {zstd.CompressionParameter.window_log: 27}
    packer = zstd.ZstdCompressor(options=options)
    packed = packer.compress(b"x" * 1000) + packer.flush()
    with pytest.raises(CodingError):
        _all(_decoder("zstd"), packed)


@pytest.mark.parametrize("header", [None, "", "identity", " Identity ", "identity, identity"])
def test_nothing_to_undo(header: str | None) -> None:
    assert decoder_for(header) is None


@pytest.mark.parametrize("header", ["br", "compress", "gzip, gzip", "gzip, br", "x" * 500])
def test_what_is_not_known_is_named(header: str) -> None:
    with pytest.raises(CodingError, match="is not known here") as caught:
        decoder_for(header)
    assert header[:60] in str(caught.value)
    assert len(str(caught.value)) < 160
