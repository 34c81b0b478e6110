"""Which deployment is asked, which one next, who cools down, and when there is nothing left to ask."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from proxy.errors import (
    BadRequest,
    ExchangeError,
    Overloaded,
    RateLimited,
    UpstreamCut,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from proxy.routing.strategies import STRATEGIES
from tests.support.drive import asking, exchange_of
from tests.support.routes import Planner, deployment, refused

CUT = UpstreamCut("cut")
WRONG_KEY = refused(502, same=False, code="upstream_auth")
TOO_LONG = refused(400, same=False, elsewhere=False, code="context_length_exceeded")
UNFIT = refused(400, same=False, elsewhere=False, code="content_filter")


def letters(names: str) -> list[object]:
    return [deployment(name) for name in names]


async def test_shares_of_weights_are_kept_within_two_percent() -> None:
    random.seed(5)
    model = Planner([deployment("a", 6), deployment("b", 3), deployment("c", 1)])
    first = Counter([(await model.asked())[0] for _ in range(10_000)])
    assert [abs(first[name] / 10_000 - share) < 0.02 for name, share in (("a", 0.6), ("b", 0.3), ("c", 0.1))] == [
        True
    ] * 3
    assert all(one.health.in_flight == 0 for one in model.routes.members)


async def test_every_other_deployment_is_asked_before_one_is_asked_again() -> None:
    assert sorted(await Planner(letters("abc")).asked(CUT, CUT)) == ["a", "b", "c"]


async def test_the_same_deployment_is_asked_again_after_a_pause_when_there_is_no_other() -> None:
    model = Planner(letters("a"), max_wait_s=10.0)
    again = refused(429, retry_after_s=3.0)
    assert await model.asked(again, refused(500)) == ["a", "a", "a"]
    assert model.clock.slept[0] == 3.0
    assert 0.3 < model.clock.slept[1] < 0.7


async def test_a_pause_longer_than_allowed_gives_up() -> None:
    assert await Planner(letters("a"), max_wait_s=10.0).asked(refused(429, retry_after_s=60)) == ["a"]


@pytest.mark.parametrize(
    ("failure", "retries", "count"),
    [
        (CUT, 2, 3),
        (CUT, 0, 1),
        (WRONG_KEY, 9, 6),
        (refused(400, same=False, elsewhere=False), 9, 1),
        (BadRequest("no"), 9, 1),
    ],
    ids=["two-more", "none", "elsewhere-only", "client's", "ours"],
)
async def test_one_budget_covers_all_attempts(failure: ExchangeError, retries: int, count: int) -> None:
    assert len(await Planner(letters("abcdef"), retries=retries).asked(*[failure] * 9)) == count


async def test_no_attempt_begins_after_the_deadline() -> None:
    model = Planner(letters("ab"), deadline_s=30.0)
    plan = model.plan()
    await plan.next(None)
    model.clock.now += 31
    assert await plan.next(CUT) is None


# --- fallbacks


async def test_fallbacks_come_after_all_deployments_of_the_model() -> None:
    model = Planner(letters("a"), [(letters("y"), ()), (letters("z"), ())])
    assert await model.asked(WRONG_KEY, WRONG_KEY) == ["a", "y", "z"]


@pytest.mark.parametrize(
    ("failure", "asked"),
    [
        (TOO_LONG, ["a", "long"]),
        (UNFIT, ["a", "lax"]),
        (refused(429), ["a", "b", "rate"]),
        (UpstreamTimeout("late", phase="first_byte"), ["a", "b", "any"]),
        (UpstreamUnreachable("refused"), ["a", "b", "any"]),
    ],
    ids=["context-window", "content-policy", "rate-limit", "timeout", "unreachable"],
)
async def test_fallbacks_are_for_the_failures_they_name(failure: ExchangeError, asked: list[str]) -> None:
    ways = [
        (letters("r"), ["rate_limit"]),
        (letters("l"), ["context_window"]),
        (letters("p"), ["content_policy"]),
        (letters("y"), []),
    ]
    names = {"r": "rate", "l": "long", "p": "lax", "y": "any"}
    told = await Planner(letters("ab"), ways).asked(*[failure] * len(asked[:-1]))
    assert sorted(names.get(name, name) for name in told[:-1]) == asked[:-1] or len(asked) == 2
    assert names[told[-1]] == asked[-1]
    assert len(told) == len(asked)


async def test_a_request_that_is_too_long_goes_nowhere_where_nobody_is_named_for_it() -> None:
    assert len(await Planner(letters("ab"), [(letters("y"), ())]).asked(TOO_LONG)) == 1


# --- cooling down


async def test_a_dead_deployment_leaves_and_returns() -> None:
    model = Planner([deployment("dead", 1000.0), deployment("good")], failures=2)
    assert [await model.asked(CUT) for _ in range(2)] == [["dead", "good"]] * 2
    assert [await model.asked() for _ in range(5)] == [["good"]] * 5  # it cools down
    model.clock.now += 10
    probe = model.plan()
    found = await probe.next(None)
    assert found is not None
    assert found.provider.name == "dead"
    assert await model.asked() == ["good"]  # one request tries it at a time
    found = await probe.next(CUT)
    assert found is not None
    assert found.provider.name == "good"
    model.clock.now += 9
    assert await model.asked() == ["good"]  # it has failed once more: the time begins again
    model.clock.now += 1
    assert await model.asked() == ["dead"]
    assert [(await model.asked())[0] for _ in range(20)].count("dead") > 15
    states = {one.deployment: one.state for one in model.board.standings()}
    assert states == {"dead/x": "up", "good/x": "up"}


async def test_a_probe_whose_client_leaves_decides_nothing() -> None:
    model = Planner(letters("ab"))
    for one in model.routes.members:
        model.board.cool_down(one.health, 5, "rate_limit")
    model.clock.now += 5
    exchange = exchange_of(asking())
    plan = model.plan(exchange)
    await plan.next(None)
    exchange.outcome = "cancelled"
    plan.settle(exchange)
    plan.settle(exchange)
    assert [(one.health.in_flight, one.health.is_ready(model.clock())) for one in model.routes.members] == [
        (0, True)
    ] * 2


@pytest.mark.parametrize(
    "error",
    [
        refused(400, same=False, elsewhere=False),
        TOO_LONG,
        UNFIT,
        refused(404, same=False, code="model_not_found"),
        UpstreamTimeout("the pool is full", phase="pool"),
        RateLimited("ours"),
        Overloaded("ours"),
    ],
    ids=["400", "context", "policy", "404", "pool", "limit", "overloaded"],
)
async def test_7_3_what_is_ours_or_the_clients_cools_nobody_down(error: ExchangeError) -> None:
    model = Planner(letters("ab"), failures=1)
    for _ in range(5):
        await model.asked(error)
    assert all(one.state == "up" and one.failed == 0 for one in model.board.standings())


@pytest.mark.parametrize("status", [429, 503])
async def test_7_3_where_all_cool_down_the_client_is_told_when_to_come_again(status: int) -> None:
    model = Planner(letters("ab"), max_wait_s=10.0)
    first = refused(status, retry_after_s=90.0)
    second = refused(status, retry_after_s=40.0)
    assert len(await model.asked(first, second)) == 2
    assert second.retry_after_s == 40.0
    model.clock.now += 15
    with pytest.raises(RateLimited if status == 429 else Overloaded) as refusal:
        await model.plan().next(None)
    assert refusal.value.status == (429 if status == 429 else 503)
    assert refusal.value.retry_after_s == 25.0
    model.clock.now += 20
    assert len(await model.asked()) == 1  # five more seconds may be waited
    assert model.clock.slept == [5.0]


async def test_7_4_a_member_cools_down_for_the_time_that_it_has_named() -> None:
    model = Planner([deployment("a", 1e6), deployment("b")])
    assert await model.asked(refused(429, retry_after_s=30.0)) == ["a", "b"]
    model.clock.now += 29
    assert [await model.asked() for _ in range(3)] == [["b"]] * 3
    model.clock.now += 1
    assert await model.asked() == ["a"]


async def test_7_4_retries_are_not_burnt_while_all_members_cool_down() -> None:
    model = Planner(letters("ab"), max_wait_s=10.0)
    busy = [refused(429, retry_after_s=2.0), refused(429, retry_after_s=4.0)]
    asked = await model.asked(*busy)
    assert sorted(asked[:2]) == ["a", "b"]
    assert asked[2] == asked[0]  # whose time is over first
    assert model.clock.slept == [2.0]


async def test_a_lone_deployment_only_cools_down_when_it_says_so() -> None:
    model = Planner(letters("a"), failures=1)
    for failure in (refused(500), WRONG_KEY, refused(429)):
        await model.asked(failure)
        assert await model.asked() == ["a"]
    await model.asked(refused(503, retry_after_s=30.0))
    with pytest.raises(Overloaded):
        await model.plan().next(None)


async def test_while_all_of_a_model_cool_down_its_fallbacks_are_asked_at_once() -> None:
    model = Planner(letters("a"), [(letters("l"), ["context_window"]), (letters("r"), ["rate_limit"])])
    await model.asked(refused(429, retry_after_s=30.0))
    assert await model.asked() == ["r"]


# --- two at a time


async def test_6_7_hedges_and_retries_have_one_budget() -> None:
    model = Planner(letters("abcd"), retries=2)
    plan = model.plan()
    await plan.next(None)
    assert plan.hedge() is not None
    assert plan.hedge() is None  # one at a time
    plan.hedge_ended(CUT)
    assert await plan.next(CUT) is not None
    assert plan.hedge() is None
    assert await plan.next(CUT) is None
    assert sum(one.attempts for one in model.board.standings()) == 3


async def test_a_hedge_takes_the_place_of_the_first() -> None:
    model = Planner(letters("ab"))
    exchange = exchange_of(asking())
    plan = model.plan(exchange)
    first, other = await plan.next(None), plan.hedge()
    assert first is not None
    assert other is not None
    assert {first.provider.name, other.provider.name} == {"a", "b"}
    assert [one.in_flight for one in model.board.standings()] == [1, 1]
    model.clock.now += 3
    plan.hedge_takes_over(None)
    slow, quick = (model.board.of(one.name) for one in (first, other))
    assert (slow.first_token_s, quick.first_token_s) == (3.0, 0.0)  # who always loses must not look like the fastest
    assert [one.in_flight for one in model.board.standings()] == [0, 1][:: 1 if first.provider.name == "a" else -1]
    exchange.committed, exchange.attempts = True, []
    plan.settle(exchange)
    assert [(one.in_flight, one.failed) for one in model.board.standings()] == [(0, 0)] * 2


async def test_the_least_busy_gets_the_next_request() -> None:
    model = Planner(letters("abcde"), choose=STRATEGIES["least-busy"])
    plans = [model.plan() for _ in range(20)]
    for plan in plans:
        await plan.next(None)
    assert {one.in_flight for one in model.board.standings()} == {4}
