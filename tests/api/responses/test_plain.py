"""Responses that are made in one step: the same bytes that the encoder makes of the same answer."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.api.responses.answer import plain_response, responses_encoder
from proxy.events import Event, Finish, PlainAnswer, TextDelta, Usage
from proxy.transform.edited import fields_of
from tests.support.drive import asking, exchange_of

RESPONSE_ID = "resp_" + "0a" * 24
USAGE = Usage(9, 4, cached_tokens=3, cache_write_tokens=2, reasoning_tokens=1, total_tokens=13)


@pytest.mark.parametrize(
    "answer",
    [
        PlainAnswer("hi", "stop", USAGE),
        PlainAnswer('Grüße "x" \\ 🙂\n\u2028', "stop", USAGE, "flex"),
        PlainAnswer("cut", "length", USAGE),
        PlainAnswer("cut", "content_filter"),
    ],
)
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"store": False},
        {"temperature": 0.5, "metadata": {"a": "b"}, "instructions": "be kind", "service_tier": "auto"},
        {"tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}], "max_output_tokens": 5},
    ],
)
@pytest.mark.parametrize("keeps", [True, False])
def test_the_encoder_makes_the_same_of_it(
    answer: PlainAnswer, fields: dict[str, Any], keeps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1767225600.25)
    one = exchange_of(asking(**fields))
    one.response_id, one.asked_model, one.keeps = RESPONSE_ID, "asked", keeps
    encoder = responses_encoder(one)
    encoder.use(None, None, heard=False)
    usage: list[Event] = [answer.usage] if answer.usage is not None else []
    encoder.encode([TextDelta(answer.text), *usage, Finish(answer.reason, answer.service_tier)])
    plain = plain_response(one, one.request, answer)
    assert plain.final() == plain.now() == encoder.final()
    assert plain.kept_output() == encoder.kept_output()
    for name in ("done", "outcome", "usage", "service_tier", "error", "log"):
        assert getattr(plain, name) == getattr(encoder, name), name
    assert plain.output_chars() == encoder.output_chars()


def test_it_shows_what_the_file_changes() -> None:
    one = exchange_of()
    fields_of(one)["user"] = None
    assert b'"user"' not in plain_response(one, one.request, PlainAnswer("hi", "stop")).final()


def test_nothing_follows_the_end() -> None:
    one = exchange_of()
    plain = plain_response(one, one.request, PlainAnswer("hi", "stop"))
    before = plain.final()
    plain.use(None, None)
    out = plain.begin() + plain.encode([TextDelta("more")]) + plain.piece("more") + plain.end()
    assert (out, plain.final()) == (b"", before)


def test_it_tells_of_the_request_that_is_shown_and_not_of_the_attempts() -> None:
    one = exchange_of(asking(metadata={"a": "b"}))
    shown, one.request = one.request, asking(metadata={"a": "changed"})
    assert b'"metadata":{"a":"b"}' in plain_response(one, shown, PlainAnswer("hi", "stop")).final()
