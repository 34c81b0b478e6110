"""A list of deployments as LiteLLM takes it, as the sections `upstreams` and `models` of a file, and their like."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from ..errors import PenstockError
from ..providers.provider import Provider
from ..providers.registry import kinds
from .notes import Notes, Path, mapping_of
from .params import (
    ALSO,
    CONTROLS,
    DEFAULTS,
    ENTRA,
    ENVIRONMENT,
    KNOWN,
    NOT_CARRIED,
    NUMBERS,
    PRICES,
    ROLE,
    SECRETS,
    SHARES,
    TEXTS,
    UPSTREAM,
    WITHOUT_EFFECT,
)
from .providers import Target, prefixes, target_of

_ENVIRON = "os.environ/"
_ENTRY = ("model_name", "litellm_params", "model_info", *SHARES)
_INFO = ("id", "mode", "base_model", "max_tokens", "max_input_tokens", "max_output_tokens", "description", "db_model")
_RESPONSES_SINCE = "2025-03-01"
"""Azure's first dated version with the Responses API; models behind older ones are asked over chat completions."""
_AS_WRITTEN = (*SECRETS, "extra_headers", "extra_body")
"""What is not looked up: our file does that where it may hold a secret."""
_NAMED_BY_FILE = (*_AS_WRITTEN, "vertex_credentials")
"""What may stand in our file as a variable."""
_LAST = float("inf")
"""The order of a deployment that has none: LiteLLM asks those that have one first."""


class WrongOptions(PenstockError, ValueError):
    """The options of a Router cannot be used; the message names every mistake, one a line."""


class Sections(msgspec.Struct):
    """`upstreams`, `models` and `prices` of a file; `origins` says which entry of the list first named an upstream.

    Of a group whose entries have an `order`, the first ones stand under its name, the others under names of their own,
    which `then` tells in that order. `defaults` are parameters of requests to an upstream that do not set them,
    `extras` fields of its own on each, `drops` parameters that it does not get. `everything` asks for all models of all
    providers that the environment has a key for.
    """

    upstreams: dict[str, dict[str, Any]] = {}
    models: dict[str, list[dict[str, Any]]] = {}
    prices: dict[str, dict[str, Any]] = {}
    then: dict[str, list[str]] = {}
    defaults: dict[str, dict[str, Any]] = {}
    extras: dict[str, dict[str, Any]] = {}
    drops: dict[str, list[str]] = {}
    origins: dict[str, Path] = {}
    everything: bool = False
    notes: Notes = msgspec.field(default_factory=Notes)


def read_model_list(
    entries: Sequence[Any],
    *,
    timeout: float | None = None,
    environ: Mapping[str, str] | None = None,
    credentials: Mapping[str, Mapping[str, Any]] | None = None,
) -> Sections:
    """Returns the sections for a list of deployments; what is to be said of it is among the `notes`.

    `timeout` holds for those that say none of their own, in seconds; `credentials` are parameters that entries name.
    """
    reading = _Reading({} if timeout is None else {"timeout": timeout}, os.environ if environ is None else environ)
    reading.credentials = credentials or {}
    if not entries:
        reading.notes.mistake(("model_list",), "model_list is empty", "name at least one deployment")
    for index, entry in enumerate(entries):
        reading.add(("model_list", index), entry)
    return reading.finish()


