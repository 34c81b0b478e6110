"""Requests like those of a coding agent, for measuring how long a request takes: made here, and captured ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

_CAPTURED = Path(__file__).resolve().parents[2] / "shared" / "fixtures" / "clients" / "codex"

_GUIDE = (
    "You are working in a repository on the user's machine. Read before you write; keep changes small; run the tests "
    "that cover what you touched, and say what you ran.\n"
    "- Prefer `rg` over `grep`.\n- Never undo what you did not do.\n"
)
_CODE = (
    "def parse(line: str) -> dict[str, str]:\n"
    '    """Splits "key=value" pairs."""\n'
    '    return dict(pair.split("=", 1) for pair in line.split())\n'
)
_GRAMMAR = (
    'start: begin_patch hunk+ end_patch\nbegin_patch: "*** Begin Patch" LF\nend_patch: "*** End Patch" LF?\n'
    'hunk: add_hunk | delete_hunk | update_hunk\nadd_hunk: "*** Add File: " filename LF add_line+\n'
    'filename: /(.+)/\nadd_line: "+" /(.*)/ LF -> line\n%import common.LF\n'
)


def _parameter(index: int) -> dict[str, Any]:
    description = f"What part {index} of the work needs to know. " * 2
    return {"type": ["string", "number"][index % 2], "description": description}


def _function(name: str, parameters: int) -> dict[str, Any]:
    fields = {f"field_{index}": _parameter(index) for index in range(parameters)}
    return {
        "type": "function",
        "name": name,
        "description": f"Does what {name.replace('_', ' ')} says, and tells how it went. " * 4,
        "strict": False,
        "parameters": {"type": "object", "properties": fields, "required": ["field_0"], "additionalProperties": False},
    }


def _tools() -> list[dict[str, Any]]:
    names = ("exec_command", "write_stdin", "update_plan", "view_image", "wait_agent", "spawn_agent", "send_input")
    tools = [_function(name, 4 + index % 4) for index, name in enumerate(names)]
    custom = {"type": "grammar", "syntax": "lark", "definition": _GRAMMAR}
    tools.append({"type": "custom", "name": "apply_patch", "description": "Edits files. " * 6, "format": custom})
    inner = [_function(f"{verb}_resource", 3) for verb in ("list", "read", "find")]
    tools.append({"type": "namespace", "name": "files", "description": "Files of the project.", "tools": inner})
    tools.append({"type": "web_search", "external_web_access": False})
    return tools


def _message(role: str, *texts: str) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text} for text in texts]}


def _step(index: int) -> list[dict[str, Any]]:
    """Returns one turn of the agent: thinking, a call, what came of it."""
    call_id = f"call_{index:024x}"
    arguments = json.dumps({"cmd": f"sed -n '1,{index}p' src/part_{index}.py"})
    patch = f"*** Begin Patch\n*** Update File: src/part_{index}.py\n@@\n-    pass\n+{_CODE}*** End Patch\n"
    freeform = index % 4 == 3
    kind = "custom_tool_call" if freeform else "function_call"
    what = {"name": "apply_patch", "input": patch} if freeform else {"name": "exec_command", "arguments": arguments}
    return [
        {"type": "reasoning", "id": f"rs_{index:048x}", "summary": [{"type": "summary_text", "text": "Looking."}]},
        {"type": kind, "call_id": call_id, **what},
        {"type": f"{kind}_output", "call_id": call_id, "output": f"exit code 0, part {index}\n{_CODE * 6}"},
    ]


def codex_like(size: int = 40_000) -> bytes:
    """Returns the body of a streamed request of about `size` bytes: instructions, tools, and steps as many as fit."""
    items = [
        _message("developer", _GUIDE * 4, _GUIDE * 2),
        _message("user", "<environment>\n  <cwd>/home/me/project</cwd>\n  <shell>bash</shell>\n</environment>"),
        _message("user", "Please make the parser accept quoted values, and add a test for it."),
    ]
    body: dict[str, Any] = {
        "model": "bench",
        "instructions": _GUIDE * 20,
        "input": items,
        "tools": _tools(),
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"effort": "medium"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "01234567-89ab-7cde-8f00-000000000001",
        "text": {"verbosity": "low"},
    }
    index = 0
    room = size - len(msgspec.json.encode(body))
    while room > 0:
        step = _step(index)
        items += step
        room -= len(msgspec.json.encode(step))
        index += 1
    return msgspec.json.encode(body)


def captured() -> list[bytes]:
    """Returns the bodies of a real client's requests for an answer; empty where the recordings are not at hand."""
    found: list[bytes] = []
    for path in sorted(_CAPTURED.glob("*.json")):
        for one in json.loads(path.read_bytes())["requests"]:
            body = one.get("body")
            if one.get("path") == "/v1/responses" and isinstance(body, dict) and "input" in body:
                found.append(msgspec.json.encode(body))
    return found
