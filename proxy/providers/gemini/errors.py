"""Maps Google's errors to the tree of errors, by one table: answers with an error status, and errors inside a stream.

All have the form `{"error": {"code": 429, "message": ..., "status": "RESOURCE_EXHAUSTED", "details": [...]}}`, now and
then in an array of one. `status` is what happened, by the names of gRPC; `details` say how long to wait and which
quota it was (wire reference, section 6.8).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ...errors import UpstreamRefused, UpstreamStreamError
from ..chat.surrogates import load
from ..chat.wording import is_content_policy, is_context_overflow, is_overloaded, strip_secrets
from ..waits import LONGEST_WAIT_S, asked_wait_s

INVALID_SIGNATURE = "invalid_encrypted_content"
"""Code of a request whose earlier signatures the upstream does not take: asked again, they are left out."""

_NUMBERS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_BAD_KEY = re.compile(r"api[ _]key (?:not valid|not found|expired)|API_KEY_INVALID|missing api key", re.IGNORECASE)
_KEY_REASONS = frozenset(("API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "ACCESS_TOKEN_EXPIRED", "CREDENTIALS_MISSING"))
_PLACE = re.compile(r"user location is not supported|not available in your (?:country|region)", re.IGNORECASE)
_SIGNATURE = re.compile(r"thought[ _]?signature", re.IGNORECASE)
_MODEL = re.compile(r"\bmodels?\b", re.IGNORECASE)
_HINT = re.compile(r"retry in (\d+(?:\.\d+)?)(ms|s)\b", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")
_PARAM_OF_CODE = {"model_not_found": "model", INVALID_SIGNATURE: "input"}
_PARAMS = (
    (re.compile(r"max_?output_?tokens", re.IGNORECASE), "max_output_tokens"),
    (re.compile(r"response_?(?:json_?)?schema|response_?mime_?type", re.IGNORECASE), "text.format"),
    (re.compile(r"thinking_?(?:config|budget|level)", re.IGNORECASE), "reasoning.effort"),
    (re.compile(r"generation_?config\.(temperature|top_?p)", re.IGNORECASE), ""),
    (re.compile(r"function_?declarations|\btools\[|\btool_?config", re.IGNORECASE), "tools"),
    (re.compile(r"system_?instruction", re.IGNORECASE), "instructions"),
    (re.compile(r"\bcontents\b|\bcontents\[", re.IGNORECASE), "input"),
)
"""Which parameter of the client a message of Google's is about; "" for the one that the pattern has found."""


class Said(msgspec.Struct):
    """What an error says. `number` is the HTTP status; `reasons` are those of its details, and `quotas` their ids."""

    number: int
    status: str = ""
    message: str = ""
    reasons: frozenset[str] = frozenset()
    quotas: tuple[str, ...] = ()
    retry_s: float | None = None


def read_error(error: Any, number: int | None = None) -> Said:
    """Returns what a decoded error says, wrapped or not; `number` is the status of the HTTP answer it came with."""
    if isinstance(error, list):
        error = error[0] if error else None
    if isinstance(error, dict) and isinstance(error.get("error"), (dict, str)):
        error = error["error"]
    if not isinstance(error, dict):
        return Said(number or 500, message=error if isinstance(error, str) else "")
    code, status = error.get("code"), error.get("status")
    status = status if isinstance(status, str) else ""
    if number is None and isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600:
        number = code
    said = Said(number or _NUMBERS.get(status, 500), status)
    if isinstance(error.get("message"), str):
        said.message = error["message"].strip()
    _read_details(error.get("details"), said)
    return said


def _read_details(details: Any, said: Said) -> None:
    """Takes the reasons, the quotas and the time to wait from the details."""
    reasons: list[str] = []
    quotas: list[str] = []
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict):
            continue
        if isinstance(detail.get("reason"), str):
            reasons.append(detail["reason"])
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and (found := _DURATION.fullmatch(delay)):
            said.retry_s = float(found[1])
        violations = detail.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict) and isinstance(violation.get("quotaId"), str):
                quotas.append(f"{violation['quotaId']}={violation.get('quotaValue')}")
    said.reasons = frozenset(reasons)
    said.quotas = tuple(quotas)


def _is_context(said: Said) -> bool:
    return said.number == 413 or (said.number in (400, 422, 500) and is_context_overflow(said.message))


def _is_quota(said: Said) -> bool:
    """Tells whether waiting for a minute is of no use: the day's quota is spent, or there was none."""
    return said.number == 429 and any("PerDay" in quota or quota.endswith("=0") for quota in said.quotas)


def _is_auth(said: Said) -> bool:
    if said.number in (401, 402, 403, 407) or said.reasons & _KEY_REASONS:
        return True
    return said.number == 400 and bool(_BAD_KEY.search(said.message))


def _is_account(said: Said) -> bool:
    return said.status == "FAILED_PRECONDITION" or bool(_PLACE.search(said.message))


def _is_model(said: Said) -> bool:
    return said.number == 404 and bool(_MODEL.search(said.message))


def _is_signature(said: Said) -> bool:
    return said.number == 400 and bool(_SIGNATURE.search(said.message))


