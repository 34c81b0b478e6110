"""A pipeline over groups of deployments, described as LiteLLM's Router takes them."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ..config.file import Config
from ..config.loader import load_text
from ..errors import ConfigError
from ..litellm.model_list import Sections, WrongOptions, read_model_list, unknown
from .affinity import AffinityService
from .penstock import Penstock
from .service import Service
from .services import Services

_log = logging.getLogger("penstock")
_STRATEGIES = ("simple-shuffle",)
_CHECKS = ("responses_api_deployment_check",)
_MOST_RETRIES = 10


class _Options(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The options beside the list; `timeout` is in seconds."""

    num_retries: int = 2
    timeout: float | None = None
    fallbacks: list[dict[str, list[str]]] = []
    default_fallbacks: list[str] = []
    routing_strategy: str = "simple-shuffle"
    optional_pre_call_checks: list[str] = []
    model_group_alias: dict[str, str] = {}


class Router(Penstock):
    """Shares the requests for a model among its deployments, retries, and falls back to other models.

    `model_list` has one entry a deployment: `{"model_name": ..., "litellm_params": {"model": "provider/model",
    "api_key": ..., "api_base": ..., "weight": ...}}`; entries of one name are a group. Values may be
    `os.environ/NAME`. Those of a higher `order` are asked when the others have failed. What changes no answer and has
    no counterpart here is logged and left out. Options are `num_retries`, `timeout`, `fallbacks=[{"a": ["b"]}]`,
    `default_fallbacks`, `routing_strategy="simple-shuffle"`, `model_group_alias` and `optional_pre_call_checks`, of
    which `responses_api_deployment_check` lets the deployment of the previous response go on if it can. Fallbacks are
    tried however few retries are allowed. Responses are kept in memory.

    Raises WrongOptions with everything that is wrong.
    """

    def __init__(self, model_list: Sequence[Mapping[str, Any]], **options: Any) -> None:
        read, mistakes = _read_options(options)
        sections = read_model_list(model_list, timeout=read.timeout)
        mistakes += sections.mistakes
        for alias, group in read.model_group_alias.items():
            if group in sections.models:
                sections.models[alias] = sections.models[group]
                sections.then[alias] = sections.then.get(group, [])
            else:
                mistakes.append(f"model_group_alias: {alias!r} stands for {group!r}, which is not in model_list")
        if mistakes:
            raise WrongOptions("\n".join(mistakes))
        for warning in sections.warnings:
            _log.warning("Router: %s", warning)
        make: Callable[..., Service] = AffinityService if read.optional_pre_call_checks else Service
        super().__init__(Services(_loaded(sections, _route(sections, read)), make))


def _read_options(options: Mapping[str, Any]) -> tuple[_Options, list[str]]:
    """Returns the options, and what is wrong with them."""
    mistakes = unknown("Router", options, ("model_list", *_Options.__struct_fields__))
    if mistakes:
        return _Options(), mistakes
    try:
        read = msgspec.convert({name: value for name, value in options.items() if value is not None}, _Options)
    except msgspec.ValidationError as error:
        return _Options(), [f"Router: {error}"]
    for name, values, known in (
        ("routing_strategy", [read.routing_strategy], _STRATEGIES),
        ("optional_pre_call_checks", read.optional_pre_call_checks, _CHECKS),
    ):
        mistakes += [
            f"{name}: {value!r} is not served here; known are {', '.join(known)}"
            for value in values
            if value not in known
        ]
    return read, mistakes


def _route(sections: Sections, options: _Options) -> dict[str, Any]:
    """Returns the settings of the stage `route`."""
    asked = [(name, to) for rule in options.fallbacks for name, to in rule.items()]
    if options.default_fallbacks:
        asked.append(("*", options.default_fallbacks))
    rules = [(name, to) for name, to in sections.then.items() if to]
    rules += [(name, [one for other in to for one in (other, *sections.then.get(other, ()))]) for name, to in asked]
    most = 0
    for name, group in sections.models.items():
        reached = {other for start, to in rules if start in (name, "*") for other in to}
        if reached:
            most = max(most, len(group) + sum(len(sections.models.get(other, ())) for other in reached))
    return {
        "retries": min(_MOST_RETRIES, max(options.num_retries, most - 1)),
        "fallbacks": [{"from": name, "to": to} for name, to in rules],
    }


def _loaded(sections: Sections, route: Mapping[str, Any]) -> Config:
    """Returns the file that says the same; raises WrongOptions in the words of the list."""
    file = {
        "upstreams": sections.upstreams,
        "models": sections.models,
        "stores": {"responses": {"kind": "memory"}},
        "pipeline": [{"route": route}, "stream-translate"],
    }
    try:
        return load_text(msgspec.json.encode(file).decode(), "Router")
    except ConfigError as error:
        raise WrongOptions("\n".join(_in_words(one.what, one.fix, sections) for one in error.problems)) from None


def _in_words(what: str, fix: str, sections: Sections) -> str:
    def origin(match: re.Match[str]) -> str:
        return sections.origins.get(match[1], match[0])

    what = re.sub(r"\Aupstreams\.([^.:]+)", origin, what).replace("route.fallbacks", "fallbacks")
    return f"{what} ({fix})" if fix else what
