"""Asking within a time: what counts as no answer, and what the log is told of it."""

from __future__ import annotations

import asyncio

import pytest

from proxy.errors import UpstreamUnreachable
from proxy.guardrails.check import ALLOWED, Asked, CheckFailed, Verdict, joined
from tests.support.drive import exchange_of
from tests.support.guarding import Oracle, asking


def about(*texts: str, context: str = "") -> Asked:
    return Asked(exchange_of(), "output", texts or ("a",), context)


@pytest.mark.parametrize(
    "error", [CheckFailed("nonsense"), UpstreamUnreachable("gone"), OSError("cut"), RuntimeError("bug")]
)
async def test_a_failure_is_what_the_rule_says_of_it(error: Exception) -> None:
    def says(asked: Asked) -> Verdict:
        raise error

    assert await asking(Oracle(says)).verdict(about()) == Verdict(bad=True, reason="not checked", failed="error")
    assert not (await asking(Oracle(says), on_error="allow").verdict(about())).bad


async def test_too_late_is_no_answer() -> None:
    oracle = Oracle(lambda asked: ALLOWED, waits=True)
    verdict = await asking(oracle, timeout="10ms").verdict(about())
    assert (verdict.bad, verdict.failed, oracle.cancelled) == (True, "timeout", 1)


async def test_as_many_texts_must_come_back_as_were_sent() -> None:
    one = asking(Oracle(lambda asked: Verdict(texts=("a", "b"))))
    assert (await one.verdict(about("a"))).failed == "error"
    assert (await one.verdict(about("a", "b"))).texts == ("a", "b")


async def test_the_log_is_told_of_changes_alone(caplog: pytest.LogCaptureFixture) -> None:
    works = [False, False, True, True, False]

    def says(asked: Asked) -> Verdict:
        if works.pop(0):
            return ALLOWED
        raise CheckFailed("status 500")

    one = asking(Oracle(says))
    for _ in range(5):
        await one.verdict(about())
    told = [record.getMessage() for record in caplog.records]
    assert [text.partition(":")[0] for text in told] == [
        "guardrail rule rule has no answer",
        "guardrail rule rule is answered again",
        "guardrail rule rule has no answer",
    ]
    assert "status 500; until it has, it lets nothing pass" in told[0]


async def test_who_asks_may_leave_and_the_rest_is_closed() -> None:
    oracle = Oracle(lambda asked: ALLOWED, waits=True)
    one = asking(oracle)
    task = asyncio.create_task(one.verdict(about()))
    await oracle.asked_so_often(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await one.close()
    assert (oracle.cancelled, oracle.closed) == (1, True)


def test_what_went_before_stands_in_front_of_the_first_text() -> None:
    assert joined(about("b", "c", context="a")) == ("ab", "c")
