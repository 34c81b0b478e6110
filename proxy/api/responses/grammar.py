"""The event grammar of the Responses API, as tables: which events a part and a call consist of, and their fields.

    stream    := created [queued] in_progress item* terminal
    message   := output_item.added part+ output_item.done
    part      := <part>.added <delta>* <done> <part>.done
    reasoning := output_item.added part* output_item.done
    call      := output_item.added <delta>* <done> output_item.done
    opaque    := output_item.added <step>* output_item.done

The encoder walks these tables and knows no event name of its own but the life cycle's. Source of every row: sections
4.2 and 4.3 of the wire reference (OpenAI's published event types and recorded streams).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

PartKind = Literal["output_text", "refusal", "reasoning_text", "summary_text"]
CallKind = Literal[
    "function_call", "custom_tool_call", "tool_search_call", "local_shell_call", "shell_call", "apply_patch_call"
]


class PartGrammar(NamedTuple):
    """The events of one kind of part. `text_field` names the text's field, in the done event and in the part itself."""

    added: str
    delta: str
    done: str
    closed: str
    text_field: str
    index_field: str


class CallGrammar(NamedTuple):
    """The events of one kind of call. `value_field` names the field of what the model wrote, as in the item.

    Without `delta` and `done` the value is a JSON object that is shown only when it is whole.
    """

    id_prefix: str
    value_field: str
    delta: str | None = None
    done: str | None = None


PARTS: dict[PartKind, PartGrammar] = {
    "output_text": PartGrammar(
        added="response.content_part.added",
        delta="response.output_text.delta",
        done="response.output_text.done",
        closed="response.content_part.done",
        text_field="text",
        index_field="content_index",
    ),
    "refusal": PartGrammar(
        added="response.content_part.added",
        delta="response.refusal.delta",
        done="response.refusal.done",
        closed="response.content_part.done",
        text_field="refusal",
        index_field="content_index",
    ),
    "reasoning_text": PartGrammar(
        added="response.content_part.added",
        delta="response.reasoning_text.delta",
        done="response.reasoning_text.done",
        closed="response.content_part.done",
        text_field="text",
        index_field="content_index",
    ),
    "summary_text": PartGrammar(
        added="response.reasoning_summary_part.added",
        delta="response.reasoning_summary_text.delta",
        done="response.reasoning_summary_text.done",
        closed="response.reasoning_summary_part.done",
        text_field="text",
        index_field="summary_index",
    ),
}

CALLS: dict[CallKind, CallGrammar] = {
    "function_call": CallGrammar(
        "fc", "arguments", "response.function_call_arguments.delta", "response.function_call_arguments.done"
    ),
    "custom_tool_call": CallGrammar(
        "ctc", "input", "response.custom_tool_call_input.delta", "response.custom_tool_call_input.done"
    ),
    "tool_search_call": CallGrammar("tsc", "arguments"),
    "local_shell_call": CallGrammar("lsh", "action"),
    "shell_call": CallGrammar("sh", "action"),
    "apply_patch_call": CallGrammar("apc", "operation"),
}

OPAQUE_PREFIXES: dict[str, str] = {
    "code_interpreter_call": "ci",
    "compaction": "cmp",
    "computer_call": "cu",
    "file_search_call": "fs",
    "image_generation_call": "ig",
    "mcp_approval_request": "mcpr",
    "mcp_call": "mcp",
    "mcp_list_tools": "mcpl",
    "program": "cm",
    "program_output": "cmo",
    "shell_call_output": "sho",
    "tool_search_output": "tso",
    "web_search_call": "ws",
}
"""What the ids of items begin with that come whole (section 3.5)."""

STEPS: dict[str, tuple[str, ...]] = {
    "image_generation_call": (
        "response.image_generation_call.in_progress",
        "response.image_generation_call.generating",
        "response.image_generation_call.completed",
    ),
}
"""The events between the first and the last of such an item, whose bulk only the last one tells."""
