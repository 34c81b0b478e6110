"""A Messages server that takes nothing but what it should: checks requests by the rules that the API enforces.

Written from the reference of upstreams (sections 5.1, 5.2 and 5.6) and, for what each model takes, from the flags of
the shared table of models; not from the code under test.
"""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from typing import Any

from .fixtures import SHARED

KEYS = frozenset(
    (
        "model", "messages", "max_tokens", "mcp_servers", "system", "tools", "tool_choice", "temperature", "top_p",
        "top_k", "stop_sequences", "stream", "metadata", "thinking", "output_config", "service_tier",
    )
)  # fmt: skip
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_SERVER_TOOL = re.compile(r"[a-z_]+_20\d{6}")
_MAGIC = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG", "image/gif": b"GIF8", "image/webp": b"RIFF"}
_SCHEMA_KEYS = frozenset(
    (
        "type", "properties", "required", "items", "enum", "const", "anyOf", "allOf", "$ref", "$defs", "definitions",
        "title", "description", "default", "minItems", "format", "additionalProperties",
    )
)  # fmt: skip
_FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
_THINKING = ("thinking", "redacted_thinking")


@cache
def models() -> dict[str, dict[str, Any]]:
    """Returns the rows of Anthropic's models in the shared table, by name; empty when it is not there."""
    if SHARED is None:
        return {}
    table = json.loads((SHARED.parent / "data" / "model_prices.json").read_text())["models"]
    return {name.removeprefix("anthropic/"): row for name, row in table.items() if name.startswith("anthropic/")}


OLD = {"flags": ["tools", "tool_choice", "vision", "pdf", "reasoning", "prefill"], "max_out": 64000}
"""What a model before 4.5 takes that thinks by a budget."""


def check(body: bytes | dict[str, Any]) -> dict[str, Any]:
    """Returns the decoded body; raises AssertionError for the first thing that the API would refuse."""
    request: dict[str, Any] = json.loads(body) if isinstance(body, bytes) else json.loads(json.dumps(body))
    unknown = set(request) - KEYS
    assert not unknown, f"{sorted(unknown)}: Extra inputs are not permitted"
    assert all(value is not None for value in request.values()), "null parameters"
    assert isinstance(request["model"], str)
    assert request["model"]
    row = models().get(request["model"], OLD)
    names = _check_tools(request, row)
    thinks = _check_thinking(request, row)
    _check_numbers(request, row, thinks=thinks)
    _check_choice(request, row, names, thinks=thinks)
    _check_messages(request, row)
    _check_system(request)
    _check_breakpoints(request)
    _check_output(request, row)
    return request


def _has(row: dict[str, Any], flag: str) -> bool:
    return flag in row["flags"]


def _check_tools(request: dict[str, Any], row: dict[str, Any]) -> set[str]:
    tools = request.get("tools", [])
    assert tools or "tools" not in request, "an empty list of tools"
    strict = 0
    for tool in tools:
        if "type" in tool:
            assert _SERVER_TOOL.fullmatch(tool["type"]), tool["type"]
            continue
        assert set(tool) <= {"name", "description", "input_schema", "strict", "cache_control"}
        assert _NAME.fullmatch(tool["name"]), tool["name"]
        assert tool.get("description", "x"), "an empty description"
        assert tool["input_schema"]["type"] == "object"
        if tool.get("strict"):
            strict += 1
            assert _has(row, "native_json_schema")
            check_schema(tool["input_schema"])
    assert strict <= 20, "Too many strict tools"
    names = [tool["name"] for tool in tools]
    assert len(names) == len(set(names)), "Tool names must be unique"
    return set(names)


def _check_thinking(request: dict[str, Any], row: dict[str, Any]) -> bool:
    """Checks how much is to be thought; tells whether the model was told to."""
    thinking = request.get("thinking")
    if thinking is None:
        return False
    kind = thinking["type"]
    if kind == "disabled":
        assert set(thinking) == {"type"}
        assert not _has(row, "thinking_always_on"), "thinking cannot be disabled"
        assert request.get("output_config", {}).get("effort", "high") in ("low", "medium", "high")
        return False
    if kind == "adaptive":
        assert _has(row, "adaptive_thinking"), "adaptive thinking is not supported"
        assert set(thinking) <= {"type", "display"}
        assert thinking.get("display", "omitted") in ("summarized", "omitted")
        return True
    assert kind == "enabled"
    assert set(thinking) == {"type", "budget_tokens"}
    assert not _has(row, "adaptive_thinking") or _has(row, "legacy_thinking"), "enabled is not supported"
    assert 1024 <= thinking["budget_tokens"] < request["max_tokens"]
    _check_open_loop(request["messages"])
    return True


def _check_open_loop(messages: list[dict[str, Any]]) -> None:
    """While results are given back, the work they belong to must have begun with thinking."""
    place = len(messages) - 1
    if messages[place]["content"][0]["type"] != "tool_result":
        return
    while place >= 3 and all(block["type"] == "tool_result" for block in messages[place - 2]["content"]):
        place -= 2
    first = messages[place - 1]["content"][0]["type"]
    assert first in _THINKING, f"Expected `thinking` or `redacted_thinking`, but found `{first}`"


