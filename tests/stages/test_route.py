"""Which deployment is asked, which one next, and when there is nothing left to ask."""

from __future__ import annotations

from collections import Counter

import pytest

from proxy.errors import BadRequest, UpstreamCut, UpstreamError, UpstreamRefused
from proxy.exchange import Client, Exchange
from proxy.models import ModelTable
from proxy.providers.provider import Deployment
from proxy.request import ModelRequest
from stages.route import Fallback, Route, RouteConfig, RoutePlan
from tests.support.house import house
from tests.support.scripted import ScriptedProvider, body, chunk, finish, stream


class Asked(ModelRequest):
    """A request that has nothing but a model's name."""

    dialect = "responses"

    def validate(self) -> None: ...
    def texts(self):  # type: ignore[no-untyped-def]
        return iter(())

    def add_instructions(self, text, where): ...  # type: ignore[no-untyped-def]
    def copy(self):  # type: ignore[no-untyped-def]
        return self


def deployment(name: str, weight: float = 1.0) -> Deployment:
    """Returns a deployment on an upstream of that name."""
    return Deployment(ScriptedProvider(name, stream(None)), "x", weight)


def refused(*, same: bool, elsewhere: bool, after_s: float | None = None) -> UpstreamRefused:
    """Returns an error status of an upstream."""
    error = UpstreamRefused("no", retry_after_s=after_s)
    error.retry_same, error.fail_over = same, elsewhere
    return error


def plan(*groups: list[Deployment], retries: int = 5, max_wait_s: float = 0.0) -> RoutePlan:
    """Returns a plan that never waits."""
    return RoutePlan(groups, retries=retries, max_wait_s=max_wait_s)


async def names(plan: RoutePlan, *failures: UpstreamError) -> list[str]:
    """Returns the upstreams that are asked in turn, each after the next of the failures."""
    asked: list[str] = []
    failed: UpstreamError | None = None
    for upcoming in (*failures, None):
        found = await plan.next(failed)
        if found is None:
            break
        asked.append(found.provider.name)
        failed = upcoming
    return asked


async def test_shares_follow_the_weights() -> None:
    group = [deployment("a", 3), deployment("b", 1)]
    first = Counter([(await names(plan(group)))[0] for _ in range(4000)])
    assert 0.70 < first["a"] / 4000 < 0.80


async def test_every_other_deployment_is_asked_before_one_is_asked_again() -> None:
    asked = await names(plan([deployment("a"), deployment("b"), deployment("c")]), *[UpstreamCut("x")] * 2)
    assert sorted(asked) == ["a", "b", "c"]


async def test_the_same_deployment_is_asked_again_after_a_pause_when_there_is_no_other() -> None:
    again = refused(same=True, elsewhere=True, after_s=0.0)
    assert await names(plan([deployment("a")]), again, again) == ["a", "a", "a"]


async def test_a_pause_longer_than_allowed_gives_up() -> None:
    late = refused(same=True, elsewhere=True, after_s=60)
    assert await names(plan([deployment("a")], max_wait_s=10), late) == ["a"]


async def test_one_budget_covers_all_attempts() -> None:
    group = [deployment(name) for name in "abcdef"]
    assert len(await names(plan(group, retries=2), *[UpstreamCut("x")] * 9)) == 3


async def test_a_client_error_is_not_tried_elsewhere() -> None:
    assert len(await names(plan([deployment("a"), deployment("b")]), refused(same=False, elsewhere=False))) == 1


async def test_a_refusal_that_others_may_not_share_is_tried_elsewhere_only() -> None:
    wrong_key = refused(same=False, elsewhere=True)
    assert len(await names(plan([deployment("a"), deployment("b")]), wrong_key, wrong_key)) == 2


async def test_an_error_of_ours_is_not_retried() -> None:
    one = plan([deployment("a"), deployment("b")])
    await one.next(None)
    assert await one.next(BadRequest("no")) is None


async def test_fallbacks_come_after_all_deployments_of_the_model() -> None:
    asked = await names(plan([deployment("a")], [deployment("z")]), refused(same=False, elsewhere=True))
    assert asked == ["a", "z"]


async def test_a_fallback_model_answers_under_the_name_that_was_asked_for() -> None:
    bad, good = ScriptedProvider("a", body(b"{}", 503)), ScriptedProvider("b", stream(chunk(content="x"), finish()))
    models = {"m": [Deployment(bad, "up")], "spare": [Deployment(good, "other")]}
    route = Route(RouteConfig(fallbacks=(Fallback(from_="m*", to=("missing", "spare")),)))
    async with house(bad, good, models=models, route=route) as home:
        status, headers, data = await home.ask(stream=True)
    assert status == 200
    assert headers["x-penstock-upstream-model"] == "other"
    assert b'"model":"m"' in data
    assert b'"model":"spare"' not in data


@pytest.mark.parametrize("unavailable", [{}, {"gone-*": "OPENAI_API_KEY is not set"}])
async def test_a_model_that_nothing_serves_is_refused(unavailable: dict[str, str]) -> None:
    exchange = Exchange("x", Client("127.0.0.1", {}), Asked.parse(b'{"model": "gone-1"}'))
    exchange.models = ModelTable({}, unavailable)
    with pytest.raises(BadRequest) as caught:
        await Route().on_request(exchange)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, "model", "model_not_found")
    assert all(reason in caught.value.message for reason in unavailable.values())
