"""Maps error answers of chat upstreams to the tree of errors, by one table.

Servers wrap what they say in many ways (`Said` unwraps them) and mean the same few things by it (`_TABLE` says which).
The upstream's own words go to the client without keys and addresses; whose fault it is decides status and code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ...errors import UpstreamRefused
from ...redact import hide
from ..waits import LONGEST_WAIT_S, asked_wait_s
from .wording import is_content_policy, is_context_overflow, is_overloaded, strip_secrets

_HTML = re.compile(r"<(?:!doctype|html|head|body|center|h1)\b", re.IGNORECASE)
_BAD_KEY = re.compile(
    r"(?:incorrect|invalid|missing|no) (?:x-)?api[- _]?key|api key not valid|api_key_invalid|invalid authentication"
    r"|security token",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"model\b.{0,120}(?:does not exist|not found|not exist|is not supported)|(?:no such|unknown|invalid) model"
    r"|model identifier is invalid|deployment.{0,60}does not exist|^model: ",
    re.IGNORECASE | re.DOTALL,
)
_QUOTA_CODES = frozenset(("insufficient_quota", "billing_hard_limit_reached", "billing_not_active"))
_CONTEXT_CODES = frozenset(("context_length_exceeded", "exceed_context_size_error", "too_many_prompt_tokens"))
_MODEL_CODES = frozenset(("model_not_found", "deploymentnotfound", "unknown_model", "invalid_model"))
_POLICY_CODES = frozenset(("content_filter", "content_policy_violation", "moderation_blocked"))
_BUSY_CODES = frozenset(("overloaded", "overloaded_error", "server_is_overloaded", "slow_down", "unavailable_error"))
_PARAM = re.compile(r"[\w.\[\]-]{1,200}")
_HINT = re.compile(r"(?:try again|retry) (?:in|after) (\d+(?:\.\d+)?) ?(ms|s|seconds?|m|minutes?)\b", re.IGNORECASE)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}


class Said(msgspec.Struct):
    """What an error answer says, whatever its form. `words` are its code and type in lower case."""

    status: int
    message: str
    code: str | None = None
    type: str | None = None
    param: str | None = None
    words: frozenset[str] = frozenset()


def read_error(status: int, body: bytes) -> Said:
    """Returns what an error answer says. Seen: OpenAI's object, it alone, strings, lists, `detail`, HTML, nothing."""
    try:
        said: Any = msgspec.json.decode(body.strip())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Said(status, _plain(body))
    if isinstance(said, list) and said:
        said = said[0]
    fields = said if isinstance(said, dict) else {}
    error = fields.get("error", said)
    if isinstance(error, dict):
        fields = error
    message = _message(error, fields)
    code, kind, param = fields.get("code"), fields.get("type") or fields.get("status"), fields.get("param")
    words = frozenset(word.lower() for word in (code, kind) if isinstance(word, str))
    return Said(
        status,
        message,
        code if isinstance(code, str) and not code.isdecimal() else None,
        kind if isinstance(kind, str) else None,
        param if isinstance(param, str) else None,
        words,
    )


def _message(error: Any, fields: dict[str, Any]) -> str:
    """Returns the words of an error; a gateway's own words give way to those of the server behind it."""
    metadata = fields.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if isinstance(raw, str) and raw:
        return raw
    for value in (error, fields.get("message"), fields.get("detail"), fields.get("error"), fields.get("title")):
        if isinstance(value, str) and value:
            return value
        if isinstance(value, list) and value:
            return msgspec.json.encode(value).decode()
    return msgspec.json.encode(error).decode() if error else ""


def _plain(body: bytes) -> str:
    """Returns a text body; pages of a reverse proxy say nothing that a client could use."""
    text = body.decode("utf-8", "replace").strip()
    return "" if _HTML.search(text[:2000]) else text


def _is_context(said: Said) -> bool:
    if said.status == 413 or said.words & _CONTEXT_CODES:
        return True
    return said.status in (400, 422, 500) and is_context_overflow(said.message)


def _is_quota(said: Said) -> bool:
    return bool(said.words & _QUOTA_CODES)


def _is_auth(said: Said) -> bool:
    if said.status == 403 and _is_policy(said):
        return False
    return said.status in (401, 402, 403, 407) or (said.status == 400 and bool(_BAD_KEY.search(said.message)))


def _is_model(said: Said) -> bool:
    if said.status not in (400, 404, 422):
        return False
    return bool(said.words & _MODEL_CODES) or bool(_NO_MODEL.search(said.message))


