"""Asking about answers that are passed on: all of one waits, and goes out as it came, with masks, or not at all."""

from __future__ import annotations

import json

import pytest

from proxy.errors import UpstreamGarbled
from proxy.guardrails import raw_asked
from proxy.guardrails.check import Asking
from proxy.guardrails.raw_answer import RawAnswer
from proxy.guardrails.raw_asked import RawAsked
from proxy.matching import Folding, Matcher, Word, Words
from tests.support.drive import exchange_of
from tests.support.guarding import Oracle, asking, fails, masking, without

JSON, EVENTS = "application/json", "text/event-stream"
BODY = b'{"choices": [ {"index": 0, "text": "a bad thing", "finish_reason": "stop"} ]}'


def asked(*askings: Asking, content_type: str = JSON, searched: RawAnswer | None = None) -> RawAsked:
    return RawAsked(exchange_of(), askings, content_type, searched, lambda text: None if "no" in text else text)


async def said(*askings: Asking) -> str:
    answer = asked(*askings)
    assert answer.feed(BODY[:20]) + answer.feed(BODY[20:]) == b""
    return str(json.loads(await answer.finish())["choices"][0]["text"])


async def test_what_everybody_lets_through_goes_out_as_it_came() -> None:
    answer = asked(asking(Oracle(without("evil"))), asking(Oracle(masking("evil"))))
    assert answer.feed(BODY) == b""
    assert await answer.finish() == BODY
    assert answer.texts == ("a bad thing",)


async def test_what_is_bad_does_not_and_masks_are_texts_like_any_other() -> None:
    assert await said(asking(Oracle(without("bad")))) == ""
    assert await said(asking(Oracle(fails))) == ""
    assert await said(asking(Oracle(fails), on_error="allow")) == "a bad thing"
    assert await said(asking(Oracle(masking("bad")), action="mask")) == "a # thing"
    assert await said(asking(Oracle(masking("bad", "no")), action="mask")) == ""


async def test_a_stream_waits_as_well() -> None:
    answer = asked(asking(Oracle(masking("bad")), action="mask"), content_type=EVENTS)
    for text in ("a ba", "d thing"):
        piece = json.dumps({"choices": [{"index": 0, "text": text}]}).encode()
        assert answer.feed(b"data: %b\n\n" % piece) == b""
    assert answer.feed(b"data: [DONE]\n\n") == b""
    assert b'"text":"a # thing"' in await answer.finish()


async def test_others_see_what_the_rules_here_have_left_and_who_is_not_waited_for_sees_it_later() -> None:
    matcher = Matcher([Words([Word("bad")], Folding(case_sensitive=False, normalize=True))], ["*"])
    oracle = Oracle(without("evil"))
    answer = asked(asking(oracle), searched=RawAnswer(matcher, JSON))
    answer.feed(BODY)
    assert b"a * thing" in await answer.finish()
    assert [one.texts for one in oracle.asked] == [("a * thing",)]
    answer = asked()
    assert answer.feed(BODY) + await answer.finish() == BODY
    assert answer.texts == ("a bad thing",)


async def test_no_more_waits_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_asked, "_MOST", 10)
    with pytest.raises(UpstreamGarbled, match="too large"):
        asked(asking(Oracle(fails))).feed(BODY)
    answer = asked()
    assert answer.feed(BODY[:12]) + answer.feed(BODY[12:]) + await answer.finish() == BODY
    assert answer.texts == (BODY[:10].decode(),)
