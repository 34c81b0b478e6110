"""SseParser: what is an event, what is none, and that the cuts make no difference."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import UpstreamGarbled
from proxy.sse.parser import Payload, SseParser
from tests.support.cost import check_growth


def parse(raw: bytes, cuts: Iterable[int] = ()) -> list[Payload]:
    """Returns the payloads of a body that is read in pieces ending at `cuts`."""
    parser = SseParser()
    payloads: list[Payload] = []
    start = 0
    for cut in [*cuts, len(raw)]:
        payloads += parser.feed(raw[start:cut])
        start = cut
    return payloads + parser.finish()


def data(raw: bytes) -> list[bytes]:
    """Returns the data of the payloads of a body of one read."""
    return [payload for _, payload in parse(raw)]


# --- what an event is


def test_one_event_of_one_line_is_one_payload() -> None:
    assert parse(b'data: {"a":1}\n\n') == [(b"", b'{"a":1}')]


def test_a_read_with_several_events_gives_them_in_order() -> None:
    assert data(b"data: 1\n\ndata: 2\n\ndata: 3\n\n") == [b"1", b"2", b"3"]


def test_an_event_is_given_out_with_its_blank_line_and_not_before() -> None:
    parser = SseParser()
    assert parser.feed(b"data: 1\n") == []
    assert parser.feed(b"\n") == [(b"", b"1")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_all_three_line_ends_are_line_ends(end: bytes) -> None:
    raw = b"event: x\ndata: 1\ndata: 2\n\n: c\n\ndata: 3\n\n".replace(b"\n", end)
    assert parse(raw) == [(b"x", b"1\n2"), (b"", b"3")]


@pytest.mark.parametrize(
    "read",
    [
        b"data: 2\r\n\r\n",
        b"data: \r\n\r\n",
        b"data:2\r\n\r\n",
        b"data: 2\r\ndata: 3\r\n\r\n",
        b"data: 2\n\r\n\r\n",
        b"data: 2\r\r\n\r\n",
        b"data: 2\n\ndata: 3\r\n\r\n",
        b"\r\n\r\n",
        b"event: x\r\n\r\n",
    ],
)
def test_a_read_that_ends_like_one_event_in_crlf_is_what_its_lines_say(read: bytes) -> None:
    events = [b"data: 1\r\n\r\n", read, b"data: 4\r\n\r\n"]
    parser = SseParser()
    payloads = [payload for event in events for payload in parser.feed(event)] + parser.finish()
    assert payloads == parse(b"".join(events).replace(b"\r\n", b"\n").replace(b"\r", b"\n"))


def test_a_crlf_cut_between_its_bytes_is_one_line_end() -> None:
    parser = SseParser()
    assert parser.feed(b"data: 1\r") == []
    assert parser.feed(b"\ndata: 2\r") == []
    assert parser.feed(b"\n\r") == [(b"", b"1\n2")]
    assert parser.feed(b"\ndata: 3\r\n\r\n") == [(b"", b"3")]


def test_a_cr_in_a_fast_stream_is_still_a_line_end() -> None:
    parser = SseParser()
    assert parser.feed(b"data: 1\n\n") == [(b"", b"1")]
    assert parser.feed(b"data: 2\rdata: 3\n\n") == [(b"", b"2\n3")]


def test_the_space_behind_the_colon_is_optional_and_only_one_is_taken() -> None:
    assert data(b"data:1\n\ndata:  2\n\n") == [b"1", b" 2"]


def test_data_lines_of_one_event_are_joined_by_line_feeds() -> None:
    assert data(b'data: {"a":\ndata: 1,\ndata: "b":2}\n\n') == [b'{"a":\n1,\n"b":2}']


def test_an_event_without_data_is_none() -> None:
    assert parse(b"event: ping\n\ndata: 1\n\n") == [(b"", b"1")]


def test_empty_data_is_an_event() -> None:
    assert parse(b"data:\n\ndata: \n\ndata\n\n") == [(b"", b"")] * 3


def test_the_event_name_holds_for_one_event() -> None:
    assert parse(b"event: error\ndata: 1\n\ndata: 2\n\n") == [(b"error", b"1"), (b"", b"2")]


def test_the_name_may_stand_behind_the_data() -> None:
    assert parse(b"data: 1\nevent: error\n\n") == [(b"error", b"1")]


def test_comments_ids_and_retries_say_nothing() -> None:
    raw = b": OPENROUTER PROCESSING\n\n:\n\nid: 7\nretry: 10\n\n: x\ndata: 1\nid\n\n"
    assert parse(raw) == [(b"", b"1")]


def test_many_blank_lines_are_as_good_as_one() -> None:
    assert data(b"\n\n\ndata: 1\n\n\n\n\ndata: 2\n\n\n") == [b"1", b"2"]


def test_a_byte_order_mark_is_skipped_at_the_beginning_only() -> None:
    assert parse(b"\xef\xbb\xbfdata: 1\n\n\xef\xbb\xbfdata: 2\n\ndata: 3\n\n") == [(b"", b"1"), (b"", b"3")]


def test_half_a_byte_order_mark_is_no_event() -> None:
    assert parse(b"\xef\xbb") == [(b"unframed", b"\xef\xbb")]


# --- the end of the body


def test_a_last_event_without_its_blank_line_is_an_event() -> None:
    assert data(b"data: 1\n\ndata: 2\n") == [b"1", b"2"]
    assert data(b"data: 1\n\nevent: x\ndata: 2") == [b"1", b"2"]


def test_nothing_is_given_out_twice_at_the_end() -> None:
    parser = SseParser()
    parser.feed(b"data: 1\n\ndata: 2")
    assert parser.finish() == [(b"", b"2")]
    assert parser.finish() == []


@pytest.mark.parametrize("raw", [b"", b"\n", b": x", b"event: x", b"id: 1\n"])
def test_a_body_without_events_gives_none(raw: bytes) -> None:
    assert parse(raw) == []


# --- what is no SSE


def test_an_error_line_is_an_error_event_at_once() -> None:
    parser = SseParser()
    assert parser.feed(b'data: 1\n\nerror: {"code":500}\n') == [(b"", b"1"), (b"error", b'{"code":500}')]


def test_an_error_line_does_not_overtake_the_data_before_it() -> None:
    assert parse(b"data: 1\nerror: 2\n") == [(b"", b"1"), (b"error", b"2")]


def test_a_plain_json_body_comes_as_one_unframed_payload() -> None:
    body = b'{\n "error": {\n  "message": "no such model"\n }\n}'
    assert parse(body) == [(b"unframed", body)]


def test_a_json_object_behind_the_events_comes_last() -> None:
    raw = b'data: 1\n\n{\n "error": {"code": 429}\n}\n'
    assert parse(raw) == [(b"", b"1"), (b"unframed", b'{\n "error": {"code": 429}\n}')]


def test_a_line_with_a_space_in_front_is_ignored_when_events_follow() -> None:
    assert parse(b' data: {"a":1}\n\ndata: 1\n\n{"error":1}') == [(b"", b"1"), (b"unframed", b'{"error":1}')]


def test_unframed_lines_are_dropped_by_the_event_behind_them_however_it_is_read() -> None:
    parser = SseParser()
    parser.feed(b"data: 1\n\njunk\n\n")
    assert parser.feed(b"data: 2\n\n") == [(b"", b"2")]
    assert parser.finish() == []


# --- the cuts

FIELDS = st.sampled_from([
    b"data: x", b"data:", b"data: ", b"data:  y", b"data", b": c", b":", b"event: e", b"event:", b"error: z", b"id: 1",
    b"retry: 2", b"{", b' "a": 1', b"}", b" data: q", b"", b"", b"", "data: 那".encode(), b"\xef\xbb\xbfdata: b",
    b"\xef",
])  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r", b""])
BODIES = st.builds(
    lambda bom, lines: bom + b"".join(line + end for line, end in lines),
    st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xef\xbb"]),
    st.lists(st.tuples(FIELDS, ENDS), max_size=14),
)


def by_the_book(raw: bytes) -> list[Payload]:
    """Reads a whole body line by line, as the standard is written, and with the additions."""
    lines = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    payloads: list[Payload] = []
    collected: list[bytes] = []
    unframed: list[bytes] = []
    name = b""
    for line in [*lines, b""]:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            collected.append(value)
        elif field == b"event":
            name = value
        elif (not line or field == b"error") and collected:
            payloads.append((name, b"\n".join(collected)))
            collected, unframed = [], []
        if not line:
            name = b""
        elif field == b"error":
            payloads.append((b"error", value))
        elif field not in (b"", b"data", b"event", b"id", b"retry"):
            unframed.append(line)
    return payloads + ([(b"unframed", b"\n".join(unframed))] if unframed else [])


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(raw=BODIES, picks=st.lists(st.integers(0, 200), max_size=6))
def test_where_the_network_cuts_makes_no_difference(raw: bytes, picks: list[int]) -> None:
    expected = by_the_book(raw)
    assert parse(raw) == expected
    assert parse(raw, sorted(pick % (len(raw) + 1) for pick in picks)) == expected
    assert parse(raw, range(len(raw))) == expected


# --- cost and limits


def feed_all(pieces: Iterable[bytes]) -> None:
    """Feeds one parser with all pieces."""
    parser = SseParser()
    for piece in pieces:
        parser.feed(piece)
    parser.finish()


@pytest.mark.parametrize(
    "pieces",
    [
        lambda size: [b"data: ", *[b"x"] * size, b"\n\n"],
        lambda size: [b"data: x\n"] * size,
        lambda size: [b"data:", b"\n"] * size,
        lambda size: [b"\n"] * size,
        lambda size: [b":"] * size,
        lambda size: [b"junk\n"] * size,
        lambda size: [b"data: x\r"] * size,
    ],
    ids=["one byte a read", "one line a read", "half a line a read", "blank lines", "comment", "junk", "CR"],
)
def test_the_cost_grows_with_the_bytes_and_not_with_their_square(pieces: object) -> None:
    assert callable(pieces)
    check_growth(lambda size: feed_all(pieces(size)), 4_000)


@pytest.mark.parametrize("piece", [b"x", b"data: xx\n", b"data:\n", b"junk\n", b"{"])
def test_what_is_held_is_limited(piece: bytes) -> None:
    parser = SseParser(max_event_bytes=1000)
    taken = 0
    with pytest.raises(UpstreamGarbled, match="over 1000 bytes"):  # noqa: PT012 - how often it is fed is the point
        while True:
            parser.feed(piece)
            taken += 1
    assert taken <= 1001


def test_whole_events_do_not_count_against_the_limit() -> None:
    parser = SseParser(max_event_bytes=100)
    for _ in range(50):
        assert len(parser.feed(b"data: " + b"x" * 40 + b"\n\n: comment\n\ndata: y")) == 1
        assert len(parser.feed(b"\n\n")) == 1


def test_a_large_event_is_not_cut() -> None:
    event = b'data: {"image":"' + b"A" * 3_000_000 + b'"}\n\n'
    assert parse(event, range(65_536, len(event), 65_536)) == [(b"", event[6:-2])]
