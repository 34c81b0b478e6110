"""OpenAI's moderation: scores, flags, and what is no answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.guardrails.check import Asked, CheckFailed, Verdict
from proxy.guardrails.moderation import Moderation
from proxy.providers.openai_compatible.config import OpenAICompatibleConfig
from proxy.providers.openai_compatible.provider import OpenAICompatible
from tests.support.drive import exchange_of
from tests.support.guarding import rule
from tests.support.hostile import HostileUpstream, Peer, fixed


async def said(body: Any, *texts: str, context: str = "", **fields: Any) -> tuple[Verdict, list[bytes]]:
    """Returns the verdict for an answer of the upstream, and the requests it got."""
    requests: list[bytes] = []

    async def script(peer: Peer) -> None:
        while True:
            requests.append(await peer.request())
            await peer.send(fixed(body if isinstance(body, bytes) else json.dumps(body).encode()))

    async with HostileUpstream(script) as upstream:
        provider = OpenAICompatible("o", OpenAICompatibleConfig(base_url=f"{upstream.origin}/v1"))
        check = Moderation(rule(match="openai-moderation", upstream="o", **fields), provider)
        try:
            return await check.ask(Asked(exchange_of(), "output", texts or ("a",), context)), requests
        finally:
            await check.close()
            await provider.close()


def result(*, flagged: bool, **scores: float) -> dict[str, Any]:
    return {"flagged": flagged, "categories": dict.fromkeys(scores, flagged), "category_scores": scores}


async def test_without_thresholds_what_is_flagged_is_bad() -> None:
    verdict, requests = await said({"results": [result(flagged=False), result(flagged=True, hate=0.9)]}, "a", "b",
                                   context="so ")  # fmt: skip
    assert verdict == Verdict(bad=True, reason="hate")
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/moderations")
    assert json.loads(body) == {"model": "omni-moderation-latest", "input": ["so a", "b"]}
    assert not (await said({"results": [result(flagged=False, hate=0.9)]}))[0].bad


async def test_with_thresholds_they_alone_count() -> None:
    answer = {"results": [result(flagged=True, hate=0.4, violence=0.9)]}
    assert not (await said(answer, thresholds={"hate": 0.5}, model="m"))[0].bad
    assert (await said(answer, thresholds={"hate": 0.4}))[0] == Verdict(bad=True, reason="hate")


async def test_many_texts_are_asked_about_in_parts() -> None:
    _, requests = await said({"results": [result(flagged=False)]}, *["x"] * 70)
    assert [len(json.loads(one.partition(b"\r\n\r\n")[2])["input"]) for one in requests] == [32, 32, 6]


@pytest.mark.parametrize("body", [b"", b"[]", {"results": []}])
async def test_nonsense_is_no_answer(body: Any) -> None:
    with pytest.raises(CheckFailed, match="its answer"):
        await said(body)
