"""LiteLLM's options of routing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from proxy.litellm.model_list import Sections, read_model_list
from proxy.litellm.routing import STRATEGIES, RoutingOptions, add_aliases, route_settings, stages_of
from proxy.litellm.settings import ROUTING
from proxy.routing.strategies import STRATEGIES as OURS
from stages.route import RouteConfig


def sections(*names: str) -> Sections:
    return read_model_list([{"model_name": n, "litellm_params": {"model": f"groq/{n}", "api_key": "k"}} for n in names])


def route(*names: str, **options: Any) -> tuple[dict[str, Any], list[str]]:
    found = sections(*names)
    settings = route_settings(found, RoutingOptions(**options), ())
    msgspec.convert(settings, RouteConfig, dec_hook=lambda kind, value: kind.parse(value, None))
    return settings, [str(note) for note in found.notes.all]


def test_every_strategy_is_one_of_ours() -> None:
    assert set(STRATEGIES.values()) <= set(OURS)
    assert set(ROUTING) == set(RoutingOptions.__struct_fields__)


def test_options_become_settings() -> None:
    settings, notes = route(
        "a", "b", "c",
        routing_strategy="latency-based-routing", optional_pre_call_checks=["responses_api_deployment_check"],
        num_retries=0, allowed_fails=3, cooldown_time=30, fallbacks=[{"a": ["b", "c"]}, {"x": ["b"]}, {"a": ["y"]}],
        context_window_fallbacks=[{"a": ["c"]}], content_policy_fallbacks=[{"*": ["b"]}], default_fallbacks=["c"],
    )  # fmt: skip
    assert settings == {
        "strategy": "latency",
        "sticky": True,
        "retries": 2,
        "cooldown": 30,
        "cooldown_after": 4,
        "fallbacks": [
            {"from": "a", "to": ["b", "c"]},
            {"from": "a", "to": ["c"], "errors": ["context_window"]},
            {"from": "*", "to": ["b"], "errors": ["content_policy"]},
            {"from": "*", "to": ["c"]},
        ],
    }
    assert notes == [
        "fallbacks[1]: there is no model 'x' in model_list (add it, or remove it here)",
        "fallbacks[2]: there is no model 'y' in model_list (add it, or remove it here)",
    ]
    assert route("a", disable_cooldowns=True)[0] == {"retries": 2, "cooldown": 0}


@pytest.mark.parametrize(("option", "value"), [("routing_strategy", "tarot"), ("optional_pre_call_checks", ["tarot"])])
def test_what_is_not_served_is_named(option: str, value: Any) -> None:
    settings, notes = route("a", **{option: value})
    assert settings == {"retries": 2}
    assert "'tarot' is not served here (known are" in notes[0]


def test_aliases() -> None:
    found = sections("a")
    add_aliases(found, {"b": "a", "c": {"model": "a", "hidden": True}, "d": "x"}, ("model_group_alias",))
    assert found.models["b"] == found.models["c"] == found.models["a"]
    assert [(note.weight, note.path[-1]) for note in found.notes.all] == [("hint", "c"), ("mistake", "d")]


def test_what_goes_with_a_deployment_stands_around_the_translation() -> None:
    found = Sections(
        defaults={"u": {"temperature": 1, "reasoning_effort": "low"}}, extras={"u": {"k": 1}}, drops={"u": ["user"]}
    )
    assert stages_of(found, {}) == [
        "route",
        {"transform": {"when": {"upstream": "u"}, "default": {"temperature": 1}}},
        {"transform": {"when": {"upstream": "u", "dialect": "chat"}, "default": {"reasoning_effort": "low"}}},
        {"transform": {"when": {"upstream": "u", "dialect": "responses"}, "default": {"reasoning.effort": "low"}}},
        {"transform": {"when": {"upstream": "u"}, "drop": ["user"]}},
        "stream-translate",
        {"transform": {"when": {"upstream": "u"}, "set": {"k": 1}}},
    ]
