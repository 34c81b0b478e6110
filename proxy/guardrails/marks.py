"""What rules did, left on the exchange: for the log, and for a header where only that is wanted."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from ..marks import GUARDRAIL
from .local import Act
from .rules import GuardrailRule, Where

if TYPE_CHECKING:
    from ..events import Usage
    from ..exchange import Exchange
    from ..providers.provider import Deployment

FLAGGED = "x-penstock-flagged"
"""The header that names the rules whose action is flag, as far as they have found something by then."""
_UNFIT = re.compile(r"[^\x20-\x2b\x2d-\x7e]+")
_MAX_HEADER = 1024

Did = Literal["blocked", "masked", "flagged", "not_run", "late"]
"""`not_run`: there is no verdict; `late`: text went out before there was one."""


def note(exchange: Exchange, rule: str, did: Did, where: Where, **more: str | None) -> None:
    """Leaves a mark of what a rule did, once; the log writes it down."""
    found = {"rule": rule, "action": did, "where": where, **{name: value for name, value in more.items() if value}}
    marks = exchange.marks.setdefault(GUARDRAIL, [])
    if found in marks:
        return
    marks.append(found)
    if did == "flagged" and exchange.head_status is None:
        said = exchange.response_headers.get(FLAGGED)
        name = _UNFIT.sub("_", rule)
        known = said.split(", ") if said else []
        if name not in known:
            exchange.response_headers[FLAGGED] = ", ".join([*known, name])[:_MAX_HEADER]


def note_usage(
    exchange: Exchange, rule: GuardrailRule, where: Where, deployment: Deployment, usage: Usage, cost: Decimal | None
) -> None:
    """Adds up what a model has used that was asked for a rule, with its cost in dollars: one mark for each place."""
    named = {"rule": rule.name, "action": "asked", "where": where, "upstream": deployment.provider.name,
             "model": deployment.model}  # fmt: skip
    marks = exchange.marks.setdefault(GUARDRAIL, [])
    mark = next((one for one in marks if named.items() <= one.items()), None)
    if mark is None:
        mark = {**named, "input": 0, "output": 0, "cost": None}
        marks.append(mark)
    mark["input"] += usage.input_tokens
    mark["output"] += usage.output_tokens
    if cost is not None:
        mark["cost"] = (mark["cost"] or 0.0) + float(cost)


def note_act(exchange: Exchange, act: Act, where: Where) -> None:
    """Leaves a mark of what was found here."""
    note(exchange, act.rule, act.does, where, kind=act.kind)


def note_rule(exchange: Exchange, rule: GuardrailRule, did: Did, where: Where, reason: str = "") -> None:
    """Leaves a mark of what somebody who was asked has said, or has not."""
    note(exchange, rule.name, did, where, reason=reason)
