"""The row of one exchange: who asked for what, who answered, how it ended, what was used and how long it took.

A row is made once an exchange, and much of it is the same in most of them: who asked for what, and who answered. That
part is cleaned and encoded once, and remembered. The fields of structs are given by their places: by their names they
take msgspec seven times as long.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from math import floor
from typing import Any

import msgspec

from ..errors import ExchangeError
from ..events import Usage
from ..exchange import Exchange
from ..limiting.subjects import end_user_of
from ..marks import GUARDRAIL
from ..redact import Cleaner, Parts, Remembered
from ..request import Fields, ModelRequest
from ..stage_times import own_s

_OWN_REQUEST = "req_"
_OWN_RESPONSES = ("resp_", "chatcmpl-")
"""How ids begin that are made by Penstock: all of responses are."""


class UsedRow(msgspec.Struct, gc=False):
    """Tokens that were used; `cached` is null where the upstream does not tell."""

    input: int
    cached: int | None
    output: int
    reasoning: int
    total: int
    estimated: bool


class AttemptRow(msgspec.Struct, gc=False):
    """One try on one deployment."""

    upstream: str
    model: str
    status: int | None
    error: str | None
    usage: UsedRow | None
    cost: float | None


class TimingRow(msgspec.Struct, gc=False):
    """How many milliseconds after the request had come something happened; `own` is what Penstock took of them."""

    upstream_sent: float | None
    upstream_head: float | None
    first_event: float | None
    total: float | None
    own: float | None


class AskedRow(msgspec.Struct):
    """The part of a row that is the same in many: who asked for what, and who answered. Null where unknown."""

    user_agent: str | None
    key: str | None
    owner: str | None
    team: str | None
    user: str | None
    dialect: str | None
    path: str
    model: str | None
    stream: bool | None
    upstream: str | None
    upstream_model: str | None


class EndedRow(msgspec.Struct, gc=False):
    """The part that is different in each. Null where unknown."""

    id: str
    response_id: str | None
    client: str
    end_user: str | None
    attempts: list[AttemptRow]
    status: int | None
    outcome: str | None
    kept: bool | None
    error: dict[str, Any] | None
    usage: UsedRow | None
    cost: float | None
    cost_estimated: bool | None
    timing_ms: TimingRow
    ignored: list[str]
    guardrail: list[Any]
    trace_id: str | None


class _Asked(msgspec.Struct):
    """A part that was made: cleaned and encoded, from its first field on up to the comma behind its last."""

    text: str
    upstream: str
    upstream_model: str
    attempt: str
    """How the attempt of that upstream begins, in a row."""


_FALSE = msgspec.Raw(b"false")
_NO_FIELDS: Fields = {}
_SHORT = 500
_TENTHS = tuple(repr(number / 10.0) for number in range(_SHORT))
_MICRO = tuple(repr(number / 1000.0) for number in range(_SHORT))
"""Short times in milliseconds, by how many tenths or thousandths they are: writing a number takes 0.2 us."""
_THOUSANDTHS = tuple(f'.{number:03d}Z",' for number in range(1000))
"""What follows the seconds in a row's time, up to the next field."""
_JSON = {None: "null", True: "true", False: "false"}

encode = msgspec.json.Encoder().encode
"""Returns a part of a row as JSON."""


class Rows:
    """Makes rows: lines of JSON, with a line feed. The same names are in all of them."""

    def __init__(self) -> None:
        self._asked = Remembered(_asked)
        self._second = -1
        self._second_text = ""

    def row(self, exchange: Exchange, secrets: Sequence[str]) -> bytes:
        """Returns the row of an exchange, with no secret in it; `secrets` are its own. Hot: once an exchange."""
        request, wall = exchange.request, exchange.timing.wall
        fields = _NO_FIELDS if request is None else request.fields
        asked = self._asked.of(_parts(exchange, fields), secrets)
        second = floor(wall)  # in a quarter of the time of int()
        if second != self._second:  # most rows of a busy server share it
            self._second, self._second_text = second, _written(second)
        head = f'{{"time":"{self._second_text}{_THOUSANDTHS[floor((wall - second) * 1000.0)]}{asked.text}'
        end_user = None
        if "safety_identifier" in fields or "user" in fields or "metadata" in fields:
            end_user = end_user_of(exchange)
        if end_user is None and (plain := _plain(exchange, asked)) is not None:
            return f"{head}{plain}".encode()
        ended = _ended(exchange, asked, Cleaner(secrets), end_user)
        return b"".join((head.encode(), encode(ended)[1:], b"\n"))


