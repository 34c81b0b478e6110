"""Tools and the choice among them, as Converse says it: `toolConfig`, and for Claude what that has no word for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ...api.responses.fields import TextFormat
from ...api.responses.tool_map import ToolMap
from ..anthropic.fields import ANSWER_TOOL, answer_tool
from ..anthropic.tools import Offered, cannot_force
from .content import Block

_ANY_OBJECT = {"type": "object", "properties": {}}

Hint = Callable[[str], None]


class ToolConfig(msgspec.Struct, kw_only=True):
    """What is sent of tools: those declared, `toolConfig.toolChoice`, and Claude's own `tool_choice` in its place.

    `calls_forbidden`: tools are declared for the history alone.
    """

    tools: list[Block]
    choice: Block | None = None
    own_choice: dict[str, Any] | None = None
    calls_forbidden: bool = False


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What else bears on the choice.

    `claude`: the model is one. `may_force`: it can be made to call a tool now. `parallel` as the client says it.
    `answer`: the schema of an answer that it gives by calling a tool. `called`: tools of the history.
    """

    claude: bool
    may_force: bool
    parallel: bool | None = None
    answer: TextFormat | None = None
    called: tuple[str, ...] = ()


def tool_config(offer: Offered, names: ToolMap, wish: Wish, hint: Hint) -> ToolConfig | None:
    """Returns what is sent; None when there are no tools. `hint` is told of what cannot be had.

    Raises BadRequest for a choice that the model cannot be held to.
    """
    forbidden = offer.choice is not None and offer.choice.mode == "none"
    tools = [_spec(tool) for tool in offer.tools]
    if (forbidden or not tools) and not wish.called:
        tools = []
    elif not tools:
        tools, forbidden = _of_history(wish.called), True
    if wish.answer is not None:
        tools.append(_spec(answer_tool(wish.answer)))
    if not tools:
        return None
    config = ToolConfig(tools=tools)
    kind, name = _wanted(offer, names, wish, alone=len(tools) == 1 or forbidden)
    if forbidden and wish.answer is None:
        config.calls_forbidden = True
        names.allow_only(())
        kind = "none"
    if kind in ("any", "tool") and not wish.may_force:
        if offer.forced:
            raise cannot_force()
        kind = "auto"
    _put_choice(config, kind, name, wish, hint)
    return config


def _wanted(offer: Offered, names: ToolMap, wish: Wish, *, alone: bool) -> tuple[str, str]:
    """Returns how free the model is, in Claude's words, and the name of the tool that it must call."""
    choice = offer.choice
    if choice is not None and choice.forced and choice.only is not None:
        tool = choice.only[0]
        return "tool", names.upstream_name(tool.kind, tool.namespace, tool.name)
    if wish.answer is not None:
        return ("tool", ANSWER_TOOL) if alone else ("any", "")
    return ("any", "") if choice is not None and choice.mode == "required" else ("auto", "")


def _put_choice(config: ToolConfig, kind: str, name: str, wish: Wish, hint: Hint) -> None:
    named = {"name": name} if kind == "tool" else {}
    if wish.claude and (kind == "none" or wish.parallel is False):
        config.own_choice = {"type": kind, **named}
        if kind != "none":
            config.own_choice["disable_parallel_tool_use"] = True
        return
    if wish.parallel is False and kind != "none":
        hint("parallel_tool_calls")
    if kind in ("any", "tool"):
        config.choice = {kind: named}


def _spec(tool: dict[str, Any]) -> Block:
    """Returns a tool of the Messages API as Converse declares it."""
    spec: Block = {"name": tool["name"]}
    if tool.get("description"):
        spec["description"] = tool["description"]
    spec["inputSchema"] = {"json": tool["input_schema"]}
    if tool.get("strict"):
        spec["strict"] = True
    return {"toolSpec": spec}


def _of_history(called: Iterable[str]) -> list[Block]:
    """Returns declarations of tools that were called earlier: a conversation with calls needs them."""
    return [{"toolSpec": {"name": name, "inputSchema": {"json": _ANY_OBJECT}}} for name in called]
