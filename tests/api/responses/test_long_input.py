"""Long requests that are read in one pass: what comes of it is what comes of reading them as ever."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.api.responses.long_input import LONG, read_long
from proxy.api.responses.request import ResponsesRequest
from proxy.errors import BadRequest

TEXT = 'Grüße, "river" \\ of \u2028 words 🙂\n' * 1000
EMPTY = {"type": "input_text", "text": ""}
SAID = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "phase": "final_answer",
    "content": [{"type": "output_text", "text": TEXT, "annotations": [{"a": 1.50}], "logprobs": []}],
}
PLAIN: dict[str, dict[str, Any]] = {
    "a string": {"input": TEXT},
    "a message": {"input": [{"role": "user", "content": TEXT}]},
    "parts": {
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": TEXT}]},
            {
                "role": "developer",
                "id": None,
                "content": [{"type": "text", "text": TEXT}, {"type": "input_text", "text": ""}],
            },
        ]
    },
    "a conversation": {"input": [{"role": "user", "content": "hi"}, SAID, {"role": "user", "content": []}]},
    "a hint": {
        "input": [
            {
                "role": "user",
                "content": [{"type": "input_text", "text": TEXT, "prompt_cache_breakpoint": {"mode": "x"}}],
            }
        ]
    },
    "all kinds of fields": {
        "input": TEXT,
        "stream": True,
        "temperature": 1.0,
        "metadata": {"ä": "ö"},
        "tools": [{"type": "function", "name": "f", "parameters": {"maximum": 2**70}}],
        "instructions": None,
        "max_tokens": 5,
    },
}


def body(fields: dict[str, Any], *, ascii: bool = False) -> bytes:
    """Returns the body of a request."""
    return json.dumps({"model": "m", **fields}, ensure_ascii=ascii).encode()


@pytest.mark.parametrize("ascii", [True, False])
@pytest.mark.parametrize("fields", PLAIN.values(), ids=PLAIN)
def test_it_is_the_same_request(fields: dict[str, Any], ascii: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = body(fields, ascii=ascii)
    assert len(data) > LONG
    assert read_long(data) is not None
    long = ResponsesRequest.parse(data)
    monkeypatch.setattr("proxy.api.responses.request.LONG", len(data) + 1)
    short = ResponsesRequest.parse(data)
    assert {name: json.loads(bytes(raw)) for name, raw in long.fields.items()} == json.loads(data)
    assert [json.loads(bytes(one)) for one in long.raw_items] == [json.loads(bytes(one)) for one in short.raw_items]
    assert (long.is_plain, short.is_plain) == (True, True)
    for one, other in zip(long.items, short.items, strict=True):
        assert (one.type, one.id, one.role) == (other.type, other.id, other.role)  # type: ignore[attr-defined]
        assert said(one) == said(other)
    assert sorted(text.text for text in long.texts()) == sorted(text.text for text in short.texts())
    long.validate()
    assert bytes(long.copy().fields["input"]) == bytes(long.fields["input"])


def said(item: Any) -> Any:
    """Returns the texts of a message, and what kind they are."""
    if isinstance(item.content, str):
        return item.content
    return [(part.__struct_config__.tag, part.text, bytes(part.prompt_cache_breakpoint)) for part in item.content]


CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OTHER: dict[str, bytes] = {
    "no input": body({"instructions": TEXT}),
    "no messages": body({"input": [], "instructions": TEXT}),
    "a call": body({"input": [{"role": "user", "content": TEXT}, CALL]}),
    "an image": body({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": TEXT}]}]}),
    "a field of a message": body({"input": [{"role": "user", "content": TEXT, "name": "x"}]}),
    "a field of a part": body({"input": [{"role": "user", "content": [{"type": "input_text", "text": TEXT, "x": 1}]}]}),
    "a field that nobody knows": body({"input": TEXT, "seed": 1}),
    "a field in capitals": body({"input": TEXT, "Model": "n"}),
    "a wrong role": body({"input": [{"role": "tool", "content": TEXT}]}),
    "no object": json.dumps([TEXT]).encode(),
    "half an object": body({"input": TEXT})[:-1],
    "no text in the input": body({"input": "@" + TEXT}).replace(b"@", b"\xff"),
    "no text elsewhere": body({"input": TEXT, "user": "@"}).replace(b"@", b"\xff"),
    "no text in what is passed on": body({"input": [{**SAID, "status": "@"}]}).replace(b"@", b"\xff"),
    "half a character": body({"input": "@" + TEXT}).replace(b"@", b"\\ud800"),
}


@pytest.mark.parametrize("data", OTHER.values(), ids=OTHER)
def test_whatever_else_there_may_be_is_read_as_ever(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(data) > LONG
    assert read_long(data) is None

    def outcome() -> Any:
        try:
            return {name: bytes(raw) for name, raw in ResponsesRequest.parse(data).fields.items()}
        except BadRequest as error:
            return str(error)

    now = outcome()
    monkeypatch.setattr("proxy.api.responses.request.LONG", len(data) + 1)
    assert now == outcome()


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    data = body({"input": "first"})[:-1] + b',"input":' + json.dumps(TEXT).encode() + b"}"
    assert ResponsesRequest.parse(data).items[0].content == TEXT  # type: ignore[attr-defined]
