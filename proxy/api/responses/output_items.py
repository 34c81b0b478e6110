"""The output items of one response while they grow, and how each looks as JSON in its final form."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Protocol

import msgspec

from ...json_pieces import JsonPieces
from .call_shapes import Shape
from .event_writer import DeltaForm
from .freeform import FreeformInput
from .grammar import CALLS, OPAQUE_PREFIXES, PARTS, STEPS, CallGrammar, CallKind, PartKind

ItemStatus = Literal["in_progress", "completed", "incomplete"]

_encode = msgspec.json.encode
_DELTAS = {
    kind: DeltaForm(grammar.delta, grammar.index_field, logprobs=kind == "output_text")
    for kind, grammar in PARTS.items()
}

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

    def allows(self, name: str) -> bool:
        """Tells whether the request lets the model call that tool; calls of others are not shown."""


class Part:
    """One content or summary part: its kind, place and text so far. `start` counts the text of the answer before it.

    `template` is the part's delta event with blanks for number and text, `around` the same cut at its blanks
    (`chunk_template`); `item_id` is JSON.
    """

    __slots__ = (
        "_item_id",
        "_output_index",
        "annotations",
        "around",
        "grammar",
        "index",
        "item_id",
        "kind",
        "logprobs",
        "start",
        "template",
        "texts",
    )

    def __init__(self, kind: PartKind, item: MessageItem | ReasoningItem, start: int) -> None:
        grammar = PARTS[kind]
        self.kind = kind
        self.grammar = grammar
        self._item_id, self._output_index = item.id, item.index
        self.index = item.next_index(kind)
        self.start = start
        self.item_id = _encode(item.id)
        self.template, self.around = _DELTAS[kind].at(self.item_id, item.index, self.index)
        self.texts: list[str] = []
        self.annotations: list[dict[str, Any]] = []
        self.logprobs: list[dict[str, Any]] = []

    @property
    def place(self) -> dict[str, Any]:
        """Where it stands, as its events say it."""
        return {"item_id": self._item_id, "output_index": self._output_index, self.grammar.index_field: self.index}

    def text(self) -> str:
        """Returns all text so far."""
        if len(self.texts) > 1:
            self.texts = ["".join(self.texts)]
        return self.texts[0] if self.texts else ""

    def to_dict(self) -> dict[str, Any]:
        """Returns the part as the API shows it."""
        shown: dict[str, Any] = {"type": self.kind, self.grammar.text_field: self.text()}
        if self.kind == "output_text":
            shown["annotations"] = self.annotations
            shown["logprobs"] = self.logprobs
        return shown


class MessageItem(msgspec.Struct, eq=False):
    """A message of the assistant: text and refusal parts. `phase` says what it is for, where that is known."""

    phase: str | None = None
    id: str = ""
    index: int = -1
    parts: list[Part] = []

    id_prefix: ClassVar[str] = "msg"

    def next_index(self, kind: PartKind) -> int:
        """Returns the index of a part of that kind that is added next."""
        return len(self.parts)

    def is_plain(self) -> bool:
        """Tells whether it is one text and nothing else."""
        if len(self.parts) != 1 or self.phase is not None:
            return False
        part = self.parts[0]
        return part.kind == "output_text" and not part.annotations and not part.logprobs

    def chars(self) -> int:
        """Returns how many characters the model wrote for it."""
        return sum(len(part.text()) for part in self.parts)

    def to_dict(self, status: ItemStatus) -> dict[str, Any]:
        """Returns the item as the API shows it."""
        item: dict[str, Any] = {
            "id": self.id,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": [part.to_dict() for part in self.parts],
        }
        if self.phase is not None:
            item["phase"] = self.phase
        return item


class ReasoningItem:
    """The model's thinking: raw text parts or summary parts, and what the provider wants back, sealed."""

    __slots__ = ("hidden", "id", "index", "parts", "sealed", "state")

    id_prefix = "rs"

    def __init__(self, state: dict[str, Any]) -> None:
        self.id = ""
        self.index = -1
        self.parts: list[Part] = []
        self.hidden: list[str] = []  # thinking that is not shown but belongs to the state
        self.state = state
        self.sealed: str | None = None

    def text(self) -> str:
        """Returns all thinking, shown or not."""
        return "".join(self.hidden) + "".join(part.text() for part in self.parts)

    def next_index(self, kind: PartKind) -> int:
        """Returns the index of a part of that kind that is added next: content and summary are two lists."""
        return sum(part.kind == kind for part in self.parts)

    def summarised(self) -> bool:
        """Tells whether it has a summary; raw thinking stands in front of one."""
        return any(part.kind == "summary_text" for part in self.parts)

    def chars(self) -> int:
        """Returns how many characters the model wrote for it."""
        return len(self.text())

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
    """A tool call. `written` is what the model wrote; `shown` what the client was sent of it.

    `freeform` says that the model wrote the tool's raw input; otherwise it wrote JSON arguments, and for a custom tool
    `input` takes the raw input out of them. A call without a delta event has a `shape` instead, in one piece.
    """

    __slots__ = (
        "call_id",
        "freeform",
        "grammar",
        "id",
        "index",
        "input",
        "kind",
        "name",
        "namespace",
        "place",
        "shape",
        "shown",
        "template",
        "written",
    )

    def __init__(self, call_id: str, name: str, form: ToolForm | None, *, freeform: bool) -> None:
        self.id = ""
        self.index = -1
        self.call_id = call_id
        self.name = name if form is None else form.name
        self.namespace = None if form is None else form.namespace
        self.freeform = freeform
        self.kind: CallKind = "function_call" if form is None else _KIND_OF_FORM.get(form.kind, "function_call")
        if freeform:
            self.kind = "custom_tool_call"
        self.input: FreeformInput | None = None
        if self.kind == "custom_tool_call" and not freeform:
            self.input = FreeformInput(form.input_field if form is not None else "input")
        self.grammar: CallGrammar = CALLS[self.kind]
        self.written = JsonPieces()
        self.shown: list[str] = []
        self.shape: Shape | None = None
        self.place: dict[str, Any] = {}
        self.template = b""  # its delta event with blanks for number and text

    @property
    def id_prefix(self) -> str:
        """What its id begins with."""
        return self.grammar.id_prefix

    def is_whole(self) -> bool:
        """Tells whether nothing but white space can follow. Raw input could always go on."""
        return not self.freeform and self.written.whole()

    def become_function(self) -> None:
        """Makes it a plain function call, because its arguments are not what its form needs."""
        self.kind = "function_call"
        self.grammar = CALLS["function_call"]

    def chars(self) -> int:
        """Returns how many characters the model wrote for it."""
        return len(self.name) + sum(map(len, self.written.pieces))

    def to_dict(self, status: ItemStatus) -> dict[str, Any]:
        """Returns the item as the API shows it."""
        item: dict[str, Any] = {"id": self.id, "type": self.kind, "status": status, "call_id": self.call_id}
        if self.grammar.delta is not None:
            item["name"] = self.name
            item[self.grammar.value_field] = "".join(self.shown)
        else:
            if self.kind == "tool_search_call":
                item["execution"] = "client"
            item[self.grammar.value_field] = self.shape
        if self.namespace is not None:
            item["namespace"] = self.namespace
        return item


class OpaqueItem:
    """An item that came whole, in the form of the API: what the upstream did itself, or a compaction.

    `steps` are the events that tell how it went.
    """

    __slots__ = ("fields", "id", "id_prefix", "index", "steps")

    def __init__(self, fields: dict[str, Any]) -> None:
        id = fields.get("id")
        self.fields = fields
        self.id = id if isinstance(id, str) else ""
        self.id_prefix = OPAQUE_PREFIXES.get(fields.get("type", ""), "item")
        self.steps = STEPS.get(fields.get("type", ""), ())
        self.index = -1

    def chars(self) -> int:
        """Returns 0: none of it is known to be the model's words."""
        return 0

    def to_dict(self, status: ItemStatus) -> dict[str, Any]:
        """Returns the item as it came, with its id; of those that have a status, in progress until they are done."""
        if status == "in_progress" and self.steps:
            return {"id": self.id, "type": self.fields["type"], "status": status}
        item = {**self.fields, "id": self.id}
        if status == "in_progress" and "status" in item:
            item["status"] = status
        return item


Item = MessageItem | ReasoningItem | CallItem | OpaqueItem
