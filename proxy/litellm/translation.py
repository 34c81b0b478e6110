"""A whole LiteLLM configuration as a file of our own: one way to import it, and to serve it as it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from ..config.problems import closest
from ..stores.config import StoresConfig
from .model_list import Sections, number_of, read_model_list, resolved, unset
from .notes import Notes, Path, mapping_of
from .routing import RoutingOptions, add_aliases, route_settings, stages_of
from .settings import (
    GENERAL_HINTS,
    GENERAL_LOST,
    LITELLM_HINTS,
    LITELLM_LOST,
    REDIS,
    ROUTER_HINTS,
    ROUTER_LOST,
    ROUTING,
    S3,
    SECTIONS_LOST,
)

_SECTIONS = (
    "model_list", "litellm_settings", "general_settings", "router_settings", "environment_variables", "include",
    "credential_list",
)  # fmt: skip
_CALLBACKS = ("callbacks", "success_callback", "failure_callback")
_LITELLM = ("request_timeout", "cache", "cold_storage_custom_logger", "s3_callback_params", *_CALLBACKS, *ROUTING)
_GENERAL = ("master_key", "max_request_size_mb", "global_max_parallel_requests")
_MASTER = "LITELLM_MASTER_KEY"
_S3_LOGGERS = frozenset(("s3", "s3_v2"))
_STAGES = {"prometheus": "metrics", "otel": "trace", "opentelemetry": "trace"}
"""Callbacks that are stages of ours."""


class Translated(msgspec.Struct):
    """A file of ours as plain values, section by section, and what is to be said of it.

    `origins` says which entry of `model_list` an upstream is from.
    """

    file: dict[str, Any]
    origins: dict[str, Path]
    notes: Notes


def translate(config: Mapping[str, Any], *, environ: Mapping[str, str], stages: Collection[str]) -> Translated:
    """Returns the file that does the same, as far as that goes. `stages` are the names of those that there are."""
    return _Translation(config, environ, stages).run()


class _Translation:
    """One configuration on its way."""

    def __init__(self, config: Mapping[str, Any], environ: Mapping[str, str], stages: Collection[str]) -> None:
        self.config = config
        self.notes = Notes()
        self.stages = stages
        own = mapping_of(config.get("environment_variables"), ("environment_variables",), self.notes)
        self.environ = {**environ, **{name: str(value) for name, value in own.items() if value is not None}}
        self.litellm = self._section("litellm_settings")
        self.general = self._section("general_settings")
        self.router = self._section("router_settings")

    def run(self) -> Translated:
        """Returns the whole file."""
        self._sort_out()
        options, path = self._routing()
        sections = self._models(options)
        add_aliases(sections, options.model_group_alias, (*path, "model_group_alias"))
        route = route_settings(sections, options, path)
        key = self._master_key()
        file: dict[str, Any] = {"listen": "127.0.0.1:4000" if key is None else "0.0.0.0:4000", "compat": "litellm"}
        if limits := self._limits():
            file["limits"] = limits
        if key is not None:
            file["admin"] = {"key": key}
        if sections.everything:
            file["providers"] = "env"
        file["upstreams"] = sections.upstreams
        file["models"] = sections.models
        if sections.prices:
            file["prices"] = sections.prices
        file["stores"] = self._stores()
        file["pipeline"] = [
            *([] if key is None else [{"auth": {"keys": ["store", {"id": "master", "key": key}]}}]),
            *stages_of(sections, route),
            *self._observers(),
        ]
        return Translated(file, sections.origins, self.notes)

    def _section(self, name: str) -> Mapping[str, Any]:
        return mapping_of(self.config.get(name), (name,), self.notes)

    # --- what has no place here

    def _sort_out(self) -> None:
        self._told((), self.config, _SECTIONS, {}, SECTIONS_LOST)
        self._told(("litellm_settings",), self.litellm, _LITELLM, LITELLM_HINTS, LITELLM_LOST)
        self._told(("general_settings",), self.general, _GENERAL, GENERAL_HINTS, GENERAL_LOST)
        self._told(("router_settings",), self.router, (*ROUTING, *REDIS), ROUTER_HINTS, ROUTER_LOST)
        if self.litellm.get("cache") is True:
            self.notes.lost(("litellm_settings", "cache"), "answers are not cached")

    def _told(
        self,
        path: Path,
        found: Mapping[str, Any],
        carried: Collection[str],
        hints: Mapping[str, str],
        lost: Mapping[str, str],
    ) -> None:
        """Tells of what is not carried over; of what is switched off nothing is lost."""
        for key, value in found.items():
            if key in carried:
                continue
            if key in lost:
                if value not in (None, False, [], {}):
                    self.notes.lost((*path, key), "is not carried over", lost[key])
            elif key in hints:
                self.notes.hint((*path, key), f"is left out{': ' if hints[key] else ''}{hints[key]}")
            else:
                near = closest(key, (*carried, *hints, *lost))
                self.notes.lost((*path, key), "unknown option", f'did you mean "{near}"?' if near else "")

    # --- models and routing

    def _routing(self) -> tuple[RoutingOptions, Path]:
        """Returns the options of the Router; those of `router_settings` count for more."""
        path: Path = ("router_settings",)
        said = {key: section[key] for section in (self.litellm, self.router) for key in ROUTING if key in section}
        said = {key: resolved(value, self.environ) for key, value in said.items() if value is not None}
        kept = dict(said)
        for key, value in said.items():
            try:
                msgspec.convert({key: value}, RoutingOptions, strict=False)
            except msgspec.ValidationError as error:
                self.notes.mistake((*path, key), str(error).partition(" - ")[0])
                del kept[key]
        return msgspec.convert(kept, RoutingOptions, strict=False), path

    def _models(self, options: RoutingOptions) -> Sections:
        entries = self.config.get("model_list")
        if entries is not None and not isinstance(entries, list):
            self.notes.mistake(("model_list",), "expected a list", "write - model_name: ...")
            entries = None
        timeout = options.timeout
        if timeout is None and self.litellm.get("request_timeout") is not None:
            timeout = number_of(self._set(("litellm_settings", "request_timeout"), self.litellm["request_timeout"]))
            if timeout is None:
                self.notes.mistake(("litellm_settings", "request_timeout"), "expected a number of seconds")
        sections = read_model_list(
            entries or [], timeout=timeout, environ=self.environ, credentials=self._credentials()
        )
        self.notes.all += sections.notes.all
        sections.notes = self.notes
        return sections

    def _credentials(self) -> dict[str, Mapping[str, Any]]:
        path: Path = ("credential_list",)
        return {
            str(one.get("credential_name")): mapping_of(one.get("credential_values"), (*path, index), self.notes)
            for index, one in enumerate(self._listed(path, self.config.get("credential_list")))
            if isinstance(one, Mapping)
        }

    def _listed(self, path: Path, value: Any) -> list[Any]:
        """Returns a value that must be a list; one text alone is one, too."""
        if isinstance(value, str):
            return [value]
        if value is not None and not isinstance(value, list):
            self.notes.mistake(path, "expected a list")
        return value if isinstance(value, list) else []

    # --- everything else

    def _master_key(self) -> str | None:
        key = self.general.get("master_key")
        if key is None and self.environ.get(_MASTER, "").strip():
            key = f"env:{_MASTER}"
        if key is not None:
            self.notes.hint(
                ("general_settings", "master_key"),
                "opens everything, and /admin",
                "penstock keys create makes one for each client",
            )
        return None if key is None else str(key)

    def _limits(self) -> dict[str, Any]:
        limits: dict[str, Any] = {}
        if (size := self.general.get("max_request_size_mb")) is not None:
            limits["body"] = f"{size}MiB"
        if (most := self.general.get("global_max_parallel_requests")) is not None:
            limits["max_requests"] = most
        return limits

    def _stores(self) -> dict[str, Any]:
        stores: dict[str, Any] = {"responses": {"kind": "sqlite", "path": "./penstock.db"}}
        if self.litellm.get("cold_storage_custom_logger") is not None:
            cold = self._cold()
            if cold is not None:
                stores["cold"] = cold
        if url := self._redis():
            stores["counters"] = {"kind": "redis", "url": url}
        return stores

    def _cold(self) -> dict[str, Any] | None:
        path: Path = ("litellm_settings", "cold_storage_custom_logger")
        if str(self.litellm["cold_storage_custom_logger"]) not in _S3_LOGGERS:
            self.notes.lost(path, "responses can be kept in S3 only", "write s3_v2")
            return None
        bucket = self._bucket(path)
        if bucket is None or "cold" not in StoresConfig.__struct_fields__:
            return None
        prefix = "/".join(part for part in (bucket.pop("prefix", "").strip("/"), "responses") if part)
        return {"kind": "s3", "bucket": bucket.pop("bucket"), "prefix": prefix, **bucket}

    def _bucket(self, path: Path) -> dict[str, Any] | None:
        """Returns bucket, prefix and how it is reached."""
        place: Path = ("litellm_settings", "s3_callback_params")
        said = mapping_of(self.litellm.get("s3_callback_params"), place, self.notes)
        own: dict[str, Any] = {}
        for key, value in said.items():
            if key in S3 and value is not None:
                own[S3[key]] = value if "key" in key else self._set((*place, key), value)
            elif key not in S3 and value not in (None, False):
                self.notes.lost((*place, key), "is not carried over", "see stores: cold, and the stage log")
        if not own.get("bucket"):
            self.notes.lost(path, "s3_callback_params names no bucket", "add s3_bucket_name")
            return None
        return own

    def _observers(self) -> list[Any]:
        """Returns the stages that callbacks stand for."""
        found: list[Any] = []
        for key in _CALLBACKS:
            for name in self._listed(("litellm_settings", key), self.litellm.get(key)):
                stage = self._observer(str(name), ("litellm_settings", key))
                if stage is not None and stage not in found:
                    found.append(stage)
        return found

    def _observer(self, name: str, path: Path) -> Any:
        if name in _S3_LOGGERS:
            bucket = self._bucket(path)
            if bucket is None:
                return None
            to = "/".join(("s3:/", bucket.pop("bucket"), *filter(None, [bucket.pop("prefix", "").strip("/")])))
            content = "none" if self.litellm.get("turn_off_message_logging") is True else "redacted"
            return {"log": {"to": to, "content": content, **({"s3": bucket} if bucket else {})}}
        if _STAGES.get(name) in self.stages:
            return _STAGES[name]
        self.notes.lost(path, f"the callback {name!r} is not served here", "use log, metrics, or a stage of your own")
        return None

    def _set(self, path: Path, value: Any) -> Any:
        """Returns a value with its variable looked up; one that is not set is noted."""
        found = resolved(value, self.environ)
        if (variable := unset(found)) is not None:
            self.notes.mistake(path, f"environment variable {variable} is not set", f"set {variable}")
        return found

    def _redis(self) -> str | None:
        """Returns the address of Redis, if limits are to be counted there."""
        if self.router.get("redis_url") is not None:
            return str(self.router["redis_url"])
        path: Path = ("router_settings",)
        said = {key: self._set((*path, key), one) for key in REDIS if (one := self.router.get(key)) is not None}
        if "redis_host" not in said:
            return None
        user = quote(str(said.get("redis_username", "")), safe="")
        password = quote(str(said.get("redis_password", "")), safe="")
        who = f"{user}:{password}@" if user or password else ""
        scheme = "rediss" if said.get("redis_ssl") in (True, "true", "True") else "redis"
        return f"{scheme}://{who}{said['redis_host']}:{said.get('redis_port', 6379)}/{said.get('redis_db', 0)}"
