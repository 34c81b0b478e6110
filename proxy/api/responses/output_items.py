"""The output items of one response while they grow, and how each looks as JSON in its final form."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

from .freeform import FreeformInput
from .grammar import CALLS, CallGrammar, CallKind, PartKind

ItemStatus = Literal["in_progress", "completed", "incomplete"]

_KIND_OF_FORM: dict[str, CallKind] = {
    "function": "function_call",
    "custom": "custom_tool_call",
    "tool_search": "tool_search_call",
    "local_shell": "local_shell_call",
    "shell": "shell_call",
    "apply_patch": "apply_patch_call",
}


class ToolForm(Protocol):
    """What the client called a tool, and in which of the API's forms it declared it."""

    @property
    def kind(self) -> str:
        """`function`, `custom`, `tool_search`, `local_shell`, `shell` or `apply_patch`."""

    @property
    def name(self) -> str:
        """The tool's own name, without its namespace."""

    @property
    def namespace(self) -> str | None:
        """The namespace it was declared in, if any."""

    @property
    def input_field(self) -> str:
        """The one field that holds the raw input of a custom tool."""


class ToolForms(Protocol):
    """Finds the client's form of a tool by the name it has upstream."""

    def lookup(self, name: str) -> ToolForm | None:
        """Returns the form, or None for a name that was not declared."""


class Part:
    """One content or summary part: its kind, place and text so far."""

    __slots__ = ("annotations", "index", "kind", "logprobs", "start", "texts")

    def __init__(self, kind: PartKind, index: int, start: int = 0) -> None:
        self.kind = kind
        self.index = index
        self.start = start  # where it begins in all text of the answer, in characters
        self.texts: list[str] = []
        self.annotations: list[dict[str, Any]] = []
        self.logprobs: list[dict[str, Any]] = []

    def to_dict(self, text: str | None = None) -> dict[str, Any]:
        """Returns the part as the API shows it, with all its text or the one given."""
        if text is None:
            text = "".join(self.texts)
        if self.kind == "output_text":
            return {
                "type": "output_text",
                "annotations": self.annotations,
                "logprobs": self.logprobs,
                "text": text,
            }
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": text}
        return {"type": self.kind, "text": text}


class MessageItem:
    """A message of the assistant: text and refusal parts."""

    __slots__ = ("id", "index", "parts")

    def __init__(self, id: str, index: int) -> None:
        self.id = id
        self.index = index
        self.parts: list[Part] = []

    def to_dict(self, status: ItemStatus) -> dict[str, Any]:
        """Returns the item as the API shows it."""
        return {
            "id": self.id,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": [part.to_dict() for part in self.parts],
        }


class ReasoningItem:
    """The model's thinking: raw text parts or summary parts, and what the provider wants back, sealed."""

    __slots__ = ("hidden", "id", "index", "parts", "sealed", "state")

    def __init__(self, id: str, index: int) -> None:
        self.id = id
        self.index = index
        self.parts: list[Part] = []
        self.hidden: list[str] = []  # thinking that is not shown but belongs to the state
        self.state: dict[str, Any] = {}
        self.sealed: str | None = None

    def text(self) -> str:
        """Returns all thinking, shown or not."""
        return "".join(self.hidden) + "".join(text for part in self.parts for text in part.texts)

    def to_dict(self, status: ItemStatus) -> dict[str, Any]:
        """Returns the item as the API shows it; `encrypted_content` is left out rather than null."""
        item: dict[str, Any] = {
            "id": self.id,
            "type": "reasoning",
            "status": status,
            "summary": [part.to_dict() for part in self.parts if part.kind == "summary_text"],
            "content": [part.to_dict() for part in self.parts if part.kind == "reasoning_text"],
        }
        if self.sealed is not None:
            item["encrypted_content"] = self.sealed
        return item


class CallItem:
    """A tool call. `raw` is what the model wrote; `shown` what the client was sent of it."""

    __slots__ = (
        "before",
        "between",
        "call_id",
        "freeform",
        "grammar",
        "id",
        "index",
        "kind",
        "name",
        "namespace",
        "raw",
        "settled",
        "shown",
    )

    def __init__(self, call_id: str, name: str, form: ToolForm | None, *, freeform: bool) -> None:
        self.call_id = call_id
        self.name = name if form is None else form.name
        self.namespace = None if form is None else form.namespace
        self.kind: CallKind = "function_call" if form is None else _KIND_OF_FORM[form.kind]
        if freeform:
            self.kind = "custom_tool_call"
        self.freeform: FreeformInput | None = None
        if self.kind == "custom_tool_call" and not freeform:
            self.freeform = FreeformInput(form.input_field if form is not None else "input")
        self.grammar: CallGrammar = CALLS[self.kind]
        self.id = ""
        self.index = -1
        self.before = self.between = b""  # the bytes of a delta event around its number
        self.raw: list[str] = []
        self.shown: list[str] = []
        self.settled = 0  # pieces of `raw` that were already found to be no whole JSON value

    def is_whole(self) -> bool:
        """Tells whether the arguments so far are a complete JSON object or list: nothing but white space can follow."""
        if self.settled == len(self.raw):
            return False
        self.settled = len(self.raw)
        text = "".join(self.raw)
        if not text.rstrip().endswith(("}", "]")):
            return False
        try:
            msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError):
            return False
        return True

    def become_function(self) -> None:
        """Makes it a plain function call, because its arguments are not what its form needs."""
        self.kind = "function_call"
        self.grammar = CALLS["function_call"]

    def to_dict(self, status: ItemStatus) -> dict[str, Any]:
        """Returns the item as the API shows it."""
        item: dict[str, Any] = {"id": self.id, "type": self.kind, "status": status, "call_id": self.call_id}
        if self.grammar.delta is not None:
            item["name"] = self.name
            item[self.grammar.value_field] = "".join(self.shown)
        else:
            if self.kind == "tool_search_call":
                item["execution"] = "client"
            item[self.grammar.value_field] = msgspec.json.decode("".join(self.raw) or "{}")
        if self.namespace is not None:
            item["namespace"] = self.namespace
        return item


Item = MessageItem | ReasoningItem | CallItem
