"""Puts the items of the input together into turns: who spoke, what was called, and what came of it.

Clients put items in any order; upstreams want turns. A turn of the model is its thinking, its text and its calls, and
directly behind each call stands what came of it. Rules (section 2.4 of the wire reference):

- thinking, then text, then images, then calls belong to one turn; what comes behind what it should stand in front of
  begins the next;
- an output belongs to the call with its `call_id`, wherever it stands behind it;
- a call without output, an output without a call before it, and a `call_id` used twice are errors of the client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, get_args

import msgspec

from ...errors import BadRequest
from .. import invalid
from .items import (
    ApplyPatchCall,
    ApplyPatchOutput,
    Call,
    Compaction,
    CustomToolCall,
    CustomToolOutput,
    FunctionCall,
    GeneratedImage,
    Item,
    LocalShellCall,
    LocalShellOutput,
    Message,
    Output,
    PlainMessage,
    Reasoning,
    ShellCall,
    ShellOutput,
    ToolOutput,
    ToolSearchCall,
    ToolSearchOutput,
    Unmodelled,
    item_paths,
)
from .parts import InputPart, RefusalPart, TextPart


class Called(msgspec.Struct):
    """One call and, once it was found, what came of it. `path` is where the call stands."""

    call: Call
    path: str
    output: Output | None = None
    output_path: str = ""


class ModelTurn(msgspec.Struct):
    """What the model did before somebody else had a say.

    `continues` says that it goes on from the model's turn before it, nothing of anybody else between them.
    """

    thoughts: list[Reasoning] = []
    text: str = ""
    refusal: str = ""
    spoken: bool = False
    images: list[GeneratedImage] = []
    calls: list[Called] = []
    continues: bool = False


class SystemTurn(msgspec.Struct):
    """What those said who instruct the model. `role` is `system` or `developer`."""

    role: str
    content: str | list[InputPart]
    path: str


class UserTurn(msgspec.Struct):
    """What the user said."""

    content: str | list[InputPart]
    path: str


Turn = SystemTurn | UserTurn | ModelTurn


def assemble(items: Iterable[Item], drop: Callable[[str], None], *, images: bool = False) -> list[Turn]:
    """Returns the turns of the items; raises BadRequest. `drop` is told of history that no turn can hold.

    `images`: whoever asks can give images back to the model that has made them.
    """
    assembly = _Assembly(drop, images=images)
    for item, path in zip(items, item_paths(), strict=False):
        assembly.take(item, path)
    return assembly.end()


class _Assembly:
    """The turns so far, the model's turn that may still grow, and the calls by id."""

    def __init__(self, drop: Callable[[str], None], *, images: bool) -> None:
        self._drop = drop
        self._images = images
        self._turns: list[Turn] = []
        self._open: ModelTurn | None = None
        self._calls: dict[str, Called] = {}

    def take(self, item: Item, path: str) -> None:
        """Takes the next item. Hot: once an item, so by its type: asking for one class after the other takes longer."""
        take = _TAKERS.get(type(item))
        if take is not None:
            take(self, item, path)

    def end(self) -> list[Turn]:
        """Returns all turns, when every call is answered."""
        for called in self._calls.values():
            if called.output is None:
                call_id = called.call.call_id
                raise BadRequest(f"No tool output found for {_named(called.call)} {call_id}.", param="input")
        return self._turns

    def _begin(self) -> ModelTurn:
        self._open = turn = ModelTurn(continues=self._open is not None)
        self._turns.append(turn)
        return turn

    def _unspoken(self) -> ModelTurn:
        """Returns the model's turn in which nothing but thinking stands yet."""
        turn = self._open
        if turn is None or turn.spoken or turn.images or turn.calls:
            turn = self._begin()
        return turn

    def _message(self, item: Message, path: str) -> None:
        if item.role == "user":
            self._open = None
            self._turns.append(UserTurn(item.content, path))
        elif item.role != "assistant":
            self._open = None
            self._turns.append(SystemTurn(item.role, item.content, path))
        else:
            turn = self._unspoken()
            turn.spoken = True
            turn.text, turn.refusal = _said(item.content, path)

    def _thought(self, item: Reasoning, path: str) -> None:
        self._unspoken().thoughts.append(item)

    def _image(self, item: GeneratedImage, path: str) -> None:
        if not (item.result and self._images):
            self._unmodelled(item, path)
            return
        turn = self._open
        if turn is None or turn.calls:
            turn = self._begin()
        turn.images.append(item)

    def _unmodelled(self, item: Unmodelled, path: str) -> None:
        self._drop(f"{path}: {item.type}")

    def _compaction(self, item: Compaction, path: str) -> None:
        message = "This compaction was made elsewhere: only the server that made it can read it."
        raise invalid.unsupported(path, message)

    def _call(self, item: Call, path: str) -> None:
        if item.call_id is None:
            self._drop(f"{path}: tool_search_call")
            return
        if item.call_id in self._calls:
            where = f"{path}.call_id"
            raise invalid.invalid(where, f"Duplicate call_id '{item.call_id}' in '{where}'. Each call needs its own.")
        called = Called(item, path)
        self._calls[item.call_id] = called
        (self._open or self._begin()).calls.append(called)

    def _output(self, item: Output, path: str) -> None:
        self._open = None
        call_id = item.call_id
        if isinstance(item, LocalShellOutput):
            call_id = call_id or item.id
        if call_id is None:
            if isinstance(item, ToolSearchOutput):
                return  # the server that searched has made it; its tools count all the same
            raise invalid.missing(f"{path}.call_id")
        called = self._calls.get(call_id)
        if called is None:
            message = f"No tool call found for {_named(item)} with call_id {call_id}."
            raise BadRequest(message, param="input")
        if called.output is not None:
            message = f"Duplicate output for call_id '{call_id}' in '{path}'. Each call has one output."
            raise invalid.invalid(f"{path}.call_id", message)
        called.output = item
        called.output_path = path


