"""The row of one exchange: who asked for what, who answered, how it ended, what was used and how long it took."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from ..errors import ExchangeError
from ..events import Usage
from ..exchange import Attempt, Exchange
from ..limiting.subjects import end_user_of
from ..marks import GUARDRAIL
from ..redact import Cleaner
from ..stage_times import own_s


class UsedRow(msgspec.Struct, gc=False):
    """Tokens that were used; `cached` is null where the upstream does not tell."""

    input: int
    cached: int | None
    output: int
    reasoning: int
    total: int
    estimated: bool


class AttemptRow(msgspec.Struct):
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


class Row(msgspec.Struct, kw_only=True):
    """All there is to say of an exchange that has ended. The same names in every row; null where unknown."""

    time: str
    id: str
    response_id: str | None
    client: str
    user_agent: str | None
    key: str | None
    owner: str | None
    team: str | None
    user: str | None
    end_user: str | None
    dialect: str | None
    path: str
    model: str | None
    stream: bool | None
    upstream: str | None
    upstream_model: str | None
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


encode = msgspec.json.Encoder().encode
"""Returns a row, or a value in it, as JSON."""


def row_of(exchange: Exchange, cleaner: Cleaner) -> Row:
    """Returns the row of an exchange, with no secret in it. Hot: once an exchange."""
    client, key, deployment, error = exchange.client, exchange.key, exchange.deployment, exchange.error
    agent, model, end_user, request = client.headers.get("user-agent"), exchange.model, None, exchange.request
    if request is not None:
        end_user = end_user_of(exchange)
    text = cleaner.text
    usage = _used(exchange.usage)
    return Row(
        time=_written(exchange.timing.wall),
        id=text(exchange.id),
        response_id=None if exchange.response_id is None else text(exchange.response_id),
        client=client.address,
        user_agent=None if agent is None else text(agent),
        key=None if key is None else text(key.id),
        owner=None if key is None or key.owner is None else text(key.owner),
        team=None if key is None or key.team is None else text(key.team),
        user=None if key is None or key.user is None else text(key.user),
        end_user=None if end_user is None else text(end_user),
        dialect=None if request is None else request.dialect,
        path=text(client.path.partition("?")[0]),
        model=None if model is None else text(model),
        stream=_stream(exchange),
        upstream=None if deployment is None else deployment.provider.name,
        upstream_model=None if deployment is None else text(deployment.model),
        attempts=[
            _attempt(one, usage if one.usage is exchange.usage else _used(one.usage), cleaner)
            for one in exchange.attempts
        ],
        status=exchange.head_status,
        outcome=exchange.outcome,
        kept=exchange.kept,
        error=None if error is None else cleaner.data(dict(error.to_dict())),
        usage=usage,
        cost=None if exchange.cost is None else float(exchange.cost),
        cost_estimated=_estimated(exchange),
        timing_ms=_timing(exchange),
        ignored=[text(name) for name in exchange.ignored],
        guardrail=[cleaner.data(mark) for mark in exchange.marks.get(GUARDRAIL, ())],
        trace_id=exchange.marks.get("trace_id"),
    )


def _attempt(one: Attempt, usage: UsedRow | None, cleaner: Cleaner) -> AttemptRow:
    text = cleaner.text
    return AttemptRow(
        text(one.upstream),
        text(one.model),
        one.status,
        None if one.error is None else text(one.error),
        usage,
        None if one.cost is None else float(one.cost),
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
    return TimingRow(  # to a tenth of a millisecond; round() takes twice as long
        None if sent is None else int((sent - started) * 10000 + 0.5) / 10,
        None if head is None else int((head - started) * 10000 + 0.5) / 10,
        None if first is None else int((first - started) * 10000 + 0.5) / 10,
        None if ended is None else int((ended - started) * 10000 + 0.5) / 10,
        None if own is None else int(own * 1_000_000 + 0.5) / 1000,
    )


def _estimated(exchange: Exchange) -> bool | None:
    if exchange.cost is None:
        return None
    return any(one.usage is not None and one.usage.estimated for one in exchange.attempts)


def _stream(exchange: Exchange) -> bool | None:
    """Returns whether a stream was asked for; None when the request does not say it properly."""
    try:
        return None if exchange.request is None else exchange.request.stream
    except ExchangeError:
        return None


_last_second = [(-1, "")]  # most rows of a busy server share it


def _written(moment: float) -> str:
    """Returns a Unix time as `2026-11-22T03:55:59.012Z`."""
    thousandths = int(moment * 1000)
    second = thousandths // 1000
    number, text = _last_second[0]
    if second != number:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        _last_second[0] = (second, text)
    return f"{text}.{thousandths - second * 1000:03}Z"
