"""What belongs to one session goes to one deployment, and elsewhere when that is down."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from proxy.exchange import Exchange
from proxy.providers.chat.sealing import seal
from proxy.providers.provider import Deployment
from proxy.routing.health import Health
from proxy.routing.session import HEADER, narrowed
from proxy.routing.strategies import Member
from tests.support.drive import asking, exchange_of
from tests.support.routes import Planner, deployment

MEMBERS = [Member(deployment(name), Health(name)) for name in "abcde"]


def names(exchange: Exchange, members: list[Member] = MEMBERS) -> list[str]:
    return [one.health.name for one in narrowed(exchange, members)]


def saying(headers: dict[str, str] | None = None, **fields: Any) -> Exchange:
    return exchange_of(asking(**fields), headers=headers)


def test_what_belongs_to_no_session_may_go_anywhere() -> None:
    assert names(saying()) == list("abcde")
    assert names(saying(prompt_cache_key="")) == list("abcde")


def test_a_session_has_one_deployment_whatever_names_it() -> None:
    for said in (
        lambda number: saying(prompt_cache_key=f"key {number}"),
        lambda number: saying({HEADER: f"key {number}"}),
        lambda number: saying(conversation=f"conv_{number}"),
    ):
        led = [names(said(number)) for number in range(200)]
        assert led == [names(said(number)) for number in range(200)]
        assert {name for one in led for name in one} == set("abcde")
        assert all(len(one) == 1 for one in led)


def test_a_client_that_carries_encrypted_reasoning_stays_by_how_its_history_began() -> None:
    include = ["reasoning.encrypted_content"]
    thought = {"type": "reasoning", "summary": [], "encrypted_content": "only its maker can open it"}
    led = []
    for number in range(200):
        first = f"Question {number}"
        turns: list[Any] = [first, [{"role": "user", "content": [{"type": "input_text", "text": first}]}]]
        for answer in ("one", "two"):
            turns.append(
                [*turns[-1], thought, {"role": "assistant", "content": answer}, {"role": "user", "content": "?"}]
            )
        (way,) = {tuple(names(saying(input=turn, include=include))) for turn in turns}
        assert len(way) == 1
        led += way
    assert set(led) == set("abcde")
    assert names(saying(input="Question 1")) == list("abcde")


def test_only_the_sessions_of_a_deployment_that_goes_move() -> None:
    for number in range(200):
        said = saying(prompt_cache_key=f"key {number}")
        (before,) = names(said)
        (after,) = names(said, MEMBERS[1:])
        assert after == before or before == "a"


def test_sessions_follow_the_weights() -> None:
    members = [Member(deployment("a", 3), Health("a")), Member(deployment("b"), Health("b"))]
    led = [names(saying(prompt_cache_key=f"key {number}"), members) for number in range(2000)]
    assert abs(led.count(["a"]) / 2000 - 0.75) < 0.04


def test_the_maker_of_the_previous_response_counts_for_more() -> None:
    exchange = saying({HEADER: "s"})
    exchange.made_by = "c/x"
    assert names(exchange) == ["c"]
    exchange.made_by = "gone/x"
    assert names(exchange) == names(saying({HEADER: "s"}))


def test_sealed_thinking_goes_back_to_its_maker() -> None:
    provider = MEMBERS[0].deployment.provider
    members = [
        Member(Deployment(provider, model), Health(f"{model} {number}"))
        for model in ("small", "large")
        for number in (1, 2)
    ]
    thought = {"type": "reasoning", "summary": [], "encrypted_content": seal("chat", "large", {}, provider.sealing)}
    said: Any = [{"role": "user", "content": "hi"}, thought, {"role": "user", "content": "and?"}]
    assert names(saying(input=said), members) == ["large 1", "large 2"]
    assert len(names(saying(input=said, prompt_cache_key="k"), members)) == 1
    said[1] = {**thought, "encrypted_content": "somebody else's"}
    assert len(names(saying(input=said), members)) == 4


async def test_a_thousand_chains_over_five_deployments_have_no_stray() -> None:
    random.seed(7)
    model = Planner([deployment(name) for name in "abcde"], sticky=True)
    makers: dict[int, str] = {}
    for turn in range(4):
        for chain in random.sample(range(1000), 1000):
            exchange = saying()
            exchange.made_by = makers.get(chain)
            plan = model.plan(exchange)
            found = await plan.next(None)
            assert found is not None
            if turn:
                assert found.name == makers[chain]
            makers[chain] = found.name
            exchange.committed = True
            plan.settle(exchange)
    shares = [list(makers.values()).count(f"{name}/x") for name in "abcde"]
    assert sum(shares) == 1000
    assert min(shares) > 140


async def test_a_chain_goes_on_elsewhere_while_its_deployment_is_down() -> None:
    model = Planner([deployment(name) for name in "ab"], sticky=True)
    exchange = saying()
    exchange.made_by = "a/x"
    model.board.cool_down(model.routes.members[0].health, 10, "timeout")
    found = await model.plan(exchange).next(None)
    assert found is not None
    assert found.name == "b/x"


def test_bodies_that_say_nonsense_belong_to_no_session() -> None:
    exchange = saying()
    exchange.request.fields["prompt_cache_key"] = msgspec.Raw(b"[1]")
    assert len(names(exchange)) == 5
