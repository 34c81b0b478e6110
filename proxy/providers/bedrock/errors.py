"""Maps the errors of Bedrock to the tree of errors, by one table, before the stream and inside it.

What went wrong is named by a type (`ThrottlingException`), in a header or the body of an answer, or as the name of a
message of the stream, which has no status: its type says which one it would have had (wire reference, section 8.8).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ...errors import UpstreamRefused, UpstreamStreamError
from ..anthropic.errors import INVALID_STRICT, INVALID_THINKING
from ..chat.wording import is_content_policy, is_context_overflow, is_overloaded, strip_secrets
from ..waits import asked_wait_s

_STATUS_OF_KIND = {
    "accessdenied": 403,
    "internalserver": 500,
    "modelerror": 424,
    "modelnotready": 429,
    "modelstreamerror": 424,
    "modeltimeout": 408,
    "resourcenotfound": 404,
    "servicequotaexceeded": 400,
    "serviceunavailable": 503,
    "throttling": 429,
    "validation": 400,
}
_EXPIRED = frozenset(("expiredtoken", "requestexpired", "requesttimetooskewed"))
_SIGNATURE = frozenset(("invalidsignature", "signaturedoesnotmatch", "incompletesignature"))
_UNKNOWN = frozenset(
    ("unrecognizedclient", "invalidclienttokenid", "missingauthenticationtoken", "missingauthenticationtokenexception")
)
STALE = _EXPIRED | _SIGNATURE | _UNKNOWN
"""Kinds that other credentials, or another clock, may mend."""

_CONTEXT = re.compile(
    r"input is too long|prompt is too long|too many input tokens|expected maxlength|input length and `?max_tokens`?"
    r"|exceeds? the maximum (?:input|number of)(?: \w+)? tokens|context (?:length|window)",
    re.IGNORECASE,
)
_MODEL = re.compile(
    r"model identifier is invalid|on-demand throughput isn.t supported|model.{0,40}(?:end of its life|is legacy)"
    r"|could not resolve the foundation model|model.{0,60}not found|model isn.t supported",
    re.IGNORECASE | re.DOTALL,
)
_DAILY = re.compile(r"tokens per day|per day", re.IGNORECASE)
_THINKING = re.compile(
    r"invalid\b.{0,80}signature.{0,80}thinking|thinking.{0,80}invalid\b.{0,40}signature"
    r"|bound to a different conversation|must contain thinking|expected `?(?:redacted_)?thinking`?",
    re.IGNORECASE | re.DOTALL,
)
_STRICT = re.compile(
    r"too many strict tools|compiled grammar is too large|schemas? contains? too many optional parameters",
    re.IGNORECASE,
)
_OURS = ((re.compile(r"arn:aws[^\s\"',)]*"), "(arn)"), (re.compile(r"\b\d{12}\b"), "***"))
_FIELDS = (
    (re.compile(r"max_?tokens", re.IGNORECASE), "max_output_tokens"),
    (re.compile(r"temperature", re.IGNORECASE), "temperature"),
    (re.compile(r"top_?p\b", re.IGNORECASE), "top_p"),
    (re.compile(r"stop_?sequences", re.IGNORECASE), "stop"),
    (re.compile(r"tool_?choice", re.IGNORECASE), "tool_choice"),
    (re.compile(r"toolConfig|tools\.\d|tool use is not supported|doesn't support tool", re.IGNORECASE), "tools"),
    (re.compile(r"output_?config|textFormat", re.IGNORECASE), "text"),
    (re.compile(r"serviceTier"), "service_tier"),
    (re.compile(r"\bmessages\b"), "input"),
    (re.compile(r"\bsystem\b"), "instructions"),
)
"""What the client calls the field that an error names."""


class _Said(msgspec.Struct):
    status: int
    kind: str
    message: str


class _Meaning(msgspec.Struct, frozen=True):
    """What one kind of error becomes. `ours`: it is about how Penstock is set up, and tells the client no more."""

    status: int
    type: str
    code: str | None
    retry_same: bool = False
    fail_over: bool = False
    ours: bool = False


class _Body(msgspec.Struct):
    """The forms an error's body has."""

    message: Any = None
    upper: Any = msgspec.field(default=None, name="Message")
    type: Any = msgspec.field(default=None, name="__type")
    code: Any = None
    original: Any = msgspec.field(default=None, name="originalStatusCode")


