"""A webhook: what it gets, what it may answer, and what is no answer."""

from __future__ import annotations

import pytest

from proxy.exchange import Key
from proxy.guardrails.check import ALLOWED, Asked, CheckFailed, Verdict
from proxy.guardrails.webhook import Webhook
from tests.support.drive import exchange_of
from tests.support.guarding import rule
from tests.support.hostile import fixed
from tests.support.webhook import FakeWebhook, Says


async def said(says: Says, asked: Asked) -> tuple[Verdict, FakeWebhook]:
    async with FakeWebhook(says) as fake:
        webhook = Webhook(rule(match="http", url=fake.url, headers={"Authorization": "Bearer s3cret"}))
        try:
            return await webhook.ask(asked), fake
        finally:
            await webhook.close()


async def test_it_gets_what_it_needs_to_know() -> None:
    exchange = exchange_of(key=Key("k1", team="blue", user="ann"))
    verdict, fake = await said(
        lambda _: {"action": "allow", "more": 1}, Asked(exchange, "output", ("a", "b"), "before")
    )
    assert verdict == ALLOWED
    assert fake.questions == [
        {"rule": "rule", "where": "output", "texts": ["a", "b"], "context": "before", "request_id": "req_1",
         "model": "m", "key": "k1", "team": "blue", "user": "ann"}
    ]  # fmt: skip
    assert fake.heads[0].startswith("POST /check HTTP/1.1")
    assert "authorization: Bearer s3cret" in fake.heads[0]


async def test_it_may_block_and_mask() -> None:
    asked = Asked(exchange_of(), "input", ("a",))
    assert (await said(lambda _: {"action": "block", "reason": "no"}, asked))[0] == Verdict(bad=True, reason="no")
    assert (await said(lambda _: {"action": "mask", "texts": ["x"]}, asked))[0] == Verdict(texts=("x",))


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (fixed(b"", status=500), "status 500"),
        (fixed(b'{"action":"allow"}', status=302), "status 302"),
        (fixed(b"<html>"), "cannot be read"),
        (fixed(b'{"action":"perhaps"}'), "cannot be read"),
        (fixed(b'{"action":"mask"}'), "has no texts"),
        (fixed(b"\xff\xfe"), "cannot be read"),
    ],
)
async def test_nonsense_is_no_answer(answer: bytes, what: str) -> None:
    with pytest.raises(CheckFailed, match=what):
        await said(lambda _: answer, Asked(exchange_of(), "input", ("a",)))
