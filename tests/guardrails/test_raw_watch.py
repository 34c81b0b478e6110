"""Which answers that are passed on are searched, and what is left on the exchange."""

from __future__ import annotations

from proxy.errors import UpstreamError
from proxy.guardrails.local import Act
from proxy.guardrails.raw_watch import RawWatch
from proxy.matching import Folding, Matcher, Word, Words
from proxy.matching.answer import WITHHELD
from proxy.stage import Head
from tests.support.drive import exchange_of
from tests.support.guarding import Oracle, asking, without

MATCHER = Matcher([Words([Word("banned")], Folding(case_sensitive=False, normalize=True))], ["#"])
ACTS = [Act("rule", "masked", "#")]


async def test_texts_are_searched_and_told_of() -> None:
    exchange = exchange_of()
    watch = RawWatch(MATCHER, ACTS, telling=True)
    answer = watch.on_raw(exchange, Head(200, {"content-type": "text/plain"}))
    assert answer is not None
    assert answer.feed(b"banned") + answer.finish() == b"#"
    await watch.on_end(exchange)
    assert exchange.marks["guardrail"] == [{"rule": "rule", "action": "masked", "where": "output"}]


async def test_of_what_is_no_text_only_failures_are() -> None:
    exchange = exchange_of()
    for telling, content_type in ((False, "application/json"), (True, "audio/mpeg")):
        watch = RawWatch(MATCHER, ACTS, telling=telling)
        assert watch.on_raw(exchange, Head(200, {"content-type": content_type})) is None
        error = UpstreamError("a banned thing")
        await watch.on_error(exchange, error)
        assert error.message == "a # thing"
    await watch.on_end(exchange)
    assert [mark["action"] for mark in exchange.marks["guardrail"]] == ["masked"]


async def test_failures_are_asked_about_and_who_observes_is_asked_behind_the_end() -> None:
    waits, sees = Oracle(without("evil")), Oracle(without("evil"))
    exchange = exchange_of()
    watch = RawWatch(MATCHER, ACTS, [asking(waits), asking(sees, action="flag")], telling=False)
    assert not watch.lingers
    error = UpstreamError("a banned and evil thing")
    await watch.on_error(exchange, error)
    assert error.message == WITHHELD
    assert [one.texts for one in waits.asked] == [("a # and evil thing",)]
    assert watch.lingers
    exchange.outcome = "failed"
    await watch.on_end(exchange)
    assert [one.texts for one in sees.asked] == [(WITHHELD,)]
    assert [mark["action"] for mark in exchange.marks["guardrail"]] == ["blocked", "masked"]
