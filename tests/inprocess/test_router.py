"""Groups of deployments as LiteLLM's Router takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from proxy import Router
from proxy.errors import BadRequest, ExchangeError
from proxy.litellm.model_list import WrongOptions
from tests.support.hostile import HostileUpstream, closing, fixed
from tests.support.talking import JSON, Talks

BUSY = fixed(b'{"error": {"message": "busy"}}', status=503, headers=JSON)


def entry(name: str, upstream: HostileUpstream, **params: Any) -> dict[str, Any]:
    return {
        "model_name": name,
        "litellm_params": {"model": "hosted_vllm/up", "api_base": upstream.origin, "api_key": "k", **params},
    }


async def test_a_group_shares_its_requests_by_weight() -> None:
    async with Talks({"content": "One."}) as one, Talks({"content": "Two."}) as two:
        async with Router([entry("m", one, weight=1e-6), entry("m", two, weight=1e6)]) as router:
            for _ in range(5):
                assert (await router.aresponses(model="m", input="hi")).output_text == "Two."
        with Router([entry("m", one)], routing_strategy="simple-shuffle", fallbacks=None) as router:
            assert router._services.config.models["m"][0].upstream == "vllm"


@pytest.mark.parametrize("stream", [False, True])
async def test_fallbacks_are_tried_however_few_retries_are_allowed(stream: bool) -> None:
    async with HostileUpstream(closing(BUSY)) as busy, Talks({"content": "Hello."}) as up:
        models = [entry("a", busy), entry("b", up)]
        async with Router(models, num_retries=0, fallbacks=[{"a": ["b"]}]) as router:
            made: Any = await router.aresponses("hi", "a", stream=stream)
            if stream:
                made = [event async for event in made][-1].response
            assert (made.output_text, made.model) == ("Hello.", "a")
        async with Router(models, num_retries=0, default_fallbacks=["b"]) as router:
            assert (await router.aresponses("hi", "a")).output_text == "Hello."
        async with Router(models, num_retries=0) as router:
            with pytest.raises(ExchangeError) as failed:
                await router.aresponses("hi", "a")
            assert failed.value.status == 503


@pytest.mark.parametrize("asked", ["a", "alias"])
async def test_a_higher_order_is_asked_when_the_others_have_failed(
    asked: str, caplog: pytest.LogCaptureFixture
) -> None:
    ups = HostileUpstream(closing(BUSY)), Talks({"content": "One."}), Talks({"content": "Two."})
    async with ups[0] as busy, ups[1] as one, ups[2] as two:
        models = [
            entry("a", two, order=3, weight=100),
            entry("a", one, order=2, tags=["x"]),
            entry("a", busy, order=1),
            entry("b", busy),
        ]
        router = Router(models, num_retries=0, fallbacks=[{"b": ["a"]}], model_group_alias={"alias": "a"})
        async with router:
            for _ in range(3):
                assert (await router.aresponses("hi", asked)).output_text == "One."
            assert (await router.acompletion("b", [{"role": "user", "content": "hi"}])).choices[
                0
            ].message.content == "One."
    assert not two.requests
    assert "model_list[1].litellm_params.tags: is left out" in caplog.text


async def test_aliases_stand_for_groups() -> None:
    async with Talks({"content": "Hello."}) as up:
        async with Router([entry("b", up)], model_group_alias={"gpt-4": "b"}) as router:
            made = await router.aresponses("hi", "gpt-4")
            assert (made.output_text, made.model) == ("Hello.", "gpt-4")
            first = await router.aresponses("hi", "b")
            assert (await router.aresponses("and", "b", previous_response_id=first.id)).status == "completed"
            with pytest.raises(BadRequest):
                await router.aresponses("hi", "c")


def test_a_deployment_without_its_key_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    with Router([{"model_name": "m", "litellm_params": {"model": "groq/llama"}}]) as router:
        with pytest.raises(BadRequest, match="GROQ_API_KEY is not set"):
            router.responses("hi", "m")


FINE = {"model_name": "m", "litellm_params": {"model": "groq/llama", "api_key": "k"}}


@pytest.mark.parametrize(
    ("models", "options", "why"),
    [
        ([FINE], {"num_retrys": 3}, r"Router\.num_retrys: unknown option .did you mean .num_retries.\?"),
        ([FINE], {"num_retries": "many"}, r"Router: Expected `int`.*num_retries"),
        (
            [FINE],
            {"routing_strategy": "least-busiest"},
            r"routing_strategy: 'least-busiest' is not served here \(known are",
        ),
        (
            [FINE],
            {"optional_pre_call_checks": ["prompt_caching"]},
            r"checks\[0\]: 'prompt_caching' is not served here \(known are .*responses_api_deployment_check",
        ),
        ([FINE], {"model_group_alias": {"a": "b"}}, r"model_group_alias\.a: 'a' stands for 'b', which is not in"),
        ([FINE], {"fallbacks": [{"m": ["n"]}]}, r"fallbacks\[0\]: there is no model 'n' in model_list"),
        ([], {}, "model_list is empty"),
        (
            [{"model_name": "m", "litellm_params": {"model": "groq/llama", "api_key": "os.environ/NOT_SET_ANYWHERE"}}],
            {},
            r"model_list\[0\]\.api_key: environment variable NOT_SET_ANYWHERE is not set",
        ),
        (
            [FINE, {"model_name": "m", "litellm_params": {"model": "qwen", "api_base": "ftp://x"}}],
            {},
            r"model_list\[1\].*must begin with http",
        ),
        (
            [{"model_name": "m", "litellm_params": {"model": "groq/llama", "api_key": "k", "vertex_project": "p"}}],
            {},
            r"model_list\[0\]\.litellm_params\.vertex_project: is nothing that upstreams of kind",
        ),
    ],
)
def test_every_mistake_is_named(models: Sequence[dict[str, Any]], options: dict[str, Any], why: str) -> None:
    with pytest.raises(WrongOptions, match=why):
        Router(models, **options)


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(WrongOptions) as wrong:
        Router([{"model_name": "m"}, {"litellm_params": {}}], routing_strategy="none", model_group_alias={"a": "b"})
    assert len(str(wrong.value).splitlines()) == 4
