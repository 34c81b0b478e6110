"""Bodies of answers as LiteLLM's clients expect them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.litellm.answers import with_both, with_code


def both(**fields: Any) -> dict[str, Any]:
    made = with_both(json.dumps({"object": "response", **fields}, separators=(",", ":")).encode())
    found: dict[str, Any] = json.loads(made)
    return found


def test_a_response_is_a_completion_too() -> None:
    answer = both(
        created_at=7,
        status="completed",
        usage={"input_tokens": 3, "output_tokens": 5, "total_tokens": 8},
        output=[
            {"type": "reasoning", "summary": [{"text": "Hm."}]},
            {
                "type": "message",
                "content": [{"type": "output_text", "text": "A"}, {"type": "refusal", "refusal": "No"}],
            },
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        ],
    )
    assert (answer["created"], answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (7, 3, 5)
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "A",
                "refusal": "No",
                "reasoning_content": "Hm.",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            "finish_reason": "tool_calls",
        }
    ]
    assert [one["type"] for one in answer["output"]] == ["reasoning", "message", "function_call"]


@pytest.mark.parametrize(
    ("status", "reason", "finish"),
    [
        ("completed", None, "stop"),
        ("incomplete", "max_output_tokens", "length"),
        ("incomplete", "content_filter", "content_filter"),
    ],
)
def test_how_it_ended(status: str, reason: str | None, finish: str) -> None:
    details = None if reason is None else {"reason": reason}
    assert both(status=status, incomplete_details=details, output=[])["choices"][0]["finish_reason"] == finish
    assert both(status="in_progress")["choices"] == []


@pytest.mark.parametrize("body", [b"", b"[]", b'{"object":"list"}', b'{"a":{"object":"response"}}'])
def test_other_bodies_stay_as_they_are(body: bytes) -> None:
    assert with_both(body) == body


def test_errors_have_their_status_as_code() -> None:
    body = b'{"error":{"message":"m","type":"t","param":null,"code":"model_not_found"}}'
    assert json.loads(with_code(body, 400)) == {
        "error": {"message": "m", "type": "t", "param": None, "code": 400, "openai_code": "model_not_found"}
    }
    assert json.loads(with_code(b'{"error":{"code":null}}', 404)) == {"error": {"code": 404}}
    for other in (b"no json", b'{"error":"text"}', b"{}", b"\xff"):
        assert with_code(other, 500) == other
