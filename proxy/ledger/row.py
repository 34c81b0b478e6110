"""One row of the ledger: who asked for what, who answered, how that ended, and what it has used and cost."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from ..limiting.estimate import nano_dollars
from ..limiting.subjects import end_user_of
from ..redact import Cleaner, Parts, Remembered, credentials
from ..used import Used, used_by

if TYPE_CHECKING:
    from ..exchange import Exchange

_log = logging.getLogger("penstock")
_MOST = 256  # characters of a name that a client chose
_LARGEST = 10**15
"""The most tokens, or nano-dollars, of one exchange: what an upstream says beyond that is wrong."""
UNKNOWN_MODEL = "other"
"""What a model is called that the file does not serve: its name is whatever a client has made up."""


class Row(NamedTuple):
    """What is written of one exchange; columns of the table of the same names.

    `day` is that of its end, in UTC. Names are empty where there is none. `cached` and `cost` (in nano-dollars) are
    None where nobody has told them. `partial` says that a part of the row could not be found out.
    """

    ended: float
    day: str
    id: str
    key: str
    team: str
    user: str
    end_user: str
    model: str
    upstream: str
    upstream_model: str
    outcome: str
    attempts: int
    input: int
    cached: int | None
    output: int
    reasoning: int
    cost: int | None
    estimated: bool
    partial: bool


class _Names(NamedTuple):
    """The names of a row as they are written."""

    key: str
    team: str
    user: str
    model: str
    upstream: str
    upstream_model: str


def row_of(exchange: Exchange) -> Row:
    """Returns the row of an exchange that has ended. What cannot be found out is left out, and the row marked.

    Hot: once an exchange.
    """
    timing, key, deployment, id = exchange.timing, exchange.key, exchange.deployment, exchange.id
    ended = timing.wall + ((timing.ended or timing.started) - timing.started)
    partial, cost = False, None
    end_user, model, used = "", "", Used()
    headers = exchange.client.headers
    secrets = credentials(headers)  # clients paste keys wherever they like
    try:
        used = used_by(exchange)
        cost = None if exchange.cost is None else nano_dollars(exchange.cost)
        partial = max(used.input, used.output, used.cached or 0, used.reasoning, cost or 0) > _LARGEST
        model = _model(exchange)
        named = end_user_of(exchange)
        end_user = "" if named is None else Cleaner(secrets).text(named)[:_MOST]
    except Exception as error:  # an optional part must not cost the row
        _log.warning("exchange %s is in the ledger with less than there was to say", id, exc_info=error)
        partial = True
    owner = None if key is None else key.owner
    whose = (None, None, None) if key is None else (key.id, key.team or owner, key.user or owner)
    who = (None, None) if deployment is None else (deployment.provider.name, deployment.model)
    names = _names.of((*whose, model, *who), secrets)
    if "x-request-id" in headers or not id.startswith("req_"):  # it is not Penstock's own
        id = Cleaner(secrets).text(id)[:_MOST]
    return Row(
        ended,
        _day(ended),
        id,
        names.key,
        names.team,
        names.user,
        end_user,
        names.model,
        names.upstream,
        names.upstream_model,
        exchange.outcome or "",
        len(exchange.attempts),
        min(used.input, _LARGEST),
        None if used.cached is None else min(used.cached, _LARGEST),
        min(used.output, _LARGEST),
        min(used.reasoning, _LARGEST),
        None if cost is None else min(cost, _LARGEST),
        used.estimated,
        partial,
    )


def _cleaned(parts: Parts, cleaner: Cleaner) -> _Names:
    return _Names(*[cleaner.text(part)[:_MOST] if isinstance(part, str) else "" for part in parts])


_names = Remembered(_cleaned)


def _model(exchange: Exchange) -> str:
    name = exchange.model
    if name is None:
        return ""
    return name if exchange.attempts or exchange.models.resolve(name) else UNKNOWN_MODEL


_last_day = [(-1, "")]  # nearly all rows share it


def _day(moment: float) -> str:
    """Returns the day of a Unix time as `2026-11-22`, in UTC."""
    number = int(moment // 86400)
    known, text = _last_day[0]
    if known != number:
        text = time.strftime("%Y-%m-%d", time.gmtime(number * 86400))
        _last_day[0] = (number, text)
    return text
