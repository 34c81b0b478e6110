"""The items of a conversation on their way up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.api.raw import Raw
from proxy.providers.chat.sealing import LOST, seal
from proxy.providers.responses.history import upstream_items
from proxy.providers.responses.profile import ResponsesProfile
from proxy.providers.responses.sealing import sealer, state_of
from proxy.sealing import Sealing

SEALING = Sealing(["k" * 32])
OPENAI = ResponsesProfile(plain_reasoning=False)
KEEPING = ResponsesProfile(plain_reasoning=False, keeps=True)
PLAIN = ResponsesProfile()


def raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


def up(*items: Any, profile: ResponsesProfile = OPENAI) -> list[Any]:
    return told(*items, profile=profile)[0]


def told(*items: Any, profile: ResponsesProfile = OPENAI) -> tuple[list[Any], list[str]]:
    """Returns the items as they go up, and what the client is told of those that do not."""
    ignored: list[str] = []
    made = upstream_items([raw(item) for item in items], profile, SEALING, ignored.append)
    return [json.loads(bytes(one)) for one in made], ignored


CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "7"}


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
        {"role": "user", "content": "x"},
        CALL,
        OUTPUT,
        {"type": "web_search_call", "status": "completed"},
    ],
)
def test_ids_that_mean_nothing_are_left_out(item: dict[str, Any]) -> None:
    assert up({**item, "id": "msg_made_here"}) == [item]
    given = raw(item)
    assert upstream_items([given], OPENAI, SEALING, [].append)[0] is given


@pytest.mark.parametrize(
    "item",
    [
        {"type": "item_reference", "id": "msg_1"},
        {"id": "msg_1"},
        {"type": "mcp_approval_request", "id": "mcpr_1", "name": "x"},
        {"type": "image_generation_call", "id": "ig_1", "result": "x"},
        {"type": "local_shell_call_output", "id": "call_1", "output": "x"},
        {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"},
    ],
)
def test_ids_that_only_the_upstream_can_have_given_stay(item: dict[str, Any]) -> None:
    assert up(item) == [item]


def test_an_upstream_that_keeps_items_gets_the_ids_it_could_have_given() -> None:
    assert up({**CALL, "id": "fc_1"}, {**CALL, "id": "msg_1"}, profile=KEEPING) == [{**CALL, "id": "fc_1"}, CALL]


def test_encrypted_reasoning_goes_back_to_its_maker() -> None:
    thought = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    assert up({**thought, "id": "rs_1"}) == [thought]
    assert up({**thought, "id": "rs_1"}, profile=KEEPING) == [{**thought, "id": "rs_1"}]


def test_what_another_provider_sealed_is_left_out() -> None:
    sealed = seal("chat", "m", {"text": "hm"}, SEALING)
    assert up({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed}) == []


def test_what_several_items_left_in_one_is_several_again() -> None:
    states = [state_of({"encrypted_content": text}, at) for at, text in enumerate(("a", "b"))]
    envelope = sealer("m", SEALING)({"details": [one["details"][0] for one in states if one]}, "")
    summary = [{"type": "summary_text", "text": "Hm."}]
    assert up({"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": envelope}) == [
        {"type": "reasoning", "summary": summary, "encrypted_content": "a"},
        {"type": "reasoning", "summary": [], "encrypted_content": "b"},
    ]


def test_plain_reasoning_goes_to_those_who_take_it() -> None:
    plain = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    assert up({**plain, "id": "rs_1"}, profile=PLAIN) == [plain]
    assert up({**plain, "id": "rs_1"}) == []
    assert up({**plain, "id": "rs_1"}, profile=KEEPING) == [{**plain, "id": "rs_1"}]
    assert up({**plain, "content": []}, profile=PLAIN) == []


def test_the_client_is_told_of_reasoning_that_stays_behind() -> None:
    foreign = {
        "type": "reasoning",
        "summary": [],
        "encrypted_content": seal("anthropic", "m", {"details": []}, SEALING),
    }
    assert told(foreign, CALL, OUTPUT) == ([CALL, OUTPUT], [LOST])
    own = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    assert told(own, CALL, OUTPUT) == ([own, CALL, OUTPUT], [])
