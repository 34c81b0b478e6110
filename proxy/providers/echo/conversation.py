"""Reads the body of a chat request as an echo model understands it: what to answer to, and which directives hold."""

from __future__ import annotations

from typing import Any

import msgspec

from .directives import Directives, Step, parse_directives
from .tokens import count_tokens


class Tool(msgspec.Struct):
    """A declared tool. `schema` describes its arguments; a custom tool takes raw text instead."""

    name: str
    schema: dict[str, Any] = msgspec.field(default_factory=dict)
    custom: bool = False

    @property
    def bare(self) -> str:
        """The name without the namespace it was flattened with."""
        return self.name.rpartition("__")[2] or self.name


class ToolResult(msgspec.Struct):
    """What a tool answered; `name` is empty when no call in the conversation has its id."""

    name: str
    text: str


class Conversation(msgspec.Struct):
    """What an echo model looks at.

    `text` is what the user said last, without directives; `step` is the step to play now, None when the directives say
    nothing or are used up; `results` are the tool results that end the conversation.
    """

    text: str
    directives: Directives
    step: Step | None
    results: list[ToolResult]
    prompt_tokens: int


def read_conversation(messages: list[Any]) -> Conversation:
    """Returns what the messages of a chat request say; raises DirectiveError for a directive without sense."""
    known = [one for one in messages if isinstance(one, dict)]
    texts = [message_text(one) for one in known]
    said = [place for place, one in enumerate(known) if one.get("role") == "user" and texts[place].strip()]
    directives, place = Directives(""), -1
    for candidate in reversed(said):
        if "[[" in texts[candidate]:
            found = parse_directives(texts[candidate])
            if found.found:
                directives, place = found, candidate
                break
    text = ""
    if said:
        text = directives.text if said[-1] == place else texts[said[-1]]
    played = _turns(known[place + 1 :])
    return Conversation(
        text=text,
        directives=directives,
        step=directives.steps[played] if played < len(directives.steps) else None,
        results=_results(known, texts),
        prompt_tokens=sum(map(count_tokens, texts)),
    )


def message_text(message: dict[str, Any]) -> str:
    """Returns the text of a message: its content, or the text parts of it, joined by line ends."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))


def declared_tools(body: dict[str, Any]) -> list[Tool]:
    """Returns the tools that a request declares and its `tool_choice` leaves."""
    tools = [tool for one in _list(body.get("tools")) if (tool := _tool(one)) is not None]
    choice = body.get("tool_choice")
    if choice == "none":
        return []
    if not isinstance(choice, dict):
        return tools
    if choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools", choice)
        names = {_name(one) for one in _list(allowed.get("tools") if isinstance(allowed, dict) else None)}
        return [tool for tool in tools if tool.name in names]
    return [tool for tool in tools if tool.name == _name(choice)] or tools


def must_call(body: dict[str, Any]) -> bool:
    """Tells whether the request demands a tool call."""
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools", choice)
        return isinstance(allowed, dict) and allowed.get("mode") == "required"
    return choice == "required" or isinstance(choice, dict)


def _turns(messages: list[dict[str, Any]]) -> int:
    """Returns how many turns the model has had: neighbouring assistant messages are one."""
    roles = [one.get("role") for one in messages]
    return sum(
        role == "assistant" and (place == 0 or roles[place - 1] != "assistant") for place, role in enumerate(roles)
    )


def _results(messages: list[dict[str, Any]], texts: list[str]) -> list[ToolResult]:
    """Returns the results that end the conversation; a user message without text (images of a tool) may follow them."""
    end = len(messages)
    while end and messages[end - 1].get("role") == "user" and not texts[end - 1].strip():
        end -= 1
    start = end
    while start and messages[start - 1].get("role") in ("tool", "function"):
        start -= 1
    names: dict[str, str] = {}
    for message in messages[:start]:
        for call in _list(message.get("tool_calls")):
            if isinstance(call, dict):
                names[str(call.get("id"))] = _name(call)
    return [
        ToolResult(
            names.get(str(messages[place].get("tool_call_id")), str(messages[place].get("name") or "")), texts[place]
        )
        for place in range(start, end)
    ]


def _tool(entry: Any) -> Tool | None:
    name = _name(entry)
    if not name:
        return None
    if isinstance(entry.get("custom"), dict):
        return Tool(name, custom=True)
    schema = entry.get("function", entry).get("parameters")
    return Tool(name, schema if isinstance(schema, dict) else {})


def _name(entry: Any) -> str:
    """Returns the name inside a tool, a tool choice or a call."""
    if not isinstance(entry, dict):
        return ""
    for key in ("function", "custom"):
        inner = entry.get(key)
        if isinstance(inner, dict) and isinstance(inner.get("name"), str):
            return str(inner["name"])
    return ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
