"""Asks for several rules about the same texts, and makes one answer of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from .check import Asked, Asking, Verdict
from .marks import note_rule


class Consulted(msgspec.Struct):
    """The texts as they may pass, or the rule that lets nothing pass; `masked_by` is the last rule that masked.

    `clean` says that everybody has answered, and nobody has found anything.
    """

    texts: tuple[str, ...]
    blocked: str | None = None
    masked_by: str | None = None
    clean: bool = True


async def consult(askings: Sequence[Asking], asked: Asked) -> Consulted:
    """Asks for all rules at once, and notes what they did. One that masks what another has masked is asked again."""
    if len(askings) == 1:
        verdicts = [await askings[0].verdict(asked)]
    else:
        verdicts = await asyncio.gather(*(one.verdict(asked) for one in askings))
    consulted = Consulted(asked.texts)
    for asking, verdict in zip(askings, verdicts, strict=True):
        if verdict.texts is not None and consulted.texts != asked.texts and asking.rule.action != "flag":
            verdict = await asking.verdict(msgspec.structs.replace(asked, texts=consulted.texts))
        _apply(asking, verdict, asked, consulted)
    return consulted


def _apply(asking: Asking, verdict: Verdict, asked: Asked, consulted: Consulted) -> None:
    rule = asking.rule
    if verdict.failed is not None:
        note_rule(asked.exchange, rule, "not_run", asked.where, verdict.failed)
    masked = verdict.texts is not None and verdict.texts != consulted.texts
    if not (verdict.bad or masked or verdict.failed is not None):
        return
    consulted.clean = False
    if not (verdict.bad or masked):
        return
    if rule.action == "flag":
        if verdict.failed is None:
            note_rule(asked.exchange, rule, "flagged", asked.where, verdict.reason)
    elif verdict.bad and (not rule.masks or verdict.failed is not None or asked.where == "arguments"):
        note_rule(asked.exchange, rule, "blocked", asked.where, verdict.reason)
        consulted.blocked = consulted.blocked or rule.name
    else:
        note_rule(asked.exchange, rule, "masked", asked.where, verdict.reason)
        consulted.masked_by = rule.name
        consulted.texts = verdict.texts or (rule.written_mask,) * len(asked.texts)
