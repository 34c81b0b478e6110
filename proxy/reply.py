"""A finished answer that a stage or the engine gives instead of the upstream's."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from .errors import ExchangeError, RateLimited


class Reply(msgspec.Struct):
    """Status, headers and body of an answer made by Penstock itself; `error` when it is a refusal."""

    status: int
    body: bytes
    headers: dict[str, str] = {}
    error: ExchangeError | None = None

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Reply:
        """Returns a reply whose body is the value as JSON."""
        return cls(status, msgspec.json.encode(value), {"content-type": "application/json"})

    @classmethod
    def from_error(cls, error: ExchangeError) -> Reply:
        """Returns the API's error object for an error, with `retry-after` where waiting helps.

        Clients such as Codex give up at once on a 429 without a `retry-after` in whole seconds.
        """
        headers = {"content-type": "application/json"}
        if error.retry_after_s is not None:
            headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
        elif error.status == 429 and error.code != "insufficient_quota":
            headers["retry-after"] = "1"
        if error.code == "insufficient_quota":
            headers["x-should-retry"] = "false"
        return cls(error.status, msgspec.json.encode({"error": error.to_dict()}), headers, error)

    @classmethod
    def rate_limited(cls, message: str, retry_after_s: float, headers: dict[str, str] | None = None) -> Reply:
        """Returns a 429 with `retry-after`; `headers` may add the `x-ratelimit-*` family."""
        reply = cls.from_error(RateLimited(message, retry_after_s=retry_after_s))
        reply.headers.update(headers or {})
        return reply
