"""LiteLLM's options of its Router as the settings of the stage `route`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..patterns import stands_for
from .model_list import Sections
from .notes import Notes, Path

STRATEGIES = {
    "simple-shuffle": "weighted",
    "least-busy": "least-busy",
    "latency-based-routing": "latency",
    "cost-based-routing": "cost",
    "usage-based-routing": "weighted",
    "usage-based-routing-v2": "weighted",
}
"""How requests are shared, by our names; usage is shared by weight, which rpm and tpm are."""
_STAY = frozenset(("responses_api_deployment_check", "session_affinity", "deployment_affinity"))
_CHECKED_ALWAYS = frozenset(("encrypted_content_affinity",))
_FALLBACKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("fallbacks", ()),
    ("context_window_fallbacks", ("context_window",)),
    ("content_policy_fallbacks", ("content_policy",)),
)
_MOST_RETRIES = 10


class RoutingOptions(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What LiteLLM's Router takes beside the list of deployments; times are in seconds."""

    num_retries: int = 2
    timeout: float | None = None
    fallbacks: list[dict[str, list[str]]] = []
    context_window_fallbacks: list[dict[str, list[str]]] = []
    content_policy_fallbacks: list[dict[str, list[str]]] = []
    default_fallbacks: list[str] = []
    routing_strategy: str = "simple-shuffle"
    optional_pre_call_checks: list[str] = []
    model_group_alias: dict[str, str | dict[str, Any]] = {}
    allowed_fails: int | None = None
    cooldown_time: float | None = None
    disable_cooldowns: bool = False


def add_aliases(sections: Sections, aliases: Mapping[str, Any], path: Path) -> None:
    """Adds the names that stand for groups."""
    for alias, said in aliases.items():
        group = said.get("model") if isinstance(said, Mapping) else said
        if group in sections.models:
            sections.models[alias] = sections.models[group]
            if group in sections.then:
                sections.then[alias] = sections.then[group]
        else:
            what = f"{alias!r} stands for {group!r}, which is not in model_list"
            sections.notes.mistake((*path, alias), what)
        if isinstance(said, Mapping) and said.get("hidden"):
            sections.notes.hint((*path, alias), "is listed among the models: none is hidden")


def route_settings(sections: Sections, options: RoutingOptions, path: Path) -> dict[str, Any]:
    """Returns the settings of the stage; those that LiteLLM's user has not changed are left out."""
    notes = sections.notes
    settings: dict[str, Any] = {}
    strategy = STRATEGIES.get(options.routing_strategy)
    if strategy is None:
        what = f"{options.routing_strategy!r} is not served here"
        notes.lost((*path, "routing_strategy"), what, f"known are {', '.join(STRATEGIES)}")
    elif strategy != "weighted":
        settings["strategy"] = strategy
    if _stays(options.optional_pre_call_checks, path, notes):
        settings["sticky"] = True
    rules = list(_rules(sections, options, path))
    retries = min(_MOST_RETRIES, max(options.num_retries, _most_attempts(sections, rules) - 1))
    settings["retries"] = retries
    if options.disable_cooldowns:
        settings["cooldown"] = 0
    elif options.cooldown_time is not None:
        settings["cooldown"] = options.cooldown_time
    if options.allowed_fails is not None:
        settings["cooldown_after"] = options.allowed_fails + 1
    if rules:
        settings["fallbacks"] = rules
    return settings


def _stays(checks: Sequence[str], path: Path, notes: Notes) -> bool:
    for index, check in enumerate(checks):
        if check not in _STAY | _CHECKED_ALWAYS:
            what = f"{check!r} is not served here"
            notes.lost((*path, "optional_pre_call_checks", index), what, f"known are {', '.join(sorted(_STAY))}")
    return bool(_STAY & set(checks))


def _rules(sections: Sections, options: RoutingOptions, path: Path) -> Iterator[dict[str, Any]]:
    """Yields the fallbacks: those of an order first, then those that are named, then those of all models."""
    for name, to in sections.then.items():
        yield {"from": name, "to": to}
    for key, errors in _FALLBACKS:
        for index, rule in enumerate(getattr(options, key)):
            for name, to in rule.items():
                yield from _rule(sections, name, to, errors, (*path, key, index))
    if options.default_fallbacks:
        yield from _rule(sections, "*", options.default_fallbacks, (), (*path, "default_fallbacks"))


def _rule(
    sections: Sections, name: str, to: Sequence[str], errors: tuple[str, ...], path: Path
) -> Iterator[dict[str, Any]]:
    found: list[str] = []
    for model in (*(() if name == "*" else (name,)), *to):
        if not any(stands_for(known, model) for known in sections.models):
            sections.notes.lost(path, f"there is no model {model!r} in model_list", "add it, or remove it here")
        elif model != name:
            found += [model, *sections.then.get(model, ())]
    if found and (name == "*" or any(stands_for(known, name) for known in sections.models)):
        yield {"from": name, "to": found, **({"errors": list(errors)} if errors else {})}


def _most_attempts(sections: Sections, rules: Sequence[Mapping[str, Any]]) -> int:
    """Returns how many deployments a request may have to be asked of before its last fallback is."""
    most = 0
    for name, group in sections.models.items():
        reached = {other for rule in rules if rule["from"] in (name, "*") for other in rule["to"]}
        if reached:
            most = max(most, len(group) + sum(len(sections.models.get(other, ())) for other in reached))
    return most


def stages_of(sections: Sections, route: Mapping[str, Any]) -> list[Any]:
    """Returns the stages from `route` down: what upstreams get beside what the client says, in between."""
    stages: list[Any] = [{"route": dict(route)} if route else "route"]
    for upstream, defaults in sections.defaults.items():
        stages += _defaults(upstream, defaults)
    for upstream, drops in sections.drops.items():
        stages.append({"transform": {"when": {"upstream": upstream}, "drop": drops}})
    stages.append("stream-translate")
    for upstream, extra in sections.extras.items():
        stages.append({"transform": {"when": {"upstream": upstream}, "set": extra}})
    return stages


def _defaults(upstream: str, defaults: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields the stages that set defaults; what the two dialects call otherwise is set for each by itself."""
    own = {"reasoning_effort": "reasoning.effort", "response_format": None, "thinking": None}
    common = {name: value for name, value in defaults.items() if name not in own}
    if common:
        yield {"transform": {"when": {"upstream": upstream}, "default": common}}
    chat = {name: value for name, value in defaults.items() if name in own}
    if chat:
        yield {"transform": {"when": {"upstream": upstream, "dialect": "chat"}, "default": chat}}
    if "reasoning_effort" in defaults:
        effort = {"reasoning.effort": defaults["reasoning_effort"]}
        yield {"transform": {"when": {"upstream": upstream, "dialect": "responses"}, "default": effort}}