class _Reading:
    """One list on its way to sections."""

    def __init__(self, common: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self.common = common
        self.environ = environ
        self.credentials: Mapping[str, Mapping[str, Any]] = {}
        self.sections = Sections()
        self.notes = self.sections.notes
        self.groups: dict[str, dict[float, list[dict[str, Any]]]] = {}
        self.kinds = kinds()
        self._made_for: dict[str, tuple[Any, ...]] = {}

    def add(self, path: Path, entry: Any) -> None:
        """Takes one entry of the list."""
        params = entry.get("litellm_params") if isinstance(entry, Mapping) else None
        name = entry.get("model_name") if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or not name or not isinstance(params, Mapping):
            self.notes.mistake(path, "expected model_name and litellm_params")
            return
        self.notes.unknown(path, entry, _ENTRY)
        info = mapping_of(entry.get("model_info"), (*path, "model_info"), self.notes)
        shares = {key: entry[key] for key in SHARES if key in entry}
        stored = self._stored((*path, "litellm_params"), params)
        here = (*path, "litellm_params")
        said = self._said({**self.common, **shares, **stored, **params}, here)
        self.notes.unknown(here, params, (*KNOWN, *WITHOUT_EFFECT, *NOT_CARRIED))
        if name == "*" and said.get("model") == "*":
            self.sections.everything = True
            return
        organizations = said.get("organization")
        for one in organizations if isinstance(organizations, list) else [organizations]:
            own = said if one is None else {**said, "organization": one}
            deployment = self._deployment(here, own, info)
            if deployment is not None:
                self._info((*path, "model_info"), deployment["use"], own, info)
                self.groups.setdefault(name, {}).setdefault(said.get("order", _LAST), []).append(deployment)

    def finish(self) -> Sections:
        """Puts the groups together."""
        for name, ranks in self.groups.items():
            if len(ranks) > 1 and "*" in name:
                what = f"{name!r} stands for several models, so that order cannot be kept in it"
                self.notes.mistake(("model_list",), what)
            for number, order in enumerate(sorted(ranks)):
                own = name if number == 0 else f"{name} ({number + 1})"
                self.sections.models[own] = ranks[order]
                if number:
                    self.sections.then.setdefault(name, []).append(own)
        return self.sections

    def _stored(self, path: Path, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the parameters that stand under a name of their own."""
        name = params.get("litellm_credential_name")
        if isinstance(name, str) and name not in self.credentials:
            self.notes.lost((*path, "litellm_credential_name"), "credential_list has no credentials of that name")
        return self.credentials.get(name, {}) if isinstance(name, str) else {}

    def _said(self, params: Mapping[str, Any], path: Path) -> dict[str, Any]:
        """Returns the parameters by their usual names, with variables looked up and numbers read."""
        said: dict[str, Any] = {}
        for key, value in params.items():
            if value is None or value == "":
                continue
            if key in WITHOUT_EFFECT:
                self.notes.hint((*path, key), f"is left out: {WITHOUT_EFFECT[key]}")
            elif key in NOT_CARRIED:
                self.notes.lost((*path, key), "cannot be carried over", NOT_CARRIED[key])
            else:
                name = ALSO.get(key, key)
                found = value if name in _AS_WRITTEN else resolved(value, self.environ)
                if name == "extra_body" and "os.environ/" in repr(found):
                    self.notes.lost((*path, key), "variables in it are not looked up", "write a stage of your own")
                if name not in _NAMED_BY_FILE and (variable := unset(found)) is not None:
                    self.notes.mistake((*path, key), f"environment variable {variable} is not set", f"set {variable}")
                    continue
                if name in TEXTS and not isinstance(found, str):
                    self.notes.mistake((*path, key), "expected a text", "put it in quotes")
                    continue
                if name in (*NUMBERS, *PRICES):
                    number = number_of(found)
                    if number is None:
                        self.notes.mistake((*path, key), f"expected a number, found {found!r:.60}")
                        continue
                    found = number
                said[name] = _credentials(found) if name == "vertex_credentials" else found
        return said

    def _deployment(self, path: Path, said: dict[str, Any], info: Mapping[str, Any]) -> dict[str, Any] | None:
        """Returns a deployment, whose upstream it adds; None where it cannot be one."""
        model, provider = said.get("model"), said.get("custom_llm_provider")
        if not isinstance(model, str) or not model:
            self.notes.mistake(path, "model is missing", "write provider/model")
            return None
        target = target_of(model, provider, said.get("api_base"))
        if target is None:
            fix = f"known are {', '.join(prefixes())}, and any server that has an api_base"
            self.notes.lost((*path, "model"), f"{provider or model!r} names no provider", fix)
            return None
        settings = self._settings(path, target, said)
        upstream = self._named(target, settings, said, path)
        if base := info.get("base_model"):
            self._base_model((*path[:-1], "model_info", "base_model"), upstream, target.model, base)
        return {"use": f"{upstream}/{target.model}", "weight": next((said[key] for key in SHARES if key in said), 1)}

    def _settings(self, path: Path, target: Target, said: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the settings of the upstream that stand in the parameters."""
        url = said.get("api_base")
        settings = target.vendor.settings(self.environ, base_url=url, api_key=said.get("api_key"))
        if not target.vendor.sends_key:  # credentials may be those of the machine
            settings.pop("requires_env", None)
        for own, (*variables, otherwise) in ENVIRONMENT.get(target.vendor.kind, {}).items():
            found = next((self.environ[name] for name in variables if self.environ.get(name)), otherwise)
            if found:
                settings[own] = found
        fields = self._fields(target)
        named = {own: (key, said[key]) for key, own in UPSTREAM.items() if key in said}
        for name, table in (("role", ROLE), ("entra", ENTRA)):
            if parts := {own: said[key] for key, own in table.items() if key in said}:
                named[name] = (next(key for key in table if key in said), parts)
        if "client_secret" in named.get("entra", ("", ()))[1]:
            named["entra"][1]["use"] = "client-secret"
        api = "chat" if said.get("use_chat_completions_api") is True else target.api
        if api is not None:
            named["api"] = ("model", api)
        for own, (key, value) in named.items():
            if own in fields:
                settings[own] = value
            else:
                self.notes.lost((*path, key), f"is nothing that upstreams of kind {target.vendor.kind} know")
        settings = {own: value for own, value in settings.items() if own == "kind" or own in fields}
        version = str(settings.get("api_version", ""))
        if target.vendor.kind == "azure-openai" and version[:4].isdigit() and version < _RESPONSES_SINCE:
            settings["api"] = "chat"
        if "entra" in settings:  # who gives an identity wants no key that happens to be set
            settings = {key: value for key, value in settings.items() if key not in ("requires_env", "api_key")}
        timeouts: dict[str, float] = {}
        if "timeout" in said:
            timeouts = {"connect": min(5.0, said["timeout"]), "first_byte": said["timeout"], "idle": said["timeout"]}
        if "stream_timeout" in said:
            timeouts["first_token"] = said["stream_timeout"]
        return {**settings, "timeouts": timeouts} if timeouts and "timeouts" in fields else settings

    def _fields(self, target: Target) -> tuple[str, ...]:
        kind: type[Provider] | None = self.kinds.get(target.vendor.kind)
        return () if kind is None else kind.Config.__struct_fields__

    def _named(self, target: Target, settings: dict[str, Any], said: Mapping[str, Any], path: Path) -> str:
        """Returns the name of the upstream with those settings, made if there is none yet."""
        defaults = {key: said[key] for key in DEFAULTS if key in said}
        extra, drops = said.get(CONTROLS[0]), said.get(CONTROLS[1])
        own = (dict(settings), defaults, extra, drops)
        prefix = target.vendor.prefix
        name, number = prefix, 1
        while self._made_for.get(name, own) != own:
            number += 1
            name = f"{prefix}-{number}"
        if name not in self._made_for:
            self._made_for[name] = own
            self.sections.upstreams[name] = settings
            self.sections.origins[name] = path[:-1]
            if defaults:
                self.sections.defaults[name] = defaults
            if isinstance(extra, Mapping) and extra:
                self.sections.extras[name] = dict(extra)
            if isinstance(drops, Sequence) and not isinstance(drops, str) and drops:
                self.sections.drops[name] = [str(one) for one in drops]
        return name

    def _base_model(self, path: Path, upstream: str, model: str, base: Any) -> None:
        settings = self.sections.upstreams[upstream]
        if "base_models" not in self.kinds[settings["kind"]].Config.__struct_fields__:
            return
        settings["base_models"] = {**settings.get("base_models", {}), model: str(base).rpartition("/")[2]}

    def _info(self, path: Path, use: str, said: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        """Takes what is known of the model: its prices; all else is in tables here, or asked of nobody."""
        prices = {key: number_of(info[key]) for key in PRICES if info.get(key) is not None}
        prices.update({key: said[key] for key in PRICES if key in said})
        found = {PRICES[key]: float(_million(price)) for key, price in prices.items() if price is not None}
        if {"input", "output"} <= found.keys():
            self.sections.prices[use] = found
        elif found:
            self.notes.lost(
                path, "one price alone is no price list", "give input_cost_per_token and output_cost_per_token"
            )
        for key in info:
            if key not in (*_INFO, *PRICES) and not key.startswith("supports_"):
                self.notes.hint((*path, key), "is left out: nothing here asks for it")


def resolved(value: Any, environ: Mapping[str, str]) -> Any:
    """Returns a value that may be `os.environ/NAME`; one that is not set stays as it is."""
    if isinstance(value, str) and value.startswith(_ENVIRON):
        return environ.get(value.removeprefix(_ENVIRON), "") or value
    return value


def unset(value: Any) -> str | None:
    """Returns the variable that a value still names, None where it names none."""
    return value.removeprefix(_ENVIRON) if isinstance(value, str) and value.startswith(_ENVIRON) else None


def number_of(value: Any) -> float | None:
    """Returns a number that may be written as a text, as in variables; None for what is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        number = float(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return int(number) if number is not None and number.is_integer() else number


def _million(price: float) -> Decimal:
    """Returns dollars for a million tokens, without the dust of binary fractions."""
    try:
        return (Decimal(repr(price)) * 1_000_000).quantize(Decimal("0.000001")).normalize()
    except InvalidOperation:
        return Decimal(0)


def _credentials(value: Any) -> Any:
    """Returns Google's credentials as a file has them: LiteLLM takes a path, JSON, and an object."""
    if isinstance(value, Mapping):
        return msgspec.json.encode(value).decode()
    if not isinstance(value, str) or value.lstrip().startswith("{") or value.startswith((_ENVIRON, "env:", "file:")):
        return value
    return f"file:{value}"