_TAKERS: dict[type[Item], Callable[[_Assembly, Any, str], None]] = {
    Message: _Assembly._message,
    PlainMessage: _Assembly._message,
    **dict.fromkeys(get_args(Call), _Assembly._call),
    **dict.fromkeys(get_args(Output), _Assembly._output),
    CustomToolOutput: _Assembly._output,
    Reasoning: _Assembly._thought,
    GeneratedImage: _Assembly._image,
    Unmodelled: _Assembly._unmodelled,
    Compaction: _Assembly._compaction,
}
"""What takes an item of a type; all others are no part of a turn."""


def _said(content: str | list[InputPart], path: str) -> tuple[str, str]:
    """Returns text and refusal of a message of the model, each joined to one string."""
    if isinstance(content, str):
        return content, ""
    texts: list[str] = []
    refusals: list[str] = []
    for index, part in enumerate(content):
        if isinstance(part, TextPart):
            texts.append(part.text)
        elif isinstance(part, RefusalPart):
            refusals.append(part.refusal)
        else:
            where = f"{path}.content[{index}].type"
            raise invalid.bad_value(where, str(part.__struct_config__.tag), ("output_text", "refusal"))
    return "".join(texts), "".join(refusals)


_NAMES: dict[type[Item], str] = {
    FunctionCall: "function call",
    ToolOutput: "function call output",
    CustomToolCall: "custom tool call",
    CustomToolOutput: "custom tool call output",
    ToolSearchCall: "tool search call",
    ToolSearchOutput: "tool search output",
    LocalShellCall: "local shell call",
    LocalShellOutput: "local shell call output",
    ShellCall: "shell call",
    ShellOutput: "shell call output",
    ApplyPatchCall: "apply patch call",
    ApplyPatchOutput: "apply patch call output",
}


def _named(item: Item) -> str:
    return _NAMES[type(item)]
