"""One call as it was made: what would stand in the request's body, and what is said beside it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Self

import msgspec

from ..exchange import Client, Exchange

_ALIASES = {"api_base": "base_url"}
_BESIDE = ("api_key", "base_url", "custom_llm_provider", "timeout", "extra_headers", "extra_body", "extra_query")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a request's body, and beside them who asks, where, for how long (`timeout_s`), in which headers."""

    fields: dict[str, Any]
    api_key: str | None = None
    base_url: str | None = None
    provider: str | None = None
    timeout_s: float | None = None
    headers: dict[str, str] = {}

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> Self:
        """Returns the call of keyword arguments; raises TypeError for what cannot be meant."""
        fields = {_ALIASES.get(name, name): value for name, value in asked.items()}
        beside = {name: fields.pop(name, None) for name in _BESIDE}
        if beside["extra_query"]:
            raise TypeError("extra_query has no meaning without a server")
        fields.update(beside["extra_body"] or {})
        timeout = beside["timeout"]
        if timeout is not None and not isinstance(timeout, int | float):
            raise TypeError(f"timeout: expected seconds, found {type(timeout).__name__}")
        return cls(
            fields=fields,
            api_key=_text("api_key", beside["api_key"]),
            base_url=_text("base_url", beside["base_url"]),
            provider=_text("custom_llm_provider", beside["custom_llm_provider"]),
            timeout_s=timeout,
            headers={name.lower(): str(value) for name, value in (beside["extra_headers"] or {}).items()},
        )

    @property
    def streams(self) -> bool:
        """Whether a stream is asked for."""
        return self.fields.get("stream") is True

    def body(self) -> bytes:
        """Returns the request's body; raises TypeError for what cannot stand in JSON."""
        return msgspec.json.encode(self.fields, enc_hook=_plain)

    def query(self) -> dict[str, list[str]]:
        """Returns the fields as a query has them; those that are None are left out."""
        return {name: _said(value) for name, value in self.fields.items() if value is not None}

    def exchange(self, path: str, method: str = "POST") -> Exchange:
        """Returns a fresh exchange for a path, without a request yet. The API key is a bearer's, as over HTTP."""
        headers = {"user-agent": "penstock", **self.headers}
        if self.api_key is not None:
            headers["authorization"] = f"Bearer {self.api_key}"
        return Exchange("req_" + secrets.token_hex(16), Client("", headers, method, path), None)


def _text(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name}: expected a text, found {type(value).__name__}")
    return value or None


def _said(value: Any) -> list[str]:
    values = value if isinstance(value, list | tuple) else [value]
    return [("true" if one else "false") if isinstance(one, bool) else str(one) for one in values]


def _plain(value: Any) -> Any:
    """Returns what JSON has in the place of a value: output of an earlier response may be input as it is."""
    if hasattr(value, "model_dump"):
        left_out = getattr(value, "__api_exclude__", None)
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=left_out)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError(f"a value of type {type(value).__name__} cannot be sent as JSON")
