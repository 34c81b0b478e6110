"""Maps the errors of the Messages API to the tree of errors, by one table, before the stream and inside it.

An error inside a stream has no status of its own: its type says which one it would have had.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from ...errors import UpstreamRefused, UpstreamStreamError
from ..chat.errors import read_error
from ..chat.wording import is_context_overflow, is_overloaded, strip_secrets
from ..waits import asked_wait_s, wait_until_s

INVALID_THINKING = "invalid_encrypted_content"
"""Code of a request whose earlier thinking the upstream does not take: asked again, it is left out."""
INVALID_STRICT = "invalid_json_schema"
"""Code of a request whose schemas are too much for the upstream: asked again, tools are not strict."""

_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_SPENT_CODES = frozenset(("enforced_spend_limit_reached", "contract_spend_limit_reached", "credits_exhausted"))
_SPENT = re.compile(r"credit balance is too low|usage limits|spend(?:ing)? limit", re.IGNORECASE)
_PROMPT_LENGTH = re.compile(r"prompt: length|exceed context limit", re.IGNORECASE)
_THINKING = re.compile(
    r"invalid\b.{0,80}signature.{0,80}thinking|thinking.{0,80}invalid\b.{0,40}signature"
    r"|bound to a different conversation|must contain thinking|expected `?(?:redacted_)?thinking`?",
    re.IGNORECASE | re.DOTALL,
)
_STRICT = re.compile(
    r"too many strict tools|compiled grammar is too large|schemas? contains? too many optional parameters",
    re.IGNORECASE,
)
_RESETS = ("requests", "tokens", "input-tokens", "output-tokens")

_FIELD = re.compile(r"([a-z_]+)[.:]")
_PARAMS = {
    "max_tokens": "max_output_tokens",
    "messages": "input",
    "metadata": "safety_identifier",
    "model": "model",
    "output_config": "text",
    "service_tier": "service_tier",
    "stop_sequences": "stop",
    "system": "instructions",
    "temperature": "temperature",
    "thinking": "reasoning",
    "tool_choice": "tool_choice",
    "tools": "tools",
    "top_p": "top_p",
}
"""What the client calls the field that an error begins with."""


class _Said(msgspec.Struct):
    status: int
    type: str
    message: str
    reason: str | None = None  # `details.error_code`


class _Meaning(msgspec.Struct, frozen=True):
    """What one kind of error becomes. `ours`: it is about how Penstock is set up, and tells the client no more."""

    status: int
    type: str
    code: str | None
    retry_same: bool = False
    fail_over: bool = False
    ours: bool = False


def _is_context(said: _Said) -> bool:
    if said.status not in (400, 413):
        return False
    return is_context_overflow(said.message) or bool(_PROMPT_LENGTH.search(said.message))


def _is_spent(said: _Said) -> bool:
    if said.status == 402 or said.reason in _SPENT_CODES:
        return True
    return said.status in (400, 403, 429) and bool(_SPENT.search(said.message))


def _is_model(said: _Said) -> bool:
    return said.status == 404 and "model" in said.message.lower()


def _is_busy(said: _Said) -> bool:
    return said.status in (503, 529) or (said.status >= 500 and is_overloaded(said.message))


def _bad(pattern: re.Pattern[str]) -> Callable[[_Said], bool]:
    return lambda said: said.status == 400 and bool(pattern.search(said.message))


def _status_is(*statuses: int) -> Callable[[_Said], bool]:
    return lambda said: said.status in statuses


_BAD = "invalid_request_error"

_TABLE: tuple[tuple[Callable[[_Said], bool], _Meaning], ...] = (
    (_is_context, _Meaning(400, _BAD, "context_length_exceeded")),
    (_is_spent, _Meaning(429, "insufficient_quota", "insufficient_quota", fail_over=True)),
    (_bad(_THINKING), _Meaning(400, _BAD, INVALID_THINKING, retry_same=True)),
    (_bad(_STRICT), _Meaning(400, _BAD, INVALID_STRICT, retry_same=True)),
    (_status_is(401, 403, 407), _Meaning(502, "server_error", "upstream_auth", fail_over=True, ours=True)),
    (_is_model, _Meaning(404, _BAD, "model_not_found", fail_over=True)),
    (_status_is(404, 405, 410), _Meaning(502, "server_error", "upstream_error", fail_over=True, ours=True)),
    (_status_is(409), _Meaning(409, _BAD, None, retry_same=True, fail_over=True)),
    (_status_is(413), _Meaning(413, _BAD, "request_too_large")),
    (_status_is(429), _Meaning(429, "rate_limit_error", "rate_limit_exceeded", retry_same=True, fail_over=True)),
    (_is_busy, _Meaning(503, "server_error", "overloaded", retry_same=True, fail_over=True)),
    (_status_is(408, 504), _Meaning(504, "server_error", "timeout", retry_same=True, fail_over=True)),
    (lambda said: said.status < 400, _Meaning(502, "server_error", "upstream_error", fail_over=True, ours=True)),
    (lambda said: said.status < 500, _Meaning(400, _BAD, None)),
    (lambda said: True, _Meaning(502, "server_error", "server_error", retry_same=True, fail_over=True)),
)
"""The first row that fits counts."""


def refused(
    upstream: str, status: int, headers: Mapping[str, str], body: bytes, *, advice: str = "check its api_key"
) -> UpstreamRefused:
    """Returns the error for an answer with an error status (or any status but 2xx) of the upstream of that name.

    `advice` is what to do when the upstream takes us for nobody.
    """
    general = read_error(status, body)
    said = _Said(status, general.type or "", general.message, _reason(body))
    meaning = _meaning(said)
    error = UpstreamRefused(
        _words(upstream, said, meaning, advice),
        code=meaning.code,
        status=meaning.status,
        type=meaning.type,
        param=_param(said, meaning),
        retry_after_s=_retry_after(headers, said, meaning),
    )
    if meaning.code is None:
        error.code = None
    error.upstream = upstream
    error.upstream_status = status
    error.retry_same = meaning.retry_same and headers.get("x-should-retry", "").lower() != "false"
    error.fail_over = meaning.fail_over
    return error


def stream_error(error: Any) -> UpstreamStreamError:
    """Returns the error for the error object of a stream; `status` is what it would have been before the stream."""
    fields = error if isinstance(error, dict) else {"message": error}
    kind, message = fields.get("type"), fields.get("message")
    kind = kind if isinstance(kind, str) else ""
    text = message if isinstance(message, str) and message else "The upstream reported an error without a message."
    said = _Said(_STATUS_OF_TYPE.get(kind, 500), kind, text)
    meaning = _meaning(said)
    code = meaning.code if meaning.code not in (None, "upstream_error", "upstream_auth") else "server_error"
    if meaning.ours:
        text = "The upstream does not accept how it was asked."
    result = UpstreamStreamError(strip_secrets(text), code=code, status=meaning.status)
    result.type = meaning.type
    return result


def _meaning(said: _Said) -> _Meaning:
    return next(meaning for fits, meaning in _TABLE if fits(said))


def _words(upstream: str, said: _Said, meaning: _Meaning, advice: str) -> str:
    """Returns the message for the client."""
    answered = f'upstream "{upstream}" answered {said.status}'
    if meaning.code == "upstream_auth":
        return f"{answered}: {advice}"
    if meaning.ours:
        return f"{answered}: check its base_url"
    return strip_secrets(said.message) if said.message else answered


def _param(said: _Said, meaning: _Meaning) -> str | None:
    if meaning.code == "model_not_found":
        return "model"
    field = _FIELD.match(said.message) if meaning.status == 400 else None
    return _PARAMS.get(field[1]) if field is not None else None


def _reason(body: bytes) -> str | None:
    """Returns `error.details.error_code`, which tells a spent limit from a rate."""
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    for name in ("error", "details", "error_code"):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _retry_after(headers: Mapping[str, str], said: _Said, meaning: _Meaning) -> float | None:
    """Returns how long to wait, in seconds; at once where the next request is another one."""
    if meaning.code in (INVALID_THINKING, INVALID_STRICT):
        return 0.0
    if meaning.status not in (429, 503):
        return None
    asked = asked_wait_s(headers)
    if asked is not None or said.status != 429:
        return asked
    at = _reset(headers)
    return None if at is None else wait_until_s(at)


def _reset(headers: Mapping[str, str]) -> float | None:
    """Returns when the last of the limits that are used up is full again, in Unix seconds."""
    times = [
        at
        for name in _RESETS
        if headers.get(f"anthropic-ratelimit-{name}-remaining", "").strip() == "0"
        and (at := _iso_date(headers.get(f"anthropic-ratelimit-{name}-reset", ""))) is not None
    ]
    return max(times, default=None)


def _iso_date(value: str) -> float | None:
    try:
        return datetime.fromisoformat(value.strip()).timestamp()
    except (ValueError, OverflowError):
        return None
