"""The top-level fields of a Responses request: their types, ranges and values, as one table.

`FIELDS` says what each known field may hold; what the fields mean is said where they are used. A key that is not in
the table is not part of the API.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from .. import invalid
from ..raw import ABSENT, Raw

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
VERBOSITIES = ("low", "medium", "high")
INCLUDABLE = (
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results",
)
LIMIT_ALIASES = ("max_output_tokens", "max_completion_tokens", "max_tokens")
"""Names of the answer's limit: the API's own, and those that it has in chat completions."""
_SUMMARIES = ("auto", "concise", "detailed")
_CONTEXTS = ("auto", "current_turn", "all_turns")
_FORMATS = ("text", "json_object", "json_schema")
_MODES = ("score", "block")
_MAX_NAME = 64
_MIN_THRESHOLD = 1000


class TextFormat(msgspec.Struct, omit_defaults=True):
    """The form of the answer: text, JSON, or JSON of a schema (which then has a `name`)."""

    type: str
    name: str | None = None
    description: str | None = None
    schema: Raw = ABSENT
    strict: bool | None = None


class TextSettings(msgspec.Struct):
    """What the answer's text should be like."""

    format: TextFormat | None = None
    verbosity: str | None = None


class ReasoningSettings(msgspec.Struct):
    """How much to think, and whether to show it. `generate_summary` is the old name of `summary`."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None
    context: str | None = None
    mode: str | None = None


class StreamOptions(msgspec.Struct):
    """Settings of the event stream."""

    include_obfuscation: bool | None = None


class BackgroundOptions(msgspec.Struct):
    """When a background response is wanted."""

    completion_window: str | None = None


class ContextManagement(msgspec.Struct):
    """When the conversation is to be made short: over so many tokens of input."""

    type: str
    compact_threshold: int | None = None


class ConversationParam(msgspec.Struct):
    """A conversation by its id."""

    id: str


class ModerationMode(msgspec.Struct):
    """`score` or `block`."""

    mode: str | None = None


class ModerationPolicy(msgspec.Struct):
    """What moderation does with the prompt and with the answer."""

    input: ModerationMode | None = None
    output: ModerationMode | None = None


class Moderation(msgspec.Struct):
    """Moderation of the exchange by the server."""

    model: str | None = None
    policy: ModerationPolicy | None = None


Check = Callable[[Any, str], None]


def _as_it_is(raw: Raw) -> Raw:
    """Returns JSON of whatever kind: it was read with the body, and is long where it is the input."""
    return raw


class Field:
    """What one field may hold. `type` is decoded strictly, and null is always taken for absent."""

    __slots__ = ("any_value", "check", "decode", "high", "low", "max_length", "options")

    def __init__(
        self,
        type: Any,
        *,
        low: float | None = None,
        high: float | None = None,
        options: tuple[str, ...] = (),
        max_length: int | None = None,
        check: Check | None = None,
    ) -> None:
        self.decode: Callable[[Raw], Any] = _as_it_is if type is Raw else msgspec.json.Decoder(type | None).decode
        self.low = low
        self.high = high
        self.options = options
        self.max_length = max_length
        self.check = check
        self.any_value = low is None and high is None and max_length is None and check is None and not options

    def read(self, raw: Raw, path: str) -> Any:
        """Returns the value of the field's JSON; raises BadRequest when it is of a wrong type, range or length."""
        try:
            value = self.decode(raw)
        except invalid.UNREADABLE as error:
            raise invalid.from_decoding(error, path) from None
        if value is None or self.any_value:
            return value
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            raise invalid.out_of_range(path, value, self.low, self.high)
        if self.options and value not in self.options:
            raise invalid.bad_value(path, value, self.options)
        if self.max_length is not None and len(value) > self.max_length:
            raise invalid.too_long(path, len(value), self.max_length)
        if self.check is not None:
            self.check(value, path)
        return value


def _one_of(value: str | None, path: str, options: tuple[str, ...]) -> None:
    if value is not None and value not in options:
        raise invalid.bad_value(path, value, options)


