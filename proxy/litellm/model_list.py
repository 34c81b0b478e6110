"""A list of deployments as LiteLLM's Router takes it, as the sections `upstreams` and `models` of a file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..errors import PenstockError
from ..providers import vendors
from .params import ALSO, ENTRA, KNOWN, NOT_CARRIED, NUMBERS, ROLE, SECRETS, SHARES, UPSTREAM, WITHOUT_EFFECT

_ENVIRON = "os.environ/"
_ENTRY = ("model_name", "litellm_params", "model_info", *SHARES)
_LAST = float("inf")
"""The order of a deployment that has none: LiteLLM asks those that have one first."""


class WrongOptions(PenstockError, ValueError):
    """The options of a Router cannot be used; the message names every mistake, one a line."""


class Sections(msgspec.Struct):
    """`upstreams` and `models` of a file; `origins` says which entry of the list first named an upstream.

    Of a group whose entries have an `order`, the first ones stand under its name, the others under names of their own,
    which `then` tells in that order. `warnings` say what is left out.
    """

    upstreams: dict[str, dict[str, Any]] = {}
    models: dict[str, list[dict[str, Any]]] = {}
    then: dict[str, list[str]] = {}
    origins: dict[str, str] = {}
    mistakes: list[str] = []
    warnings: list[str] = []


def read_model_list(entries: Sequence[Mapping[str, Any]], *, timeout: float | None = None) -> Sections:
    """Returns the sections for a list of deployments; what is wrong with it is among the `mistakes`.

    `timeout` holds for those that say none of their own, in seconds.
    """
    sections = Sections()
    groups: dict[str, dict[float, list[dict[str, Any]]]] = {}
    if not entries:
        sections.mistakes.append("model_list is empty: name at least one deployment")
    for index, entry in enumerate(entries):
        place = f"model_list[{index}]"
        params = entry.get("litellm_params")
        name = entry.get("model_name")
        sections.mistakes += unknown(place, entry, _ENTRY)
        if not isinstance(name, str) or not name or not isinstance(params, Mapping):
            sections.mistakes.append(f"{place}: expected model_name and litellm_params")
            continue
        wrong = _sorted_out(sections, f"{place}.litellm_params", params)
        if wrong:
            sections.mistakes += wrong
            continue
        shares = {key: entry[key] for key in SHARES if key in entry}
        said = _said({"timeout": timeout, **shares, **params}, f"{place}.litellm_params", sections)
        if (deployment := _read(sections, place, said)) is not None:
            groups.setdefault(name, {}).setdefault(said.get("order", _LAST), []).append(deployment)
    for name, ranks in groups.items():
        _rank(sections, name, [ranks[order] for order in sorted(ranks)])
    return sections


def _sorted_out(sections: Sections, place: str, params: Mapping[str, Any]) -> list[str]:
    """Notes what has no effect; returns what is wrong with the names of parameters."""
    wrong = []
    for key in params:
        if key in WITHOUT_EFFECT:
            sections.warnings.append(f"{place}.{key} is left out: {WITHOUT_EFFECT[key]}")
        elif key in NOT_CARRIED:
            wrong.append(f"{place}: {key} cannot be carried over: {NOT_CARRIED[key]}")
    return wrong + unknown(place, {key: 0 for key in params if key not in (*WITHOUT_EFFECT, *NOT_CARRIED)}, KNOWN)


def _rank(sections: Sections, name: str, ranks: list[list[dict[str, Any]]]) -> None:
    """Adds a group: its first deployments under its name, the others as what they fall back to."""
    if len(ranks) > 1 and "*" in name:
        sections.mistakes.append(f"model_list: {name!r} stands for several models, so that order cannot be kept in it")
    for number, deployments in enumerate(ranks):
        own = name if number == 0 else f"{name} ({number + 1})"
        sections.models[own] = deployments
        if number:
            sections.then.setdefault(name, []).append(own)


def unknown(place: str, found: Mapping[str, Any], known: Sequence[str]) -> list[str]:
    """Returns what is to be said of options that are not known."""
    names = [name for name in found if name not in known]
    return [f"{place}: unknown option {name!r}; known are {', '.join(known)}" for name in names]


def _said(params: dict[str, Any], place: str, sections: Sections) -> dict[str, Any]:
    """Returns the parameters by their usual names, with variables looked up and numbers read."""
    said: dict[str, Any] = {}
    for key, value in params.items():
        if value is None or key in WITHOUT_EFFECT:
            continue
        name = ALSO.get(key, key)
        found = value if name in SECRETS else _resolved(value)
        if name in NUMBERS:
            number = _number(found)
            if number is None:
                sections.mistakes.append(f"{place}.{key}: expected a number, found {value!r}")
                continue
            found = number
        said[name] = _credentials(found) if name == "vertex_credentials" else found
    return said


def _read(sections: Sections, place: str, said: dict[str, Any]) -> dict[str, Any] | None:
    """Returns a deployment, whose upstream it adds; None where it cannot be one."""
    model, provider = said.get("model"), said.get("custom_llm_provider")
    if not isinstance(model, str) or not model:
        sections.mistakes.append(f"{place}.litellm_params: model is missing: write provider/model")
        return None
    url = said.get("api_base")
    vendor = vendors.of_prefix(provider) if provider is not None else None
    if vendor is not None:
        model = model.removeprefix(f"{provider}/")
    elif provider is None and (found := vendors.of_model(model)) is not None:
        vendor, model = found
    elif provider is None and url is not None:
        vendor = vendors.COMPATIBLE
    else:
        known = ", ".join(sorted(one.prefix for one in vendors.VENDORS))
        sections.mistakes.append(f"{place}.litellm_params: {provider or model!r} names no provider; known are {known}")
        return None
    settings = vendor.settings(os.environ, base_url=url, api_key=said.get("api_key"))
    settings |= _settings(said)
    if "entra" in settings:  # who gives an identity wants no key that happens to be set
        settings = {key: value for key, value in settings.items() if key not in ("requires_env", "api_key")}
    upstream = _named(sections, vendor.prefix, settings, place)
    return {"use": f"{upstream}/{model}", "weight": next((said[key] for key in SHARES if key in said), 1)}


def _settings(said: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of the upstream that stand in the parameters."""
    settings: dict[str, Any] = {own: said[key] for key, own in UPSTREAM.items() if key in said}
    for name, table in (("role", ROLE), ("entra", ENTRA)):
        if parts := {own: said[key] for key, own in table.items() if key in said}:
            settings[name] = parts
    if "client_secret" in settings.get("entra", ()):
        settings["entra"]["use"] = "client-secret"
    timeouts: dict[str, float] = {}
    if "timeout" in said:
        timeouts = {"connect": min(5.0, said["timeout"]), "first_byte": said["timeout"], "idle": said["timeout"]}
    if "stream_timeout" in said:
        timeouts["first_token"] = said["stream_timeout"]
    return {**settings, "timeouts": timeouts} if timeouts else settings


def _named(sections: Sections, prefix: str, settings: dict[str, Any], place: str) -> str:
    """Returns the name of the upstream with those settings, made if there is none yet."""
    name, number = prefix, 1
    while sections.upstreams.get(name, settings) != settings:
        number += 1
        name = f"{prefix}-{number}"
    sections.upstreams[name] = settings
    sections.origins.setdefault(name, place)
    return name


def _resolved(value: Any) -> Any:
    """Returns a value that may be `os.environ/NAME`; one that is not set stays as it is, to be named where it fails."""
    if isinstance(value, str) and value.startswith(_ENVIRON):
        return os.environ.get(value.removeprefix(_ENVIRON), "") or value
    return value


def _number(value: Any) -> float | None:
    """Returns a number that may be written as a text, as in variables; None for what is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        number = float(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return int(number) if number is not None and number.is_integer() else number


def _credentials(value: Any) -> Any:
    """Returns Google's credentials as a file has them: LiteLLM takes a path, JSON, and an object."""
    if isinstance(value, Mapping):
        return msgspec.json.encode(value).decode()
    if not isinstance(value, str) or value.lstrip().startswith("{") or value.startswith((_ENVIRON, "env:", "file:")):
        return value
    return f"file:{value}"
