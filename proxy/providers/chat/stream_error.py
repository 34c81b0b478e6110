"""Finds and reads the error objects that chat upstreams send inside a stream or body of status 200."""

from __future__ import annotations

import json
import re
from typing import Any

from ...errors import UpstreamStreamError
from .surrogates import load
from .wording import is_content_policy, is_context_overflow, is_overloaded, strip_secrets

_CODE = re.compile(r"[a-z][a-z0-9_]{2,63}")  # a word of the provider's own; numbers mean nothing to clients
_MAX_MESSAGE = 16_384  # characters that are looked at
_UNAVAILABLE = frozenset((502, 503, 504, 529))


def error_in(payload: bytes) -> Any:
    """Returns the error that a payload without choices holds outside its `error` field, or None.

    Seen: `{"object": "error", "message": ...}`, `{"message", "type", "code"}`, `{"detail": ...}`.
    """
    obj = load(payload)
    if not isinstance(obj, dict) or obj.get("choices"):
        return None
    if obj.get("object") == "error" or (isinstance(obj.get("message"), str) and ("code" in obj or "type" in obj)):
        return obj
    return obj.get("detail")


def stream_error(error: Any) -> UpstreamStreamError:
    """Returns the error for an error object of any shape, with the code that clients act on.

    `status` is what the error would have been before the stream, for an answer of which nothing was sent yet.
    """
    fields = error if isinstance(error, dict) else {"message": error}
    inner = fields.get("error")
    if isinstance(inner, dict):
        fields = inner
    elif isinstance(inner, str) and inner:
        fields = {**fields, "message": inner}
    message = _message(fields) or _plain(error) or "The upstream reported an error without a message."
    message = message[:_MAX_MESSAGE]
    code, status = _classify(fields, message)
    result = UpstreamStreamError(strip_secrets(message), code=code, status=status)
    if status == 400 or status == 404:
        result.type = "invalid_request_error"
    elif status == 429:
        result.type = "insufficient_quota" if code == "insufficient_quota" else "rate_limit_error"
    return result


def _message(fields: dict[str, Any]) -> str:
    for name in ("message", "detail"):
        value = fields.get(name)
        if isinstance(value, str) and value.strip():
            return value
    return ""


def _plain(error: Any) -> str:
    """Returns an error object without a message as JSON; nothing for one that says nothing."""
    if not error or (isinstance(error, dict) and not any(error.values())):
        return ""
    try:
        return json.dumps(error, ensure_ascii=False)
    except RecursionError:
        return ""


def _classify(fields: dict[str, Any], message: str) -> tuple[str, int]:
    """Returns the API's code, and the HTTP status that goes with it."""
    said = fields.get("code")
    number = _status(said) or _status(fields.get("status")) or _status(fields.get("status_code"))
    kind = fields.get("type")
    words = {one for one in (said, kind) if isinstance(one, str)}
    if "context_length_exceeded" in words or is_context_overflow(message):
        return "context_length_exceeded", 400
    if "insufficient_quota" in words:
        return "insufficient_quota", 429
    if number == 429 or words & {"rate_limit_exceeded", "rate_limit_error", "too_many_requests"}:
        return "rate_limit_exceeded", 429
    if words & {"content_filter", "content_policy_violation", "invalid_prompt"} or is_content_policy(message):
        return "invalid_prompt", 400
    code = said if isinstance(said, str) and _CODE.fullmatch(said) else "server_error"
    if number == 404 or "model_not_found" in words:
        return code, 404
    if number in _UNAVAILABLE or is_overloaded(message):
        return code, 503 if number != 504 else 504
    if number is not None and 400 <= number < 500 and number not in (401, 402, 403, 408):
        return code, 400
    return code, 502


def _status(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600 else None
