"""Chunks: read fast when they fit, leniently when they do not."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from proxy.providers.chat.chunk import (
    Choice,
    Chunk,
    Delta,
    FunctionPiece,
    PlainChoice,
    PlainCompletion,
    PlainMessage,
    ToolCallPiece,
    decode_chunk,
    decode_leniently,
)


def leniently(value: Any) -> Chunk:
    """Returns the chunk that a lenient reading finds."""
    read = decode_leniently(value if isinstance(value, bytes) else json.dumps(value).encode())
    assert read is not None
    return read[0]


GOOD = {
    "choices": [
        {
            "index": 0,
            "delta": {
                "content": "a",
                "tool_calls": [{"index": 1, "id": "c", "function": {"name": "f", "arguments": "{}"}}],
                "reasoning_content": "r",
                "reasoning_details": [{"type": "reasoning.text"}],
                "refusal": "no",
                "annotations": [{"type": "url_citation"}],
                "function_call": {"name": "g", "arguments": "{"},
                "audio": {"transcript": "t"},
            },
            "finish_reason": "stop",
            "logprobs": {"content": [{"token": "a"}]},
            "error": {"message": "x"},
        }
    ],
    "usage": {"total_tokens": 1},
    "error": {"message": "y"},
    "service_tier": "default",
    "x_groq": {"usage": {}},
    "citations": ["https://a"],
    "search_results": [{"url": "https://a"}],
}


def test_a_chunk_that_fits_is_the_same_read_either_way() -> None:
    assert leniently(GOOD) == decode_chunk(json.dumps(GOOD).encode())


def test_unknown_fields_are_skipped() -> None:
    assert decode_chunk(b'{"id":"","p":"abc","choices":[{"text":"x","matched_stop":5}]}') == Chunk([Choice()])


@pytest.mark.parametrize("payload", [b"", b"{", b"null", b"[]", b"5", b'"x"', b"\xff", b'{"a":' * 20_000, b"9" * 5000])
def test_what_is_no_json_object_is_no_chunk(payload: bytes) -> None:
    assert decode_leniently(payload) is None


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ({"content": "a", "refusal": 1, "tool_calls": "x"}, Delta(content="a")),
        ({"content": 5, "annotations": [1, {"a": 1}], "reasoning_details": "x"}, Delta(annotations=[{"a": 1}])),
        ({"content": [1], "function_call": "f"}, Delta(content=[1])),
        ({"tool_calls": [None, {"index": "2", "id": 7, "function": {"name": None, "arguments": 5}}]},
         Delta(tool_calls=[ToolCallPiece(2, "7", FunctionPiece())])),
        ({"tool_calls": [{"index": 1.5, "id": True, "custom": []}]}, Delta(tool_calls=[ToolCallPiece()])),
    ],
)  # fmt: skip
def test_what_fits_is_kept(delta: Any, expected: Delta) -> None:
    (choice,) = leniently({"choices": [{"delta": delta}]}).choices or []
    assert choice.delta == expected


def test_choices_and_their_fields_may_be_anything() -> None:
    chunk = leniently({"choices": [None, {"index": [], "delta": [], "finish_reason": {}, "logprobs": 3}], "usage": 1})
    assert chunk.choices is not None
    assert (chunk.choices[0].index, chunk.choices[0].delta, chunk.choices[0].finish_reason) == (None, None, None)
    assert (leniently({"choices": {}}).choices, chunk.usage) == (None, None)


def test_half_a_pair_and_odd_numbers_are_read_leniently() -> None:
    payload = b'{"choices":[{"delta":{"content":"\\ud83d"}}],"usage":{"total_tokens":NaN}}'
    with pytest.raises(msgspec.DecodeError):
        decode_chunk(payload)
    (choice,) = leniently(payload).choices or []
    assert choice.delta is not None
    assert choice.delta.content == "\ud83d"


def test_the_plain_object_comes_too() -> None:
    read = decode_leniently(b'{"choices":5,"more":1}')
    assert read is not None
    assert read[1] == {"choices": 5, "more": 1}


@pytest.mark.parametrize(("plain", "whole"), [(PlainMessage, Delta), (PlainChoice, Choice), (PlainCompletion, Chunk)])
def test_what_is_plain_looks_at_all_that_may_be_said_besides(
    plain: type[msgspec.Struct], whole: type[msgspec.Struct]
) -> None:
    assert set(plain.__struct_fields__) == set(whole.__struct_fields__)