def _parts(exchange: Exchange, fields: Fields) -> Parts:
    """Returns the fields of an AskedRow before they are cleaned; `fields` are those of the request."""
    client, key, request, deployment = exchange.client, exchange.key, exchange.request, exchange.deployment
    id = owner = team = user = upstream = model = dialect = stream = None
    if key is not None:
        id, owner, team, user = key.id, key.owner, key.team, key.user
    if deployment is not None:
        upstream, model = deployment.provider.name, deployment.model
    if request is not None:
        dialect, raw = request.dialect, fields.get("stream")
        stream = False if raw is None or raw == _FALSE else _stream(request)
    path = client.path
    if "?" in path:
        path = path.partition("?")[0]
    asked = exchange.asked_model or exchange.model
    return client.headers.get("user-agent"), id, owner, team, user, dialect, path, asked, stream, upstream, model


def _stream(request: ModelRequest) -> bool | None:
    """Returns whether a stream was asked for; None when the request does not say it properly."""
    try:
        return request.stream
    except ExchangeError:
        return None


def _asked(parts: Parts, cleaner: Cleaner) -> _Asked:
    fields: list[Any] = [cleaner.text(part) if isinstance(part, str) else part for part in parts]
    row = AskedRow(*fields)
    attempt = AttemptRow(row.upstream or "", row.upstream_model or "", 200, None, None, None)
    begins = encode(attempt).decode().removesuffix('null,"cost":null}')
    return _Asked(encode(row)[1:-1].decode() + ",", attempt.upstream, attempt.model, begins)


def _plain(exchange: Exchange, asked: _Asked) -> str | None:
    """Returns the rest of the row of an exchange that has completed at the first attempt, as most do.

    None for every other, and where anything in it may have to be cleaned. It is what EndedRow gives, in a third of the
    time. Hot: once an exchange.
    """
    attempts, usage, cost, timing = exchange.attempts, exchange.usage, exchange.cost, exchange.timing
    id, response_id, deployment = exchange.id, exchange.response_id, exchange.deployment
    if len(attempts) != 1 or usage is None or deployment is None or exchange.outcome != "completed":
        return None
    one, began, started = attempts[0], timing.received, timing.started
    sent, answered, first, ended = timing.upstream_sent, timing.upstream_head, timing.first_event, timing.ended
    if (
        one.usage is not usage
        or one.cost is not cost
        or one.error is not None
        or one.status != 200
        or exchange.head_status != 200
        or one.model != deployment.model
        or one.upstream != deployment.provider.name
        or exchange.error is not None
        or exchange.ignored
        or GUARDRAIL in exchange.marks
        or "trace_id" in exchange.marks
        or "x-request-id" in exchange.client.headers
        or response_id is None
        or not ("req_" <= id < "req`" and "resp_" <= response_id < "resp`")  # startswith() takes four times as long
        or began is None
        or sent is None
        or answered is None
        or first is None
        or ended is None
        or sent < one.started
    ):
        return None
    a, b = floor((sent - started) * 10000.0 + 0.5), floor((answered - started) * 10000.0 + 0.5)
    c, d = floor((first - started) * 10000.0 + 0.5), floor((ended - started) * 10000.0 + 0.5)
    own = floor((sent - began) * 1000000.0 + 0.5)
    used, estimated = encode(_used(usage)).decode(), "true" if usage.estimated else "false"
    dollars = "null" if cost is None else repr(float(cost)) if cost else "0.0"
    return (
        f'"id":"{id}","response_id":"{response_id}","client":{_as_json(exchange.client.address)},"end_user":null,'
        f'"attempts":[{asked.attempt}{used},"cost":{dollars}}}],"status":200,"outcome":"completed",'
        f'"kept":{_JSON[exchange.kept]},"error":null,"usage":{used},"cost":{dollars},'
        f'"cost_estimated":{"null" if cost is None else estimated},"timing_ms":'
        f'{{"upstream_sent":{_TENTHS[a] if a < _SHORT else a / 10.0},'
        f'"upstream_head":{_TENTHS[b] if b < _SHORT else b / 10.0},'
        f'"first_event":{_TENTHS[c] if c < _SHORT else c / 10.0},"total":{_TENTHS[d] if d < _SHORT else d / 10.0},'
        f'"own":{_MICRO[own] if own < _SHORT else own / 1000.0}}},"ignored":[],"guardrail":[],"trace_id":null}}\n'
    )


