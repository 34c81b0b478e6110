"""The messages of chat completions as input items of the Responses API (wire reference, section 6.1)."""

from __future__ import annotations

from typing import Any

from ...api import invalid
from ...api.chat.images import FIELD, image_items
from ...errors import BadRequest
from .sealing import blobs_of

Item = dict[str, Any]
Part = dict[str, Any]

_ROLES = ("developer", "system", "user", "assistant", "tool", "function")


class ChatItems:
    """Takes messages one by one; `items` is what they are so far.

    Calls are known by their id, so that what came of a freeform tool is told as such. The calls of the API's first form
    have no id: each gets one, and the next `function` message is its output. `images`: those that the model has made
    go back to it.
    """

    __slots__ = ("_freeform", "_images", "_old_calls", "items")

    def __init__(self, *, images: bool = False) -> None:
        self.items: list[Item] = []
        self._images = images
        self._freeform: set[str] = set()
        self._old_calls: list[tuple[str, str]] = []  # (name, call id) of calls in the first form without output

    def take(self, message: Any, path: str) -> None:
        """Adds the items of one message; raises BadRequest for what is no message."""
        if not isinstance(message, dict):
            raise invalid.wrong_type(path, "an object")
        role = message.get("role")
        if role in ("system", "developer"):
            self.items.append({"type": "message", "role": role, "content": _content(message, path)})
        elif role == "user":
            self.items.append({"type": "message", "role": "user", "content": _content(message, path)})
        elif role == "assistant":
            self._assistant(message, path)
        elif role in ("tool", "function"):
            self._output(message, path, old=role == "function")
        else:
            raise invalid.bad_value(f"{path}.role", str(role), _ROLES)

    def _assistant(self, message: dict[str, Any], path: str) -> None:
        """Adds what the model thought, said and called, in that order."""
        for blob in blobs_of(message.get("reasoning_details")):
            self.items.append({"type": "reasoning", "summary": [], "encrypted_content": blob})
        parts = _said(message.get("content"), f"{path}.content")
        refusal = message.get("refusal")
        if isinstance(refusal, str) and refusal:
            parts.append({"type": "refusal", "refusal": refusal})
        if parts:
            self.items.append({"type": "message", "role": "assistant", "content": parts})
        if self._images:
            self.items += image_items(message.get(FIELD))
        for index, call in enumerate(message.get("tool_calls") or ()):
            self._call(call, f"{path}.tool_calls[{index}]")
        old = message.get("function_call")
        if isinstance(old, dict):
            call_id = f"call_{len(self.items)}"
            name = _text_of(old, "name", f"{path}.function_call")
            self._old_calls.append((name, call_id))
            self._add_call(call_id, name, old.get("arguments"))

    def _call(self, call: Any, path: str) -> None:
        if not isinstance(call, dict):
            raise invalid.wrong_type(path, "an object")
        call_id = _text_of(call, "id", path)
        custom = call.get("custom")
        if isinstance(custom, dict):
            self._freeform.add(call_id)
            name = _text_of(custom, "name", f"{path}.custom")
            item = {"type": "custom_tool_call", "call_id": call_id, "name": name, "input": custom.get("input") or ""}
            self.items.append(item)
            return
        function = call.get("function")
        if not isinstance(function, dict):
            raise invalid.missing(f"{path}.function")
        self._add_call(call_id, _text_of(function, "name", f"{path}.function"), function.get("arguments"))

    def _add_call(self, call_id: str, name: str, arguments: Any) -> None:
        text = arguments if isinstance(arguments, str) and arguments else "{}"
        self.items.append({"type": "function_call", "call_id": call_id, "name": name, "arguments": text})

    def _output(self, message: dict[str, Any], path: str, *, old: bool) -> None:
        call_id = self._answered(message, path) if old else _text_of(message, "tool_call_id", path)
        kind = "custom_tool_call_output" if call_id in self._freeform else "function_call_output"
        self.items.append({"type": kind, "call_id": call_id, "output": _content(message, path, empty=True)})

    def _answered(self, message: dict[str, Any], path: str) -> str:
        """Returns the id of the call that a message of the role `function` answers: the first of that name."""
        name = _text_of(message, "name", path)
        for index, (called, call_id) in enumerate(self._old_calls):
            if called == name:
                del self._old_calls[index]
                return call_id
        raise invalid.invalid(f"{path}.name", f"No function call of '{name}' precedes '{path}'.")


def _content(message: dict[str, Any], path: str, *, empty: bool = False) -> str | list[Part]:
    """Returns the content of a message that the model reads; raises BadRequest."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    where = f"{path}.content"
    if isinstance(content, list):
        return [_part(part, f"{where}[{index}]") for index, part in enumerate(content)]
    if content is None and empty:
        return ""
    raise invalid.missing(where) if content is None else invalid.wrong_type(where, "a string or an array")


def _part(part: Any, path: str) -> Part:
    """Returns one part of what the model reads."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("text", "input_text", "refusal"):
        made: Part = {"type": "input_text", "text": part.get("text", part.get("refusal")) or ""}
    elif kind == "image_url":
        made = _image(part, path)
    elif kind == "input_audio":
        made = {"type": "input_audio", "input_audio": part.get("input_audio")}
    elif kind == "file" and isinstance(part.get("file"), dict):
        made = {"type": "input_file", **part["file"]}
    else:
        raise invalid.bad_value(f"{path}.type", str(kind), ("text", "image_url", "input_audio", "file"))
    if part.get("prompt_cache_breakpoint") is not None:
        made["prompt_cache_breakpoint"] = part["prompt_cache_breakpoint"]
    return made


def _image(part: dict[str, Any], path: str) -> Part:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        raise invalid.missing(f"{path}.image_url.url")
    made: Part = {"type": "input_image", "image_url": url}
    detail = image.get("detail") if isinstance(image, dict) else None
    if detail is not None:
        made["detail"] = detail
    return made


def _said(content: Any, path: str) -> list[Part]:
    """Returns what the model said, as parts of its message."""
    if isinstance(content, str):
        return [_output_text(content)] if content else []
    parts: list[Part] = []
    for index, part in enumerate(content if isinstance(content, list) else ()):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "refusal":
            parts.append({"type": "refusal", "refusal": part.get("refusal") or ""})
        elif kind in ("text", "output_text"):
            parts.append(_output_text(part.get("text") or ""))
        else:
            raise invalid.bad_value(f"{path}[{index}].type", str(kind), ("text", "refusal"))
    return parts


def _output_text(text: str) -> Part:
    return {"type": "output_text", "text": text, "annotations": []}


def _text_of(fields: dict[str, Any], name: str, path: str) -> str:
    value = fields.get(name)
    if isinstance(value, str) and value:
        return value
    where = f"{path}.{name}"
    error: BadRequest = invalid.missing(where) if value in (None, "") else invalid.wrong_type(where, "a string")
    raise error
