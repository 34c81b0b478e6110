"""What the API says of conversations: the parameter, items, metadata, and how it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.api.responses.conversation import (
    conversation_full,
    conversation_id,
    conversation_locked,
    conversation_not_found,
    included,
    read_items,
    read_metadata,
)
from proxy.api.responses.items import ItemReference
from proxy.errors import BadRequest
from tests.support.asked import request
from tests.support.stored import message, raw


@pytest.mark.parametrize(("value", "id"), [(None, None), ("conv_1", "conv_1"), ({"id": "conv_1", "x": 1}, "conv_1")])
def test_the_conversation_of_a_request(value: Any, id: str | None) -> None:
    made = request(conversation=value)
    made.validate()
    assert conversation_id(made) == id
    assert made.echo().get("conversation") == (None if id is None else {"id": id})


@pytest.mark.parametrize("value", [5, {}, {"id": 5}, {"id": None}, ["conv_1"], True])
def test_what_names_no_conversation(value: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        conversation_id(request(conversation=value))
    assert (caught.value.param or "").startswith("conversation")


def test_a_conversation_may_do_without_input_and_not_with_a_chain() -> None:
    request(input=None, conversation="conv_1").validate()
    request(input=[], conversation="conv_1").validate()
    with pytest.raises(BadRequest) as caught:
        request(conversation="conv_1", previous_response_id="resp_1").validate()
    assert caught.value.code == "mutually_exclusive_parameters"


def test_an_output_may_answer_a_call_of_the_conversation() -> None:
    output = {"type": "function_call_output", "call_id": "call_1", "output": "42"}
    request(input=[output], conversation="conv_1").validate()


def test_items_are_what_a_request_takes() -> None:
    assert read_items(None) == read_items(raw(None)) == read_items(raw([])) == ([], [])
    items, decoded = read_items(raw([message(None), {"type": "item_reference", "id": "msg_1"}]))
    assert items == [raw(message(None)), raw({"type": "item_reference", "id": "msg_1"})]
    assert isinstance(decoded[1], ItemReference)


@pytest.mark.parametrize(
    ("items", "param", "code"),
    [
        ("hello", "items", "invalid_type"),
        ({}, "items", "invalid_type"),
        ([message(None)] * 21, "items", "array_above_max_length"),
        ([message(None), {"type": "nonsense"}], "items[1].type", "invalid_value"),
        ([{"role": "user"}], "items[0].content", "missing_required_parameter"),
        ([5], "items[0]", "invalid_type"),
        ([message(None), {"type": "compaction_trigger"}], "items[1].type", "unsupported_value"),
    ],
)
def test_items_that_cannot_be_added(items: Any, param: str, code: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_items(raw(items))
    assert (caught.value.param, caught.value.code) == (param, code)


def test_metadata() -> None:
    assert read_metadata(None) == read_metadata(raw(None)) == raw({})
    assert read_metadata(raw({"a": "b"})) == raw({"a": "b"})


@pytest.mark.parametrize(
    "value", [[], "x", {"a": 1}, {"a": None}, {"k" * 65: "v"}, {"k": "v" * 513}, {str(n): "" for n in range(17)}]
)
def test_metadata_have_the_limits_of_requests(value: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        read_metadata(raw(value))
    assert (caught.value.param or "").startswith("metadata")


def test_what_can_be_included() -> None:
    assert included(["reasoning.encrypted_content"]) == {"reasoning.encrypted_content"}
    assert included([]) == frozenset()
    with pytest.raises(BadRequest) as caught:
        included(["nonsense"])
    assert caught.value.param == "include[0]"


def test_refusals_say_what_clients_look_for() -> None:
    locked = conversation_locked("conversation")
    assert (locked.status, locked.code, locked.param) == (400, "conversation_locked", "conversation")
    missing = conversation_not_found("x" * 5000)
    assert (missing.status, missing.code, missing.param) == (404, None, None)
    assert len(missing.message) < 200
    full = conversation_full("10 items", "items")
    assert (full.status, full.code) == (400, "conversation_full")
    assert "10 items" in full.message