def _check_text(text: TextSettings, path: str) -> None:
    _one_of(text.verbosity, f"{path}.verbosity", VERBOSITIES)
    form = text.format
    if form is None:
        return
    where = f"{path}.format"
    _one_of(form.type, f"{where}.type", _FORMATS)
    if form.type != "json_schema":
        return
    if not form.name:
        raise invalid.missing(f"{where}.name")
    if len(form.name) > _MAX_NAME:
        raise invalid.too_long(f"{where}.name", len(form.name), _MAX_NAME)
    schema = bytes(form.schema).lstrip()
    if schema in (b"", b"null"):
        raise invalid.missing(f"{where}.schema")
    if not schema.startswith(b"{"):
        raise invalid.wrong_type(f"{where}.schema", "an object")


def _check_reasoning(reasoning: ReasoningSettings, path: str) -> None:
    _one_of(reasoning.effort, f"{path}.effort", EFFORTS)
    _one_of(reasoning.summary, f"{path}.summary", _SUMMARIES)
    _one_of(reasoning.generate_summary, f"{path}.generate_summary", _SUMMARIES)
    _one_of(reasoning.context, f"{path}.context", _CONTEXTS)


def _check_metadata(metadata: dict[str, str], path: str) -> None:
    if len(metadata) > 16:
        raise invalid.too_long(path, len(metadata), 16, "object")
    for key, value in metadata.items():
        if len(key) > 64:
            raise invalid.too_long(f"{path}.{key[:64]}", len(key), 64)
        if len(value) > 512:
            raise invalid.too_long(f"{path}.{key}", len(value), 512)


def _check_management(entries: list[ContextManagement], path: str) -> None:
    for index, entry in enumerate(entries):
        _one_of(entry.type, f"{path}[{index}].type", ("compaction",))
        threshold = entry.compact_threshold
        if threshold is not None and threshold < _MIN_THRESHOLD:
            raise invalid.out_of_range(f"{path}[{index}].compact_threshold", threshold, _MIN_THRESHOLD, None)


def _check_include(include: list[str], path: str) -> None:
    for index, name in enumerate(include):
        _one_of(name, f"{path}[{index}]", INCLUDABLE)


def _check_moderation(moderation: Moderation, path: str) -> None:
    policy = moderation.policy
    if policy is None:
        return
    for side, mode in (("input", policy.input), ("output", policy.output)):
        if mode is not None:
            _one_of(mode.mode, f"{path}.policy.{side}.mode", _MODES)


FIELDS: Mapping[str, Field] = {
    "access_programs": Field(Raw),
    "background": Field(bool),
    "background_options": Field(BackgroundOptions),
    "context_management": Field(list[ContextManagement], check=_check_management),
    "conversation": Field(str | ConversationParam),
    "frequency_penalty": Field(float, low=-2, high=2),
    "include": Field(list[str], check=_check_include),
    "input": Field(Raw),
    "instructions": Field(str),
    "max_output_tokens": Field(int, low=1),
    "max_tool_calls": Field(int, low=1),
    "metadata": Field(dict[str, str], check=_check_metadata),
    "model": Field(str),
    "moderation": Field(Moderation, check=_check_moderation),
    "n": Field(int, low=1),
    "parallel_tool_calls": Field(bool),
    "presence_penalty": Field(float, low=-2, high=2),
    "previous_response_id": Field(str),
    "prompt": Field(Raw),
    "prompt_cache_key": Field(str, max_length=64),
    "prompt_cache_options": Field(Raw),
    "prompt_cache_retention": Field(str, options=("in_memory", "in-memory", "24h")),
    "reasoning": Field(ReasoningSettings, check=_check_reasoning),
    "safety_identifier": Field(str, max_length=128),
    "service_tier": Field(str, options=("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")),
    "store": Field(bool),
    "stream": Field(bool),
    "stream_options": Field(StreamOptions),
    "temperature": Field(float, low=0, high=2),
    "text": Field(TextSettings, check=_check_text),
    "tool_choice": Field(Raw),
    "tools": Field(list[Raw]),
    "top_logprobs": Field(int, low=0, high=20),
    "top_p": Field(float, low=0, high=1),
    "truncation": Field(str, options=("auto", "disabled")),
    "user": Field(str),
}
