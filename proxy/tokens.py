"""Estimates how many tokens an input is, without a tokenizer: four bytes of UTF-8 a token.

That is what today's vocabularies come to for English, and near enough for code, Cyrillic and Chinese, whose characters
are more bytes. Being wrong by a fifth is expected; what must be exact has to ask the upstream. It costs one pass over
the items, so that it may run on the event loop.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from .api.responses.items import (
    AdditionalTools,
    ApplyPatchCall,
    ApplyPatchOutput,
    Compaction,
    CustomToolCall,
    FunctionCall,
    Item,
    LocalShellCall,
    LocalShellOutput,
    Message,
    Reasoning,
    ShellCall,
    ShellOutput,
    ToolOutput,
    ToolSearchCall,
    ToolSearchOutput,
)
from .api.responses.parts import InputFile, InputPart, ReasoningText, RefusalPart, TextPart
from .api.responses.request import ResponsesRequest

IMAGE_TOKENS = 800
"""What any image, recording, film or document counts: an image of a million pixels is between 700 and 1,300."""

_MESSAGE_TOKENS = 4  # what a template writes around a message
_ANSWER_TOKENS = 3  # what it writes in front of the answer
_BYTES_A_TOKEN = 4


def text_tokens(text: str) -> int:
    """Returns the estimate for a text."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return -(-size // _BYTES_A_TOKEN)


def request_tokens(request: ResponsesRequest) -> int:
    """Returns the estimate for all that the model would read: instructions, tools, the form of the answer, items."""
    total = _ANSWER_TOKENS
    fields = request.fields
    if "instructions" in fields and (instructions := request.value("instructions")):
        total += _MESSAGE_TOKENS + text_tokens(instructions)
    for name in ("tools", "text"):
        if name in fields:
            total += len(fields[name]) // _BYTES_A_TOKEN
    for item in request.items:
        total += item_tokens(item)
    return total


def item_tokens(item: Item) -> int:
    """Returns the estimate for one item; nothing for what no model reads."""
    if isinstance(item, Message):
        return _MESSAGE_TOKENS + _content(item.content)
    if isinstance(item, FunctionCall):
        return _MESSAGE_TOKENS + text_tokens(item.name) + text_tokens(item.arguments)
    if isinstance(item, CustomToolCall):
        return _MESSAGE_TOKENS + text_tokens(item.name) + text_tokens(item.input)
    if isinstance(item, ToolOutput):
        return _MESSAGE_TOKENS + _content(item.output)
    if isinstance(item, Reasoning):
        return sum(text_tokens(part.text) for part in item.content or () if isinstance(part, ReasoningText))
    if isinstance(item, Compaction):
        return len(item.encrypted_content) * 3 // 4 // _BYTES_A_TOKEN  # base64
    return _rare(item)


def _rare(item: Item) -> int:
    if isinstance(item, (AdditionalTools, ToolSearchOutput)):
        return sum(map(len, item.tools)) // _BYTES_A_TOKEN
    if isinstance(item, ToolSearchCall):
        return _MESSAGE_TOKENS + len(item.arguments) // _BYTES_A_TOKEN
    if isinstance(item, (LocalShellCall, ShellCall)):
        return _MESSAGE_TOKENS + len(msgspec.json.encode(item.action)) // _BYTES_A_TOKEN
    if isinstance(item, ApplyPatchCall):
        return _MESSAGE_TOKENS + len(msgspec.json.encode(item.operation)) // _BYTES_A_TOKEN
    if isinstance(item, (LocalShellOutput, ApplyPatchOutput)):
        return _MESSAGE_TOKENS + text_tokens(item.output or "")
    if isinstance(item, ShellOutput):
        return _MESSAGE_TOKENS + sum(text_tokens(one.stdout) + text_tokens(one.stderr) for one in item.output)
    return 0


def _content(content: str | Iterable[InputPart]) -> int:
    if isinstance(content, str):
        return text_tokens(content)
    return sum(map(_part, content))


def _part(part: InputPart) -> int:
    if isinstance(part, TextPart):
        return text_tokens(part.text)
    if isinstance(part, RefusalPart):
        return text_tokens(part.refusal)
    if isinstance(part, InputFile) and part.file_data and part.file_data.startswith("data:text/"):
        return len(part.file_data) * 3 // 4 // _BYTES_A_TOKEN  # base64; such files become text
    return IMAGE_TOKENS
