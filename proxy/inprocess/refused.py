"""Answers that are refusals, as the exceptions they stand for."""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import (
    BadRequest,
    ExchangeError,
    Forbidden,
    NotFound,
    Overloaded,
    RateLimited,
    RequestTooLarge,
    Unauthorized,
)
from ..reply import Reply

_BY_STATUS: dict[int, type[ExchangeError]] = {
    kind.status: kind
    for kind in (BadRequest, Unauthorized, Forbidden, NotFound, RequestTooLarge, RateLimited, Overloaded)
}


class _Error(msgspec.Struct, frozen=True):
    message: str | None = None
    type: str | None = None
    param: str | None = None
    code: Any = None


class _Body(msgspec.Struct):
    error: _Error = _Error()


def raise_refusal(reply: Reply) -> None:
    """Raises the error that a reply stands for, if it does; a stage may have written its body by itself."""
    if reply.error is not None:
        raise reply.error
    if reply.status < 400:
        return
    try:
        said = msgspec.json.decode(reply.body, type=_Body).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        said = _Error()
    kind = _BY_STATUS.get(reply.status, ExchangeError)
    raise kind(
        said.message or f"The request was refused with status {reply.status}.",
        status=reply.status,
        type=said.type,
        code=None if said.code is None else str(said.code),
        param=said.param,
    )
