"""The marks of an exchange under the names that others read."""

from __future__ import annotations

import json

from proxy.logs.row import Rows
from proxy.marks import GUARDRAIL, SEARCHED
from tests.support.drive import asking, drive
from tests.support.guarding import guard


async def test_what_a_guardrail_leaves_is_what_the_log_and_a_pass_through_read() -> None:
    driven = await drive(await guard({"words": ["bluebird"], "action": "mask"}), asking("a bluebird"))
    marks = driven.exchange.marks
    assert json.loads(Rows().row(driven.exchange, ()))["guardrail"] == marks[GUARDRAIL]
    assert marks[SEARCHED] is True
    assert marks[GUARDRAIL] == [{"rule": "rule 0", "action": "masked", "where": "input"}]