def _is_policy(said: Said) -> bool:
    return bool(said.words & _POLICY_CODES) or (said.status in (400, 403, 422) and is_content_policy(said.message))


def _is_busy(said: Said) -> bool:
    if said.words & _BUSY_CODES or said.status in (503, 529):
        return True
    return said.status >= 500 and is_overloaded(said.message)


def _status_is(*statuses: int) -> Callable[[Said], bool]:
    return lambda said: said.status in statuses


class _Meaning(msgspec.Struct, frozen=True):
    """What one kind of error becomes. Without `code` the upstream's own is kept."""

    status: int
    type: str
    code: str | None
    retry_same: bool = False
    fail_over: bool = False
    ours: bool = False
    """Whether it is about how Penstock is set up; then the client is told only which upstream it was."""


_TABLE: tuple[tuple[Callable[[Said], bool], _Meaning], ...] = (
    (_is_context, _Meaning(400, "invalid_request_error", "context_length_exceeded")),
    (_is_quota, _Meaning(429, "insufficient_quota", "insufficient_quota", fail_over=True)),
    (_is_model, _Meaning(404, "invalid_request_error", "model_not_found", fail_over=True)),
    (_is_auth, _Meaning(502, "server_error", "upstream_auth", fail_over=True, ours=True)),
    (_is_policy, _Meaning(400, "invalid_request_error", "content_filter")),
    (_status_is(429), _Meaning(429, "rate_limit_error", "rate_limit_exceeded", retry_same=True, fail_over=True)),
    (_is_busy, _Meaning(503, "server_error", "overloaded", retry_same=True, fail_over=True)),
    (_status_is(408, 504), _Meaning(504, "server_error", "timeout", fail_over=True)),
    (_status_is(404, 405, 410), _Meaning(502, "server_error", "upstream_error", fail_over=True, ours=True)),
    (_status_is(409, 425), _Meaning(502, "server_error", "upstream_error", retry_same=True, fail_over=True)),
    (lambda said: said.status < 400, _Meaning(502, "server_error", "upstream_error", fail_over=True, ours=True)),
    (lambda said: said.status < 500, _Meaning(400, "invalid_request_error", None)),
    (lambda said: True, _Meaning(502, "server_error", "upstream_error", retry_same=True, fail_over=True)),
)
"""The first row that fits counts."""


def refused(
    upstream: str, status: int, headers: Mapping[str, str], body: bytes, *, advice: str = "check its api_key"
) -> UpstreamRefused:
    """Returns the error for an answer with an error status (or any status but 2xx) of the upstream of that name.

    `advice` is what to do when the upstream takes us for nobody.
    """
    said = read_error(status, body)
    meaning = next(meaning for fits, meaning in _TABLE if fits(said))
    error = UpstreamRefused(
        _words(upstream, said, meaning, advice),
        code=meaning.code,
        status=meaning.status,
        type=meaning.type,
        param="model" if meaning.code == "model_not_found" else _param(said, meaning),
        retry_after_s=_retry_after(headers, said) if meaning.status in (429, 503) else None,
    )
    if meaning.code is None:
        error.code = _code(said)
    error.upstream = upstream
    error.upstream_status = status
    error.retry_same = meaning.retry_same and headers.get("x-should-retry", "").lower() != "false"
    error.fail_over = meaning.fail_over
    return error


def _words(upstream: str, said: Said, meaning: _Meaning, advice: str) -> str:
    """Returns the message for the client."""
    answered = f'upstream "{upstream}" answered {said.status}'
    if meaning.code == "upstream_auth":
        return f"{answered}: {'check its account' if said.status == 402 else advice}"
    if meaning.ours:
        return f"{answered}: check its base_url"
    return strip_secrets(said.message) if said.message else answered


def _code(said: Said) -> str | None:
    return strip_secrets(said.code, 64) if said.code is not None else None


def _param(said: Said, meaning: _Meaning) -> str | None:
    """Returns the name of what is wrong; what could be no name is not told on."""
    named = meaning.status == 400 and said.param is not None and _PARAM.fullmatch(said.param) is not None
    return hide(said.param) if named and said.param is not None else None


def _retry_after(headers: Mapping[str, str], said: Said) -> float | None:
    """Returns how long to wait, in seconds: by header, else from the text."""
    asked = asked_wait_s(headers)
    if asked is not None:
        return asked
    hint = _HINT.search(said.message)
    if hint is None:
        return None
    unit = "ms" if hint[2].lower() == "ms" else hint[2][0].lower()
    return min(float(hint[1]) * _UNITS[unit], LONGEST_WAIT_S)
