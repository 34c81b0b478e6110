"""EventStreamParser: what is a message, which are refused, and that the cuts make no difference."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.sse.event_stream import BROKEN, EXCEPTION, MAX_HEADERS, EventStreamParser, Payload
from tests.support.cost import check_growth
from tests.support.event_stream import event, exception, frame, header, message
from tests.support.fixtures import SHARED, needs_shared, recording, recordings
from tests.support.machines import pieces

RECORDED = [row["path"] for kind in ("aws-converse-stream", "aws-invoke-model-stream") for row in recordings(kind)]
TWO = event("messageStart", role="assistant") + event("messageStop", stopReason="end_turn")


def parse(raw: bytes, cuts: Iterable[int] = ()) -> list[Payload]:
    """Returns the payloads of a body that is read in pieces ending at `cuts`."""
    parser = EventStreamParser()
    found = [payload for piece in pieces(raw, cuts) for payload in parser.feed(piece)]
    return found + parser.finish()


def oracle(raw: bytes) -> list[tuple[str, bytes]]:
    """Returns type and payload of each message as botocore reads them."""
    buffer = EventStreamBuffer()
    buffer.add_data(raw)
    return [(one.headers[":event-type"], one.payload) for one in buffer]


def reason(raw: bytes) -> str:
    """Returns what is wrong with a body whose only payload says so."""
    (name, said), *others = parse(raw)
    assert name == BROKEN
    assert others == []
    return said.decode()


def test_an_event_has_its_type_for_a_name() -> None:
    assert parse(TWO) == [(b"messageStart", b'{"role":"assistant"}'), (b"messageStop", b'{"stopReason":"end_turn"}')]


def test_exceptions_and_errors_are_named_as_such() -> None:
    assert parse(exception("throttlingException", "slow")) == [
        (EXCEPTION + b"throttlingException", b'{"message":"slow"}')
    ]
    error = message({":message-type": "error", ":error-code": "InternalFailure", ":error-message": "it broke"})
    assert parse(error) == [(EXCEPTION + b"InternalFailure", b"it broke")]


def test_headers_of_all_types_may_stand_between() -> None:
    others = [
        b"\x01a\x00", b"\x01b\x01", b"\x01c\x02\x07", b"\x01d\x03\x00\x07", b"\x01e\x04" + bytes(4),
        b"\x01f\x05" + bytes(8), b"\x01g\x06\x00\x03abc", b"\x01h\x08" + bytes(8), b"\x01i\x09" + bytes(16),
    ]  # fmt: skip
    raw = frame(b"".join(others) + header(":event-type", "late"), b"x")
    assert parse(raw) == [(b"late", b"x")]
    assert oracle(raw) == [("late", b"x")]


def test_a_message_may_have_no_headers_and_no_payload() -> None:
    assert parse(frame(b"", b"")) == [(b"", b"")]


def test_a_message_is_given_out_with_its_last_byte_and_not_before() -> None:
    parser = EventStreamParser()
    one = event("a")
    assert parser.feed(one[:-1]) == []
    assert parser.feed(one[-1:]) == [(b"a", b"{}")]


def test_half_a_message_at_the_end_is_nothing() -> None:
    assert parse(TWO[:-1]) == parse(TWO)[:1]


# --- what is refused


def test_a_changed_byte_anywhere_is_noticed() -> None:
    first, second = event("one", text="a"), event("two", text="b")
    for place in range(len(second)):
        for bit in (0x01, 0x80):
            raw = bytearray(first + second)
            raw[len(first) + place] ^= bit
            found = parse(bytes(raw) + event("three"))
            assert found[0] == (b"one", b'{"text":"a"}')
            assert [name for name, _ in found[1:]] == [BROKEN]


def test_nothing_follows_a_broken_message() -> None:
    parser = EventStreamParser()
    bad = bytearray(event("a"))
    bad[-1] ^= 1
    assert [name for name, _ in parser.feed(bytes(bad) + TWO)] == [BROKEN]
    assert parser.feed(TWO) == []
    assert parser.finish() == []


def prelude(total: int, headers: int) -> bytes:
    """Returns a prelude with a good checksum."""
    start = struct.pack(">II", total, headers)
    return start + struct.pack(">I", zlib.crc32(start))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (prelude(15, 0), "15 bytes, which is not from 16"),
        (prelude(0xFFFFFFFF, 0), "4294967295 bytes, which is not from 16"),
        (prelude(20, 5), "20 bytes with 5 bytes of headers"),
        (prelude(10_000_000, MAX_HEADERS + 1), "bytes of headers"),
        (b"<html><body>502 Bad Gateway</body></html>", "prelude does not match"),
        (b'{"message":"not a stream"}', "prelude does not match"),
        (frame(b"\x05:ev", b""), "headers cannot be read"),
        (frame(b"\x01a\x0a", b""), "headers cannot be read"),
        (frame(b"\x01a\x07\x00\x09abc", b""), "headers cannot be read"),
        (frame(b"\x01a\x07", b""), "headers cannot be read"),
    ],
)
def test_what_can_be_no_message_is_refused(raw: bytes, said: str) -> None:
    assert said in reason(raw)


def test_an_oversized_message_is_refused_before_it_has_come() -> None:
    parser = EventStreamParser(max_message_bytes=100)
    assert parser.feed(frame(b"", bytes(84))) == [(b"", bytes(84))]
    assert parser.feed(frame(b"", bytes(85))[:12])[0][0] == BROKEN


@needs_shared
def test_the_example_with_a_bad_checksum_is_refused_where_it_is_bad() -> None:
    assert SHARED is not None
    raw = (SHARED / "examples-upstream" / "bedrock-bad-crc.eventstream").read_bytes()
    assert [name for name, _ in parse(raw)] == [b"messageStart", BROKEN]


# --- recordings and cuts


@pytest.mark.parametrize("path", RECORDED)
def test_recordings_read_as_botocore_reads_them(path: str) -> None:
    raw = recording(path)
    assert [(name.decode(), payload) for name, payload in parse(raw)] == oracle(raw)


@pytest.mark.parametrize("path", RECORDED)
@pytest.mark.parametrize("size", [1, 7, 11, 64, 1000])
def test_where_the_network_cuts_makes_no_difference(path: str, size: int) -> None:
    raw = recording(path)
    assert parse(raw, range(size, len(raw), size)) == parse(raw)


def test_every_single_cut_gives_the_same() -> None:
    raw = TWO + exception("modelStreamErrorException") + frame(b"", b"")
    for cut in range(len(raw) + 1):
        assert parse(raw, [cut]) == parse(raw)


@settings(max_examples=50, deadline=None)
@given(raw=st.binary(max_size=200), cuts=st.lists(st.integers(0, 400)), good=st.booleans())
def test_any_bytes_in_any_pieces_give_the_same(raw: bytes, cuts: list[int], good: bool) -> None:
    body = (TWO if good else b"") + raw
    found = parse(body, sorted(cut for cut in cuts if cut <= len(body)))
    assert found == parse(body)
    assert all(name != BROKEN for name, _ in found[:-1])


def test_a_large_message_in_small_reads_costs_no_more_than_its_length() -> None:
    def read(length: int) -> None:
        raw = frame(b"", bytes(length))
        assert len(parse(raw, range(512, len(raw), 512))) == 1

    check_growth(read, 200_000)