def _is_policy(said: Said) -> bool:
    return said.number in (400, 422) and is_content_policy(said.message)


def _is_busy(said: Said) -> bool:
    return said.number in (503, 529) or (said.number >= 500 and is_overloaded(said.message))


def _number_is(*numbers: int) -> Callable[[Said], bool]:
    return lambda said: said.number in numbers


class _Meaning(msgspec.Struct, frozen=True):
    """What one kind of error becomes. `ours` when it is about how Penstock is set up: then the words are Penstock's."""

    status: int
    type: str
    code: str | None
    retry_same: bool = False
    fail_over: bool = False
    ours: str = ""


_TABLE: tuple[tuple[Callable[[Said], bool], _Meaning], ...] = (
    (_is_context, _Meaning(400, "invalid_request_error", "context_length_exceeded")),
    (_is_quota, _Meaning(429, "insufficient_quota", "insufficient_quota", fail_over=True)),
    (_is_auth, _Meaning(502, "server_error", "upstream_auth", fail_over=True, ours="{advice}")),
    (_is_account, _Meaning(502, "server_error", "upstream_auth", fail_over=True, ours="check its billing and region")),
    (_is_model, _Meaning(404, "invalid_request_error", "model_not_found", fail_over=True)),
    (_is_signature, _Meaning(400, "invalid_request_error", INVALID_SIGNATURE, retry_same=True)),
    (_is_policy, _Meaning(400, "invalid_request_error", "content_filter")),
    (_number_is(429), _Meaning(429, "rate_limit_error", "rate_limit_exceeded", retry_same=True, fail_over=True)),
    (_is_busy, _Meaning(503, "server_error", "overloaded", retry_same=True, fail_over=True)),
    (_number_is(408, 504), _Meaning(504, "server_error", "timeout", fail_over=True)),
    (_number_is(499), _Meaning(502, "server_error", "server_error", fail_over=True)),
    (_number_is(404, 405, 410, 501), _Meaning(502, "server_error", "upstream_error", fail_over=True, ours="{address}")),
    (_number_is(409, 425), _Meaning(502, "server_error", "upstream_error", retry_same=True, fail_over=True)),
    (lambda said: said.number < 400, _Meaning(502, "server_error", "upstream_error", fail_over=True, ours="{address}")),
    (lambda said: said.number < 500, _Meaning(400, "invalid_request_error", None)),
    (lambda said: True, _Meaning(502, "server_error", "upstream_error", retry_same=True, fail_over=True)),
)
"""The first row that fits counts."""


def _meaning(said: Said) -> _Meaning:
    return next(meaning for fits, meaning in _TABLE if fits(said))


def refused(
    upstream: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    advice: str = "check its api_key",
    address: str = "check its base_url",
) -> UpstreamRefused:
    """Returns the error for an answer with any status but 2xx of the upstream of that name.

    `advice` is what to do when the upstream takes us for nobody, `address` when it does not know the place.
    """
    value = load(body.strip())
    said = read_error(value if isinstance(value, (dict, list)) else None, status)
    meaning = _meaning(said)
    answered = f'upstream "{upstream}" answered {status}'
    words = strip_secrets(said.message) or answered
    if meaning.ours:
        words = f"{answered}: {meaning.ours.format(advice=advice, address=address)}"
    error = UpstreamRefused(words, status=meaning.status, type=meaning.type, param=_param(said, meaning))
    error.code = meaning.code
    error.upstream = upstream
    error.upstream_status = status
    error.retry_same = meaning.retry_same
    error.fail_over = meaning.fail_over
    if meaning.status in (429, 503):
        error.retry_after_s = _retry_after(headers, said)
    return error


def stream_error(error: Any) -> UpstreamStreamError:
    """Returns the error for an error object inside a stream, or in a body, of status 200.

    Its status is what it would have been before the stream, for an answer of which nothing was sent yet.
    """
    said = read_error(error)
    meaning = _meaning(said)
    words = strip_secrets(said.message) or "The upstream reported an error without a message."
    code = meaning.code if meaning.code not in (None, "upstream_error", "upstream_auth") else "server_error"
    return UpstreamStreamError(words, status=meaning.status, type=meaning.type, code=code)


def _param(said: Said, meaning: _Meaning) -> str | None:
    """Returns the client's parameter that an error is about, as far as the message tells."""
    if meaning.code in _PARAM_OF_CODE:
        return _PARAM_OF_CODE[meaning.code]
    if meaning.status != 400 or meaning.code is not None:
        return None
    for pattern, param in _PARAMS:
        if found := pattern.search(said.message):
            return param or {"topp": "top_p"}.get(found[1].lower(), found[1].lower())
    return None


def _retry_after(headers: Mapping[str, str], said: Said) -> float | None:
    """Returns how long to wait, in seconds: by header, by the details, else from the text."""
    asked = asked_wait_s(headers)
    if asked is not None:
        return asked
    if said.retry_s is not None:
        return min(said.retry_s, LONGEST_WAIT_S)
    hint = _HINT.search(said.message)
    if hint is None:
        return None
    return min(float(hint[1]) * (0.001 if hint[2].lower() == "ms" else 1.0), LONGEST_WAIT_S)
