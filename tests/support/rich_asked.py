"""Requests that use all that clients can ask for, for tests of what becomes of it."""

from __future__ import annotations

from typing import Any

from tests.support.asked import assistant, call, function, output, user
from tests.support.messages_asked import PDF, PNG

CITY = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 2, "pattern": "^[A-Z]", "format": "hostname"},
        "days": {"type": ["integer", "null"], "minimum": 1, "maximum": 14},
        "units": {"enum": ["c", "f"], "default": "c"},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "minItems": 2, "uniqueItems": True},
        "how": {"oneOf": [{"const": "brief"}, {"type": "object", "properties": {"words": {"type": "number"}}}]},
    },
    "required": ["city"],
    "$defs": {"tag": {"type": "string", "maxLength": 9, "examples": ["a"]}},
}
STRICT = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOLS = [
    function("get_weather", description="Tells the weather.", parameters=CITY),
    function("plain"),
    {"type": "function", "name": "bare"},
    {"type": "function", "name": "strict", "strict": True, "parameters": STRICT},
    {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/s"}},
    {"type": "namespace", "name": "mcp__x", "description": "d", "tools": [function("get"), function("put")]},
]
HOSTED = [{"type": "web_search"}, {"type": "code_interpreter", "container": {"type": "auto"}}]
WORK = [
    user("What is the weather?"),
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "gAAAA-opaque"},
    assistant("Let me look."),
    call("call_1", "get_weather", '{"city":"Oslo"}'),
    call("call_2", "get_weather", ""),
    {"type": "custom_tool_call", "call_id": "call_3", "name": "patch", "input": "*** Begin\n"},
    output("call_2", [{"type": "input_text", "text": "15C"}, {"type": "input_image", "image_url": PNG}]),
    output("call_1", "rain"),
    {"type": "custom_tool_call_output", "call_id": "call_3", "output": "ok"},
    assistant("Rain in Oslo. "),
    user("And tomorrow?"),
]
SEEN = [
    {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": PNG, "detail": "high"},
            {"type": "input_file", "file_data": PDF, "filename": "a report (2).pdf"},
            {"type": "input_file", "file_data": "data:text/plain;base64,aGVsbG8=", "filename": "a.txt"},
        ],
    }
]
SCHEMA = {"format": {"type": "json_schema", "name": "place", "schema": CITY, "strict": False}}
SCHEMA_STRICT = {"format": {"type": "json_schema", "name": "place", "schema": STRICT, "strict": True}}

RICH: dict[str, dict[str, Any]] = {
    "text": {"instructions": "Be brief.", "max_output_tokens": 100, "stream": True},
    "roles": {
        "input": [{"role": "system", "content": "s"}, user("a"), {"role": "developer", "content": "d"}, user("b")]
    },
    "sampling": {"temperature": 0.3, "top_p": 0.9, "max_output_tokens": 64, "reasoning": {"effort": "none"}},
    "hot": {"temperature": 1.7, "stream": True},
    "tools": {"tools": TOOLS, "parallel_tool_calls": False, "stream": True},
    "one tool": {"tools": TOOLS, "tool_choice": {"type": "function", "name": "plain"}},
    "some tool": {"tools": TOOLS, "tool_choice": "required", "stream": True},
    "no tool": {"tools": TOOLS, "tool_choice": "none"},
    "allowed tools": {
        "tools": TOOLS,
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "bare"}]},
    },
    "hosted tools": {"tools": [*HOSTED, *TOOLS], "include": ["web_search_call.action.sources"]},
    "work": {"input": WORK, "tools": TOOLS, "reasoning": {"effort": "high", "summary": "auto"}, "stream": True},
    "work without tools": {"input": WORK},
    "files": {"input": SEEN, "prompt_cache_key": "k", "prompt_cache_retention": "24h"},
    "schema": {"text": SCHEMA, "stream": True},
    "strict schema": {"text": SCHEMA_STRICT, "tools": TOOLS[:2]},
    "json": {"text": {"format": {"type": "json_object"}}, "instructions": "Answer in JSON."},
    "prefill": {"input": [user("Say hello."), assistant("Hel ")]},
    **{
        f"effort {effort}": {"reasoning": {"effort": effort, "summary": "detailed"}, "max_output_tokens": 2000}
        for effort in ("none", "minimal", "low", "medium", "high", "xhigh", "max")
    },
    "hints": {
        "service_tier": "priority",
        "safety_identifier": "user-1",
        "metadata": {"a": "b"},
        "truncation": "auto",
        "top_logprobs": 2,
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
        "text": {"verbosity": "low"},
        "max_tool_calls": 3,
        "store": False,
        "user": "u",
    },
}
"""Requests of the Responses API; where no input is named it is `hi`."""

CHAT_TOOL = {"type": "function", "function": {"name": "get_weather", "description": "d", "parameters": CITY}}
RICH_CHAT: dict[str, dict[str, Any]] = {
    "text": {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}], "stream": True},
    "all settings": {
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0.2,
        "max_tokens": 50,
        "stop": ["END", "STOP"],
        "seed": 7,
        "presence_penalty": 0.5,
        "frequency_penalty": 0.5,
        "user": "u",
        "logit_bias": {"50256": -100},
        "n": 1,
    },
    "images": {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": PNG}}],
            }
        ]
    },
    "work": {
        "messages": [
            {"role": "user", "content": "weather?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}},
                    {"id": "c2", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"O"}'}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "sun"}]},
        ],
        "tools": [CHAT_TOOL],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning_effort": "medium",
        "stream": True,
    },
    "schema": {
        "messages": [{"role": "user", "content": "hi"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": STRICT, "strict": True}},
    },
    "forced": {
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [CHAT_TOOL],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    },
}
"""Requests of chat completions."""
