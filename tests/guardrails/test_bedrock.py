"""A guardrail of Bedrock: how it is asked, what it blocks, and what it makes anonymous."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.config.types import Secret
from proxy.errors import UpstreamRefused
from proxy.guardrails.bedrock import BedrockGuardrail
from proxy.guardrails.check import ALLOWED, Asked, CheckFailed, Verdict
from proxy.guardrails.rules import Where
from proxy.providers.bedrock.config import BedrockConfig
from proxy.providers.bedrock.provider import Bedrock
from tests.support.aws_signature import signed_by
from tests.support.drive import exchange_of
from tests.support.guarding import rule
from tests.support.hostile import HostileUpstream, Peer, fixed

ARN = "arn:aws:bedrock:eu-west-1:123456789012:guardrail/abc"


async def said(
    *answers: Any, texts: tuple[str, ...] = ("a",), where: Where = "output", guardrail: str = "abc"
) -> tuple[Verdict, list[bytes]]:
    """Returns the verdict for answers of Bedrock, and the requests it got."""
    requests: list[bytes] = []

    async def script(peer: Peer) -> None:
        for answer in answers:
            requests.append(await peer.request())
            await peer.send(answer if isinstance(answer, bytes) else fixed(json.dumps(answer).encode()))
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        keys = {"access_key_id": Secret("AKIDEXAMPLE"), "secret_access_key": Secret("planted")}
        provider = Bedrock("b", BedrockConfig(region="us-east-1", base_url=upstream.origin, **keys))
        check = BedrockGuardrail(
            rule(match="bedrock-guardrail", upstream="b", guardrail=guardrail, version="1"), provider
        )
        try:
            return await check.ask(Asked(exchange_of(), where, texts)), requests
        finally:
            await check.close()
            await provider.close()


def intervened(policy: dict[str, Any], *outputs: str) -> dict[str, Any]:
    texts = [{"text": text} for text in outputs]
    return {"action": "GUARDRAIL_INTERVENED", "outputs": texts, "assessments": [policy]}


BLOCKED = {"contentPolicy": {"filters": [{"type": "HATE", "confidence": "HIGH", "action": "BLOCKED"}]}}
ANONYMOUS = {"sensitiveInformationPolicy": {"piiEntities": [{"type": "NAME", "match": "Ann", "action": "ANONYMIZED"}]}}
NONE = {"action": "NONE", "outputs": [], "assessments": [{"topicPolicy": {"topics": []}}]}


async def test_it_is_asked_signed_and_says_nothing_of_good_texts() -> None:
    verdict, requests = await said(NONE, texts=("a", "b"), where="input", guardrail=ARN)
    assert verdict == ALLOWED
    head, _, body = requests[0].partition(b"\r\n\r\n")
    arn = ARN.replace(":", "%3A").replace("/", "%2F")
    assert head.startswith(f"POST /guardrail/{arn}/version/1/apply HTTP/1.1".encode())
    assert signed_by(requests[0], "planted", "us-east-1") == "AKIDEXAMPLE"
    assert b"planted" not in head
    assert json.loads(body) == {"source": "INPUT", "content": [{"text": {"text": "a"}}, {"text": {"text": "b"}}]}


async def test_what_it_blocks_is_bad_and_what_it_makes_anonymous_is_masked() -> None:
    assert (await said(intervened(BLOCKED, "Sorry.")))[0] == Verdict(bad=True, reason="contentPolicy")
    assert (await said(intervened({**BLOCKED, **ANONYMOUS}, "Sorry.")))[0].bad
    masked = await said(intervened(ANONYMOUS, "{NAME} is here"))
    assert masked[0] == Verdict(texts=("{NAME} is here",), reason="sensitiveInformationPolicy")
    assert (await said(intervened({}, "Sorry.")))[0].bad  # it does not say why


async def test_texts_that_it_has_put_into_one_are_asked_about_one_by_one() -> None:
    answers = (intervened(ANONYMOUS, "{NAME} b"), intervened(ANONYMOUS, "{NAME}"), NONE)
    verdict, requests = await said(*answers, texts=("Ann", "b"))
    assert verdict.texts == ("{NAME}", "b")
    assert len(requests) == 3


async def test_nonsense_is_no_answer() -> None:
    for answer in (fixed(b"<html>"), {"action": "SHRUG"}):
        with pytest.raises(CheckFailed, match="its answer"):
            await said(answer)
    with pytest.raises(UpstreamRefused):
        await said(fixed(b'{"message":"no such guardrail"}', status=404))