def _check_numbers(request: dict[str, Any], row: dict[str, Any], *, thinks: bool) -> None:
    assert isinstance(request["max_tokens"], int)
    assert 1 <= request["max_tokens"] <= row["max_out"], f"max_tokens: {request['max_tokens']} > {row['max_out']}"
    for name, high in (("temperature", 1), ("top_p", 1), ("top_k", 10**6)):
        if name in request:
            assert 0 <= request[name] <= high, name
            assert not _has(row, "no_sampling"), f"{name} is not supported"
            assert not thinks, f"{name} with thinking"
    assert not {"temperature", "top_p"} <= set(request), "both temperature and top_p"
    assert all(word.strip() for word in request.get("stop_sequences", ["x"]))
    assert isinstance(request.get("stream", True), bool)
    user = request.get("metadata", {"user_id": "x"})
    assert set(user) == {"user_id"}
    assert "@" not in user["user_id"]
    assert 0 < len(user["user_id"]) <= 256
    assert request.get("service_tier", "auto") in ("auto", "standard_only")


def _check_choice(request: dict[str, Any], row: dict[str, Any], names: set[str], *, thinks: bool) -> None:
    choice = request.get("tool_choice")
    if choice is None:
        return
    assert names, "tool_choice without tools"
    assert choice["type"] in ("auto", "any", "tool", "none")
    if choice["type"] in ("any", "tool"):
        assert not thinks, "Thinking may not be enabled when tool_choice forces tool use"
        assert not _has(row, "no_forced_tools")
    allowed = {"auto": {"disable_parallel_tool_use"}, "any": {"disable_parallel_tool_use"}, "none": set()}
    if choice["type"] == "tool":
        assert choice["name"] in names
        assert set(choice) <= {"type", "name", "disable_parallel_tool_use"}
    else:
        assert set(choice) <= {"type"} | allowed[choice["type"]]


def _check_messages(request: dict[str, Any], row: dict[str, Any]) -> None:
    messages = request["messages"]
    assert messages, "at least one message is required"
    assert messages[0]["role"] == "user", "first message must use the user role"
    waiting: list[str] = []
    before = ""
    for index, message in enumerate(messages):
        where = f"messages.{index}"
        role, content = message["role"], message["content"]
        assert set(message) == {"role", "content"}
        assert role in ("user", "assistant", "system"), where
        assert role == "system" or role != before, f"{where}: two messages of {role} in a row"
        before = role
        assert isinstance(content, list), where
        assert content, f"{where}: empty content"
        for block in content:
            _check_block(block, role, where)
        if role == "system":
            assert _has(row, "mid_system"), f"{where}: Unexpected role system"
            assert not waiting, where
            continue
        if role == "user":
            results = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
            kinds = [block["type"] == "tool_result" for block in content]
            assert kinds == sorted(kinds, reverse=True), f"{where}: results behind something else"
            assert sorted(results) == sorted(waiting), f"{where}: results {results} for calls {waiting}"
            waiting = []
        else:
            assert not waiting, f"{where}: `tool_use` ids were found without `tool_result` blocks"
            _check_hosted(content, request, where)
            waiting = [block["id"] for block in content if block["type"] == "tool_use"]
            assert len(waiting) == len(set(waiting)), f"{where}: `tool_use` ids must be unique"
    assert not waiting, "calls without results at the end"
    called = any(block["type"] == "tool_use" for message in messages for block in message["content"])
    assert not called or request.get("tools"), "Requests which include tool_use blocks must define tools"
    last = messages[-1]
    if last["role"] == "assistant":
        assert _has(row, "prefill"), "This model does not support assistant message prefill"
        assert last["content"][-1]["type"] == "text"
        assert last["content"][-1]["text"] == last["content"][-1]["text"].rstrip(), "trailing whitespace"


_HOSTED = {
    "server_tool_use": ({"id", "name", "input"}, {"caller"}),
    "mcp_tool_use": ({"id", "name", "input", "server_name"}, set()),
    "web_search_tool_result": ({"tool_use_id", "content"}, {"caller"}),
    "code_execution_tool_result": ({"tool_use_id", "content"}, set()),
    "tool_search_tool_result": ({"tool_use_id", "content"}, set()),
    "mcp_tool_result": ({"tool_use_id", "content"}, {"is_error"}),
}
"""Fields of the blocks of the API's own tools: those that must be there, and those that may."""


def _check_hosted(content: list[dict[str, Any]], request: dict[str, Any], where: str) -> None:
    calls = {block["id"]: block for block in content if block["type"] in ("server_tool_use", "mcp_tool_use")}
    results = [block["tool_use_id"] for block in content if block["type"].endswith("_tool_result")]
    assert sorted(results) == sorted(calls), f"{where}: tool use was found without a corresponding result block"
    own = {tool["name"] for tool in request.get("tools", ()) if "type" in tool}
    servers = {server["name"] for server in request.get("mcp_servers", ())}
    for call in calls.values():
        assert isinstance(call["input"], dict), f"{where}: input should be an object"
        offered = call["name"] in own if call["type"] == "server_tool_use" else call["server_name"] in servers
        assert offered, f"{where}: no tool for {call['name']}"


