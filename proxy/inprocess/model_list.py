"""A list of deployments as LiteLLM's Router takes it, as the sections `upstreams` and `models` of a file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..errors import PenstockError
from ..providers import vendors

_ENVIRON = "os.environ/"
_SECRETS = ("api_key", "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "vertex_credentials")
_UPSTREAM = {
    "api_version": "api_version",
    "organization": "organization",
    "extra_headers": "headers",
    "aws_region_name": "region",
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "aws_profile_name": "aws_profile",
    "vertex_project": "project",
    "vertex_location": "location",
    "vertex_credentials": "credentials",
}
"""What of `litellm_params` is a setting of the upstream, by its name there."""
_SHARES = ("weight", "rpm", "tpm")
"""What says how many of a group's requests a deployment gets; of several the first one that is there."""
_PARAMS = ("model", "api_key", "api_base", "base_url", "custom_llm_provider", "timeout", *_SHARES, *_UPSTREAM)
_ENTRY = ("model_name", "litellm_params", "model_info", *_SHARES)


class WrongOptions(PenstockError, ValueError):
    """The options of a Router cannot be used; the message names every mistake, one a line."""


class Sections(msgspec.Struct):
    """`upstreams` and `models` of a file; `origins` says which entry of the list first named an upstream."""

    upstreams: dict[str, dict[str, Any]] = {}
    models: dict[str, list[dict[str, Any]]] = {}
    origins: dict[str, str] = {}
    mistakes: list[str] = []


def read_model_list(entries: Sequence[Mapping[str, Any]], *, timeout: float | None = None) -> Sections:
    """Returns the sections for a list of deployments; what is wrong with it is among the `mistakes`.

    `timeout` holds for those that say none of their own, in seconds.
    """
    sections = Sections()
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
        wrong = unknown(f"{place}.litellm_params", params, _PARAMS)
        if wrong:
            sections.mistakes += wrong
        else:
            _read(sections, place, name, {"timeout": timeout, **entry, **params})
    return sections


def unknown(place: str, found: Mapping[str, Any], known: Sequence[str]) -> list[str]:
    """Returns what is to be said of options that are not known."""
    names = [name for name in found if name not in known]
    return [f"{place}: unknown option {name!r}; known are {', '.join(known)}" for name in names]


def _read(sections: Sections, place: str, name: str, params: dict[str, Any]) -> None:
    """Adds one deployment."""
    said = {key: _resolved(key, value) for key, value in params.items() if value is not None}
    model, provider = said.get("model"), said.get("custom_llm_provider")
    if not isinstance(model, str) or not model:
        sections.mistakes.append(f"{place}.litellm_params: model is missing: write provider/model")
        return
    url = said.get("api_base", said.get("base_url"))
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
        return
    settings = vendor.settings(os.environ, base_url=url, api_key=said.get("api_key"))
    settings |= {own: said[key] for key, own in _UPSTREAM.items() if key in said}
    if "timeout" in said:
        settings["timeouts"] = {"connect": min(5.0, said["timeout"])} | dict.fromkeys(
            ("first_byte", "idle"), said["timeout"]
        )
    upstream = _named(sections, vendor.prefix, settings, place)
    share = next((said[key] for key in _SHARES if key in said), 1)
    sections.models.setdefault(name, []).append({"use": f"{upstream}/{model}", "weight": share})


def _named(sections: Sections, prefix: str, settings: dict[str, Any], place: str) -> str:
    """Returns the name of the upstream with those settings, made if there is none yet."""
    name, number = prefix, 1
    while sections.upstreams.get(name, settings) != settings:
        number += 1
        name = f"{prefix}-{number}"
    sections.upstreams[name] = settings
    sections.origins.setdefault(name, place)
    return name


def _resolved(key: str, value: Any) -> Any:
    """Returns a value that may be `os.environ/NAME`. Secrets stay as they are: the file looks them up by itself."""
    if isinstance(value, str) and value.startswith(_ENVIRON) and key not in _SECRETS:
        return os.environ.get(value.removeprefix(_ENVIRON), "") or value
    return value