_decode_body = msgspec.json.Decoder(_Body).decode


def _is_context(said: _Said) -> bool:
    return said.status in (400, 413, 424) and (is_context_overflow(said.message) or bool(_CONTEXT.search(said.message)))


def _is_model(said: _Said) -> bool:
    return said.kind == "resourcenotfound" or (said.status in (400, 404) and bool(_MODEL.search(said.message)))


def _is_auth(said: _Said) -> bool:
    return said.status in (401, 403, 407) or said.kind in STALE


def _is_daily(said: _Said) -> bool:
    return said.kind == "throttling" and bool(_DAILY.search(said.message))


def _is_busy(said: _Said) -> bool:
    return (
        said.kind in ("modelnotready", "serviceunavailable")
        or said.status == 503
        or (said.status >= 500 and is_overloaded(said.message))
    )


def _kind(*kinds: str) -> Callable[[_Said], bool]:
    return lambda said: said.kind in kinds


def _status(*statuses: int) -> Callable[[_Said], bool]:
    return lambda said: said.status in statuses


def _bad(pattern: re.Pattern[str]) -> Callable[[_Said], bool]:
    return lambda said: said.status == 400 and bool(pattern.search(said.message))


_BAD = "invalid_request_error"
_SERVER = "server_error"
_LIMIT = _Meaning(429, "rate_limit_error", "rate_limit_exceeded", retry_same=True, fail_over=True)

_TABLE: tuple[tuple[Callable[[_Said], bool], _Meaning], ...] = (
    (_kind("servicequotaexceeded"), _Meaning(429, "insufficient_quota", "insufficient_quota", fail_over=True)),
    (_is_auth, _Meaning(502, _SERVER, "upstream_auth", fail_over=True, ours=True)),
    (_is_context, _Meaning(400, _BAD, "context_length_exceeded")),
    (_bad(_THINKING), _Meaning(400, _BAD, INVALID_THINKING, retry_same=True)),
    (_bad(_STRICT), _Meaning(400, _BAD, INVALID_STRICT, retry_same=True)),
    (_is_model, _Meaning(404, _BAD, "model_not_found", fail_over=True)),
    (_is_daily, _Meaning(429, "rate_limit_error", "rate_limit_exceeded", fail_over=True)),
    (_is_busy, _Meaning(503, _SERVER, "overloaded", retry_same=True, fail_over=True)),
    (lambda said: said.status == 429 or said.kind in ("throttling", "toomanyrequests"), _LIMIT),
    (_status(408, 504), _Meaning(504, _SERVER, "timeout", retry_same=True, fail_over=True)),
    (_status(424), _Meaning(502, _SERVER, "server_error", retry_same=True, fail_over=True)),
    (lambda said: said.status == 400 and is_content_policy(said.message), _Meaning(400, _BAD, "content_filter")),
    (_status(413), _Meaning(413, _BAD, "request_too_large")),
    (_status(404, 405, 410), _Meaning(502, _SERVER, "upstream_error", fail_over=True, ours=True)),
    (lambda said: said.status < 400, _Meaning(502, _SERVER, "upstream_error", fail_over=True, ours=True)),
    (lambda said: said.status < 500, _Meaning(400, _BAD, None)),
    (lambda said: True, _Meaning(502, _SERVER, "server_error", retry_same=True, fail_over=True)),
)
"""The first row that fits counts."""


def kind_of(headers: Mapping[str, str], body: bytes) -> str:
    """Returns the type of an error answer, in lower case and without `Exception`; "" when it says none."""
    return _named(headers.get("x-amzn-errortype", "")) or _read(body)[1]


