"""Conversations that stay with the deployment that began them, as long as it answers."""

from __future__ import annotations

from proxy.inprocess.router import Router
from tests.support.talking import Talks

CHECKS = ["responses_api_deployment_check"]


def entry(upstream: Talks) -> dict[str, object]:
    return {"model_name": "m", "litellm_params": {"model": "vllm/up", "api_base": upstream.origin}}


async def test_a_chain_stays_where_it_began_until_that_fails() -> None:
    async with Talks({"content": "One."}) as one, Talks({"content": "Two."}) as two:
        router = Router([entry(one), entry(two)], optional_pre_call_checks=CHECKS, num_retries=1)
        async with router:
            last = await router.aresponses("hi", "m")
            for _ in range(12):
                last = await router.aresponses("on", "m", previous_response_id=last.id)
            assert sorted((len(one.requests), len(two.requests))) == [0, 13]
            maker, other = (one, two) if one.requests else (two, one)
            maker._server.close()
            for peer in maker.peers:
                peer.transport.abort()
            moved = await router.aresponses("on", "m", previous_response_id=last.id)
            assert moved.status == "completed"
            assert len(other.requests) == 1
            assert len(other.requests[0]["messages"]) == 27
            again = await router.aresponses("on", "m", previous_response_id=moved.id, stream=True)
            assert [event async for event in again][-1].type == "response.completed"
            assert len(other.requests) == 2


async def test_what_goes_on_from_nothing_may_go_anywhere() -> None:
    async with Talks({"content": "One."}) as one:
        async with Router([entry(one)], optional_pre_call_checks=CHECKS) as router:
            assert (await router.aresponses("hi", "m", previous_response_id=None)).output_text == "One."
