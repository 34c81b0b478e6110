"""The texts inside a Responses request that a model would read, and how one is replaced where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from ..raw import Raw
from .items import (
    ApplyPatchOutput,
    CustomToolCall,
    FunctionCall,
    Item,
    LocalShellOutput,
    Message,
    ShellOutput,
    ToolOutput,
)
from .parts import InputPart, RefusalPart, TextPart

if TYPE_CHECKING:
    from .request import ResponsesRequest

Keys = tuple[str | int, ...]
"""The way from an item to a text in it: names of fields and indexes."""


class TextPlace:
    """One text of the input, where it stands, and a way to change it."""

    __slots__ = ("_keys", "_request", "path", "text")

    def __init__(self, request: ResponsesRequest, path: str, keys: Keys, text: str) -> None:
        self._request = request
        self._keys = keys
        self.path = path
        self.text = text

    def replace(self, text: str) -> None:
        """Puts another text in its place."""
        self._request.put_text(self._keys, text)
        self.text = text


def item_texts(item: Item) -> Iterator[tuple[Keys, str]]:
    """Yields the texts of an item, each with the way to it. Those of a call are whatever a client says they were."""
    if isinstance(item, Message):
        yield from _content("content", item.content)
    elif isinstance(item, FunctionCall):
        if item.arguments:
            yield ("arguments",), item.arguments
    elif isinstance(item, CustomToolCall):
        if item.input:
            yield ("input",), item.input
    elif isinstance(item, ToolOutput):
        yield from _content("output", item.output)
    elif isinstance(item, (LocalShellOutput, ApplyPatchOutput)):
        if item.output:
            yield ("output",), item.output
    elif isinstance(item, ShellOutput):
        for index, printed in enumerate(item.output):
            if printed.stdout:
                yield ("output", index, "stdout"), printed.stdout
            if printed.stderr:
                yield ("output", index, "stderr"), printed.stderr


def _content(name: str, content: str | list[InputPart]) -> Iterator[tuple[Keys, str]]:
    if isinstance(content, str):
        yield (name,), content
        return
    for index, part in enumerate(content):
        if isinstance(part, TextPart):
            yield (name, index, "text"), part.text
        elif isinstance(part, RefusalPart):
            yield (name, index, "refusal"), part.refusal


def replaced(raw: Raw, keys: Keys, text: str) -> Raw:
    """Returns the JSON of an item with another text where `keys` lead to; all else stays as it was."""
    whole: Any = msgspec.json.decode(raw)
    place = whole
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = text
    return Raw(msgspec.json.encode(whole))
