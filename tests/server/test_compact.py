import json

import msgspec
import pytest

from proxy.errors import BadRequest
from proxy.events import Usage
from proxy.exchange import Client, Exchange
from proxy.reply import Reply
from proxy.server.compact import read_compact
from tests.support.asked import assistant, user

ITEM = {"id": "cmp_1", "type": "compaction", "encrypted_content": "x"}
RESPONSE = {"id": "resp_1", "created_at": 7, "status": "completed", "output": [ITEM]}


def read(**fields):
    exchange = Exchange("req_1", Client("", {}), None)
    return exchange, read_compact(exchange, json.dumps({"model": "m", **fields}).encode())


def answer(*items, usage=None, **changes):
    exchange, finish = read(input=list(items))
    exchange.marks["compaction"].window = exchange.request
    exchange.usage = usage
    reply = finish(Reply(200, msgspec.json.encode({**RESPONSE, **changes}), {"x-request-id": "req_1"}))
    assert reply.headers["x-request-id"] == "req_1"
    return reply.status, json.loads(reply.body)


def test_it_becomes_a_create_that_ends_with_a_trigger():
    exchange, _ = read(input="x", instructions="y", previous_response_id="resp_1", temperature=1, stream=False)
    assert [msgspec.json.decode(raw) for raw in exchange.request.raw_items][1:] == [{"type": "compaction_trigger"}]
    assert set(exchange.request.fields) == {"model", "input", "instructions", "previous_response_id", "store"}
    assert exchange.ignored == ["temperature"]
    assert exchange.request.get("store") is False


def test_a_trigger_of_the_client_s_own_is_enough():
    exchange, _ = read(input=[user("x"), {"type": "compaction_trigger"}])
    assert len(exchange.request.items) == 2


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"stream": True}, "stream"), ({}, "input"), ({"input": ""}, "input"), ({"input": 1}, "input")],
)
def test_what_cannot_be_asked(fields, param):
    with pytest.raises(BadRequest) as caught:
        read(**fields)
    assert caught.value.param == param


def test_the_user_s_messages_stand_in_front_as_they_were():
    image = {"type": "input_image", "image_url": "data:,", "detail": None}
    parts = [{"type": "text", "text": "b"}, image, {"type": "input_file", "file_id": "f"}]
    items = {"id": "msg_1", **user("a")}, assistant("no"), {"role": "system", "content": "no"}, user(parts)
    status, made = answer(*items, usage=Usage(input_tokens=1, output_tokens=2, total_tokens=3))
    assert status == 200
    first, second, last = made.pop("output")
    assert made == {
        "id": "resp_1",
        "object": "response.compaction",
        "created_at": 7,
        "usage": {
            "input_tokens": 1,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 2,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 3,
        },
    }
    assert first == {
        "id": "msg_1",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_text", "text": "a"}],
    }
    assert second["id"].startswith("msg_")
    assert second["content"] == [{"type": "input_text", "text": "b"}, {**image, "detail": "auto"}, parts[2]]
    assert last == ITEM


def test_without_usage_all_its_keys_are_there():
    assert answer(user("a"))[1]["usage"]["total_tokens"] == 0


def test_a_summary_that_was_cut_is_an_error():
    status, made = answer(user("a"), status="incomplete")
    assert (status, made["error"]["code"]) == (502, "server_error")


def test_errors_stay_as_they_are():
    _, finish = read(input="x")
    reply = Reply.json({"error": {}}, 429)
    assert finish(reply) is reply
