"""Ids of items that name their response."""

from __future__ import annotations

import re

import pytest

from proxy.api.responses.ids import new_response_id
from proxy.api.responses.made_ids import FIRST_INPUT, first_id, made_id, response_of


@pytest.mark.parametrize("prefix", ["msg", "rs", "fc", "ctc", "item"])
def test_an_id_leads_to_its_response(prefix: str) -> None:
    response = new_response_id()
    ids = [made_id(response, prefix, number) for number in (0, 1, FIRST_INPUT, 0xFFFF)]
    assert len(set(ids)) == 4
    assert {response_of(id) for id in ids} == {response}
    assert all(re.fullmatch(prefix + r"_[0-9a-f]{52}", id) for id in ids)
    assert all(len(id) <= 64 for id in ids)  # clients and OpenAI's API take no longer ones


@pytest.mark.parametrize(
    ("response", "number"),
    [("resp_1", 0), ("", 0), ("resp_" + "A" * 48, 0), ("resp_" + "0" * 48, 0x10000), ("resp_" + "0" * 48, -1)],
)
def test_an_id_that_cannot_name_its_response_is_a_fresh_one(response: str, number: int) -> None:
    ids = {made_id(response, "msg", number) for _ in range(50)}
    assert len(ids) == 50
    assert all(re.fullmatch(r"msg_[0-9a-f]{48}", id) for id in ids)
    assert {response_of(id) for id in ids} == {None}


def test_the_first_id_is_the_one_that_is_made() -> None:
    response = new_response_id()
    assert first_id(response, "msg") == made_id(response, "msg", 0)
    assert response_of(first_id("resp_1", "msg")) is None


@pytest.mark.parametrize("id", ["", "msg_1", "msg_" + "0" * 48, "msg_" + "0" * 53, "msg_" + "A" * 52, "0" * 52, "m\n"])
def test_other_ids_lead_nowhere(id: str) -> None:
    assert response_of(id) is None
    assert response_of(id + "\n") is None
