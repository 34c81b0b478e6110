"""What answers have besides for clients that come from LiteLLM: its error codes, the fields of both APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

_FINISH = {"max_output_tokens": "length", "content_filter": "content_filter"}

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def with_code(body: bytes, status: int) -> bytes:
    """Returns an error's body with its status as `error.code`; what is no error object stays as it is."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    error = answer.get("error")
    if not isinstance(error, dict):
        return body
    if error.get("code") is not None:
        error["openai_code"] = error["code"]
    error["code"] = status
    return msgspec.json.encode(answer)


def with_both(body: bytes) -> bytes:
    """Returns a Response with the fields of a chat completion beside its own; any other body stays as it is."""
    if not body.startswith(b"{") or b'"object":"response"' not in body:
        return body
    answer = _decode(body)
    if answer.get("object") != "response":
        return body
    answer.setdefault("created", answer.get("created_at"))
    answer["choices"] = [] if answer.get("status") in ("queued", "in_progress") else [_choice(answer)]
    usage = answer.get("usage")
    if isinstance(usage, dict):
        usage["prompt_tokens"] = usage.get("input_tokens", 0)
        usage["completion_tokens"] = usage.get("output_tokens", 0)
    return msgspec.json.encode(answer)


def _choice(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the output as the one choice of a completion."""
    texts: list[str] = []
    refusals: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    for item in answer.get("output") or ():
        kind = item.get("type")
        if kind == "message":
            for part in item.get("content") or ():
                (refusals if part.get("type") == "refusal" else texts).append(
                    part.get("text") or part.get("refusal", "")
                )
        elif kind == "reasoning":
            thoughts += [part.get("text", "") for part in (item.get("summary") or item.get("content") or ())]
        elif kind == "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            calls.append({"id": item.get("call_id"), "type": "function", "function": function})
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    if calls:
        message["tool_calls"] = calls
    if refusals:
        message["refusal"] = "".join(refusals)
    if thoughts:
        message["reasoning_content"] = "\n".join(thoughts)
    reason = (answer.get("incomplete_details") or {}).get("reason", "")
    finish = _FINISH.get(reason, "tool_calls" if calls else "stop")
    return {"index": 0, "message": message, "finish_reason": finish}
