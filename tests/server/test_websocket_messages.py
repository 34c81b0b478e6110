"""Messages of WebSocket mode: what is read of them, and the forms of answers."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from proxy.errors import BadRequest, NotFound, RateLimited
from proxy.reply import Reply
from proxy.server.websocket_messages import (
    Create,
    Steer,
    binary_message,
    error_message,
    lane_tail,
    read_message,
    reply_messages,
    steer_failed,
)


def message(**fields: Any) -> bytes:
    """Returns a message that asks for a response."""
    return json.dumps({"type": "response.create", "model": "m", "input": "hi", **fields}).encode()


def created(data: bytes) -> Create:
    """Returns what a message asks for, a response."""
    read = read_message(data)
    assert isinstance(read, Create)
    return read


def test_the_request_is_the_message_without_what_is_the_connections() -> None:
    create = created(message(stream_id="a.b-c_1", generate=False, store=False))
    assert create.fault is None
    assert create.request is not None
    assert {name: msgspec.json.decode(raw) for name, raw in create.request.fields.items()} == {
        "model": "m",
        "input": "hi",
        "store": False,
        "stream": True,
    }
    assert (create.lane, create.generate) == ("a.b-c_1", False)
    create.request.validate()


def test_without_names_it_is_the_lane_without_one_and_generates() -> None:
    create = created(message(stream_id=None, generate=None))
    assert (create.lane, create.generate, create.previous) == (None, True, None)


def test_a_continuation_is_known_by_its_parent() -> None:
    assert created(message(previous_response_id="resp_1")).previous == "resp_1"
    assert created(message(previous_response_id=3)).previous is None
    assert created(message(previous_response_id="resp_1", stream=False)).previous == "resp_1"


@pytest.mark.parametrize(
    "fields", [{"stream": True}, {"stream": None}, {"background": False}, {"stream_options": None}]
)
def test_what_changes_nothing_is_taken(fields: dict[str, Any]) -> None:
    create = created(message(**fields))
    assert create.fault is None
    assert create.request is not None
    assert create.request.stream is True


@pytest.mark.parametrize(
    ("data", "param", "code"),
    [
        (b"", None, "invalid_json"),
        (b"[1]", None, "invalid_json"),
        (b'{"type":"response.create"', None, "invalid_json"),
        (b'{"type":"\xff"}', None, "invalid_json"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, None, "invalid_json"),
        (b'{"model":"m"}', "type", "missing_required_parameter"),
        (message(type="response.cancel"), "type", "invalid_value"),
        (message(type=7), "type", "invalid_value"),
        (message(stream_id=7), "stream_id", "invalid_type"),
        (message(stream_id=""), "stream_id", "invalid_value"),
        (message(stream_id="a b"), "stream_id", "invalid_value"),
        (message(stream_id="x" * 257), "stream_id", "invalid_value"),
        (message(generate="no"), "generate", "invalid_type"),
        (message(stream=False), "stream", "unsupported_parameter"),
        (message(stream="yes"), "stream", "unsupported_parameter"),
        (message(stream_options={"include_obfuscation": False}), "stream_options", "unsupported_parameter"),
        (message(background=True), "background", "unsupported_parameter"),
    ],
)
def test_a_message_that_cannot_be_taken_says_why(data: bytes, param: str | None, code: str) -> None:
    fault = created(data).fault
    assert fault is not None
    assert (fault.status, fault.param, fault.code) == (400, param, code)
    assert "body" not in fault.message


def test_a_fault_is_told_in_its_lane() -> None:
    create = created(message(stream_id="x" * 256, background=True))
    assert create.lane == "x" * 256
    assert create.fault is not None


def test_a_binary_message_is_a_fault_too() -> None:
    fault = binary_message(3).fault
    assert fault is not None
    assert fault.code == "invalid_message"


def test_an_error_has_all_that_any_reader_demands() -> None:
    told = json.loads(error_message(BadRequest("No.", param="input"), "a"))
    assert told == {
        "type": "error",
        "status": 400,
        "error": {"type": "invalid_request_error", "code": "invalid_request_error", "message": "No.", "param": "input"},
        "stream_id": "a",
    }


def test_an_error_keeps_the_headers_that_clients_act_on() -> None:
    (data,) = reply_messages(Reply.from_error(RateLimited("Later.", retry_after_s=7)), None)
    told = json.loads(data)
    assert (told["status"], told["error"]["headers"]) == (429, {"retry-after": "7"})
    assert told["error"]["code"] == "rate_limit_exceeded"


def test_a_refusal_of_a_stages_own_is_told_by_what_it_says() -> None:
    body = msgspec.json.encode({"error": {"message": "Not you.", "code": "no", "type": "t"}})
    assert json.loads(reply_messages(Reply(403, body), None)[0])["error"] == {
        "message": "Not you.",
        "code": "no",
        "type": "t",
        "param": None,
    }
    for body in (b"", b"<html>", b"[]", b'{"error":"text"}'):
        told = json.loads(reply_messages(Reply(418, body), None)[0])
        assert told["status"] == 418
        assert "418" in told["error"]["message"]
        assert told["error"]["code"]


@pytest.mark.parametrize(
    ("status", "last"), [("completed", "completed"), ("incomplete", "incomplete"), ("x", "completed")]
)
def test_a_response_of_a_stages_own_is_told_as_a_stream(status: str, last: str) -> None:
    response = {"id": "resp_1", "object": "response", "status": status}
    told = [json.loads(one) for one in reply_messages(Reply.json(response), "a")]
    assert [one["type"] for one in told] == ["response.created", f"response.{last}"]
    assert all(one["response"] == response and one["stream_id"] == "a" for one in told)
    assert [one["sequence_number"] for one in told] == [0, 1]


@pytest.mark.parametrize("body", [b"", b"ok", b"[]", b"{}", b'{"status":1}'])
def test_another_answer_of_a_stage_is_an_error(body: bytes) -> None:
    (told,) = reply_messages(Reply(200, body), None)
    assert json.loads(told)["status"] == 500


def test_steering_is_refused_and_the_input_given_back() -> None:
    fields = {"type": "response.steer", "previous_response_id": "resp_1", "input": [{"role": "user", "content": "x"}]}
    steer = read_message(json.dumps(fields).encode())
    assert isinstance(steer, Steer)
    told = json.loads(steer_failed(steer))
    assert told["type"] == "response.steer.failed"
    assert told["error"]["code"] == "steering_not_supported"
    assert told["steer"] == {"previous_response_id": "resp_1", "input": fields["input"]}
    assert json.loads(steer_failed(Steer({})))["steer"] == {"previous_response_id": "", "input": ""}


def test_a_lane_is_named_at_the_end_of_each_event() -> None:
    assert lane_tail(None) == b""
    assert json.loads(b'{"type":"x"' + lane_tail("a-1")) == {"type": "x", "stream_id": "a-1"}
    assert json.loads(error_message(NotFound("x")))["status"] == 404
