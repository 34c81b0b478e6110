"""Every error of the engine, in one tree.

    PenstockError
      ConfigError                  the file is wrong: before any traffic
        ConfigMissing              there is no such file, or it cannot be read
      ExchangeError                one request failed: carries HTTP status, type, code, param of the API's error object
        BadRequest                 400  the client's request cannot be served as it is
        Unauthorized               401
        Forbidden                  403
        NotFound                   404  path, response, item
        MethodNotAllowed           405
        RequestTooLarge            413
        UnsupportedMedia           415
        UpgradeRequired            426
        RateLimited                429  refused by a limit of ours
        Overloaded                 503  nothing can take the request now
        InternalError              500  a bug of ours
        ResponseCancelled               somebody asked for the response to be cancelled
        UpstreamError                   something below us failed
          UpstreamRefused               answered with an error status (mapped by the provider's table)
          UpstreamUnreachable      502  no connection: name, route, refusal, TLS
          UpstreamTimeout          504  one of the timeouts: connect, first byte, first token, idle, total
          UpstreamCut              502  the connection ended before the answer did
          UpstreamGarbled          502  bytes that are no HTTP, no SSE or no JSON
          UpstreamStreamError           an error object inside a stream that had begun

The `type` and `code` strings are OpenAI's own; clients such as Codex act on `code`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import msgspec

from .redact import hide

_MAX_MESSAGE = 2000  # characters

TimeoutPhase = Literal["connect", "pool", "first_byte", "first_token", "idle", "total"]


class PenstockError(Exception):
    """Base of all errors raised by Penstock."""


class Problem(msgspec.Struct, frozen=True, order=True):
    """One mistake in a file: where it is, what was found, what to do about it. `line` and `column` count from 1."""

    file: str
    line: int
    column: int
    what: str
    fix: str = ""
    warning: bool = False

    def __str__(self) -> str:
        mark = "warning: " if self.warning else ""
        fix = f"   ({self.fix})" if self.fix else ""
        return f"{self.file}:{self.line}:{self.column}: {mark}{self.what}{fix}"


class ConfigError(PenstockError):
    """The configuration cannot be used; `problems` lists every mistake found, sorted by line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


class ConfigMissing(ConfigError):
    """The file is not there, or cannot be read."""


class ExchangeError(PenstockError):
    """One request failed. Renders as the API's error object `{message, type, param, code}` under `status`."""

    status: int = 500
    type: str = "server_error"
    code: str | None = None
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        status: int | None = None,
        type: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        message = hide(message)  # an upstream may repeat the key that it was sent
        if len(message) > _MAX_MESSAGE:  # messages quote what clients and upstreams have sent
            message = message[: _MAX_MESSAGE - 1] + "…"
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status
        if type is not None:
            self.type = type

    def to_dict(self) -> dict[str, str | None]:
        """Returns the four keys of the API's error object."""
        return {"message": self.message, "type": self.type, "param": self.param, "code": self.code}


class BadRequest(ExchangeError):
    """The client's request cannot be served as it is (400)."""

    status = 400
    type = "invalid_request_error"


class Unauthorized(ExchangeError):
    """No key, or a wrong one (401)."""

    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"


class Forbidden(ExchangeError):
    """A good key that may not do this (403)."""

    status = 403
    type = "invalid_request_error"


class NotFound(ExchangeError):
    """No such path, response or item (404)."""

    status = 404
    type = "invalid_request_error"


class MethodNotAllowed(ExchangeError):
    """The path exists, but not for this method (405)."""

    status = 405
    type = "invalid_request_error"


class RequestTooLarge(ExchangeError):
    """The request's body is over the limit, as sent or after decoding (413)."""

    status = 413
    type = "invalid_request_error"
    code = "request_too_large"


class UnsupportedMedia(ExchangeError):
    """A content type or content encoding that is not served (415)."""

    status = 415
    type = "invalid_request_error"
    code = "unsupported_content_type"


class UpgradeRequired(ExchangeError):
    """A WebSocket upgrade that is not served (426); clients fall back to HTTP on it."""

    status = 426
    type = "invalid_request_error"


class RateLimited(ExchangeError):
    """Over a limit that Penstock itself enforces (429)."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class Overloaded(ExchangeError):
    """Nothing can take the request at the moment (503)."""

    status = 503
    code = "overloaded"


class InternalError(ExchangeError):
    """A fault of Penstock's own (500)."""

    status = 500
    code = "server_error"


class ResponseCancelled(ExchangeError):
    """Somebody with the right to it has cancelled the response: no failure, and no error for its client."""

    code = "cancelled"


class UpstreamError(ExchangeError):
    """Something below Penstock failed. `upstream` is its name in the file, `upstream_status` its HTTP status if any."""

    status = 502
    code: str | None = "upstream_error"
    upstream: str | None = None
    upstream_status: int | None = None
    retryable = True


class UpstreamRefused(UpstreamError):
    """The upstream answered with an error status. `retry_same` tells whether the same deployment may be asked again."""

    retry_same: bool = False
    fail_over: bool = False


class UpstreamUnreachable(UpstreamError):
    """No connection could be made: name resolution, route, refusal or TLS (502)."""

    code = "upstream_unreachable"


class UpstreamTimeout(UpstreamError):
    """One of the timeouts of the upstream ran out (504)."""

    status = 504
    code = "timeout"

    def __init__(self, message: str, *, phase: TimeoutPhase) -> None:
        super().__init__(message)
        self.phase = phase


class UpstreamCut(UpstreamError):
    """The connection ended before the answer did. `before_bytes` when not one byte of the answer had come."""

    code = "server_error"

    def __init__(self, message: str, *, before_bytes: bool = False) -> None:
        super().__init__(message)
        self.before_bytes = before_bytes


class UpstreamGarbled(UpstreamError):
    """The upstream sent bytes that are no HTTP, no SSE or no JSON."""

    code = "server_error"


class UpstreamStreamError(UpstreamError):
    """An error object inside a stream that had already begun with status 200."""

    code = "server_error"
