"""The fields of events, items, parts and Response objects: sections 3 and 4.2 of the wire reference as tables.

A table maps a field to its kind. `~` in front makes the field optional, `?` behind lets it be null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.grammar_framing import GrammarViolation, Profile

Table = Mapping[str, str]


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_int(value) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


KINDS: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "text": lambda value: isinstance(value, str) and value != "",
    "bool": lambda value: isinstance(value, bool),
    "int": _is_int,
    "count": _is_count,
    "number": _is_number,
    "list": lambda value: isinstance(value, list),
    "texts": _is_texts,
    "object": lambda value: isinstance(value, dict),
    "any": lambda value: value is not None,
}

PLACE = {"item_id": "text", "output_index": "count"}
PART_PLACE = {**PLACE, "content_index": "count"}
SUMMARY_PLACE = {**PLACE, "summary_index": "count"}
SNAPSHOT = {"response": "object"}
ITEM = {"output_index": "count", "item": "object"}
DELTA = {"delta": "text", "obfuscation": "~str"}
IMAGE_STEPS = tuple(f"response.image_generation_call.{step}" for step in ("in_progress", "generating", "completed"))
"""All events of an image that comes whole, in their order."""

EVENTS: dict[str, Table] = {
    "response.created": SNAPSHOT,
    "response.queued": SNAPSHOT,
    "response.in_progress": SNAPSHOT,
    "response.completed": SNAPSHOT,
    "response.incomplete": SNAPSHOT,
    "response.failed": SNAPSHOT,
    "response.output_item.added": ITEM,
    "response.output_item.done": ITEM,
    "response.content_part.added": {**PART_PLACE, "part": "object"},
    "response.content_part.done": {**PART_PLACE, "part": "object"},
    "response.output_text.delta": {**PART_PLACE, **DELTA, "logprobs": "list"},
    "response.output_text.done": {**PART_PLACE, "text": "text", "logprobs": "list"},
    "response.output_text.annotation.added": {**PART_PLACE, "annotation_index": "count", "annotation": "object"},
    "response.refusal.delta": {**PART_PLACE, **DELTA},
    "response.refusal.done": {**PART_PLACE, "refusal": "text"},
    "response.reasoning_text.delta": {**PART_PLACE, **DELTA},
    "response.reasoning_text.done": {**PART_PLACE, "text": "text"},
    "response.function_call_arguments.delta": {**PLACE, **DELTA},
    "response.function_call_arguments.done": {**PLACE, "arguments": "str", "name": "text"},
    "response.custom_tool_call_input.delta": {**PLACE, **DELTA},
    "response.custom_tool_call_input.done": {**PLACE, "input": "str"},
    **dict.fromkeys(IMAGE_STEPS, PLACE),
    "response.reasoning_summary_part.added": {**SUMMARY_PLACE, "part": "object"},
    "response.reasoning_summary_part.done": {**SUMMARY_PLACE, "part": "object", "status": "~text"},
    "response.reasoning_summary_text.delta": {**SUMMARY_PLACE, **DELTA},
    "response.reasoning_summary_text.done": {**SUMMARY_PLACE, "text": "text"},
    "error": {"error": "object", "code": "text", "message": "str", "param": "str?"},
}

HOSTED_EVENTS: dict[str, tuple[str, ...]] = {
    "web_search_call": ("in_progress", "searching", "completed"),
    "file_search_call": ("in_progress", "searching", "completed"),
    "code_interpreter_call": ("in_progress", "interpreting", "completed"),
    "image_generation_call": ("in_progress", "generating", "partial_image", "completed"),
    "mcp_call": ("in_progress", "completed", "failed"),
    "mcp_list_tools": ("in_progress", "completed", "failed"),
    "code_interpreter_call_code": ("delta", "done"),
    "mcp_call_arguments": ("delta", "done"),
    "shell_call_command": ("added", "delta", "done"),
    "shell_call_output_content": ("delta", "done"),
    "apply_patch_call_operation_diff": ("delta", "done"),
}
HOSTED = {f"response.{family}.{step}" for family, steps in HOSTED_EVENTS.items() for step in steps}

NAMED_ITEM = {"type": "text", "id": "text", "status": "text"}
CALL = {**NAMED_ITEM, "call_id": "text"}

ITEMS: dict[str, Table] = {
    "message": {**NAMED_ITEM, "role": "text", "content": "list", "phase": "~text"},
    "reasoning": {**NAMED_ITEM, "summary": "list", "content": "list", "encrypted_content": "~text"},
    "function_call": {**CALL, "name": "text", "arguments": "str", "namespace": "~text"},
    "custom_tool_call": {**CALL, "name": "text", "input": "str", "namespace": "~text"},
    "tool_search_call": {**CALL, "arguments": "any", "execution": "text"},
    "local_shell_call": {**CALL, "action": "object"},
    "shell_call": {**CALL, "action": "object", "environment": "~object?"},
    "apply_patch_call": {**CALL, "operation": "object"},
    "compaction": {"type": "text", "id": "text", "encrypted_content": "text"},
    "image_generation_call": {**NAMED_ITEM, "result": "~text", "output_format": "~text"},
}
HOSTED_ITEMS = {
    "web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "computer_call",
    "mcp_list_tools", "mcp_call", "mcp_approval_request", "tool_search_output", "program", "program_output",
    "shell_call_output",
}  # fmt: skip

PREFIXES = {
    "message": "msg_", "reasoning": "rs_", "function_call": "fc_", "custom_tool_call": "ctc_",
    "tool_search_call": "tsc_", "local_shell_call": "lsh_", "shell_call": "sh_", "apply_patch_call": "apc_",
    "compaction": "cmp_", "image_generation_call": "ig_",
}  # fmt: skip

INNER: dict[str, tuple[str, Table]] = {
    "local_shell_call": ("action", {
        "type": "text", "command": "texts", "env": "object", "timeout_ms": "~count?", "user": "~str?",
        "working_directory": "~str?",
    }),
    "shell_call": ("action", {"commands": "texts", "timeout_ms": "~count?", "max_output_length": "~count?"}),
    "apply_patch_call": ("operation", {"type": "text", "path": "text", "diff": "~str"}),
}  # fmt: skip

PARTS: dict[str, Table] = {
    "output_text": {"type": "text", "text": "str", "annotations": "list", "logprobs": "list"},
    "refusal": {"type": "text", "refusal": "str"},
    "reasoning_text": {"type": "text", "text": "str"},
    "summary_text": {"type": "text", "text": "str"},
}

ANNOTATIONS: dict[str, Table] = {
    "url_citation": {"type": "text", "url": "str", "title": "str", "start_index": "int", "end_index": "int"},
    "file_citation": {"type": "text", "file_id": "str", "filename": "str", "index": "int"},
    "container_file_citation": {
        "type": "text", "container_id": "str", "file_id": "str", "filename": "str", "start_index": "int",
        "end_index": "int",
    },
    "file_path": {"type": "text", "file_id": "str", "index": "int"},
}  # fmt: skip

TOP_LOGPROB = {"token": "str", "bytes": "list", "logprob": "number"}
LOGPROB = {**TOP_LOGPROB, "top_logprobs": "list"}

RESPONSE: Table = {
    "id": "text", "object": "text", "created_at": "int", "status": "text", "completed_at": "int?",
    "background": "bool", "error": "object?", "incomplete_details": "object?", "instructions": "str?",
    "max_output_tokens": "int?", "max_tool_calls": "int?", "metadata": "object", "model": "text", "output": "list",
    "parallel_tool_calls": "bool", "previous_response_id": "str?", "conversation": "~object?", "prompt": "~object?",
    "prompt_cache_retention": "~str?", "prompt_cache_options": "~object?", "moderation": "~object?",
    "prompt_cache_key": "str?", "safety_identifier": "str?", "reasoning": "object?", "service_tier": "text",
    "store": "bool", "temperature": "number", "top_p": "number", "presence_penalty": "number",
    "frequency_penalty": "number", "top_logprobs": "count", "text": "object", "tool_choice": "any", "tools": "list",
    "truncation": "text", "usage": "object?", "user": "~str?",
}  # fmt: skip

FUNCTION_TOOL = {
    "type": "text", "name": "text", "description": "str?", "parameters": "object?", "strict": "bool?",
}  # fmt: skip

USAGE = {
    "input_tokens": "count", "input_tokens_details": "object", "output_tokens": "count",
    "output_tokens_details": "object", "total_tokens": "count",
}  # fmt: skip
USAGE_DETAILS = {
    "input_tokens_details": {"cached_tokens": "count", "cache_write_tokens": "count"},
    "output_tokens_details": {"reasoning_tokens": "count"},
}
ERROR = {"type": "text", "code": "text", "message": "str", "param": "str?"}
RESPONSE_ERROR = {"code": "text", "message": "str"}
REASONS = ("max_output_tokens", "content_filter")
STATUSES = ("completed", "failed", "in_progress", "cancelled", "queued", "incomplete")
ITEM_STATUSES = ("in_progress", "completed", "incomplete")
ID_FORM = re.compile(r"[A-Za-z0-9_-]{1,64}")
RESPONSE_ID_FORM = re.compile(r"resp_[A-Za-z0-9_-]{24,}")


def fields(where: str, value: Any, table: Table, profile: Profile, path: str = "") -> None:
    """Checks that `value` is an object with the fields of the table, and with no others."""
    if not isinstance(value, dict):
        raise GrammarViolation(f"{where}: not an object: {value!r}")
    for name, kind in table.items():
        _field(where, value, name, kind, profile, path)
    if profile.exact_fields:
        unknown = value.keys() - table.keys()
        if unknown:
            raise GrammarViolation(f"{where}: fields that are not in the reference: {sorted(unknown)}")


def _field(where: str, value: dict[str, Any], name: str, kind: str, profile: Profile, path: str) -> None:
    optional, nullable = kind.startswith("~"), kind.endswith("?")
    if f"{path}.{name}" in profile.may_omit:
        optional = nullable = True
    if name not in value:
        if not optional:
            raise GrammarViolation(f"{where}: {name} is missing")
        return
    found = value[name]
    if found is None:
        if not nullable and not (optional and profile.null_is_absent):
            raise GrammarViolation(f"{where}: {name} is null")
        return
    if not KINDS[kind.strip("~?")](found):
        raise GrammarViolation(f"{where}: {name} is no {kind.strip('~?')}: {found!r:.80}")


def one_of(where: str, value: Any, allowed: Any) -> None:
    """Checks that the value is one of those allowed."""
    if value not in allowed:
        raise GrammarViolation(f"{where}: {value!r} is none of {sorted(allowed)}")


def usage(where: str, value: Any, profile: Profile) -> None:
    """Checks a usage object (section 3.3); null is allowed."""
    if value is None:
        return
    fields(where, value, USAGE, profile, "usage")
    for name, table in USAGE_DETAILS.items():
        fields(f"{where}.{name}", value[name], table, profile, "usage")


def part(where: str, value: Any, allowed: tuple[str, ...], profile: Profile) -> None:
    """Checks the shape of a content or summary part (section 3.6)."""
    if not isinstance(value, dict):
        raise GrammarViolation(f"{where}: a part that is no object: {value!r}")
    one_of(f"{where}.type", value.get("type"), allowed)
    fields(where, value, PARTS[value["type"]], profile, "part")
    for entry in value.get("annotations") or []:
        annotation(f"{where}.annotations", entry, profile)
    logprobs(f"{where}.logprobs", value.get("logprobs") or [], profile)


def annotation(where: str, value: Any, profile: Profile) -> None:
    """Checks the shape of an annotation."""
    if not isinstance(value, dict):
        raise GrammarViolation(f"{where}: an annotation that is no object: {value!r}")
    one_of(f"{where}.type", value.get("type"), ANNOTATIONS)
    fields(where, value, ANNOTATIONS[value["type"]], profile, "annotation")


def logprobs(where: str, entries: Any, profile: Profile) -> None:
    """Checks a list of logprob entries in their full form."""
    for entry in entries:
        fields(where, entry, LOGPROB, profile, "logprob")
        for other in entry.get("top_logprobs") or []:
            fields(where, other, TOP_LOGPROB, profile, "logprob")


def item(where: str, value: Any, profile: Profile) -> None:
    """Checks the shape of an output item (section 3.5), of its id and of its parts."""
    if not isinstance(value, dict):
        raise GrammarViolation(f"{where}: an item that is no object: {value!r}")
    kind = value.get("type")
    if profile.hosted and kind in HOSTED_ITEMS:
        fields(where, value, {"type": "text", "id": "text"}, profile, "item")
        return
    one_of(f"{where}.type", kind, ITEMS)
    fields(where, value, ITEMS[str(kind)], profile, "item")
    if "status" in value:
        one_of(f"{where}.status", value["status"], ITEM_STATUSES)
    own = value["id"].startswith(PREFIXES[str(kind)]) or profile.foreign_ids
    if not own or not ID_FORM.fullmatch(value["id"]):
        raise GrammarViolation(f"{where}: the id {value['id']!r} of a {kind}")
    if isinstance(value.get("call_id"), str) and len(value["call_id"]) > 64:
        raise GrammarViolation(f"{where}: a call_id of {len(value['call_id'])} characters")
    _inside(where, value, profile)


def _inside(where: str, value: dict[str, Any], profile: Profile) -> None:
    kind = value["type"]
    if kind == "message":
        if value["role"] != "assistant":
            raise GrammarViolation(f"{where}: role {value['role']!r}")
        for entry in value["content"]:
            part(f"{where}.content", entry, ("output_text", "refusal"), profile)
    elif kind == "reasoning":
        for entry in value.get("content") or []:
            part(f"{where}.content", entry, ("reasoning_text",), profile)
        for entry in value["summary"]:
            part(f"{where}.summary", entry, ("summary_text",), profile)
    elif kind in INNER:
        name, table = INNER[kind]
        fields(f"{where}.{name}", value[name], table, profile, name)
        if kind == "apply_patch_call":
            one_of(f"{where}.operation.type", value[name]["type"], ("create_file", "update_file", "delete_file"))


def response(where: str, value: Any, profile: Profile) -> None:
    """Checks the fields of a Response (section 3.1), whatever its status."""
    fields(where, value, RESPONSE, profile, "response")
    if value["object"] != "response":
        raise GrammarViolation(f"{where}: object {value['object']!r}")
    one_of(f"{where}.status", value["status"], STATUSES)
    if profile.id_forms and not RESPONSE_ID_FORM.fullmatch(value["id"]):
        raise GrammarViolation(f"{where}: the id {value['id']!r}")
    _settings(where, value, profile)
    usage(f"{where}.usage", value["usage"], profile)
    if value["error"] is not None:
        fields(f"{where}.error", value["error"], RESPONSE_ERROR, profile, "response_error")
    if value["incomplete_details"] is not None:
        fields(f"{where}.incomplete_details", value["incomplete_details"], {"reason": "text"}, profile)
        one_of(f"{where}.incomplete_details.reason", value["incomplete_details"]["reason"], REASONS)


def _settings(where: str, value: dict[str, Any], profile: Profile) -> None:
    if value["reasoning"] is not None:
        for name in ("effort", "summary"):
            if name not in value["reasoning"] and f"reasoning.{name}" not in profile.may_omit:
                raise GrammarViolation(f"{where}: reasoning without {name}")
    text = value["text"]
    if not isinstance(text.get("format"), dict) or not isinstance(text["format"].get("type"), str):
        raise GrammarViolation(f"{where}: text without a format: {text!r}")
    if "text.verbosity" not in profile.may_omit and not isinstance(text.get("verbosity"), str):
        raise GrammarViolation(f"{where}: text without verbosity: {text!r}")
    one_of(f"{where}.truncation", value["truncation"], ("auto", "disabled"))
    for tool in value["tools"]:
        if not isinstance(tool, dict) or not isinstance(tool.get("type"), str):
            raise GrammarViolation(f"{where}: a tool without a type: {tool!r:.80}")
        if tool["type"] == "function":
            missing = FUNCTION_TOOL.keys() - tool.keys()
            if missing:
                raise GrammarViolation(f"{where}: the echoed tool {tool.get('name')!r} lacks {sorted(missing)}")
