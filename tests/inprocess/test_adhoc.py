"""Upstreams that are made for calls: which one, with what key, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from proxy.assembly import assemble
from proxy.config.loader import load_text
from proxy.errors import UpstreamRefused
from proxy.inprocess.adhoc import AdHocService, AdHocUpstreams
from proxy.inprocess.call import Call
from proxy.inprocess.penstock import Penstock
from proxy.inprocess.services import Services
from proxy.providers.vendors import COMPATIBLE
from tests.support.endless import silent
from tests.support.hostile import HostileUpstream, Peer, fixed
from tests.support.inprocess import ECHO, soon
from tests.support.talking import Talks


@pytest.fixture
def every() -> Penstock:
    return Penstock(Services(load_text(ECHO, "test"), AdHocService))


async def refusing(peer: Peer) -> None:
    """Refuses every request, and keeps its head."""
    while True:
        peer.received_head = (await peer.request()).partition(b"\r\n\r\n")[0].lower()  # type: ignore[attr-defined]
        await peer.send(fixed(b"{}", status=401, headers="content-type: application/json\r\n"))


@pytest.mark.parametrize(
    ("model", "variable", "path", "header"),
    [
        ("openai/gpt-4o", "OPENAI_API_KEY", b"/v1/responses", b"authorization: bearer the-key"),
        ("anthropic/claude-sonnet-4-5", "ANTHROPIC_API_KEY", b"/v1/messages", b"x-api-key: the-key"),
        ("gemini/gemini-2.5-flash", "GOOGLE_API_KEY", b"models/gemini-2.5-flash:", b"x-goog-api-key: the-key"),
        ("groq/llama", "GROQ_API_KEY", b"/v1/chat/completions", b"authorization: bearer the-key"),
        ("bedrock/anthropic.claude-x", "AWS_BEARER_TOKEN_BEDROCK", b"/model/", b"authorization: bearer the-key"),
    ],
)
@pytest.mark.parametrize("given", ["environment", "call"])
async def test_each_vendor_is_asked_in_its_own_way(
    every: Penstock,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    variable: str,
    path: bytes,
    header: bytes,
    given: str,
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    for name in ("GEMINI_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    asked = {}
    if given == "environment":
        monkeypatch.setenv(variable, "the-key")
    else:
        monkeypatch.delenv(variable, raising=False)
        asked["api_key"] = "the-key"
    async with HostileUpstream(refusing) as up, every:
        with pytest.raises(UpstreamRefused) as refused:
            await every.aresponses("hi", model, base_url=up.origin, **asked)
        assert refused.value.upstream == model.partition("/")[0]
        assert "the-key" not in str(refused.value)
        assert ("given with the call" in str(refused.value)) == (given == "call")
        head = (await up.peer()).received_head  # type: ignore[attr-defined]
        assert path in head
        assert header in head


async def test_a_server_of_ones_own_has_names_of_its_own(every: Penstock) -> None:
    async with Talks({"content": "Hello."}) as up, every:
        for model, told in (
            ("llama3", "llama3"),
            ("meta-llama/Llama-3", "meta-llama/Llama-3"),
            ("claude-like", "claude-like"),
            ("hosted_vllm/qwen", "qwen"),
        ):
            made = await every.aresponses("hi", model, api_base=up.origin)
            assert made.model == model
            assert up.requests[-1]["model"] == told
        made = await every.aresponses("hi", "x/y", base_url=up.origin, custom_llm_provider="vllm")
        assert up.requests[-1]["model"] == "x/y"
        events = [event async for event in await every.aresponses("hi", "vllm/x", base_url=up.origin, stream=True)]
        assert events[0].response.model == events[-1].response.model == "vllm/x"
        assert len(up.peers) <= 5


async def test_the_name_that_was_asked_for_is_the_one_that_is_kept(every: Penstock) -> None:
    async with Talks({"content": "Hello."}) as up, every:
        queued = await every.aresponses("hi", "vllm/x", base_url=up.origin, background=True)
        assert queued.model == "vllm/x"
        stream = await every.aresponses("and", "vllm/x", base_url=up.origin, stream=True, background=True)
        last = [event async for event in stream][-1]
        assert last.response.model == "vllm/x"
        assert (await every.aget_responses(queued.id)).model == "vllm/x"


async def test_the_same_place_and_key_share_connections() -> None:
    pipeline = assemble(load_text(ECHO, "test"))
    await pipeline.start()
    upstreams = AdHocUpstreams(pipeline)

    async def get(**fields: str) -> str:
        return await upstreams.get(COMPATIBLE, "m", Call.of({"base_url": "http://127.0.0.1:9/v1", **fields}))

    first, second = await asyncio.gather(get(), get())
    assert first == second == await get()
    others = [await get(api_key="a"), await get(api_key="b"), await get(base_url="http://127.0.0.1:8/v1")]
    assert len({first, *others}) == 4
    [deployment] = pipeline.models.resolve(f"{others[0]}/some/model")
    assert deployment.model == "some/model"
    assert deployment.provider.sealing is pipeline.sealing
    assert pipeline.models.resolve("m")
    assert pipeline.models.resolve("@99/m") == pipeline.models.resolve(first) == ()
    await pipeline.close()


async def test_too_many_are_closed_but_for_those_in_use() -> None:
    async with HostileUpstream(silent) as up:
        pipeline = assemble(load_text(ECHO, "test"))
        service = AdHocService(pipeline, lambda: ())
        await service.started()
        service._upstreams._most = 2
        asking = asyncio.create_task(
            service.create(Call.of({"model": "m2", "input": "hi", "base_url": up.origin + "/v1"}))
        )
        await up.peer()
        for port in range(1, 6):
            await service._upstreams.get(COMPATIBLE, "m", Call.of({"base_url": f"http://127.0.0.1:{port}/v1"}))
            assert len(pipeline.providers) <= 1 + 3
        assert "@1" in pipeline.providers
        assert not asking.done()
        asking.cancel()
        await asyncio.wait((asking,))
        await soon(service._upstreams.get(COMPATIBLE, "m", Call.of({"base_url": "http://127.0.0.1:9/v1"})))
        assert "@1" not in pipeline.providers
        assert len(pipeline.providers) == 1 + 2
        await service.close()
