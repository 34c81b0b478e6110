"""What an upstream has told of each output item: so that what it leaves out can be made up, and cut items kept."""

from __future__ import annotations

import secrets
from typing import Any, Literal

import msgspec

from ...api.raw import Raw
from .event import PartKind

ItemStatus = Literal["in_progress", "completed", "incomplete"]

_TEXT_FIELD: dict[PartKind, str] = {
    "output_text": "text",
    "refusal": "refusal",
    "reasoning_text": "text",
    "summary_text": "text",
}
_VALUE_FIELD = {"function_call": "arguments", "custom_tool_call": "input"}
_PREFIX = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}

SUMMARY: PartKind = "summary_text"


class ToldPart:
    """One content or summary part: its kind, its place among ours, and its text so far.

    `told` is False for a part whose `index` is not the one the upstream gives it. `texted` is True once its whole text
    was told, `closed` once the part was, `early` when that was before the upstream said so.
    """

    __slots__ = ("annotations", "closed", "early", "index", "kind", "logprobs", "texted", "texts", "told")

    def __init__(self, kind: PartKind, index: int, *, told: bool) -> None:
        self.kind = kind
        self.index = index
        self.told = told
        self.texts: list[str] = []
        self.annotations: list[Any] = []
        self.logprobs: list[Any] = []
        self.early = False
        self.texted = False
        self.closed = False

    @property
    def text_field(self) -> str:
        """The field of its text, in the part and in its done event."""
        return _TEXT_FIELD[self.kind]

    @property
    def index_field(self) -> str:
        """The field of its place in its events."""
        return "summary_index" if self.kind == SUMMARY else "content_index"

    def text(self) -> str:
        """Returns all text so far."""
        if len(self.texts) > 1:
            self.texts = ["".join(self.texts)]
        return self.texts[0] if self.texts else ""

    def to_dict(self) -> dict[str, Any]:
        """Returns the part as the API shows it."""
        shown: dict[str, Any] = {"type": self.kind, self.text_field: self.text()}
        if self.kind == "output_text":
            shown["annotations"] = self.annotations
            shown["logprobs"] = self.logprobs
        return shown


class ToldItem:
    """One output item. `index` is its place among ours, `upstream_index` the upstream's name for it.

    `head` is the item as it was added; `final` its JSON once it is done. `value` are the pieces of a call's arguments
    or input, `valued` is True once they were told to be whole. `early` is True for an item that was closed before the
    upstream said so, `continued` for one that tells the rest of such an item.
    """

    __slots__ = (
        "_chars",
        "content",
        "continued",
        "early",
        "final",
        "head",
        "id",
        "index",
        "summary",
        "type",
        "upstream_index",
        "value",
        "valued",
    )

    def __init__(self, index: int, upstream_index: int, type: str, head: dict[str, Any]) -> None:
        self.index = index
        self.upstream_index = upstream_index
        self.type = type
        self.head = head
        id = head.get("id")
        self.id = id if isinstance(id, str) and id else new_id(type)
        self.content: dict[int, ToldPart] = {}  # by the upstream's index
        self.summary: dict[int, ToldPart] = {}
        self.value: list[str] = []
        self.valued = False
        self.early = False
        self.continued = False
        self._chars = 0
        self.final: Raw | None = None

    @property
    def value_field(self) -> str | None:
        """The field of a call's arguments or input; None for items that are no such call."""
        return _VALUE_FIELD.get(self.type)

    def parts(self, kind: PartKind) -> dict[int, ToldPart]:
        """Returns the list that parts of a kind stand in, by the upstream's index."""
        return self.summary if kind == SUMMARY else self.content

    def end(self, final: Raw) -> None:
        """Takes the item's final form, in which all is that was told: the pieces are forgotten."""
        self._chars = self.chars()
        self.final = final
        self.content.clear()
        self.summary.clear()
        self.value.clear()

    def chars(self) -> int:
        """Returns how many characters the model wrote for it, as far as that was told."""
        if self.final is not None:
            return self._chars
        texts = sum(len(part.text()) for part in (*self.content.values(), *self.summary.values()))
        return texts + sum(map(len, self.value))

    def to_dict(self, status: ItemStatus) -> dict[str, Any]:
        """Returns the item as far as it was told; as the upstream itself told it once it is done."""
        if self.final is not None:
            done: dict[str, Any] = msgspec.json.decode(self.final)
            return done
        item = {**self.head, "id": self.id, "type": self.type, "status": status}
        if self.type == "message":
            item["role"] = "assistant"
        if self.type in ("message", "reasoning"):
            item["content"] = [part.to_dict() for part in self.content.values()]
        if self.type == "reasoning":
            item["summary"] = [part.to_dict() for part in self.summary.values()]
        if self.value_field is not None:
            item[self.value_field] = "".join(self.value)
        return item

    def empty_dict(self) -> dict[str, Any]:
        """Returns the item as it is when it is added: nothing in it yet."""
        item: dict[str, Any] = {**self.head, "id": self.id, "type": self.type}
        if self.type in ("message", "reasoning", *_VALUE_FIELD):
            item["status"] = "in_progress"
        if self.type == "message":
            item["role"] = "assistant"
        if self.type in ("message", "reasoning"):
            item["content"] = []
        if self.type == "reasoning":
            item["summary"] = []
        if self.value_field is not None:
            item[self.value_field] = ""
        return item


def new_id(type: str) -> str:
    """Returns a fresh id for an item of a type, in OpenAI's form."""
    return f"{_PREFIX.get(type, 'item')}_{secrets.token_hex(24)}"