@lru_cache(maxsize=1024)
def _as_json(address: str) -> str:
    return encode(address).decode()


def _ended(exchange: Exchange, asked: _Asked, cleaner: Cleaner, end_user: str | None) -> EndedRow:
    id, response_id, error = exchange.id, exchange.response_id, exchange.error
    if "x-request-id" in exchange.client.headers or not id.startswith(_OWN_REQUEST):  # it is not Penstock's own
        id = cleaner.text(id)
    if response_id is not None and not response_id.startswith(_OWN_RESPONSES):
        response_id = cleaner.text(response_id)
    usage, cost, marks, ignored = exchange.usage, exchange.cost, exchange.marks, exchange.ignored
    used, dollars = _used(usage), None if cost is None else float(cost)
    deployment, attempts, estimated = exchange.deployment, [], False
    for one in exchange.attempts:
        upstream, model, code, price = asked.upstream, asked.upstream_model, one.error, one.cost
        if deployment is None or one.upstream != deployment.provider.name or one.model != deployment.model:
            upstream, model = cleaner.text(one.upstream), cleaner.text(one.model)
        if one.usage is not None and one.usage.estimated:
            estimated = True
        attempts.append(
            AttemptRow(
                upstream,
                model,
                one.status,
                None if code is None else cleaner.text(code),
                used if one.usage is usage else _used(one.usage),
                None if price is None else dollars if price == cost else float(price),
            )
        )
    seen = marks.get(GUARDRAIL)
    return EndedRow(
        id,
        response_id,
        exchange.client.address,
        None if end_user is None else cleaner.text(end_user),
        attempts,
        exchange.head_status,
        exchange.outcome,
        exchange.kept,
        None if error is None else cleaner.data(dict(error.to_dict())),
        used,
        dollars,
        None if cost is None else estimated,
        _timing(exchange),
        [cleaner.text(name) for name in ignored] if ignored else ignored,
        [cleaner.data(mark) for mark in seen] if seen else [],
        marks.get("trace_id"),
    )


def _used(usage: Usage | None) -> UsedRow | None:
    if usage is None:
        return None
    return UsedRow(
        usage.input_tokens,
        usage.cached_tokens if usage.cached_tokens or usage.cache_missed else None,
        usage.output_tokens,
        usage.reasoning_tokens,
        usage.total_tokens,
        usage.estimated,
    )


def _timing(exchange: Exchange) -> TimingRow:
    timing, own = exchange.timing, own_s(exchange)
    sent, head, first, ended = timing.upstream_sent, timing.upstream_head, timing.first_event, timing.ended
    started = timing.started
    return TimingRow(  # to a tenth of a millisecond; round() takes four times as long
        None if sent is None else ((sent - started) * 10000.0 + 0.5) // 1.0 / 10.0,
        None if head is None else ((head - started) * 10000.0 + 0.5) // 1.0 / 10.0,
        None if first is None else ((first - started) * 10000.0 + 0.5) // 1.0 / 10.0,
        None if ended is None else ((ended - started) * 10000.0 + 0.5) // 1.0 / 10.0,
        None if own is None else (own * 1_000_000.0 + 0.5) // 1.0 / 1000.0,
    )


def _written(second: int) -> str:
    """Returns a Unix time as `2026-11-22T03:55:59`."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
