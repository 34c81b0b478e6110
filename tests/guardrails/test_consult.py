"""Several who are asked about the same texts, and the one answer that is made of theirs."""

from __future__ import annotations

from proxy.guardrails.check import ALLOWED, Asked
from proxy.guardrails.consult import Consulted, consult
from tests.support.drive import exchange_of
from tests.support.guarding import Oracle, asking, fails, masking, without


def about(*texts: str) -> Asked:
    return Asked(exchange_of(), "output", texts)


async def test_all_are_asked_at_once_and_two_masks_are_both_put_in() -> None:
    first, second = Oracle(masking("a", "1")), Oracle(masking("b", "2"))
    asked = about("ab")
    assert await consult([asking(first), asking(second)], asked) == Consulted(("12",), masked_by="rule", clean=False)
    assert [one.texts for one in second.asked] == [("ab",), ("1b",)]
    assert [mark["action"] for mark in asked.exchange.marks["guardrail"]] == ["masked"]


async def test_one_that_blocks_is_enough_and_a_flag_is_none() -> None:
    asked = about("bad")
    rules = [
        asking(Oracle(without("bad")), name="flags", action="flag"),
        asking(Oracle(lambda asked: ALLOWED), name="allows"),
        asking(Oracle(without("bad")), name="blocks"),
    ]
    assert (await consult(rules, asked)).blocked == "blocks"
    did = [(mark["rule"], mark["action"]) for mark in asked.exchange.marks["guardrail"]]
    assert did == [("flags", "flagged"), ("blocks", "blocked")]
    assert await consult(rules[:2], about("bad")) == Consulted(("bad",), clean=False)


async def test_what_is_only_called_bad_is_masked_as_a_whole_where_that_is_wanted() -> None:
    mask = asking(Oracle(without("bad")), action="mask", mask="(removed)")
    assert await consult([mask], about("a bad thing")) == Consulted(("(removed)",), masked_by="rule", clean=False)
    assert (await consult([asking(Oracle(fails), action="mask")], about("x"))).blocked == "rule"