_BLOCKS = {
    "user": ("text", "image", "document", "tool_result"),
    "assistant": ("text", "tool_use", "thinking", "redacted_thinking", *_HOSTED),
    "system": ("text",),
}


def _check_block(block: dict[str, Any], role: str, where: str) -> None:
    kind = block["type"]
    assert kind in _BLOCKS[role], f"{where}: {kind} of {role}"
    fields = set(block) - {"type", "cache_control"}
    if kind in _HOSTED:
        needed, possible = _HOSTED[kind]
        assert needed <= fields <= needed | possible, f"{where}: {fields}"
    elif kind == "text":
        assert fields == {"text"}
        assert block["text"].strip(), f"{where}: text content blocks must contain non-whitespace text"
    elif kind == "image":
        assert fields == {"source"}
        _check_source(block["source"], where, documents=False)
    elif kind == "document":
        assert fields <= {"source", "title", "citations"}
        _check_source(block["source"], where, documents=True)
    elif kind == "tool_use":
        assert fields == {"id", "name", "input"}
        assert _ID.fullmatch(block["id"]), block["id"]
        assert _NAME.fullmatch(block["name"])
        assert isinstance(block["input"], dict), f"{where}: input should be an object"
    elif kind == "tool_result":
        assert fields <= {"tool_use_id", "content", "is_error"}
        assert _ID.fullmatch(block["tool_use_id"])
        for inner in block.get("content", []):
            assert inner["type"] in ("text", "image", "document"), where
            assert "cache_control" not in inner
            _check_block(inner, "user", where)
    else:
        assert "cache_control" not in block, f"{where}: cache_control on thinking"
        assert fields == ({"thinking", "signature"} if kind == "thinking" else {"data"})
        assert block.get("signature", block.get("data"))


def _check_source(source: dict[str, Any], where: str, *, documents: bool) -> None:
    kind = source["type"]
    if kind == "url":
        assert set(source) == {"type", "url"}
        assert source["url"].startswith("https://"), f"{where}: only https"
    elif kind == "file":
        assert set(source) == {"type", "file_id"}
    elif kind == "text":
        assert documents
        assert source["media_type"] == "text/plain"
        assert isinstance(source["data"], str)
    else:
        assert kind == "base64"
        raw = base64.b64decode(source["data"], validate=True)
        if documents:
            assert source["media_type"] == "application/pdf"
        else:
            assert raw.startswith(_MAGIC[source["media_type"]]), f"{where}: does not match the media type"


def _check_system(request: dict[str, Any]) -> None:
    assert request.get("system", [1]), "an empty list"
    for block in request.get("system", []):
        assert block["type"] == "text"
        assert set(block) <= {"type", "text", "cache_control"}
        assert block["text"].strip()


def _check_breakpoints(request: dict[str, Any]) -> None:
    blocks = [*request.get("tools", []), *request.get("system", [])]
    blocks += [block for message in request["messages"] for block in message["content"]]
    marks = [block["cache_control"] for block in blocks if "cache_control" in block]
    assert len(marks) <= 4, f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}."
    for mark in marks:
        assert mark["type"] == "ephemeral"
        assert mark.get("ttl", "5m") in ("5m", "1h")


def _check_output(request: dict[str, Any], row: dict[str, Any]) -> None:
    output = request.get("output_config", {"effort": "high"})
    assert output
    assert set(output) <= {"effort", "format"}
    if "effort" in request.get("output_config", {}):
        assert _has(row, "adaptive_thinking"), "effort is not supported"
        assert output["effort"] in ("low", "medium", "high", *row.get("efforts", []))
    if "format" in output:
        assert _has(row, "native_json_schema"), "output_config.format is not supported"
        assert set(output["format"]) == {"type", "schema"}
        assert output["format"]["type"] == "json_schema"
        check_schema(output["format"]["schema"])


def check_schema(schema: Any, where: str = "schema") -> None:
    """Raises AssertionError for what the API cannot hold a model to."""
    assert isinstance(schema, dict), where
    unknown = set(schema) - _SCHEMA_KEYS
    assert not unknown, f"{where}: {sorted(unknown)} is not supported"
    if "$ref" in schema:
        assert set(schema) <= {"$ref", "$defs", "definitions"}, f"{where}: something beside $ref"
    assert schema.get("minItems", 0) in (0, 1)
    assert schema.get("format", "date") in _FORMATS
    kinds = schema.get("type", [])
    if "object" in (kinds if isinstance(kinds, list) else [kinds]) or "properties" in schema:
        assert schema.get("additionalProperties") is False, f"{where}: additionalProperties must be false"
    for name in ("properties", "$defs", "definitions"):
        for key, inner in schema.get(name, {}).items():
            check_schema(inner, f"{where}.{key}")
    for name in ("anyOf", "allOf"):
        for inner in schema.get(name, []):
            check_schema(inner, f"{where}.{name}")
    if "items" in schema:
        check_schema(schema["items"], f"{where}.items")
