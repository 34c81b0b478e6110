"""A pipeline over groups of deployments, described as LiteLLM's Router takes them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..config.file import Config
from ..config.loader import load_text
from ..errors import ConfigError
from ..litellm.model_list import Sections, WrongOptions, read_model_list
from ..litellm.notes import Notes, shown_path
from ..litellm.routing import RoutingOptions, add_aliases, route_settings, stages_of
from .penstock import Penstock
from .service import Service
from .services import Services

_log = logging.getLogger("penstock")


class Router(Penstock):
    """Shares the requests for a model among its deployments, retries, and falls back to other models.

    `model_list` has one entry a deployment: `{"model_name": ..., "litellm_params": {"model": "provider/model",
    "api_key": ..., "api_base": ..., "weight": ...}}`; entries of one name are a group. Values may be
    `os.environ/NAME`. Those of a higher `order` are asked when the others have failed. What changes no answer and has
    no counterpart here is logged and left out. Options are `num_retries`, `timeout`, `fallbacks=[{"a": ["b"]}]`,
    `context_window_fallbacks`, `content_policy_fallbacks`, `default_fallbacks`, `routing_strategy`, `allowed_fails`,
    `cooldown_time`, `disable_cooldowns`, `model_group_alias` and `optional_pre_call_checks`, of which
    `responses_api_deployment_check` lets the deployment of the previous response go on if it can. Fallbacks are tried
    however few retries are allowed. Responses are kept in memory.

    Raises WrongOptions with everything that is wrong.
    """

    def __init__(self, model_list: Sequence[Mapping[str, Any]], **options: Any) -> None:
        notes = Notes()
        read = _read_options(options, notes)
        sections = read_model_list(model_list, timeout=read.timeout)
        add_aliases(sections, read.model_group_alias, ("model_group_alias",))
        route = route_settings(sections, read, ())
        notes.all += sections.notes.all
        if wrong := notes.of("mistake", "lost"):
            raise WrongOptions("\n".join(map(str, wrong)))
        for hint in notes.of("hint"):
            _log.warning("Router: %s", hint)
        super().__init__(Services(_loaded(sections, route), Service))


def _read_options(options: Mapping[str, Any], notes: Notes) -> RoutingOptions:
    """Returns the options; what is wrong with them is noted."""
    notes.unknown(("Router",), options, RoutingOptions.__struct_fields__)
    known = {name: one for name, one in options.items() if name in RoutingOptions.__struct_fields__ and one is not None}
    try:
        return msgspec.convert(known, RoutingOptions)
    except msgspec.ValidationError as error:
        notes.mistake(("Router",), str(error))
        return RoutingOptions()


def _loaded(sections: Sections, route: Mapping[str, Any]) -> Config:
    """Returns the file that says the same; raises WrongOptions in the words of the list."""
    file = {
        "upstreams": sections.upstreams,
        "models": sections.models,
        "prices": sections.prices,
        "stores": {"responses": {"kind": "memory"}},
        "pipeline": stages_of(sections, route),
    }
    try:
        return load_text(msgspec.json.encode(file).decode(), "Router")
    except ConfigError as error:
        raise WrongOptions("\n".join(_in_words(one.what, one.fix, sections) for one in error.problems)) from None


def _in_words(what: str, fix: str, sections: Sections) -> str:
    def origin(match: re.Match[str]) -> str:
        return shown_path(sections.origins[match[1]]) if match[1] in sections.origins else match[0]

    what = re.sub(r"\Aupstreams\.([^.:]+)", origin, what)
    return f"{what} ({fix})" if fix else what