def refused(
    upstream: str, status: int, headers: Mapping[str, str], body: bytes, *, advice: str = "check its credentials"
) -> UpstreamRefused:
    """Returns the error for an answer with an error status (or any status but 2xx) of the upstream of that name.

    `advice` is what to do when the upstream takes us for nobody.
    """
    message, _, original = _read(body)
    said = _Said(status, kind_of(headers, body), message)
    meaning = _meaning(said, original)
    error = UpstreamRefused(
        _words(upstream, said, meaning, advice),
        code=meaning.code,
        status=meaning.status,
        type=meaning.type,
        param=_param(said, meaning),
        retry_after_s=_retry_after(headers, meaning),
    )
    if meaning.code is None:
        error.code = None
    error.upstream = upstream
    error.upstream_status = status
    error.retry_same = meaning.retry_same
    error.fail_over = meaning.fail_over
    return error


def stream_error(kind: str, body: bytes) -> UpstreamStreamError:
    """Returns the error for an exception in a stream; `status` is what it would have been before the stream."""
    message, _, original = _read(body)
    name = _named(kind)
    said = _Said(_STATUS_OF_KIND.get(name, 500), name, message)
    meaning = _meaning(said, original)
    code = meaning.code if meaning.code not in (None, "upstream_error", "upstream_auth") else "server_error"
    text = message or "The upstream reported an error without a message."
    if meaning.ours:
        text = "The upstream does not accept how it was asked."
    result = UpstreamStreamError(_clean(text), code=code, status=meaning.status)
    result.type = meaning.type
    return result


def _meaning(said: _Said, original: int | None) -> _Meaning:
    """Returns what an error means; of a model's own failure, what its own status says."""
    if said.status == 424 and original == 429:
        return _LIMIT
    return next(meaning for fits, meaning in _TABLE if fits(said))


def _words(upstream: str, said: _Said, meaning: _Meaning, advice: str) -> str:
    """Returns the message for the client."""
    answered = f'upstream "{upstream}" answered {said.status}'
    if meaning.code == "upstream_auth":
        if said.kind in _EXPIRED:
            return f"{answered}: its credentials have expired, or the clock here is wrong"
        if said.kind == "accessdenied":
            return f"{answered}: its account may not use this model; {advice}"
        return f"{answered}: {advice}"
    if meaning.ours:
        return f"{answered}: check its base_url and region"
    return _clean(said.message) if said.message else answered


def _clean(message: str) -> str:
    for pattern, instead in _OURS:
        message = pattern.sub(instead, message)
    return strip_secrets(message)


def _param(said: _Said, meaning: _Meaning) -> str | None:
    if meaning.code == "model_not_found":
        return "model"
    if meaning.status != 400 or meaning.code in ("context_length_exceeded", "content_filter"):
        return None
    return next((name for pattern, name in _FIELDS if pattern.search(said.message)), None)


def _read(body: bytes) -> tuple[str, str, int | None]:
    """Returns message, type and the model's own status of an error's body, as far as it says them."""
    try:
        said = _decode_body(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = body.decode("utf-8", "replace").strip()
        return "" if text[:1] in ("<", "{", "[") else text, "", None
    message = next((one for one in (said.message, said.upper) if isinstance(one, str)), "")
    kind = next((name for one in (said.type, said.code) if isinstance(one, str) and (name := _named(one))), "")
    return message, kind, said.original if isinstance(said.original, int) else None


def _named(type: str) -> str:
    """Returns a type as it is compared: `com.amazon.coral#ThrottlingException:http://...` is `throttling`."""
    return type.partition(":")[0].rpartition("#")[2].strip().lower().removesuffix("exception")


def _retry_after(headers: Mapping[str, str], meaning: _Meaning) -> float | None:
    """Returns how long to wait, in seconds, where that was said; at once where the next request is another one."""
    if meaning.code in (INVALID_THINKING, INVALID_STRICT):
        return 0.0
    return asked_wait_s(headers) if meaning.status in (429, 503) else None
