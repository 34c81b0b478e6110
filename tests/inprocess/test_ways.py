"""The ways to ask: what is found in a stream, and a stage's own answer told as one. Calls are tested elsewhere."""

from __future__ import annotations

import msgspec
import pytest

from proxy.errors import InternalError
from proxy.inprocess.ways import CHAT, chunks
from proxy.reply import Reply


def test_chunks_are_found_and_nothing_else() -> None:
    told = (
        b': ka\n\ndata: {"a":1}\n\ndata: {"error":null,"b":2}\n\ndata: {\ndata: "c":3}\n\n'
        b'data: {"error":{"message":"x"}}\n\ndata: [DONE]\n\n'
    )
    assert [msgspec.json.decode(one) for one in chunks(told)] == [{"a": 1}, {"error": None, "b": 2}, {"c": 3}]


def test_a_stages_own_completion_is_told_as_one_chunk() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    made = {"id": "c", "object": "chat.completion", "choices": [{"message": message, "finish_reason": "tool_calls"}]}
    (told,) = CHAT.retold(Reply.json(made))
    assert msgspec.json.decode(told) == {
        "id": "c",
        "object": "chat.completion.chunk",
        "choices": [
            {"index": 0, "delta": {**message, "tool_calls": [{"index": 0, **call}]}, "finish_reason": "tool_calls"}
        ],
    }


@pytest.mark.parametrize("body", [b"no", b"[]", b"{}", b'{"choices":[{}]}', b'{"choices":[1]}', b'{"choices":3}'])
def test_what_is_no_completion_is_a_bug_of_the_stage(body: bytes) -> None:
    with pytest.raises(InternalError, match="no completion"):
        CHAT.retold(Reply(200, body))
