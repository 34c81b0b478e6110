"""What is changed, when, and where it shows."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from proxy.exchange import Attempt, Exchange, Key
from proxy.request import ModelRequest
from proxy.transform.edited import edited, fields_of
from proxy.upstream.client import UpstreamRequest
from stages.transform import Transform, TransformConfig
from tests.support.drive import asking, chatting, drive, exchange_of


def transform(**config: Any) -> Transform:
    return Transform(msgspec.convert(config, TransformConfig))


def parameters(request: ModelRequest | None) -> dict[str, Any]:
    assert request is not None
    return {name: request.get(name) for name in request.fields}


def on_upstream(exchange: Exchange, name: str) -> Exchange:
    """Puts an exchange below route, on its next attempt."""
    exchange.deployment = SimpleNamespace(provider=SimpleNamespace(name=name), model="up")  # type: ignore[assignment]
    exchange.attempts.append(Attempt(name, "up", 0.0))
    return exchange


async def test_parameters_are_renamed_dropped_defaulted_and_set_in_that_order() -> None:
    stage = transform(
        rename={"max_tokens": "max_output_tokens", "absent": "present"},
        drop=["service_tier", "reasoning.summary"],
        default={"temperature": 0.2, "top_p": 0.5, "reasoning.effort": "low"},
        set={"store": False, "metadata.team": "research"},
    )
    request = asking(
        max_tokens=5, service_tier="flex", temperature=None, top_p=1, store=True, reasoning={"summary": "auto"}
    )
    assert parameters((await drive(stage, request)).request) == {
        "model": "m",
        "input": "hi",
        "max_output_tokens": 5,
        "temperature": 0.2,
        "top_p": 1,
        "store": False,
        "reasoning": {"effort": "low"},
        "metadata": {"team": "research"},
    }


@pytest.mark.parametrize(
    ("said", "bounded"),
    [
        ({"max_output_tokens": 9000}, {"max_output_tokens": 4096}),
        ({"max_tokens": 9000, "max_completion_tokens": 5}, {"max_tokens": 4096, "max_completion_tokens": 5}),
        ({"temperature": 1.9, "reasoning": {"budget": 3}}, {"temperature": 1, "reasoning": {"budget": 16}}),
        ({"temperature": "hot", "max_output_tokens": True}, {"temperature": "hot", "max_output_tokens": True}),
        ({"temperature": "1.9", "max_tokens": "9000"}, {"temperature": 1, "max_tokens": 4096}),
        ({"temperature": "0.5", "max_tokens": "١"}, {"temperature": "0.5", "max_tokens": "١"}),
        ({"temperature": 0.5, "top_p": None}, {"temperature": 0.5, "top_p": None}),
    ],
)
async def test_numbers_are_bounded_under_whatever_name_they_come(said: dict[str, Any], bounded: dict[str, Any]) -> None:
    stage = transform(
        clamp={"max_output_tokens": {"max": 4096}, "temperature": {"min": 0, "max": 1}, "reasoning.budget": {"min": 16}}
    )
    found = parameters((await drive(stage, asking(**said))).request)
    assert found == {"model": "m", "input": "hi", **bounded}


async def test_one_parameter_with_three_names_is_set_once() -> None:
    stage = transform(set={"max_output_tokens": 7}, default={"top_p": 0.5})
    assert parameters((await drive(stage, asking(max_tokens=9000))).request)["max_output_tokens"] == 7
    assert "max_tokens" not in parameters((await drive(stage, asking(max_tokens=9000))).request)
    default = transform(default={"max_output_tokens": 7})
    assert "max_output_tokens" not in parameters((await drive(default, chatting(max_tokens=9))).request)


async def test_fields_of_the_answer_are_changed_for_the_attempt_that_gives_it() -> None:
    above = transform(response={"set": {"served_by": "house"}})
    below = transform(when={"upstream": "a"}, response={"set": {"served_by": "a"}, "drop": ["service_tier"]})
    exchange = exchange_of()
    await drive(above, exchange)
    changed = fields_of(exchange)
    seen = []
    for name in ("a", "b"):
        await drive(below, on_upstream(exchange, name))
        seen.append(msgspec.json.decode(edited(b'{"id":"x","service_tier":"flex"}', changed)))
    assert seen == [{"id": "x", "served_by": "a"}, {"id": "x", "service_tier": "flex", "served_by": "house"}]


async def test_the_system_prompt_gets_company() -> None:
    stage = transform(system={"prepend": "Be kind.", "append": "Be brief."})
    said = parameters((await drive(stage, asking(instructions="Be exact."))).request)["instructions"]
    assert [said.index(text) for text in ("Be kind.", "Be exact.", "Be brief.")] == sorted(
        said.index(text) for text in ("Be kind.", "Be exact.", "Be brief.")
    )
    messages = parameters((await drive(stage, chatting("hi"))).request)["messages"]
    assert messages[-1] == {"role": "user", "content": "hi"}
    assert "Be kind." in str(messages)
    assert "Be brief." in str(messages)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({}, True),
        ({"model": "m"}, True),
        ({"model": ["x", "m*"]}, True),
        ({"model": "x*"}, False),
        ({"upstream": "gpu-*"}, True),
        ({"upstream": "cpu"}, False),
        ({"key": "ci"}, True),
        ({"key": ["a", "b"]}, False),
        ({"stream": False}, True),
        ({"stream": True}, False),
        ({"team": "red"}, True),
        ({"team": ["b*"]}, False),
        ({"user": "ann"}, True),
        ({"user": "bob"}, False),
        ({"header": {"X-Tier": ["gold", "silver"]}}, True),
        ({"header": {"x-tier": "*", "x-none": "*"}}, False),
        ({"header": {"x-tier": "bronze"}}, False),
        ({"dialect": "responses"}, True),
        ({"dialect": "chat"}, False),
        ({"model": "m", "upstream": "gpu-a", "key": "ci", "stream": False}, True),
        ({"model": "m", "upstream": "cpu"}, False),
    ],
)
async def test_conditions(when: dict[str, Any], *, holds: bool) -> None:
    stage = transform(when=when, set={"store": False}, response_headers={"set": {"X-Seen": "yes"}})
    key = Key("ci", owner="ann", team="red")
    exchange = exchange_of(asking(), key=key, headers={"x-tier": "gold"})
    driven = await drive(stage, on_upstream(exchange, "gpu-a"))
    assert ("store" in parameters(driven.request)) is holds
    assert ("x-seen" in driven.head.headers) is holds


async def test_what_is_not_known_holds_nothing() -> None:
    for when in ({"upstream": "*"}, {"key": "*"}, {"team": "*"}, {"user": "*"}, {"header": {"x": "*"}}):
        driven = await drive(transform(when=when, set={"store": False}), exchange_of(asking()))
        assert "store" not in parameters(driven.request)


async def test_the_model_is_an_alias_by_rule() -> None:
    driven = await drive(transform(when={"model": "m"}, set={"model": "other"}), asking())
    assert driven.request is not None
    assert driven.request.model == "other"


async def test_headers_for_the_upstream_are_left_for_the_pipeline() -> None:
    exchange = exchange_of()
    await drive(transform(headers={"set": {"X-Team": "a", "x-b": "b"}, "drop": ["User-Agent"]}), exchange)
    await drive(transform(headers={"drop": ["X-B"]}), exchange)
    assert exchange.marks["upstream_headers"] == {"x-team": "a", "user-agent": None, "x-b": None}


async def test_headers_for_one_upstream_do_not_reach_the_next() -> None:
    above = transform(headers={"set": {"x-all": "1"}})
    below = [
        transform(when={"upstream": "a"}, headers={"set": {"x-secret-of-a": "1", "x-any": "a"}}),
        transform(when={"upstream": ["a", "b"]}, headers={"set": {"x-ab": "1"}}),
        transform(when={"upstream": "c"}, headers={"set": {"x-secret-of-c": "1"}}),
    ]
    exchange = exchange_of()
    await drive(above, exchange)
    sent = {}
    for name in ("a", "b", "c", "a", "d"):
        on_upstream(exchange, name)
        for stage in below:
            await drive(stage, exchange)
        sent[name] = sorted(exchange.marks["upstream_headers"])
    assert sent == {
        "a": ["x-ab", "x-all", "x-any", "x-secret-of-a"],
        "b": ["x-ab", "x-all"],
        "c": ["x-all", "x-secret-of-c"],
        "d": ["x-all"],
    }


async def test_below_the_translation_the_request_is_changed_as_it_will_be_sent() -> None:
    exchange = on_upstream(exchange_of(), "gpu-a")
    body = {"model": "up", "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 5, "user": "u"}
    exchange.upstream_request = UpstreamRequest(
        method="POST", url="http://x/v1", headers={"user-agent": "penstock"}, body=msgspec.json.encode(body)
    )
    stage = transform(
        rename={"max_completion_tokens": "max_tokens"},
        drop=["user"],
        set={"extra.deep": [1]},
        system={"append": "Be brief."},
        headers={"set": {"X-Team": "a"}, "drop": ["user-agent"]},
    )
    await drive(stage, exchange)
    sent = msgspec.json.decode(exchange.upstream_request.body)
    messages = sent.pop("messages")
    assert sent == {"model": "up", "max_tokens": 5, "extra": {"deep": [1]}}
    assert messages[0] == {"role": "system", "content": "Be brief."}
    assert exchange.upstream_request.headers == {"x-team": "a"}
    assert "upstream_headers" not in exchange.marks or not exchange.marks["upstream_headers"]
    assert "user" not in exchange.request.fields


async def test_headers_of_the_answer() -> None:
    exchange = exchange_of()
    exchange.response_headers.update({"x-old": "1", "x-kept": "1"})
    driven = await drive(transform(response_headers={"set": {"X-New": "2"}, "drop": ["X-Old"]}), exchange)
    assert driven.head.headers == {"x-kept": "1", "x-new": "2"}


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({}, "nothing is changed"),
        ({"when": {"model": "m"}}, "nothing is changed"),
        ({"set": {"a..b": 1}}, "no name of a parameter"),
        ({"rename": {"a.b": "c"}}, "cannot be renamed"),
        ({"set": {"a": 1}, "default": {"a": 2}}, "its default has no effect"),
        ({"clamp": {"a": {}}}, "nothing is bounded"),
        ({"clamp": {"a": {"min": 2, "max": 1}}}, "min is larger than max"),
        ({"clamp": {"a": {"max": math.nan}}}, "a bound is no number"),
        ({"set": {"a": {"b": [math.inf]}}}, '"a" has a value that JSON does not know'),
        ({"when": {"team": ""}, "set": {"a": 1}}, "team is empty"),
        ({"when": {"header": {"x": []}}, "set": {"a": 1}}, "header.x is empty"),
        ({"response": {"drop": ["status"]}}, "cannot be changed"),
        ({"headers": {"set": {"Content-Length": "5"}}}, "belongs to the connection"),
        ({"headers": {"drop": ["host"]}}, "belongs to the connection"),
        ({"headers": {"set": {"transfer-encoding": "x"}}}, "belongs to the connection"),
        ({"response_headers": {"drop": ["Connection"]}}, "belongs to the connection"),
        ({"headers": {"set": {"x y": "5"}}}, "no name of a header"),
        ({"headers": {"set": {"": "5"}}}, "no name of a header"),
        ({"headers": {"set": {"x": "5\r\nhost: evil"}}}, "cannot have this value"),
    ],
)
def test_changes_that_make_no_sense_are_refused(config: dict[str, Any], what: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=what):
        transform(**config)
