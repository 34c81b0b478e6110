"""Values of labels: what a client can choose is one of few, whatever it sends. End users are never among them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..models import ModelTable
from ..redact import clean

if TYPE_CHECKING:
    from ..exchange import Exchange

OTHER = "other"
NONE = "none"
_CODE = re.compile(r"[a-zA-Z][\w.-]{0,63}", re.ASCII)
_MOST_NAME = 128
_MOST_CODES = 50
_MOST_REMEMBERED = 4096
_KNOWN_CODES = frozenset((
    "authentication_error", "cancelled", "content_filter", "context_length_exceeded", "insufficient_quota",
    "invalid_api_key", "invalid_prompt", "invalid_request_error", "invalid_type", "invalid_value",
    "missing_required_parameter", "model_not_allowed", "model_not_found", "not_found", "overloaded",
    "overloaded_error", "permission_denied", "previous_response_not_found", "rate_limit_error",
    "rate_limit_exceeded", "request_too_large", "server_error", "slower", "timeout", "tokens",
    "unknown_parameter", "unsupported_parameter", "unsupported_value", "upstream_auth", "upstream_error",
    "upstream_unreachable",
))  # fmt: skip
"""Codes of Penstock and of OpenAI that alerts are built on."""


class ModelLabels:
    """What models are called.

    A name of the file is itself, a name that the file does not serve is `other`. One that a pattern of the file stands
    for is the pattern, until an upstream has answered to it: the first `most` of those are themselves from then on.
    """

    def __init__(self, most: int = 100) -> None:
        self._most = most
        self._table: ModelTable | None = None
        self._exact: frozenset[str] = frozenset()
        self._answered: set[str] = set()
        self._patterns: dict[str, str] = {}

    def of(self, exchange: Exchange) -> str:
        """Returns what the model of an exchange that has ended is called. Hot: once an exchange."""
        name = exchange.asked_model or exchange.model
        if name is None:
            return NONE
        if exchange.models is not self._table:
            self._take(exchange.models)
        if name in self._exact or name in self._answered:
            return name
        known = self._patterns.get(name) or self._pattern(name)
        if known is OTHER or exchange.outcome not in ("completed", "incomplete") or not exchange.attempts:
            return known
        if len(self._answered) >= self._most or len(name) > _MOST_NAME or not name.isprintable() or clean(name) != name:
            return known
        self._answered.add(name)
        return name

    def _take(self, table: ModelTable) -> None:
        self._table = table
        self._exact = frozenset(table.names())
        self._patterns.clear()

    def _pattern(self, name: str) -> str:
        assert self._table is not None
        found = OTHER
        for prefix, suffix, _ in self._table.wildcards():
            if len(name) > len(prefix) + len(suffix) and name.startswith(prefix) and name.endswith(suffix):
                found = f"{prefix}*{suffix}"
                break
        if len(name) <= _MOST_NAME:
            if len(self._patterns) >= _MOST_REMEMBERED:
                self._patterns.clear()
            self._patterns[name] = found
        return found


class CodeLabels:
    """What errors are called: by their code. An upstream may make up as many codes as it likes: the first `most` of its
    own are themselves, and those that are known to everybody always are.
    """

    def __init__(self, most: int = _MOST_CODES) -> None:
        self._most = most
        self._own: dict[str, set[str]] = {}

    def of(self, upstream: str, code: str | None) -> str:
        """Returns the label for a code, which an upstream has said or not; there are few of those."""
        if code is None:
            return NONE
        if code in _KNOWN_CODES:
            return code
        own = self._own.setdefault(upstream, set())
        if code in own:
            return code
        if len(own) >= self._most or not _CODE.fullmatch(code):
            return OTHER
        own.add(code)
        return code
