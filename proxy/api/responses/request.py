"""A request of the Responses API: its fields and items, read when somebody asks for them.

The JSON in `fields` is the truth. What was decoded from it is kept beside it and thrown away when the JSON is another,
so that stages may set fields as they like.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, Self, cast

import msgspec

from ...request import Fields, InputText, ModelRequest
from .. import invalid
from ..raw import ABSENT, Raw, given
from ..texts import Keys, field_texts, path_of
from .echo import echo
from .fields import FIELDS, LIMIT_ALIASES, ReasoningSettings, TextSettings
from .items import (
    AdditionalTools,
    Compaction,
    ConfigurationUpdate,
    Item,
    ItemReference,
    Message,
    PlainMessage,
    ToolSearchOutput,
    decode_item,
    item_paths,
    plain_messages,
    user_message,
)
from .long_input import LONG, read_long
from .texts import NO_TEXTS, TextPlace, item_texts, replaced
from .tools import Tool, declared
from .turns import Turn, assemble
from .validate import validate

_decode_list = msgspec.json.Decoder(list[Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_MESSAGE = b'{"type":"message","role":"user","content":'
_NO_REASONING, _NO_TEXT = ReasoningSettings(), TextSettings()
_STANDING_FOR_OTHERS = frozenset((ItemReference, Compaction))
_BRINGING_TOOLS = frozenset((AdditionalTools, ToolSearchOutput))
_TRUE, _FALSE = Raw(b"true"), Raw(b"false")


class _Input(msgspec.Struct):
    """What was read in an input. Requests of one input share it; who changes something makes another one.

    It was read `of` some JSON. `raws` are its items as JSON, parted when somebody asks where they are plain. It
    `is_text` where it is a string; `is_plain` as `ResponsesRequest.is_plain` says; it has `updates` where settings
    stand among its items. `turns` are those without and with images.
    """

    of: Raw | None
    items: list[Item]
    raws: list[Raw] | None = None
    is_text: bool = False
    is_plain: bool = False
    updates: bool = False
    turns: dict[bool, tuple[list[Turn], list[str]]] = {}


_UNREAD = _Input(Raw(), [])  # of JSON that no request has


class ResponsesRequest(ModelRequest):
    """One request of the Responses API. One that only `warms_up` asks for no answer, and may come without any input.

    It `was_instructed` where a stage has added instructions to the client's.
    """

    __slots__ = (
        "_fields",
        "_input",
        "_input_changed",
        "_said_instructions",
        "_tools",
        "_values",
        "warms_up",
        "was_instructed",
    )

    dialect = "responses"
    known = frozenset((*FIELDS, *LIMIT_ALIASES))

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._input = _UNREAD
        self._input_changed = False  # since the field was written
        self._values: dict[str, tuple[Raw, Any]] = {}
        self._tools: tuple[Raw | None, Raw | None, list[Tool]] | None = None
        self._said_instructions: Raw | None = None
        self.was_instructed = False
        self.warms_up = False

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Returns the request of a JSON body; raises BadRequest (`invalid_json`) when it is no JSON object."""
        long = read_long(body) if len(body) >= LONG else None
        if long is None:
            return super().parse(body)
        made = cls(long.fields)
        made._input = _plain_input(long.fields["input"], long.input)
        return made

    @property
    def fields(self) -> Fields:
        """The body's top-level keys; `input` is written anew here after texts in it were replaced."""
        if self._input_changed:
            self._input_changed = False
            self._input.of = self._fields["input"] = Raw(msgspec.json.encode(self._input.raws))
        return self._fields

    @fields.setter
    def fields(self, fields: Fields) -> None:
        """Puts other fields in their place; what was decoded from the old ones is noticed by its JSON."""
        self._fields = fields

    def value(self, name: str) -> Any:
        """Returns a known field decoded and checked, None when it is absent or null; raises BadRequest."""
        raw = self._fields.get(name) if name != "input" else self.fields.get(name)
        if raw is None:
            return None
        known = self._values.get(name)
        if known is not None and known[0] is raw:
            return known[1]
        value = FIELDS[name].read(raw, name)
        self._values[name] = (raw, value)
        return value

    @property
    def items(self) -> list[Item]:
        """The items of `input`; a string is one message of the user. Raises BadRequest."""
        return self._read().items

    def _read(self) -> _Input:
        """Returns what is in the input. Raises BadRequest."""
        raw, found = self._fields.get("input"), self._input
        if raw is not found.of:
            found = self._input = _input_of(raw)
        return found

    @property
    def raw_items(self) -> list[Raw]:
        """The items of `input` as JSON. Raises BadRequest."""
        found = self._read()
        if found.raws is None:
            raw = self._fields["input"]
            if found.is_text:
                found.raws = [Raw(b"".join((_MESSAGE, raw, b"}")))] if found.items else []
            elif len(found.items) == 1:
                found.raws = [Raw(bytes(raw)[1:-1].strip())]
            else:
                found.raws = _raw_items(raw)
        return found.raws

    @property
    def is_plain(self) -> bool:
        """Whether the input is messages of text and nothing else, at least one. Raises BadRequest.

        Such an input is right as it is: nothing in it has to be looked for.
        """
        return self._read().is_plain

    def has_any(self, names: frozenset[str]) -> bool:
        """Tells whether one of these fields is there."""
        return not names.isdisjoint(self._fields)

    def says_only(self, names: frozenset[str]) -> bool:
        """Tells whether no other fields than these are there, and the input is plain. Raises BadRequest.

        Where there are others the input is not looked at.
        """
        if not names.issuperset(self._fields):
            return False
        raw, found = self._fields.get("input"), self._input  # as `_read` does, in one call: it is asked at each step
        if raw is not found.of:
            found = self._input = _input_of(raw)
        return found.is_plain

    @property
    def model(self) -> str:
        """The name of the model as the client asked for it; raises BadRequest when it is missing or no string."""
        raw = self._fields.get("model")
        known = self._values.get("model")
        if raw is None or known is None or known[0] is not raw or not known[1]:
            known = self._values["model"] = (raw or ABSENT, _text_of(raw) or super().model)
        model: str = known[1]
        return model

    @property
    def stream(self) -> bool:
        """Whether the client wants a stream; raises BadRequest when the field is no boolean."""
        raw = self._fields.get("stream")
        if raw is None or raw == _FALSE:
            return False
        return raw == _TRUE or bool(self.value("stream"))

    def refers(self) -> bool:
        """Tells whether something stands in the input for other items, which are not there yet."""
        return not _STANDING_FOR_OTHERS.isdisjoint(map(type, self.items))

    def put_items(self, items: list[Raw]) -> None:
        """Puts other items in the place of the input."""
        self.fields["input"] = Raw(b"[" + b",".join(items) + b"]")

    def turns(self, *, images: bool = False) -> tuple[list[Turn], list[str]]:
        """Returns the items as turns, and what of them no turn can hold (`input[2]: web_search_call`).

        With `images` they hold those that a model has made. Raises BadRequest when calls and outputs do not belong
        together.
        """
        found = self._read()
        known = found.turns.get(images)
        if known is None:
            dropped: list[str] = []
            known = found.turns[images] = (assemble(found.items, dropped.append, images=images), dropped)
        return known

    @property
    def tools(self) -> list[Tool]:
        """All tools that can be called, wherever they were declared, flat. Raises BadRequest."""
        fields = self.fields
        request, given_input = fields.get("tools"), fields.get("input")
        known = self._tools
        if known is not None and known[0] is request and known[1] is given_input:
            return known[2]
        if request is None and self.is_plain:
            return []
        tools = declared(self.value("tools") or (), "tools")
        taken = {(tool.namespace, tool.name) for tool in tools}
        items = self.items
        bring_tools = not _BRINGING_TOOLS.isdisjoint(map(type, items))
        for index, item in enumerate(items if bring_tools else ()):
            if isinstance(item, (AdditionalTools, ToolSearchOutput)):
                # a tool that is found again, or was there already, is one tool
                for tool in declared(item.tools, f"input[{index}].tools"):
                    if (tool.namespace, tool.name) not in taken:
                        taken.add((tool.namespace, tool.name))
                        tools.append(tool)
        self._tools = (request, given_input, tools)
        return tools

    @property
    def max_output_tokens(self) -> int | None:
        """The limit of the answer, also under the names that chat completions have for it."""
        for name in LIMIT_ALIASES:
            raw = self._fields.get(name)
            if raw is not None and given(raw):
                value: int = FIELDS["max_output_tokens"].read(raw, name)
                return value
        return None

    @property
    def reasoning(self) -> ReasoningSettings:
        """The settings in force: the request's, or those of the last update in the input."""
        settings: ReasoningSettings = self.value("reasoning") or _NO_REASONING
        update = self._update("reasoning")
        if update is not None:
            settings = msgspec.structs.replace(settings, effort=update.effort)
        return settings

    @property
    def text(self) -> TextSettings:
        """The settings in force: the request's, or those of the last update in the input."""
        settings: TextSettings = self.value("text") or _NO_TEXT
        update = self._update("text")
        if update is not None and update.format is not None:
            settings = msgspec.structs.replace(settings, format=update.format)
        return settings

    @property
    def updates_settings(self) -> bool:
        """Whether settings stand among the items of the input."""
        return self._read().updates

    def _update(self, name: Literal["reasoning", "text"]) -> Any:
        """Returns the last `configuration_update` that says something of a field."""
        if not self.updates_settings:
            return None
        items = self.items
        for index in range(len(items) - 1, -1, -1):
            item = items[index]
            if isinstance(item, ConfigurationUpdate):
                raw: Raw = getattr(item, name)
                if given(raw):
                    return FIELDS[name].read(raw, f"input[{index}].{name}")
        return None

    def wants(self, output: str) -> bool:
        """Tells whether `include` asks for something."""
        return output in (self.value("include") or ())

    @property
    def client_instructions(self) -> str | None:
        """The instructions as the client gave them, without what a stage has added."""
        if not self.was_instructed:
            instructions: str | None = self.value("instructions")
            return instructions
        said = self._said_instructions
        return _decode_text(said) if said is not None and given(said) else None

    def validate(self) -> None:
        """Raises BadRequest for the first thing in the request that cannot be served."""
        validate(self)

    def echo(self) -> dict[str, Any]:
        """Returns the fields of the Response object that come from the request, with the defaults in force."""
        return echo(self)

    def texts(self) -> Iterator[InputText]:
        """Yields every text the model would read in instructions and items: of messages, calls and what came back."""
        if "instructions" in self._fields and (instructions := self.value("instructions")):
            yield TextPlace(self, "instructions", ("instructions",), instructions)
        found = self._read()
        if found.is_text:
            for item in found.items:
                assert isinstance(item, Message)
                yield TextPlace(self, "input", ("input",), str(item.content))
            return
        for index, item in enumerate(found.items):
            path = f"input[{index}]"
            if isinstance(item, Message) and isinstance(item.content, str):
                yield TextPlace(self, path + ".content", ("input", index, "content"), item.content)
                continue
            for keys, text in item_texts(item, self.raw_items[index], path):
                yield TextPlace(self, path + path_of(keys), ("input", index, *keys), text)

    def more_texts(self) -> Iterable[InputText]:
        """Returns the texts of all other fields: tools, the variables of a prompt, the form of the answer, metadata."""
        others = self._fields.keys() - NO_TEXTS
        return field_texts(self, others) if others else ()

    def put_texts(self, texts: Sequence[tuple[Keys, str]]) -> None:
        """Puts other texts where keys lead to."""
        of_items: dict[int, list[tuple[Keys, str]]] = {}
        for keys, text in texts:
            if len(keys) == 1:
                self.set(str(keys[0]), text)
            else:
                of_items.setdefault(int(keys[1]), []).append((keys[2:], text))
        if not of_items:
            return
        raws, found = list(self.raw_items), self._read()
        items = list(found.items)
        for index, some in of_items.items():
            raws[index] = raw = replaced(raws[index], some)
            items[index] = decode_item(raw, f"input[{index}]")
        self._input = _Input(found.of, items, raws, found.is_text, updates=found.updates)
        self._input_changed = True  # the input is joined again when somebody reads it, not once a text

    def add_instructions(self, text: str, where: Literal["prepend", "append"]) -> None:
        """Puts a system text before or after the client's `instructions`; without any it stands in their place.

        The client does not see it: the Response shows the instructions that the client gave.
        """
        if not self.was_instructed:
            self._said_instructions = self.fields.get("instructions")
            self.was_instructed = True
        there = self.value("instructions")
        if there:
            text = f"{text}\n\n{there}" if where == "prepend" else f"{there}\n\n{text}"
        self.set("instructions", text)

    def copy(self) -> Self:
        """Returns a copy whose changes do not show in this one; what was decoded is shared."""
        twin = type(self).__new__(type(self))
        twin._fields = dict(self.fields)
        twin._input = self._input
        twin._input_changed = False
        twin._values, twin._tools = self._values, self._tools  # each says what it is of
        twin._said_instructions = self._said_instructions
        twin.was_instructed = self.was_instructed
        twin.warms_up = self.warms_up
        return twin

    def forget(self) -> None:
        """Lets go of items, turns, tools and values."""
        _ = self.fields  # in which texts that were replaced are written down
        self._input, self._values, self._tools = _UNREAD, {}, None


