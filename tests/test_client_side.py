"""The client's side of an exchange: opening, headers, the end that was held back."""

from __future__ import annotations

from proxy.api.dialects import DIALECTS
from proxy.client_side import ClientSide
from proxy.errors import BadRequest, ExchangeError
from proxy.events import Finish, TextDelta
from proxy.exchange import Client, Exchange
from proxy.following import Follower, Nobody, Tee
from tests.support.drive import asking
from tests.support.grammar import check_stream
from tests.test_following import Client as Stream


def side(**fields: bool) -> tuple[ClientSide, Stream]:
    """Returns the side of an exchange that streams, and its client, not yet opened."""
    exchange = Exchange("req", Client("", {}), asking("hi", stream=True))
    for name, value in fields.items():
        setattr(exchange, name, value)
    stream = Stream()
    stream.opened = False

    def bug(error: ExchangeError) -> None:
        raise AssertionError(error)

    return ClientSide(exchange, stream, DIALECTS["responses"].encoder, bug), stream


def test_a_stream_is_opened_once_and_begins_with_its_events() -> None:
    one, stream = side()
    one.open()
    one.open()
    one.write(one.get_encoder().encode([TextDelta("x"), Finish()]))
    check_stream(stream.got)


def test_the_first_events_go_out_with_what_opens_the_stream() -> None:
    one, stream = side()
    one.make_ready()
    assert (stream.opened, stream.writes) == (False, 0)
    one.write(one.get_encoder().encode([TextDelta("x"), Finish()]))
    assert (stream.opened, stream.writes) == (True, 1)
    check_stream(stream.got)
    for ready in (True, False):
        one, stream = side()
        if ready:
            one.make_ready()
        one.open()
        assert (stream.writes, stream.got.count(b"event: ")) == (1, 2)


def test_headers_tell_what_was_ignored_as_far_as_there_is_room() -> None:
    one, _ = side()
    exchange = one._exchange
    for number in range(500):
        exchange.ignore(f"param_{number}")
    headers = one.headers()
    assert headers["x-request-id"] == "req"
    assert headers["x-penstock-ignored-params"].startswith("param_0, param_1")
    assert headers["x-penstock-ignored-params"].endswith(", ...")
    assert len(headers["x-penstock-ignored-params"]) < 1100


def test_an_end_that_is_held_back_is_told_once() -> None:
    one, stream = side(keeps=True)
    one.open()
    one.write(one.get_encoder().encode([TextDelta("x"), Finish()]))
    assert b"response.completed" not in stream.got
    one.tell_end()
    one.tell_end()
    check_stream(stream.got)


def test_a_failure_ends_the_stream_whatever_was_sent() -> None:
    for begun in (False, True):
        one, stream = side()
        stream.opened = True
        if begun:
            one.open()
        one.fail(BadRequest("no"))
        check_stream(stream.got)


def test_a_response_is_cancelled_whether_it_was_opened_or_not() -> None:
    for opened in (False, True):
        one, stream = side(keeps=True)
        if opened:
            one.open()
        assert one.open_response() is opened
        one.cancel()
        one.tell_end()
        assert not one.open_response()
        check_stream(stream.got)
        assert b'"status":"cancelled"' in stream.got


async def test_without_its_client_it_goes_on_for_those_who_follow() -> None:
    one, stream = side(keeps=True, keeps_log=True)
    one.open()
    log = one.get_encoder().log  # type: ignore[attr-defined]
    reader = Stream()
    leave = one.follow(Follower(log, reader, 0))
    one.detach()
    before = stream.got
    one.write(one.get_encoder().encode([TextDelta("x"), Finish()]))
    one.tell_end()
    assert stream.got == before
    check_stream(reader.got)
    assert isinstance(one.stream, Tee)
    leave()
    assert not one.stream.followers
    other, _ = side()
    other.detach()
    assert isinstance(other.stream, Nobody)


async def test_an_answer_that_was_promised_tells_of_the_request_as_it_was() -> None:
    """Attempts put changed copies in its place; and the response has its id before there is an encoder."""
    one, _ = side()
    exchange = one._exchange
    exchange.request = asking(metadata={"a": "b"})
    shown = one.promise()
    assert exchange.response_id is not None
    exchange.request = asking(metadata={"a": "changed"})
    assert one.promise() is shown
    assert (one.encoder, one.open_response()) == (None, False)
    exchange.keeps = True
    assert one.open_response(), "it has begun, and has not ended"
    encoder = one.get_encoder()
    encoder.encode([Finish()])
    assert b'"metadata":{"a":"b"}' in encoder.final()
    assert exchange.response_id.encode() in encoder.final()
    assert not one.open_response()
