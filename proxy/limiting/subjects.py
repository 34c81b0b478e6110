"""Whose requests are counted together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from ..errors import BadRequest

if TYPE_CHECKING:
    from ..exchange import Exchange

Per = Literal["key", "team", "user", "end_user", "model", "ip"]

_MOST = 64  # characters of a name; longer ones are told apart by a digest
_WHOSE = {
    "key": "your API key",
    "team": "your team",
    "user": "your user",
    "end_user": "this end user",
    "model": "this model",
    "ip": "your address",
}


def subject_of(exchange: Exchange, per: Sequence[Per]) -> str:
    """Returns the name of what an exchange is counted under: `key=alice`, `team=research model=gpt-5`."""
    if len(per) == 1:
        return _key(exchange) if per[0] == "key" else _one(exchange, per[0])
    return " ".join([_one(exchange, one) for one in per])


def whose(per: Sequence[Per]) -> str:
    """Returns what a message calls the subject; no name is in it, for it may be another one's."""
    return " and ".join(_WHOSE[one] for one in per)


def end_user_of(exchange: Exchange) -> str | None:
    """Returns the end user that a request names: `safety_identifier`, else `user`, else `user_id` of its metadata.

    The first is what OpenAI asks for today, the second what it asked for before, the third what Anthropic asks for.
    """
    request = exchange.request
    if request is None:
        return None
    fields = request.fields
    if "safety_identifier" not in fields and "user" not in fields and "metadata" not in fields:
        return None
    for name in ("safety_identifier", "user", "metadata"):
        if name not in fields:
            continue
        try:
            value = request.get(name)
        except BadRequest:
            continue
        if name == "metadata":
            value = value.get("user_id") if isinstance(value, dict) else None
        if isinstance(value, str) and value:
            return value
    return None


def _one(exchange: Exchange, per: Per) -> str:
    if per == "key":
        return _key(exchange)
    if per == "model":
        return f"model={_short(exchange.model or '')}"
    if per == "end_user" and (name := end_user_of(exchange)) is not None:
        return f"{_key(exchange)} end_user={_short(name)}"
    if per in ("team", "user") and (name := _owner(exchange, per)) is not None:
        return f"{per}={_short(name)}"
    return f"ip={exchange.client.address}" if per == "ip" else _key(exchange)


def _key(exchange: Exchange) -> str:
    key = exchange.key
    return f"ip={exchange.client.address}" if key is None else "key=" + _short(key.id)


def _owner(exchange: Exchange, per: Per) -> str | None:
    """Returns the team or the user of a key: what it says of each, else its owner, which may be either."""
    key = exchange.key
    if key is None:
        return None
    return (key.team if per == "team" else key.user) or key.owner


@lru_cache(maxsize=4096)
def _short(name: str) -> str:
    """Returns a name that fits in a counter's, and cannot be taken for several."""
    if len(name) <= _MOST and name.isprintable() and " " not in name:
        return name
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{''.join(one if one.isprintable() and one != ' ' else '_' for one in name[:40])}~{digest}"
