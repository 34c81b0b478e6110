"""Answers read from bytes, wherever those are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.answer import FAULTS, MAX_HEAD, MAX_HEADERS, MAX_INTERIM, Answer, fault_of

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


class Reading:
    """What one answer came to."""

    def __init__(self, *reads: bytes) -> None:
        self.heads = 0
        self.fault: str | None = None
        self.answer = Answer(self._on_head)
        for read in reads:
            try:
                self.answer.feed(read)
            except FAULTS as fault:
                self.fault = fault_of(fault)
                break
        self.body = b"".join(self.answer.pieces)

    def _on_head(self) -> None:
        self.heads += 1

    def facts(self) -> tuple[object, ...]:
        answer = self.answer
        return (
            answer.status,
            answer.headers,
            self.body,
            answer.complete,
            answer.until_close,
            answer.keep_alive,
            None if answer.complete else self.fault,
        )


WHOLE = {
    "fixed": OK + b"Content-Length: 5\r\n\r\nhello",
    "chunked": CHUNKED + b"5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nx-trailer: t\r\n\r\n",
    "empty chunked": CHUNKED + b"0\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n"
    + OK
    + b"content-length: 0\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\ncontent-length: 7\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n",
    "old": b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi",
    "closing": OK + b"connection: close\r\ncontent-length: 2\r\n\r\nhi",
    "refusing to upgrade": b"HTTP/1.1 426 No\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\nhi",
}
UNTIL_CLOSE = OK + b"content-type: text/event-stream\r\n\r\ndata: x\n\n"
GARBLED = {
    "garbage": b"<html>nothing here</html>\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x16",
    "version": b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "small status": b"HTTP/1.1 099 OK\r\n\r\n",
    "protocol switch": b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "length that is none": OK + b"content-length: five\r\n\r\nhello",
    "negative length": OK + b"content-length: -5\r\n\r\nhello",
    "two lengths": OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "length and chunks": OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size": CHUNKED + b"zz\r\nhello\r\n",
    "huge chunk size": CHUNKED + b"fffffffffffffffff\r\nhello\r\n",
    "chunk longer than said": CHUNKED + b"5\r\nhello, world\r\n0\r\n\r\n",
    "transfer coding": OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "header without colon": OK + b"nonsense\r\n\r\n",
    "header with a zero": OK + b"x: a\0b\r\n\r\n",
}


@pytest.mark.parametrize("raw", WHOLE.values(), ids=WHOLE.keys())
def test_every_cut_gives_the_same(raw: bytes) -> None:
    whole = Reading(raw)
    assert whole.answer.complete
    assert whole.heads == 1
    for cut in range(len(raw) + 1):
        assert Reading(raw[:cut], raw[cut:]).facts() == whole.facts(), cut
    assert Reading(*(raw[i : i + 1] for i in range(len(raw)))).facts() == whole.facts()


@pytest.mark.parametrize("raw", GARBLED.values(), ids=GARBLED.keys())
def test_garbage_is_a_fault_wherever_it_is_cut(raw: bytes) -> None:
    whole = Reading(raw)
    assert whole.fault
    assert not whole.answer.complete
    for cut in range(len(raw) + 1):
        reading = Reading(raw[:cut], raw[cut:])
        assert (reading.fault, reading.body) == (whole.fault, whole.body), cut


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=300), max_size=8),
    chunked=st.booleans(),
    data=st.data(),
)
def test_any_split_gives_the_same_body(pieces: list[bytes], chunked: bool, data: st.DataObject) -> None:
    body = b"".join(pieces)
    if chunked:
        raw = CHUNKED + b"".join(b"%X\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    else:
        raw = OK + b"content-length: %d\r\n\r\n" % len(body) + body
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    reading = Reading(*(raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)))
    assert (reading.body, reading.answer.complete, reading.fault) == (body, True, None)


def test_a_body_until_the_end_of_the_connection() -> None:
    reading = Reading(UNTIL_CLOSE)
    assert reading.facts() == (200, {"content-type": "text/event-stream"}, b"data: x\n\n", False, True, False, None)


def test_headers_are_lower_case_and_repeated_ones_joined() -> None:
    reading = Reading(OK + b"X-A: 1\r\nx-a:  2 \r\nX-B: \xe9\r\ncontent-length: 0\r\n\r\n")
    assert reading.answer.headers == {"x-a": "1, 2", "x-b": "é", "content-length": "0"}


def test_headers_of_interim_answers_and_trailers_are_not_kept() -> None:
    assert Reading(WHOLE["interim"]).answer.headers == {"content-length": "0"}
    assert Reading(WHOLE["chunked"]).answer.headers == {"transfer-encoding": "chunked"}


@pytest.mark.parametrize("rest", [b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad", b"x", b"\0", b"0\r\n\r\n"])
@pytest.mark.parametrize("name", ["fixed", "chunked", "no content", "closing"])
def test_what_follows_is_surplus_and_not_body(name: str, rest: bytes) -> None:
    reading = Reading(WHOLE[name] + rest)
    assert reading.answer.complete
    assert reading.body == Reading(WHOLE[name]).body
    assert reading.heads == 1
    assert reading.answer.surplus or not reading.answer.keep_alive


def test_only_connections_that_may_be_kept_are() -> None:
    keeps = {name: Reading(raw).answer.keep_alive for name, raw in WHOLE.items()}
    assert [name for name, keep in keeps.items() if not keep] == ["closing"]


def test_a_head_has_its_limits() -> None:
    assert "larger than" in str(Reading(OK + b"x: " + b"a" * MAX_HEAD + b"\r\n\r\n").fault)
    assert "larger than" in str(Reading(OK + b"".join(b"x%d: %s\r\n" % (i, b"a" * 1000) for i in range(70))).fault)
    many = b"".join(b"x%d: a\r\n" % i for i in range(MAX_HEADERS + 1))
    assert f"more than {MAX_HEADERS} headers" in str(Reading(OK + many + b"\r\n").fault)
    same = b"x: a\r\n" * (MAX_HEADERS + 1)
    assert f"more than {MAX_HEADERS} headers" in str(Reading(OK + same + b"\r\n").fault)


def test_interim_answers_have_a_limit() -> None:
    interim = b"HTTP/1.1 102 Processing\r\n\r\n"
    assert Reading(interim * MAX_INTERIM + WHOLE["fixed"]).answer.complete
    assert "interim" in str(Reading(interim * (MAX_INTERIM + 1) + WHOLE["fixed"]).fault)
    large = b"HTTP/1.1 103 Early\r\nlink: " + b"x" * 10_000 + b"\r\n\r\n"
    assert "larger than" in str(Reading(large * 7 + WHOLE["fixed"]).fault)


@pytest.mark.parametrize("first", [name for name in WHOLE if name != "closing"])
@pytest.mark.parametrize("second", [name for name in (*WHOLE, *GARBLED) if name != "version"])
def test_answers_of_one_connection_are_read_as_they_would_be_alone(first: str, second: str) -> None:
    """But for the version: who has spoken HTTP/1 once goes on with it."""
    data = {**WHOLE, **GARBLED}[second]
    reading, alone = Reading(WHOLE[first]), Reading(data)
    answer = reading.answer
    assert answer.complete
    assert answer.keep_alive
    answer.pieces.clear()
    answer.begin()
    reading.heads = 0
    try:
        for at in range(len(data)):
            answer.feed(data[at : at + 1])
    except FAULTS as fault:
        reading.fault = fault_of(fault)
    reading.body = b"".join(answer.pieces)
    assert (reading.facts(), reading.heads) == (alone.facts(), alone.heads)


def test_the_parser_can_be_let_go() -> None:
    reading = Reading(WHOLE["fixed"])
    reading.answer.forget()
    assert reading.facts()[0] == 200
