"""The list of models, with what upstreams say stands behind the wildcards."""

from __future__ import annotations

import asyncio

from proxy.errors import UpstreamUnreachable
from proxy.exchange import Key
from proxy.models import ModelTable
from proxy.providers.provider import Deployment
from proxy.server.catalog import Catalog
from tests.support.scripted import ScriptedProvider, stream


class Lists(ScriptedProvider):
    """An upstream that lists models, or fails to."""

    def __init__(self, name: str, *models: str, fails: bool = False) -> None:
        super().__init__(name, stream(None))
        self.list, self.fails, self.asked = list(models), fails, 0

    async def models(self) -> list[str]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.fails:
            raise UpstreamUnreachable("down")
        return self.list


def catalog(upstream: Lists, **models: str) -> Catalog:
    """Returns the catalog of models on one upstream; `_` in a name stands for `*`."""
    entries = {name.replace("_", "*"): [Deployment(upstream, target)] for name, target in models.items()}
    return Catalog(ModelTable(entries), 7)


async def test_wildcards_are_filled_in_by_the_upstream() -> None:
    upstream = Lists("u", "llama3", "qwen3", "other")
    names = await catalog(upstream, exact="llama3", _="*").names()
    assert names == {"exact": "u", "llama3": "u", "qwen3": "u", "other": "u"}


async def test_a_prefix_keeps_its_place() -> None:
    upstream = Lists("u", "gpt-4", "o3")
    assert list(await catalog(upstream, local_="gpt-*").names()) == ["local4"]


async def test_an_upstream_that_cannot_say_leaves_the_rest() -> None:
    assert list(await catalog(Lists("u", fails=True), exact="x", _="*").names()) == ["exact"]


async def test_an_upstream_is_asked_once_for_many_lists() -> None:
    upstream = Lists("u", "a")
    one = catalog(upstream, _="*")
    for _ in range(3):
        await one.names()
    assert upstream.asked == 1


async def test_an_upstream_is_asked_once_by_many_at_a_time() -> None:
    upstream = Lists("u", "a")
    one = catalog(upstream, _="*")
    lists = [asyncio.ensure_future(one.names()) for _ in range(3)]
    await asyncio.sleep(0)
    lists[0].cancel()  # who leaves takes no answer from the others
    assert (await asyncio.gather(*lists, return_exceptions=True))[1:] == [{"a": "u"}, {"a": "u"}]
    assert upstream.asked == 1


async def test_a_key_sees_the_models_it_may_use() -> None:
    one = catalog(Lists("u", "a-1", "b-1"), _="*")
    page = await one.page(Key("k", models=("a-*",)))
    assert [model["id"] for model in page["data"]] == ["a-1"]
    assert page["data"][0] == {"id": "a-1", "object": "model", "created": 7, "owned_by": "u"}


async def test_one_model_by_name() -> None:
    one = catalog(Lists("u"), _="*")
    assert (await one.get("anything", None)) is not None
    assert await catalog(Lists("u"), exact="x").get("other", None) is None


async def test_a_key_does_not_see_a_model_it_may_not_use_by_its_name_either() -> None:
    one = catalog(Lists("u"), _="*")
    assert await one.get("a-1", Key("k", models=("a-*",))) is not None
    assert await one.get("b-1", Key("k", models=("a-*",))) is None