def _text_of(raw: Raw | None) -> str | None:
    """Returns the text that a field is; None where it is anything else, or nothing."""
    try:
        return None if raw is None else _decode_text(raw)
    except invalid.UNREADABLE:
        return None


def _input_of(raw: Raw | None) -> _Input:
    """Returns what is in the JSON of an input. Raises BadRequest."""
    plain = None if raw is None else plain_messages(raw)
    if raw is not None and plain is not None:
        return _plain_input(raw, plain)
    raws = _raw_items(raw)
    items = list(map(decode_item, raws, item_paths()))
    return _Input(raw, items, raws, updates=ConfigurationUpdate in map(type, items))


def _plain_input(raw: Raw, plain: str | list[PlainMessage]) -> _Input:
    """Returns an input of messages of text, which was read at once."""
    if not plain:
        return _Input(raw, [], is_text=plain == "")
    if isinstance(plain, str):
        return _Input(raw, [user_message(plain)], is_text=True, is_plain=True)
    return _Input(raw, cast(list[Item], plain), is_plain=True)


def _raw_items(raw: Raw | None) -> list[Raw]:
    """Returns the items of an `input` that is a list, each still JSON."""
    if raw is None or not given(raw):
        return []
    try:
        return _decode_list(raw)
    except invalid.UNREADABLE as error:
        raise _wrong_input(error) from None


def _wrong_input(error: Exception) -> Exception:
    if isinstance(error, msgspec.ValidationError):
        got = str(error).partition("got ")[2].strip("`") or "something else"
        noun = {"int": "an integer", "float": "a decimal", "bool": "a boolean", "object": "an object"}.get(got, got)
        return invalid.wrong_type("input", "one of a string or an array of items", noun)
    return invalid.from_decoding(error, "input")
